import { randomBytes } from 'node:crypto';
import type { Handset } from './caller.js';
import { MediaStream } from './media-stream.js';
import { signatureOf } from './signing.js';
import type { CarrierSimulator } from './server.js';
import { parseXml, type XmlElement } from './xml.js';

export const sid = (prefix: string): string => prefix + randomBytes(16).toString('hex');

export type WireStatus =
  'queued' | 'initiated' | 'ringing' | 'in-progress' | 'completed' | 'busy' | 'failed' | 'no-answer' | 'canceled';
const TERMINAL = new Set<WireStatus>(['completed', 'busy', 'failed', 'no-answer', 'canceled']);

export interface CallOptions {
  accountSid: string;
  from: string;
  to: string;
  direction: 'inbound' | 'outbound-api';
  handset: Handset;
  voiceUrl: string;
  fallbackUrl: string | null;
  statusCallback: string | null;
  statusEvents: readonly string[];
}

/** Thrown inside a running document when a live update replaces it or the call ends. */
class Interrupted extends Error {}

/** One call at the carrier: its state, its callbacks, the TwiML that it runs and the media stream that it holds. */
export class SimulatedCall {
  readonly sid = sid('CA');
  status: WireStatus;
  readonly createdAt = new Date();
  private answeredAt: number | null = null;
  private endedAt: number | null = null;
  /** TwiML documents run, oldest first. */
  readonly documents: string[] = [];
  /** Texts of `<Say>`. */
  readonly said: string[] = [];
  /** Numbers that were dialled by `<Dial>`. */
  readonly dialed: string[] = [];
  readonly streams: MediaStream[] = [];
  /** Answers of the gateway's webhooks that were no TwiML: `status url`. */
  readonly badAnswers: string[] = [];
  private sequence = 0;
  private interrupt: (() => void) | null = null;
  private replacement: string | null = null;
  /** Of the running document: relative URLs in it are resolved against it. */
  private documentUrl: string;

  constructor(
    private readonly carrier: CarrierSimulator,
    readonly options: CallOptions,
  ) {
    this.status = options.direction === 'inbound' ? 'ringing' : 'queued';
    this.documentUrl = options.voiceUrl;
  }

  get over(): boolean {
    return TERMINAL.has(this.status);
  }

  get durationSeconds(): number {
    return this.answeredAt === null ? 0 : Math.round(((this.endedAt ?? Date.now()) - this.answeredAt) / 1_000);
  }

  /** Moves on and tells the status callback. */
  setStatus(status: WireStatus): void {
    if (this.over) return;
    const canceledInQueue = status === 'canceled' && this.status === 'queued';
    this.status = status;
    if (status === 'in-progress') this.answeredAt = Date.now();
    if (this.over) this.endedAt = Date.now();
    const event = status === 'in-progress' ? 'answered' : this.over ? 'completed' : status;
    if (this.options.statusCallback === null || canceledInQueue || !this.options.statusEvents.includes(event)) return;
    this.carrier.callback(this.options.accountSid, this.options.statusCallback, {
      ...this.fields(),
      CallbackSource: 'call-progress-events',
      SequenceNumber: String(this.sequence++),
      Timestamp: new Date().toUTCString().replace('GMT', '+0000'),
      ...(this.over
        ? {
            CallDuration: String(this.durationSeconds),
            Duration: String(Math.ceil(this.durationSeconds / 60)),
            SipResponseCode: status === 'busy' ? '486' : '200',
          }
        : {}),
    });
  }

  /** The form fields of every webhook about this call. */
  fields(): Record<string, string> {
    const { accountSid, from, to, direction } = this.options;
    return {
      CallSid: this.sid,
      AccountSid: accountSid,
      From: from,
      To: to,
      Caller: from,
      Called: to,
      CallStatus: this.status,
      ApiVersion: '2010-04-01',
      Direction: direction,
    };
  }

  /** Somebody hangs up: the person, or the API. */
  hangUp(status: WireStatus = 'completed'): void {
    if (this.over) return;
    this.streams.at(-1)?.stop('hang-up');
    this.setStatus(status);
    this.interrupt?.();
  }

  /** A live update: the running document ends, the stream with it, and this one begins. */
  redirect(twiml: string): void {
    this.replacement = twiml;
    this.streams.at(-1)?.stop('redirected');
    this.interrupt?.();
  }

  /** Runs the call from its first webhook to its end. */
  async run(): Promise<void> {
    if (this.options.direction === 'inbound') this.setStatus('in-progress');
    let document: string | null = await this.fetch(
      this.options.voiceUrl,
      this.options.direction === 'inbound' ? { CallStatus: 'ringing' } : {},
    );
    while (document !== null && !this.over) {
      try {
        document = await this.play(document);
      } catch (error) {
        if (!(error instanceof Interrupted)) {
          this.badAnswers.push(String(error));
          break;
        }
        document = this.replacement;
      }
      this.replacement = null;
    }
    this.hangUp();
  }

