import type { Handset } from './caller.js';
import { detectionFields, type AnsweredBy } from './machine-detection.js';
import type { MediaStream } from './media-stream.js';
import type { CarrierSimulator } from './server.js';
import { schemaWarnings } from './twiml-schema.js';
import { rfc2822, sid } from './wire.js';
import { parseXml, type XmlElement } from './xml.js';

export type WireStatus =
  'queued' | 'initiated' | 'ringing' | 'in-progress' | 'completed' | 'busy' | 'failed' | 'no-answer' | 'canceled';

/** Of the statuses that end a call: the answer of the other side's exchange. */
const SIP_CODES: Partial<Record<WireStatus, string>> = {
  completed: '200',
  busy: '486',
  failed: '404',
  'no-answer': '487',
  canceled: '487',
};

export interface CallOptions {
  accountSid: string;
  from: string;
  to: string;
  direction: 'inbound' | 'outbound-api' | 'outbound-dial';
  handset: Handset;
  /** Asked for TwiML once the call is answered; null when {@link CallOptions.twiml} says it, or there is none. */
  voiceUrl: string | null;
  /** The first document itself. */
  twiml?: string;
  fallbackUrl: string | null;
  statusCallback: string | null;
  statusEvents: readonly string[];
  /** The call whose `<Dial>` made this one. */
  parentSid?: string;
  forwardedFrom?: string;
  /** How long it may ring, and last. */
  timeoutSeconds?: number;
  timeLimitSeconds?: number;
  /** TwiML is asked for when it is known who answered. */
  machineDetection?: boolean;
}

/** What a blocking verb connects a call to: a stream, another phone, a conference. Leaving twice is leaving once. */
export interface Attachment {
  leave(reason: 'hang-up' | 'redirected'): void;
}

/** What a failed document costs: Twilio's error code, and the story for {@link SimulatedCall.badAnswers}. */
interface DocumentProblem {
  code: string;
  story: string;
  url: string;
}

const XML_TYPES = new Set(['text/xml', 'application/xml']);

/** One call at the carrier: its state, its callbacks, the TwiML that it runs and what it is connected to. */
export class SimulatedCall {
  readonly sid = sid('CA');
  status: WireStatus;
  /** Every status that it had, the present one last. */
  readonly statuses: WireStatus[];
  readonly createdAt = new Date();
  updatedAt = this.createdAt;
  answeredAt: Date | null = null;
  answeredBy: AnsweredBy | null = null;
  endedAt: Date | null = null;
  /** How long it waited for its account's turn to dial. */
  queueMs = 0;
  /** Resolves when the call is over. */
  readonly ended: Promise<void>;
  /** TwiML documents run, oldest first. */
  readonly documents: string[] = [];
  /** What Twilio's debugger would warn about in them. */
  readonly warnings: string[] = [];
  /** Texts of `<Say>`. */
  readonly said: string[] = [];
  /** Numbers that were dialled by `<Dial>`. */
  readonly dialed: string[] = [];
  readonly streams: MediaStream[] = [];
  /** Answers of the gateway's webhooks that were no TwiML: `status url`. */
  readonly badAnswers: string[] = [];
  private resolveEnded!: () => void;
  private sequence = 0;
  private attachment: Attachment | null = null;
  private interrupt: (() => void) | null = null;
  private replacement: { twiml: string } | { url: string } | null = null;
  private limit: NodeJS.Timeout | undefined;
  /** The running document came from the fallback URL: a second failure in a row has no other. */
  private fellBack = false;
  /** Of the running document: relative URLs in it are resolved against it. */
  private documentUrl: string | undefined;

  constructor(
    readonly carrier: CarrierSimulator,
    readonly options: CallOptions,
  ) {
    this.status = options.direction === 'inbound' ? 'ringing' : 'queued';
    this.statuses = [this.status];
    this.ended = new Promise((resolve) => (this.resolveEnded = resolve));
  }

  get over(): boolean {
    return this.status in SIP_CODES;
  }

  get durationSeconds(): number {
    if (this.answeredAt === null) return 0;
    return Math.round(((this.endedAt?.getTime() ?? Date.now()) - this.answeredAt.getTime()) / 1_000);
  }

  /** True while a live update waits to replace the running document. */
  get redirected(): boolean {
    return this.replacement !== null;
  }

  /** Moves on and tells the status callback. */
  setStatus(status: WireStatus): void {
    if (this.over) return;
    const canceledInQueue = status === 'canceled' && this.status === 'queued';
    this.status = status;
    this.statuses.push(status);
    this.updatedAt = new Date();
    if (status === 'in-progress') this.answered();
    if (this.over) {
      this.endedAt = this.updatedAt;
      clearTimeout(this.limit);
      this.resolveEnded();
    }
    const event = status === 'in-progress' ? 'answered' : this.over ? 'completed' : status;
    if (canceledInQueue || !this.options.statusEvents.includes(event)) return;
    this.carrier.callback(this.options.accountSid, this.options.statusCallback, {
      ...this.fields(),
      CallbackSource: 'call-progress-events',
      SequenceNumber: String(this.sequence++),
      Timestamp: rfc2822(this.updatedAt),
      ...(this.over
        ? {
            CallDuration: String(this.durationSeconds),
            Duration: String(Math.ceil(this.durationSeconds / 60)),
            SipResponseCode: SIP_CODES[status]!,
            ...(this.answeredBy === null ? {} : { AnsweredBy: this.answeredBy }),
          }
        : {}),
    });
  }

