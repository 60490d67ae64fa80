import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SimulatedCall, type CallOptions } from './call.js';
import type { Handset } from './caller.js';
import { seededChance } from './chance.js';
import { Conference } from './conference.js';
import { noCarrierFaults, type CarrierFaults } from './faults.js';
import { detectionMs, type AnsweredBy } from './machine-detection.js';
import { MAX_CATCH_UP, Pacer } from './pacer.js';
import { serveRest } from './rest.js';
import { signatureOf } from './signing.js';
import { VERBS } from './verbs.js';
import { WebhookClient, WebhookFailure, type WebhookAnswer } from './webhook-client.js';

export interface CarrierSimulatorOptions {
  port?: number;
  /** Media and pauses run so many times faster than a real line. */
  speed?: number;
  /** Ticks of 20 ms that a late machine makes up for; what is more is lost, as on a real line. */
  maxCatchUp?: number;
  sayMsPerCharacter?: number;
  /** How long a `<Dial>` lasts that nobody in particular answers. */
  bridgedMs?: number;
  ringMs?: number;
  /** Calls that one account may dial in a second; what is more waits in its queue. */
  callsPerSecond?: number;
  /** Accounts dial from whatever number they say: who only tries the gateway has bought none. */
  everyNumber?: boolean;
  /** As the real one: only wss for media, and only valid certificates. */
  strict?: boolean;
  /** What faults hit is decided by this. */
  seed?: number;
  /** Where a URL is really reached; signatures are over the URL itself. */
  connectTo?: (url: string) => string;
}

/** A number of an account, and where its calls go. */
export interface NumberConfig {
  accountSid: string;
  voiceUrl: string;
  fallbackUrl: string | null;
  statusCallback: string | null;
  /** A TwiML application or SIP trunk that takes the number's calls instead of its URLs. */
  applicationSid?: string;
  trunkSid?: string;
}

/** What happens when a number is dialled. */
export interface DialBehaviour {
  /** Default: answers. */
  answers?: false | 'busy' | 'no-answer' | 'failed';
  /** How long it rings; longer than the call may ring is no answer. */
  ringMs?: number;
  /** What answering machine detection says, where a call asks for it. Default: human. */
  answeredBy?: AnsweredBy;
  /** Who answers; made anew for each call. */
  handset?: () => Handset;
}

export interface InboundCall {
  from: string;
  to: string;
  handset: Handset;
  /** The number that was dialled first, when it was forwarded to ours. */
  forwardedFrom?: string;
}

const DEFAULT_TIMEOUT_SECONDS = 60;
/** How far faults scatter callbacks. */
const SCATTER_MS = 200;

const DEFAULTS: Required<CarrierSimulatorOptions> = {
  port: 0,
  speed: 1,
  maxCatchUp: MAX_CATCH_UP,
  sayMsPerCharacter: 40,
  bridgedMs: 300,
  ringMs: 50,
  callsPerSecond: Infinity,
  everyNumber: false,
  strict: false,
  seed: 1,
  connectTo: (url) => url,
};

/** Twilio, pretended: its REST API on a port of the loopback address, signed webhooks and media streams to the gateway. */
export class CarrierSimulator {
  readonly options: Required<CarrierSimulatorOptions>;
  readonly faults: CarrierFaults = noCarrierFaults();
  /** Account SID -> auth token. */
  readonly tokens = new Map<string, string>();
  readonly numbers = new Map<string, NumberConfig>();
  readonly behaviours = new Map<string, DialBehaviour>();
  readonly calls: SimulatedCall[] = [];
  readonly conferences: Conference[] = [];
  readonly verbs = VERBS;
  readonly pacer: Pacer;
  /** `POST /Calls.json` requests received, refused ones included. */
  createRequests = 0;
  readonly chance: () => number;
  private readonly http: Server;
  private readonly webhooks: WebhookClient;
  /** Account SID -> when it may dial again. */
  private readonly nextTurns = new Map<string, number>();
  private readonly pending = new Set<Promise<unknown>>();
  private stopped = false;

