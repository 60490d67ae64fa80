import type { MediaMetrics } from '../ports/media-metrics.js';
import type { CallPlan } from '../ports/media-session.js';
import type {
  AudioDelta,
  RealtimeClientEvent,
  RealtimeClose,
  RealtimeConnection,
  RealtimeModel,
  RealtimeServerEvent,
} from '../ports/realtime-model.js';
import type { Deadlines } from './deadlines.js';
import { InboundBuffer } from './inbound-buffer.js';
import { sessionUpdate } from './realtime-session-config.js';

/** What the conversation hears from the model, whatever connection it comes from. */
export interface ModelListener {
  /** The session is configured: the conversation may be told and speech asked for; the caller's audio follows. */
  ready(how: { attempt: number; cause: string | null }): void;
  event(event: RealtimeServerEvent): void;
  audio(delta: AudioDelta): void;
  /** The session is gone with everything that it knew; a new one is being made. */
  lost(cause: string): void;
  /** No new session can be had. */
  gaveUp(cause: string): void;
  /** Is this a moment in which nobody would notice a change of session? */
  idle(): boolean;
}

const CONNECT_TIMEOUT_MS = 5_000;
/** From the open socket to `session.updated`. */
const CONFIGURE_TIMEOUT_MS = 8_000;
/** Pauses before the attempts that follow a loss. */
const BACKOFF_MS = [0, 500, 1_000, 2_000, 4_000] as const;
/** All attempts together: a caller does not listen to nothing for longer. */
const GIVE_UP_AFTER_MS = 20_000;
/** A session that held this long does not count as one more failure of a row. */
const STABLE_AFTER_MS = 30_000;
/** The provider ends a session at 60 minutes; it is replaced before, in a quiet moment if there is one. */
const ROTATE_AFTER_MS = 55 * 60_000;
const ROTATE_AT_LAST_MS = 58 * 60_000;
/** Ten seconds of caller audio in base64 that the socket has not taken. */
const MAX_BUFFERED_BYTES = 110_000;

/** A model that owes something and says nothing for so long has died without a word. */
const STALLED_AFTER_MS = 20_000;

/** Refused upgrades that no repetition mends: bad key, no access, no such model. */
const HOPELESS_STATUS = new Set([400, 401, 403, 404]);

/**
 * The model's end of the bridge: one configured session at a time, replaced when it is lost, expires or grows old. While
 * there is none, the caller's audio waits in a bounded buffer.
 */
export class ModelSide {
  private connection: RealtimeConnection | null = null;
  /** Counts connections; what an older one still says is not heard. */
  private epoch = 0;
  private configured = false;
  private closed = false;
  private attempt = 0;
  private lossCause: string | null = null;
  private readyAtMs = 0;
  /** Something came since the last tick. */
  private spoke = false;
  private spokeMs = 0;
  private readonly buffer = new InboundBuffer();

  constructor(
    private readonly parts: {
      model: RealtimeModel;
      plan: CallPlan;
      deadlines: Deadlines;
      metrics: MediaMetrics;
      nowMs: () => number;
    },
    private readonly listener: ModelListener,
  ) {}

  get isReady(): boolean {
    return this.configured && !this.closed;
  }

  start(): void {
    this.parts.deadlines.after('model-give-up', GIVE_UP_AFTER_MS, () => this.giveUp('timeout'));
    this.connect();
  }

  /** Dropped while no session is configured: a new session is told the conversation anew. */
  send(event: RealtimeClientEvent): void {
    if (this.isReady) this.connection?.send(event);
  }

  /** The caller's audio: the hot path. */
  appendAudio(base64: string): void {
    if (this.closed) return;
    if (!this.configured || this.connection === null) {
      const dropped = this.buffer.push(base64);
      if (dropped > 0) this.parts.metrics.framesDropped('to_model', dropped);
    } else if (this.connection.bufferedBytes > MAX_BUFFERED_BYTES) this.parts.metrics.framesDropped('to_model', 1);
    else this.connection.appendAudio(base64);
  }

  /** The session is of no use any more: it expired, or says nothing. A new one is made. */
  replace(cause: string): void {
    if (this.closed || this.connection === null) return;
    this.lose(cause);
  }