  private answered(): void {
    this.answeredAt = this.updatedAt;
    const { timeLimitSeconds } = this.options;
    if (timeLimitSeconds === undefined) return;
    this.limit = setTimeout(() => this.hangUp(), (timeLimitSeconds * 1_000) / this.carrier.options.speed);
  }

  /** The form fields of every webhook about this call. */
  fields(): Record<string, string> {
    const { accountSid, from, to, direction, parentSid, forwardedFrom } = this.options;
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
      ...(parentSid === undefined ? {} : { ParentCallSid: parentSid }),
      ...(forwardedFrom === undefined ? {} : { ForwardedFrom: forwardedFrom }),
    };
  }

  /** Somebody hangs up: the person, or the API. */
  hangUp(status: WireStatus = 'completed'): void {
    if (this.over) return;
    this.attachment?.leave('hang-up');
    this.setStatus(status);
    this.interrupt?.();
  }

  /** A live update: the running document ends, what it is connected to with it, and this one begins. */
  redirect(replacement: { twiml: string } | { url: string }): void {
    this.replacement = replacement;
    this.attachment?.leave('redirected');
    this.interrupt?.();
  }

  /** Runs an answered call, or an inbound one from its first webhook, to its end. */
  async run(): Promise<void> {
    await this.runDocuments();
    this.hangUp(this.answeredAt === null ? 'failed' : 'completed');
  }

  /** Runs document after document until none is left or the call is over; the line stays open. */
  async runDocuments(): Promise<void> {
    const { twiml, voiceUrl } = this.options;
    let document: string | null =
      twiml ?? (voiceUrl === null ? null : await this.fetch(voiceUrl, detectionFields(this.answeredBy)));
    while (document !== null && !this.over) {
      document = await this.play(document);
      const { replacement } = this;
      if (replacement === null || this.over) continue;
      this.replacement = null;
      document = 'twiml' in replacement ? replacement.twiml : await this.fetch(replacement.url);
    }
  }

  /** A URL of the running document; those without a host are relative to where it came from. */
  absolute(url: string): string {
    return URL.canParse(url, this.documentUrl) ? new URL(url, this.documentUrl).href : url;
  }

  /** Blocks on what the call is connected to; hanging up and live updates leave it. */
  async attach<T>(attachment: Attachment, done: Promise<T>): Promise<T> {
    this.attachment = attachment;
    try {
      return await done;
    } finally {
      this.attachment = null;
    }
  }

  /** Waits, shorter when the call ends or is redirected meanwhile. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.interrupt?.(), ms);
      this.interrupt = () => {
        clearTimeout(timer);
        this.interrupt = null;
        resolve();
      };
    });
  }

  /** Asks for TwiML; the fallback URL when that fails. Null: nothing is left, and the call ends. */
  async fetch(url: string, extra: Record<string, string> = {}): Promise<string | null> {
    const answer = await this.ask(url, extra);
    if (typeof answer !== 'string') return this.fallBack(answer);
    this.fellBack = false;
    return answer;
  }

  /** Says what the TwiML at `url` says, into whatever this call is connected to. */
  async announce(url: string): Promise<void> {
    const answer = await this.ask(url, {});
    if (typeof answer !== 'string') return void this.badAnswers.push(answer.story);
    for (const verb of this.verbsOf(answer)) if (verb.name === 'Say') this.said.push(verb.text);
  }

  private async play(document: string): Promise<string | null> {
    this.documents.push(document);
    let verbs: XmlElement[];
    try {
      verbs = this.verbsOf(document);
    } catch (error) {
      return this.fallBack({ code: '12100', story: String(error), url: this.documentUrl ?? '' });
    }
    // Only a call whose very first verb is <Reject> is never answered.
    if (this.status === 'ringing' && verbs[0]?.name !== 'Reject') this.setStatus('in-progress');
    for (const verb of verbs) {
      if (this.over || this.replacement !== null) return null;
      const next = await this.carrier.verbs.get(verb.name)!(this, verb);
      if (next !== null) return next.document;
    }
    return null;
  }

  private async fallBack({ code, story, url }: DocumentProblem): Promise<string | null> {
    this.badAnswers.push(story);
    if (this.options.fallbackUrl === null || this.fellBack || this.over) return null;
    this.fellBack = true;
    const answer = await this.ask(this.options.fallbackUrl, { ErrorCode: code, ErrorUrl: url });
    if (typeof answer === 'string') return answer;
    this.badAnswers.push(answer.story);
    return null;
  }

  private async ask(target: string, extra: Record<string, string>): Promise<string | DocumentProblem> {
    const url = this.absolute(target);
    if (!/^https?:/.test(url)) return { code: '11100', story: `not a URL: ${target}`, url };
    const answer = await this.carrier.webhook(this.options.accountSid, url, { ...this.fields(), ...extra });
    if (answer === null) return { code: '11205', story: `no answer ${url}`, url };
    if (answer.status < 200 || answer.status > 299) return { code: '11200', story: `${answer.status} ${url}`, url };
    if (!XML_TYPES.has(answer.contentType))
      return { code: '12300', story: `content type ${answer.contentType} ${url}`, url };
    this.documentUrl = url;
    return answer.body;
  }

  /** Throws for what Twilio does not understand. */
  private verbsOf(document: string): XmlElement[] {
    const root = parseXml(document);
    if (root.name !== 'Response') throw new Error(`TwiML begins with <Response>, not <${root.name}>`);
    this.warnings.push(...schemaWarnings(root));
    const unknown = root.children.find((verb) => !this.carrier.verbs.has(verb.name));
    if (unknown !== undefined) throw new Error(`unknown verb <${unknown.name}>`);
    return root.children;
  }
}