  constructor(options: CarrierSimulatorOptions = {}) {
    this.options = { ...DEFAULTS, ...options };
    this.chance = seededChance(this.options.seed);
    this.webhooks = new WebhookClient(this.options.strict);
    this.pacer = new Pacer(this.options.speed, this.options.maxCatchUp);
    this.http = createServer((request, response) => void serveRest(this, request, response));
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve, reject) => {
      this.http.once('error', reject);
      this.http.listen(this.options.port, '127.0.0.1', resolve);
    });
    return this;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}`;
  }

  /** Ends every call and waits for what is still on its way. */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const call of this.calls) call.hangUp();
    this.webhooks.close();
    this.http.closeAllConnections();
    await new Promise((resolve) => this.http.close(resolve));
    await Promise.allSettled(this.pending);
  }

  tokenOf(accountSid: string): string {
    return this.tokens.get(accountSid) ?? '';
  }

  behaviourOf(number: string): DialBehaviour {
    return this.behaviours.get(number) ?? {};
  }

  addCall(options: CallOptions): SimulatedCall {
    const call = new SimulatedCall(this, options);
    this.calls.push(call);
    return call;
  }

  /** The conference of this name that is not over, made when there is none. */
  conferenceNamed(accountSid: string, name: string): Conference {
    const known = this.conferences.find(
      (c) => c.accountSid === accountSid && c.name === name && c.status !== 'completed',
    );
    if (known !== undefined) return known;
    const conference = new Conference(this, accountSid, name);
    this.conferences.push(conference);
    return conference;
  }

  /** By SID, or by the name of one that is not over. */
  findConference(accountSid: string, key: string): Conference | undefined {
    return this.conferences.findLast(
      (c) => c.accountSid === accountSid && (c.sid === key || (c.name === key && c.status !== 'completed')),
    );
  }

  /** Somebody calls one of our numbers. Resolves when the call is over. */
  async placeInboundCall(inbound: InboundCall): Promise<SimulatedCall> {
    const call = this.startInboundCall(inbound);
    await this.track(call.run());
    return call;
  }

  /** The same, without running it. */
  startInboundCall({ from, to, handset, forwardedFrom }: InboundCall): SimulatedCall {
    const number = this.numbers.get(to);
    if (number === undefined) throw new Error(`no number ${to}`);
    return this.addCall({
      accountSid: number.accountSid,
      from,
      to,
      forwardedFrom,
      direction: 'inbound',
      handset,
      voiceUrl: number.voiceUrl,
      fallbackUrl: number.fallbackUrl,
      statusCallback: number.statusCallback,
      statusEvents: ['completed'],
    });
  }

  /** Runs an outbound call: it waits for its turn, rings, is answered or not, and then does what its TwiML says. */
  place(call: SimulatedCall): Promise<void> {
    const work = async () => {
      call.queueMs = this.takeTurn(call.options.accountSid);
      await call.wait(call.queueMs);
      if (!(await this.ring(call))) return;
      if (call.options.machineDetection === true) await this.detectMachine(call);
      if (!call.over) await call.run();
    };
    return this.track(work());
  }

  /** Rings until somebody answers, or the call is over: true when it was answered. */
  async ring(call: SimulatedCall): Promise<boolean> {
    if (call.over) return false;
    call.setStatus('initiated');
    await call.wait(this.options.ringMs);
    if (call.over) return false;
    call.setStatus('ringing');
    const { answers, ringMs = this.options.ringMs } = this.behaviourOf(call.options.to);
    const patienceMs = ((call.options.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS) * 1_000) / this.options.speed;
    await call.wait(Math.min(ringMs, patienceMs));
    if (call.over) return false;
    if (ringMs > patienceMs || answers === false) call.setStatus('no-answer');
    else call.setStatus(answers ?? 'in-progress');
    return !call.over;
  }

  /** Listens who answered, before anything is said. */
  private async detectMachine(call: SimulatedCall): Promise<void> {
    const answeredBy = this.behaviourOf(call.options.to).answeredBy ?? 'human';
    await call.wait(detectionMs(answeredBy) / this.options.speed);
    call.answeredBy = answeredBy;
  }

  /** Milliseconds until this account may dial once more (protocols.md: CPS; the excess is queued, not refused). */
  private takeTurn(accountSid: string): number {
    const now = performance.now();
    const turn = Math.max(now, this.nextTurns.get(accountSid) ?? 0);
    this.nextTurns.set(accountSid, turn + 1_000 / this.options.callsPerSecond);
    return Math.round(turn - now);
  }

  /** A signed request for TwiML, tried again once when no connection came about. Null: no answer. */
  async webhook(accountSid: string, url: string, fields: Record<string, string>): Promise<WebhookAnswer | null> {
    const token = randomUUID();
    const send = () => this.post(accountSid, url, fields, token);
    const first = await send()
      .catch((error: unknown) => {
        if (error instanceof WebhookFailure && error.unconnected && !this.stopped) return send();
        throw error;
      })
      .catch(() => null);
    if (this.faults.doubledWebhooks) await send().catch(() => null);
    return first;
  }

  /** A status callback, when somebody asked for any: nobody waits for it, and its order is not promised. */
  callback(accountSid: string, url: string | null, fields: Record<string, string>): void {
    const { callbacks, doubledCallbacks, callbackDelayMs } = this.faults;
    if (url === null || callbacks === 'dropped' || this.stopped) return;
    const scattered = () => callbackDelayMs + this.chance() * SCATTER_MS;
    const delays = [callbacks === 'shuffled' ? scattered() : callbackDelayMs];
    if (doubledCallbacks) delays.push(scattered());
    for (const delay of delays)
      void this.track(
        sleep(delay)
          .then(() => this.post(accountSid, url, fields, randomUUID()))
          .catch(() => null),
      );
  }

  private post(
    accountSid: string,
    url: string,
    fields: Record<string, string>,
    idempotencyToken: string,
  ): Promise<WebhookAnswer> {
    return this.webhooks.post(this.options.connectTo(url.replace(/#.*$/, '')), new URLSearchParams(fields).toString(), {
      'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
      'x-twilio-signature': signatureOf(this.tokenOf(accountSid), url, fields),
      'i-twilio-idempotency-token': idempotencyToken,
      'user-agent': 'TwilioProxy/1.1',
      accept: '*/*',
    });
  }

  private track<T>(work: Promise<T>): Promise<T> {
    this.pending.add(work);
    const forget = () => void this.pending.delete(work);
    work.then(forget, forget);
    return work;
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