  /** `owing`: the model was asked for something and has not finished it. */
  tick(nowMs: number, owing: boolean): void {
    if (this.spoke || !owing || !this.isReady) {
      this.spoke = false;
      this.spokeMs = nowMs;
    } else if (nowMs - this.spokeMs > STALLED_AFTER_MS) this.replace('stalled');
  }

  /** Idempotent; also ends a connection that is still being made. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.epoch += 1;
    this.buffer.clear();
    this.connection?.close(1000, 'call ended');
    this.connection = null;
  }

  private connect(): void {
    const epoch = (this.epoch += 1);
    const current = (): boolean => epoch === this.epoch && !this.closed;
    this.parts.deadlines.after('model-configured', CONNECT_TIMEOUT_MS + CONFIGURE_TIMEOUT_MS, () => {
      if (current()) this.lose('not_configured');
    });
    const connection = this.parts.model.connect(
      { model: this.parts.plan.model, connectTimeoutMs: CONNECT_TIMEOUT_MS },
      {
        onOpen: () => {
          if (current()) connection.send(sessionUpdate(this.parts.plan));
        },
        onEvent: (event) => {
          if (current()) this.hear(event);
        },
        onAudio: (delta) => {
          if (!current()) return;
          this.spoke = true;
          this.listener.audio(delta);
        },
        onClose: (close) => {
          if (current()) this.onClose(close);
        },
      },
    );
    this.connection = connection;
  }

  private hear(event: RealtimeServerEvent): void {
    this.spoke = true;
    if (event.type === 'session.updated' && !this.configured) this.onConfigured();
    else if (event.type === 'error' && !this.configured) this.lose('configuration_refused');
    else this.listener.event(event);
  }

  private onConfigured(): void {
    const { deadlines, metrics, nowMs } = this.parts;
    deadlines.cancel('model-configured');
    deadlines.cancel('model-give-up');
    deadlines.after('model-rotate', ROTATE_AFTER_MS, () => this.rotate());
    this.configured = true;
    this.readyAtMs = nowMs();
    const cause = this.lossCause;
    this.lossCause = null;
    if (cause !== null) metrics.modelReconnect(cause, 'ready');
    this.listener.ready({ attempt: this.attempt, cause });
    this.buffer.drain((base64) => this.connection?.appendAudio(base64));
  }

  private onClose(close: RealtimeClose): void {
    const cause = close.httpStatus === null ? `closed_${close.code}` : `http_${close.httpStatus}`;
    if (close.httpStatus !== null && HOPELESS_STATUS.has(close.httpStatus)) this.giveUp(cause);
    else this.lose(cause);
  }

  private lose(cause: string): void {
    const { deadlines, nowMs } = this.parts;
    const wasConfigured = this.configured;
    this.drop();
    if (wasConfigured) {
      if (nowMs() - this.readyAtMs >= STABLE_AFTER_MS) this.attempt = 0;
      deadlines.after('model-give-up', GIVE_UP_AFTER_MS, () => this.giveUp(cause));
      this.listener.lost(cause);
      if (this.closed) return;
    }
    this.lossCause ??= cause;
    const pause = BACKOFF_MS[this.attempt];
    this.attempt += 1;
    if (pause === undefined) this.giveUp(cause);
    else if (pause === 0) this.connect();
    else deadlines.after('model-retry', pause, () => this.connect());
  }

  private giveUp(cause: string): void {
    if (this.closed) return;
    this.drop();
    this.parts.metrics.modelReconnect(this.lossCause ?? cause, 'gave_up');
    this.close();
    this.listener.gaveUp(this.lossCause ?? cause);
  }

  /** Lets the current connection go, silently. */
  private drop(): void {
    const { deadlines } = this.parts;
    for (const name of ['model-configured', 'model-retry', 'model-rotate']) deadlines.cancel(name);
    this.epoch += 1;
    this.configured = false;
    this.connection?.close(1000, 'replaced');
    this.connection = null;
  }

  private rotate(): void {
    const age = this.parts.nowMs() - this.readyAtMs;
    if (this.listener.idle() || age >= ROTATE_AT_LAST_MS) this.replace('rotation');
    else this.parts.deadlines.after('model-rotate', 1_000, () => this.rotate());
  }
}