  private async play(document: string): Promise<string | null> {
    this.documents.push(document);
    const root = parseXml(document);
    if (root.name !== 'Response') throw new Error(`TwiML begins with <Response>, not <${root.name}>`);
    for (const verb of root.children) {
      const next = await this.verb(verb);
      if (this.replacement !== null) return this.replacement;
      if (this.over) return null;
      if (next !== null) return next;
    }
    return null;
  }

  /** Runs one verb; gives the next document when the verb leads to one. */
  private async verb(verb: XmlElement): Promise<string | null> {
    switch (verb.name) {
      case 'Say':
        this.said.push(verb.text);
        await this.wait(verb.text.length * this.carrier.options.sayMsPerCharacter);
        return null;
      case 'Pause':
        await this.wait((Number(verb.attributes.length ?? 1) * 1_000) / this.carrier.options.speed);
        return null;
      case 'Redirect':
        return this.fetch(verb.text);
      case 'Reject':
        this.hangUp(verb.attributes.reason === 'busy' ? 'busy' : 'no-answer');
        return null;
      case 'Hangup':
        this.hangUp();
        return null;
      case 'Dial':
        return this.dial(verb);
      case 'Connect':
        return this.connect(verb);
      default:
        throw new Error(`unknown verb <${verb.name}>`);
    }
  }

  private async dial(verb: XmlElement): Promise<string | null> {
    const number = verb.children.find((child) => child.name === 'Number')?.text ?? verb.text;
    this.dialed.push(number);
    const answered = this.carrier.behaviourOf(number).answers !== false;
    await this.wait(this.carrier.options.bridgedMs);
    if (verb.attributes.action === undefined) return null;
    return this.fetch(verb.attributes.action, {
      DialCallStatus: answered ? 'completed' : 'no-answer',
      DialCallSid: sid('CA'),
      DialCallDuration: answered ? '1' : '0',
      DialBridged: String(answered),
    });
  }

  private async connect(verb: XmlElement): Promise<string | null> {
    const noun = verb.children.find((child) => child.name === 'Stream');
    if (noun === undefined) throw new Error('<Connect> without <Stream>');
    const streamSid = sid('MZ');
    // Twilio dials the URL without its query and fragment (protocols.md, trap 1).
    const url = noun.attributes.url!.replace(/[?#].*$/, '');
    const status = (event: string, extra: Record<string, string> = {}) => {
      if (noun.attributes.statusCallback === undefined) return;
      this.carrier.callback(this.options.accountSid, noun.attributes.statusCallback, {
        StreamEvent: event,
        StreamSid: streamSid,
        StreamName: streamSid,
        CallSid: this.sid,
        AccountSid: this.options.accountSid,
        Timestamp: new Date().toISOString(),
        ...extra,
      });
    };
    const stream = new MediaStream({
      url,
      signature: signatureOf(this.carrier.tokenOf(this.options.accountSid), url, {}),
      accountSid: this.options.accountSid,
      callSid: this.sid,
      streamSid,
      parameters: Object.fromEntries(
        noun.children.filter((c) => c.name === 'Parameter').map((c) => [c.attributes.name!, c.attributes.value!]),
      ),
      handset: this.options.handset,
      pacer: this.carrier.pacer,
      faults: this.carrier.faults,
    });
    this.streams.push(stream);
    status('stream-started');
    const end = await stream.ended;
    if (end === 'refused') status('stream-error', { StreamError: '31920: WebSocket handshake error' });
    else status('stream-stopped');
    if (end === 'hang-up') {
      this.hangUp();
      return null;
    }
    return end !== 'redirected' && verb.attributes.action !== undefined ? this.fetch(verb.attributes.action) : null;
  }

  private wait(ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.interrupt = null;
        resolve();
      }, ms);
      this.interrupt = () => {
        clearTimeout(timer);
        this.interrupt = null;
        reject(new Interrupted());
      };
    });
  }

  /** Asks for TwiML; the fallback URL is asked when the first fails. Null: nothing is left, and the call ends. */
  private async fetch(url: string, extra: Record<string, string> = {}): Promise<string | null> {
    for (const target of [url, this.options.fallbackUrl]) {
      if (target === null) continue;
      const absolute = new URL(target, this.documentUrl).href;
      const answer = await this.carrier.webhook(this.options.accountSid, absolute, { ...this.fields(), ...extra });
      if (answer !== null && answer.status < 400) {
        this.documentUrl = absolute;
        return answer.body;
      }
      this.badAnswers.push(`${answer?.status ?? 'no answer'} ${target}`);
    }
    return null;
  }
}
