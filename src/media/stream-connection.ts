import { AppError } from '../lib/errors.js';
import { noMediaMetrics } from '../ports/media-metrics.js';
import type { MediaPhones, MediaSessions } from '../ports/media-session.js';
import type { BridgeRegistry } from './bridge-registry.js';
import { CallBridge } from './call-bridge.js';
import type { StreamSocket } from './caller-side.js';
import { PhoneStream } from './phone-stream.js';
import type { EngineContext } from './engine-context.js';
import { CLOSE, closeFor, type Close } from './socket-close.js';
import { parseTwilioMessage, type TwilioMessage } from './twilio-frames.js';

/**
 * Verifies the upgrade's `X-Twilio-Signature` (over the `wss:` URL of the TwiML, without parameters) with the tokens of
 * the account that `start` names: the upgrade itself does not say whose it is.
 */
export type StreamVerifier = (request: {
  accountSid: string;
  signature: string;
  /** Path and query as requested. */
  target: string;
}) => Promise<boolean>;

export interface StreamServices {
  context: EngineContext;
  sessions: MediaSessions;
  /** Missing: no phones take calls over here. */
  phones?: MediaPhones;
  registry: BridgeRegistry;
  verify: StreamVerifier;
}

/** What the upgrade request said. */
export interface UpgradeFacts {
  target: string;
  /** From `?stream_token=`, for carriers that do not strip queries. */
  queryToken: string | null;
  signature: string | null;
}

type Start = Extract<TwilioMessage, { event: 'start' }>;

/** Messages while the claim is running: ten seconds of audio. Later ones are dropped. */
const MAX_WAITING = 500;
/** Before `start` there is only `connected`. */
const MAX_BEFORE_START = 20;
/** A call makes 50 frames a second and some marks; a network that was stuck delivers what it held back at once. */
const MESSAGES_PER_SECOND = 150;
const BURST_MESSAGES = 5_000;
/** The clock is asked once in so many messages. */
const RATE_CHECK_EVERY = 256;

/**
 * One media stream from its first message: garbage is counted and forgotten, `start` is exchanged for a session, and from
 * then on the bridge hears everything. What comes while the claim runs waits, bounded, so that no word is lost.
 */
export class StreamConnection {
  private state: 'waiting' | 'claiming' | 'bridged' | 'closed' = 'waiting';
  private bridge: CallBridge | PhoneStream | null = null;
  private readonly early: TwilioMessage[] = [];
  private messages = 0;
  private socketGone = false;
  private readonly openedMs: number;

  constructor(
    private readonly socket: StreamSocket,
    private readonly facts: UpgradeFacts,
    private readonly services: StreamServices,
  ) {
    this.openedMs = services.context.clock.monotonicMs();
  }

  /** One WebSocket message. Never throws. */
  receive(data: Buffer, isBinary: boolean): void {
    if (this.state === 'closed' || this.exceedsRate()) return;
    const message = isBinary ? null : parseTwilioMessage(data.toString());
    if (message === null) this.services.context.metrics.malformedMessage();
    else if (this.bridge !== null) this.bridge.receive(message);
    else if (this.state === 'claiming') this.keep(message);
    else if (message.event === 'start') void this.claim(message);
    if (this.state === 'waiting' && this.messages > MAX_BEFORE_START) this.refuse(CLOSE.tooMany);
  }

  /** The socket is closed. */
  closed(): void {
    this.socketGone = true;
    this.bridge?.socketClosed();
    if (this.state !== 'claiming') this.state = 'closed';
  }

  /** No `start` came in time. */
  expire(): void {
    if (this.state === 'waiting') this.refuse(CLOSE.startTimeout);
  }

  private async claim(start: Start): Promise<void> {
    this.state = 'claiming';
    const { context } = this.services;
    try {
      await this.verifySignature(start.accountSid);
      const bridge = await this.open(start);
      this.bridge = bridge;
      this.state = 'bridged';
      bridge.start();
      for (const message of this.early.splice(0)) bridge.receive(message);
      // The caller hung up while we were busy: the session must still hear of its end.
      if (this.socketGone) bridge.socketClosed();
    } catch (error) {
      const close = closeFor(error);
      const facts = { callSid: start.callSid, closeCode: close.code };
      if (close === CLOSE.failed) context.log.error({ ...facts, err: error }, 'a media stream failed to start');
      else context.log.warn(facts, 'a media stream was refused');
      this.refuse(close);
    }
  }

  private async open(start: Start): Promise<CallBridge | PhoneStream> {
    const { sessions, phones, registry, context } = this.services;
    const claim = {
      token: start.parameters['stream_token'] ?? this.facts.queryToken,
      callSid: start.callSid,
      streamSid: start.streamSid,
      accountSid: start.accountSid,
    };
    if (start.parameters['role'] === 'phone' && phones !== undefined)
      return new PhoneStream(await phones.claim(claim), this.socket, context);
    const claimed = await sessions.claim(claim);
    // Test calls are no operations: nothing of them is counted.
    const counted = claimed.plan.synthetic ? { ...context, metrics: noMediaMetrics } : context;
    const bridge = new CallBridge(claimed, this.socket, counted);
    registry.add(bridge);
    return bridge;
  }

  private async verifySignature(accountSid: string): Promise<void> {
    const { signature, target } = this.facts;
    if (signature === null || (await this.services.verify({ accountSid, signature, target }))) return;
    throw new AppError('INVALID_SIGNATURE', 'The upgrade was not signed by this account');
  }

  private keep(message: TwilioMessage): void {
    if (this.early.length < MAX_WAITING || message.event === 'stop') this.early.push(message);
    else this.services.context.metrics.framesDropped('to_model', 1);
  }

  private refuse(close: Close): void {
    this.state = 'closed';
    this.early.length = 0;
    this.services.context.metrics.streamRefused(close.code);
    this.socket.close(close.code, close.reason);
  }

  /** True: this side sends more than any call would. The bridge, if there is one, ends with the socket. */
  private exceedsRate(): boolean {
    this.messages += 1;
    if (this.messages % RATE_CHECK_EVERY !== 0) return false;
    const seconds = (this.services.context.clock.monotonicMs() - this.openedMs) / 1_000;
    if (this.messages <= BURST_MESSAGES + seconds * MESSAGES_PER_SECOND) return false;
    this.refuse(CLOSE.tooMany);
    return true;
  }
}
