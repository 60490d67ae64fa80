import type { AudioTap, LiveCall, SupervisorCommand } from '../ports/live-calls.js';
import type { ClaimedSession } from '../ports/media-session.js';
import { CallEnding } from './call-ending.js';
import { CallJournal } from './call-journal.js';
import { CallerSide, type StreamSocket } from './caller-side.js';
import { Conversation } from './conversation.js';
import { Deadlines, type Ticking } from './deadlines.js';
import type { CallParts, EngineContext } from './engine-context.js';
import { superviseCall } from './supervision.js';
import type { TwilioMessage } from './twilio-frames.js';

/** The owner's sign of life. */
const BEAT_MS = 5_000;
/** After the stream's end: for the last transcription of the caller. */
const LAST_WORDS_MS = 1_000;

/**
 * One media stream joined to one conversation, from `start` to the moment when both sockets are closed and everything
 * is written. However the end comes (stop, close, takeover, shutdown), and however often, it happens once.
 */
export class CallBridge implements LiveCall, Ticking {
  readonly tenantId: string;
  readonly callId: string;
  readonly sessionId: string;
  /** Resolves when nothing of this call is left in the process. */
  readonly gone: Promise<void>;
  private readonly parts: CallParts;
  private readonly conversation: Conversation;
  private resolveGone: () => void = () => {};
  private state: 'live' | 'ending' | 'closed' = 'live';
  private endedBy: 'stop' | 'close' = 'close';
  private beating = false;
  /** Commands that are being carried out: their acknowledgement comes before the end of the log. */
  private readonly commands = new Set<Promise<void>>();

  constructor(
    private readonly claimed: ClaimedSession,
    socket: StreamSocket,
    private readonly context: EngineContext,
  ) {
    const { plan, recorder, control } = claimed;
    ({ tenantId: this.tenantId, callId: this.callId, sessionId: this.sessionId } = plan);
    this.gone = new Promise((resolve) => {
      this.resolveGone = resolve;
    });
    const log = context.log.child({ tenantId: plan.tenantId, callId: plan.callId, sessionId: plan.sessionId });
    const deadlines = new Deadlines(context.clock);
    this.parts = {
      plan,
      control,
      context,
      log,
      deadlines,
      journal: new CallJournal(plan, recorder, context.clock),
      ending: new CallEnding({ control, deadlines, log }, () => this.end('close')),
      caller: new CallerSide(socket, plan.streamSid, context.metrics),
    };
    this.conversation = new Conversation(this.parts);
    recorder.onSuperseded(() => this.yield());
  }

  get isLive(): boolean {
    return this.state === 'live';
  }

  start(): void {
    const { plan, journal } = this.parts;
    if (plan.resumed) journal.append('MediaResumed', { streamSid: plan.streamSid, generation: plan.generation });
    else journal.append('SessionStarted', { model: plan.model, voice: plan.voice, streamSid: plan.streamSid });
    this.context.metrics.bridgeOpened();
    this.context.ticker.add(this);
    this.scheduleBeat();
    this.conversation.start();
  }

  /** A message of Twilio's. Those of another stream and those after the end change nothing. */
  receive(message: TwilioMessage): void {
    if (this.state !== 'live' || !('streamSid' in message) || message.streamSid !== this.parts.plan.streamSid) return;
    switch (message.event) {
      case 'media':
        return this.conversation.callerAudio(message.payload, message.timestampMs);
      case 'mark':
        return this.conversation.marked(message.name);
      case 'dtmf':
        return this.conversation.callerDigit(message.digit);
      case 'stop':
        return this.end('stop');
      case 'start':
    }
  }

  /** The socket closed, with or without a `stop` before. */
  socketClosed(): void {
    this.end('close');
  }

  tick(nowMs: number): void {
    this.parts.deadlines.tick(nowMs);
    if (this.state === 'live') this.conversation.tick(nowMs);
    else if (this.state === 'ending' && !this.conversation.wordsPending) this.finish();
  }

  command(command: SupervisorCommand): Promise<void> {
    const done = superviseCall(this.parts, this.conversation, () => this.isLive, command);
    this.commands.add(done);
    const forget = (): void => void this.commands.delete(done);
    done.then(forget, forget);
    return done;
  }

  addTap(listener: AudioTap): () => void {
    return this.parts.caller.addTap(listener);
  }

  phonePresent(phoneId: string): boolean {
    return this.isLive && this.conversation.phone.present(phoneId);
  }

  phoneAudio(phoneId: string, base64: string): void {
    if (this.isLive) this.conversation.phone.hear(phoneId, base64);
  }

  phoneGone(phoneId: string): void {
    if (this.isLive) this.conversation.phone.gone(phoneId, 'the phone hung up');
  }

  /** The process goes away: Twilio asks the resume route, where another one takes over. The session lives on. */
  handOver(): void {
    this.end('close');
  }

  /** A newer owner writes the log from here on: let go without a word. */
  private yield(): void {
    if (this.state === 'closed') return;
    this.parts.journal.close();
    this.silence('taken over');
    void this.release().finally(this.resolveGone);
  }

  private end(by: 'stop' | 'close'): void {
    if (this.state !== 'live') return;
    this.state = 'ending';
    this.endedBy = by;
    this.silence('call ended');
    // The model socket stays open for a moment: the caller's last words may still be transcribed.
    if (this.conversation.wordsPending) this.parts.deadlines.after('last-words', LAST_WORDS_MS, () => this.finish());
    else this.finish();
  }

  /** The caller hears and is heard no more. */
  private silence(reason: string): void {
    this.parts.deadlines.clear();
    this.conversation.end(this.parts.caller.close(1000, reason, this.nowMs), this.nowMs);
  }

  private finish(): void {
    if (this.state !== 'ending') return;
    void Promise.allSettled([this.release(), ...this.commands])
      .then(() => this.report())
      .finally(this.resolveGone);
  }

  /** Both sockets are closed, nothing waits any more; resolves when what still ran is recorded. */
  private release(): Promise<void> {
    this.state = 'closed';
    this.parts.deadlines.clear();
    this.context.ticker.remove(this);
    this.context.metrics.bridgeClosed();
    return this.conversation.close(this.nowMs);
  }

  private async report(): Promise<void> {
    const { log, journal, control, ending } = this.parts;
    try {
      await journal.flush();
      await control.streamEnded({ by: this.endedBy, ended: ending.reason });
    } catch (error) {
      log.error({ err: error }, 'the end of a media stream could not be reported');
    }
  }

  private scheduleBeat(): void {
    this.parts.deadlines.after('beat', BEAT_MS, () => {
      this.scheduleBeat();
      if (this.beating) return;
      this.beating = true;
      this.parts.control
        .beat()
        .catch((error: unknown) => this.parts.log.warn({ err: error }, 'the sign of life was not stored'))
        .finally(() => (this.beating = false));
    });
  }

  private get nowMs(): number {
    return this.context.clock.monotonicMs();
  }
}
