import type { CarrierCallUpdate } from '../../ports/carrier.js';
import type { Logger } from '../../ports/logger.js';
import type { RealtimeModel } from '../../ports/realtime-model.js';
import type {
  SyntheticCaller,
  SyntheticCallEnd,
  SyntheticCallPlan,
  SyntheticCallResult,
  SyntheticPerson,
} from '../../ports/synthetic-caller.js';
import type { SimulatedCall } from '../carrier/call.js';
import { ScriptedCaller, type Handset, type Step } from '../carrier/caller.js';
import { CarrierSimulator } from '../carrier/server.js';
import { ImprovisingCaller } from './improvising-caller.js';
import { SpokenLines } from './spoken-lines.js';

export interface LoopbackCallerOptions {
  /** Speaks for the callers. */
  model: RealtimeModel;
  /** Origin of the URLs in the gateway's answers. */
  publicUrl: string;
  /** Where the gateway is really reached, on this machine; resolves once it listens. */
  localOrigin: Promise<string>;
  log: Logger;
  /** Calls run so many times faster than real ones; for tests. */
  speed?: number;
}

/**
 * On a machine that is late a call gets slower instead of catching up: made-up ticks are silence, in which the caller would
 * take an agent whose audio is late as well for one that has finished speaking.
 */
const MAX_CATCH_UP = 4;
/** The agent has said its part when it was quiet for so long; one that does not greet is not waited for. */
const TURN_END_MS = 1_200;
const GREETING_WAIT_MS = 6_000;
const ANSWER_WAIT_MS = 20_000;
/** After the last line: for an answer to it, and for an agent that hangs up by itself. */
const LEAVE_AFTER_MS = 4_000;

/** One person with a telephone, and how to let go of what plays them. */
interface Person {
  handset: Handset;
  /** Why they hung up, when something was wrong. */
  problem(): string | null;
  close(): void;
}

/**
 * Synthetic calls over the gateway's own doors on this machine: the built-in carrier places each, signed as the synthetic
 * account, through the webhook, the TwiML and the media stream of any other call. A carrier serves one call and has no
 * REST API: what would be asked of it comes through {@link LoopbackCaller.update}.
 */
export class LoopbackCaller implements SyntheticCaller {
  readonly provider: 'openai' | 'simulator';
  private readonly lines = new Map<string, SimulatedCall>();
  /** Calls that the gateway itself ended. */
  private readonly ended = new Set<string>();
  private readonly voice: SpokenLines;

  constructor(private readonly options: LoopbackCallerOptions) {
    this.provider = options.model.provider;
    this.voice = new SpokenLines(options.model);
  }

  async call(plan: SyntheticCallPlan, signal: AbortSignal): Promise<SyntheticCallResult> {
    const failed = (end: SyntheticCallEnd, error: unknown): SyntheticCallResult => {
      this.options.log.warn({ err: error, callId: plan.callId }, 'a synthetic call could not be played');
      return { end, dialed: [], said: [], problem: error instanceof Error ? `${error.message}.` : null };
    };
    let person: Person;
    try {
      person = await this.person(plan.caller, plan.model);
    } catch (error) {
      return failed('no_caller', error);
    }
    try {
      return await this.place(plan, person, signal);
    } catch (error) {
      return failed('broken', error);
    } finally {
      person.close();
    }
  }

  update(callSid: string, update: CarrierCallUpdate): boolean {
    const call = this.lines.get(callSid);
    if (call === undefined || call.over) return false;
    if ('status' in update) {
      this.ended.add(callSid);
      call.hangUp();
    } else call.redirect(update);
    return true;
  }

  private async place(plan: SyntheticCallPlan, person: Person, signal: AbortSignal): Promise<SyntheticCallResult> {
    const { publicUrl, speed = 1 } = this.options;
    const connectTo = redirection(publicUrl, await this.options.localOrigin);
    const carrier = new CarrierSimulator({ speed, maxCatchUp: MAX_CATCH_UP, sayMsPerCharacter: 0, connectTo });
    carrier.tokens.set(plan.account.accountSid, plan.account.authToken);
    carrier.numbers.set(plan.to, {
      accountSid: plan.account.accountSid,
      voiceUrl: `${publicUrl}/api/v1/incoming-call?call_id=${plan.callId}`,
      fallbackUrl: null,
      statusCallback: null,
    });
    const call = carrier.startInboundCall({ from: 'anonymous', to: plan.to, handset: person.handset });
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      call.hangUp();
    }, plan.maxDurationMs / speed);
    const abort = () => call.hangUp();
    signal.addEventListener('abort', abort);
    this.lines.set(call.sid, call);
    try {
      if (!signal.aborted) await call.run();
      const end = signal.aborted ? 'aborted' : timedOut ? 'timeout' : await this.endOf(call);
      return { end, dialed: call.dialed, said: call.said, problem: person.problem() ?? call.badAnswers[0] ?? null };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      this.lines.delete(call.sid);
      this.ended.delete(call.sid);
      await carrier.stop();
    }
  }

  private async endOf(call: SimulatedCall): Promise<SyntheticCallEnd> {
    const streams = await Promise.all(call.streams.map((stream) => stream.ended));
    if (streams.every((end) => end === 'refused')) return 'not_connected';
    if (call.dialed.length > 0) return 'led_away';
    if (this.ended.has(call.sid)) return 'agent';
    return streams.at(-1) === 'hang-up' ? 'caller' : 'broken';
  }

  private async person(caller: SyntheticPerson, model: string): Promise<Person> {
    if (caller.kind === 'lines') {
      const handset = new ScriptedCaller(stepsFor(await this.audioOf(caller.lines, model)));
      return { handset, problem: () => null, close: () => {} };
    }
    const handset = new ImprovisingCaller(this.options.model, { persona: caller.persona, model });
    await handset.whenReady().catch((error: unknown) => {
      handset.close();
      throw error;
    });
    return { handset, problem: () => handset.problem, close: () => handset.close() };
  }

  private audioOf(lines: readonly { text: string; audio: string | null }[], model: string): Promise<Buffer[]> {
    return Promise.all(
      lines.map(async ({ text, audio }) =>
        audio === null ? this.voice.say(text, model) : Buffer.from(audio, 'base64'),
      ),
    );
  }
}

/** Leads URLs of one origin, webhooks and sockets, to another; URLs elsewhere stay as they are. */
function redirection(from: string, to: string): (url: string) => string {
  const socket = (origin: string) => origin.replace(/^http/, 'ws');
  return (url) => {
    if (url.startsWith(`${from}/`)) return to + url.slice(from.length);
    return url.startsWith(`${socket(from)}/`) ? socket(to) + url.slice(socket(from).length) : url;
  };
}

/** Each line when the agent has finished speaking, then the end. */
function stepsFor(lines: readonly Buffer[]): Step[] {
  return [
    ...lines.flatMap((say, index): Step[] => [
      { waitForAgent: TURN_END_MS, orAfter: index === 0 ? GREETING_WAIT_MS : ANSWER_WAIT_MS },
      { say },
    ]),
    { waitForAgent: LEAVE_AFTER_MS, orAfter: ANSWER_WAIT_MS },
    { hangUp: true },
  ];
}
