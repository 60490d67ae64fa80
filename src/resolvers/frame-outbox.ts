import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';

/** A connection for which this many bytes wait takes no more values until it has caught up. */
export const CONGESTED_BYTES = 256 * 1024;

/** Outboxes with something to write, all flushed in one go at the end of the event loop's turn. */
let dirty: FrameOutbox[] = [];

/**
 * Text frames of one connection, written straight to its TCP socket: all that one turn of the event loop brings is one
 * write, of header and text as one latin1 string. `ws` would cost more per frame than everything else together
 * (docs/performance.md); its own frames (pings, closes, answers) go between ours, never into one.
 */
export class FrameOutbox {
  private waiting = '';
  private draining: Promise<void> | null = null;

  constructor(
    private readonly client: WebSocket,
    private readonly socket: Socket,
  ) {}

  /** `text` holds ASCII only: its length is then its size in bytes. */
  push(text: string): void {
    if (this.waiting === '' && dirty.push(this) === 1) setImmediate(flushAll);
    this.waiting += frameHeader(text.length) + text;
  }

  get congested(): boolean {
    return this.waiting.length + this.socket.writableLength > CONGESTED_BYTES;
  }

  /** Everything was taken by the peer's side of the connection, or the connection is gone. */
  room(): Promise<void> {
    this.flush();
    this.draining ??= this.drain().finally(() => (this.draining = null));
    return this.draining;
  }

  /** Writes what waits, before somebody else writes to the same connection. */
  flush(): void {
    const { waiting } = this;
    this.waiting = '';
    // After a close frame nothing may follow.
    if (waiting !== '' && this.client.readyState === this.client.OPEN) this.socket.write(waiting, 'latin1');
  }

  private async drain(): Promise<void> {
    if (!this.socket.writableNeedDrain || this.socket.destroyed) return;
    const left = new AbortController();
    const { signal } = left;
    await Promise.race([once(this.socket, 'drain', { signal }), once(this.socket, 'close', { signal })]).catch(
      () => {},
    );
    left.abort();
  }
}

function flushAll(): void {
  const outboxes = dirty;
  dirty = [];
  for (const outbox of outboxes) outbox.flush();
}

/** Header of a whole, unmasked text frame (RFC 6455 §5.2), one character per byte. */
export function frameHeader(length: number): string {
  if (length < 126) return String.fromCharCode(0x81, length);
  if (length < 0x1_0000) return String.fromCharCode(0x81, 126, length >>> 8, length & 0xff);
  const bytes = [24, 16, 8, 0].map((shift) => (length >>> shift) & 0xff);
  return String.fromCharCode(0x81, 127, 0, 0, 0, 0, ...bytes);
}

/** JSON whose characters are all ASCII. */
export function asciiJson(value: unknown): string {
  const json = JSON.stringify(value);
  return /[^\0-\x7f]/.test(json)
    ? json.replaceAll(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    : json;
}
