import type { AudioSide, AudioTap } from '../ports/live-calls.js';
import type { MediaMetrics } from '../ports/media-metrics.js';
import type { AudioDelta } from '../ports/realtime-model.js';
import { PlaybackLedger, type Heard } from './playback-ledger.js';
import { OutboundFrames } from './twilio-frames.js';

/** A media stream's socket, as far as the engine cares. `ws` fits; so does a pair in memory. */
export interface StreamSocket {
  send(text: string): void;
  /** Twilio then goes on with the verb behind `<Connect>`. */
  close(code: number, reason: string): void;
  /** Bytes that the network has not taken yet. */
  readonly bufferedAmount: number;
}

/** Over a minute of speech that the network does not take: the line is broken, more would only be late. */
const MAX_BUFFERED_BYTES = 1024 * 1024;

/** The caller's end of the bridge: what was sent to Twilio, what of it was heard, and who listens in. */
export class CallerSide {
  private readonly frames: OutboundFrames;
  private readonly ledger = new PlaybackLedger();
  private taps: readonly AudioTap[] = [];
  /** Of the caller's newest frame: the stream's own clock. */
  private streamMs = 0;
  private closed = false;

  constructor(
    private readonly socket: StreamSocket,
    streamSid: string,
    private readonly metrics: MediaMetrics,
  ) {
    this.frames = new OutboundFrames(streamSid);
  }

  /** Sends audio to the caller. False: it was dropped, because the socket does not keep up. */
  play(delta: AudioDelta, nowMs: number): boolean {
    if (this.closed) return false;
    if (this.socket.bufferedAmount > MAX_BUFFERED_BYTES) {
      this.metrics.framesDropped('to_caller', 1);
      return false;
    }
    this.socket.send(this.frames.media(delta.audio));
    if (this.taps.length > 0) this.tell('agent', delta.audio, this.streamMs + this.ledger.pendingMs(nowMs));
    const mark = this.ledger.sent(delta.itemId, delta.contentIndex, delta.audio, nowMs);
    if (mark !== null) this.socket.send(this.frames.mark(mark));
    return true;
  }

  /** Sends what a supervisor says to the caller, as it comes. */
  relay(base64: string): void {
    if (this.closed) return;
    if (this.socket.bufferedAmount > MAX_BUFFERED_BYTES) return this.metrics.framesDropped('to_caller', 1);
    this.socket.send(this.frames.media(base64));
    if (this.taps.length > 0) this.tell('supervisor', base64, this.streamMs);
  }

  /** The model finished this item. True: it has been heard to its end already. */
  endItem(itemId: string): boolean {
    const { mark, heard } = this.ledger.finish(itemId);
    if (mark !== null && !this.closed) this.socket.send(this.frames.mark(mark));
    return heard;
  }

  /** An echoed mark. Returns the items that are heard to their end. */
  marked(name: string, nowMs: number): string[] {
    return this.ledger.acknowledge(name, nowMs);
  }

  /** Throws away what Twilio has not played. Returns what was heard of each item concerned; empty: all was heard. */
  clear(nowMs: number): Heard[] {
    if (this.ledger.idle) return [];
    if (!this.closed) this.socket.send(this.frames.clear);
    this.tell('agent', '', this.streamMs);
    return this.ledger.clear(nowMs);
  }

  /** A frame of the caller passed by. */
  heardFrame(base64: string, timestampMs: number): void {
    this.streamMs = timestampMs;
    if (this.taps.length > 0) this.tell('caller', base64, timestampMs);
  }

  /** Nothing that was sent is still to be heard. */
  get quiet(): boolean {
    return this.ledger.idle;
  }

  hasUnplayed(itemId: string): boolean {
    return this.ledger.has(itemId);
  }

  pendingMs(nowMs: number): number {
    return this.ledger.pendingMs(nowMs);
  }

  addTap(tap: AudioTap): () => void {
    this.taps = [...this.taps, tap];
    return () => {
      this.taps = this.taps.filter((other) => other !== tap);
    };
  }

  /** Idempotent. Returns what was heard of audio that is now never played. */
  close(code: number, reason: string, nowMs: number): Heard[] {
    if (this.closed) return [];
    this.closed = true;
    this.taps = [];
    this.socket.close(code, reason);
    return this.ledger.clear(nowMs);
  }

  private tell(side: AudioSide, base64: string, timestampMs: number): void {
    for (const tap of this.taps) tap(side, base64, timestampMs);
  }
}
