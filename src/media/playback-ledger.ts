/** µ-law at 8 kHz: eight bytes are one millisecond. */
const BYTES_PER_MS = 8;

/** Between two marks of one item: fine enough to know what was heard, coarse enough to cost nothing. */
const MARK_EVERY_MS = 200;

/** What the caller heard of one item whose audio was thrown away or is not finished. */
export interface Heard {
  itemId: string;
  contentIndex: number;
  /** Whole milliseconds, never more than was sent. What `conversation.item.truncate` is told. */
  playedMs: number;
  sentMs: number;
}

interface Item {
  itemId: string;
  contentIndex: number;
  sentBytes: number;
  /** Position, in bytes, that a mark has acknowledged. */
  playedBytes: number;
  markedBytes: number;
  /** The model will send no more audio of this item. */
  finished: boolean;
}

/**
 * What was sent to the caller and what was really played, per item (protocols.md, played-ms rule). Twilio plays in
 * order and echoes a mark when everything before it has been played, but a `clear` echoes the pending ones as well: marks
 * of an older generation therefore prove nothing. No I/O; `nowMs` is any monotonic clock.
 */
export class PlaybackLedger {
  /** In playing order; an item leaves when it was heard to its end or cleared away. */
  private readonly items = new Map<string, Item>();
  /** Pending marks in sending order. */
  private marks: { name: string; item: Item; bytes: number }[] = [];
  private generation = 0;
  private counter = 0;
  /** Since when the audible item plays from its `playedBytes` on. */
  private anchorMs = 0;

  /** Notes audio that was handed to Twilio. Returns the name of a mark to send behind it, or null. */
  sent(itemId: string, contentIndex: number, base64: string, nowMs: number): string | null {
    if (this.items.size === 0) this.anchorMs = nowMs;
    let item = this.items.get(itemId);
    if (item === undefined) {
      item = { itemId, contentIndex, sentBytes: 0, playedBytes: 0, markedBytes: 0, finished: false };
      this.items.set(itemId, item);
    } else if (this.marks.length === 0 && item.playedBytes === item.sentBytes) {
      // Twilio had run dry: the silence in between was not playing time.
      this.anchorMs = nowMs;
    }
    item.sentBytes += decodedLength(base64);
    return item.sentBytes - item.markedBytes >= MARK_EVERY_MS * BYTES_PER_MS ? this.mark(item) : null;
  }

  /** The model finished this item. `mark`: to send behind it, or null. `heard`: it was already played to its end. */
  finish(itemId: string): { mark: string | null; heard: boolean } {
    const item = this.items.get(itemId);
    if (item === undefined || item.finished) return { mark: null, heard: false };
    item.finished = true;
    if (item.playedBytes === item.sentBytes) {
      this.items.delete(itemId);
      return { mark: null, heard: true };
    }
    return { mark: item.markedBytes < item.sentBytes ? this.mark(item) : null, heard: false };
  }

  /** Twilio echoed a mark. Returns the items that are now known to be heard to their end. */
  acknowledge(name: string, nowMs: number): string[] {
    const at = this.marks.findIndex((mark) => mark.name === name);
    // Unknown: echoed by a clear, or by somebody else's stream.
    if (at < 0) return [];
    const passed = this.marks.splice(0, at + 1);
    for (const { item, bytes } of passed) item.playedBytes = Math.max(item.playedBytes, bytes);
    this.anchorMs = nowMs;
    const audible = passed.at(-1)!.item;
    const heard: string[] = [];
    for (const item of this.items.values()) {
      // Everything in front of a played position has been played, also where its own mark got lost.
      if (item !== audible) item.playedBytes = item.sentBytes;
      if (item.finished && item.playedBytes === item.sentBytes) heard.push(item.itemId);
      if (item === audible) break;
    }
    for (const itemId of heard) this.items.delete(itemId);
    return heard;
  }

  /**
   * The caller's buffer is being thrown away. Returns each item that was not heard to its end, in playing order: the
   * audible one with what was played of it, those behind it with 0. Forgets them; pending marks become worthless.
   */
  clear(nowMs: number): Heard[] {
    const heard = [...this.items.values()].map((item) => this.heard(item, nowMs));
    this.items.clear();
    this.marks = [];
    this.generation += 1;
    return heard;
  }

  /** Milliseconds of audio that the caller still has in front of him. */
  pendingMs(nowMs: number): number {
    let pending = 0;
    for (const item of this.items.values()) {
      const { sentMs, playedMs } = this.heard(item, nowMs);
      pending += sentMs - playedMs;
    }
    return pending;
  }

  /** Audio of this item was sent and is not known to be played. */
  has(itemId: string): boolean {
    return this.items.has(itemId);
  }

  /** True when nothing that was sent is still to be heard, and no item is half sent. */
  get idle(): boolean {
    return this.items.size === 0;
  }

  private mark(item: Item): string {
    const name = `g${this.generation}:${(this.counter += 1)}`;
    item.markedBytes = item.sentBytes;
    this.marks.push({ name, item, bytes: item.sentBytes });
    return name;
  }

  private heard(item: Item, nowMs: number): Heard {
    const sentMs = Math.floor(item.sentBytes / BYTES_PER_MS);
    let playedBytes = item.playedBytes;
    if (item === this.audible()) {
      // Between marks the clock helps, but never past a mark that has not come back.
      const next = this.marks.find((mark) => mark.item === item)?.bytes ?? item.sentBytes;
      const elapsedMs = Math.max(0, nowMs - this.anchorMs);
      playedBytes = Math.min(next, playedBytes + elapsedMs * BYTES_PER_MS);
    }
    const playedMs = Math.min(sentMs, Math.floor(playedBytes / BYTES_PER_MS));
    return { itemId: item.itemId, contentIndex: item.contentIndex, playedMs, sentMs };
  }

  /** The first item with unplayed audio; those before it are played out and wait for more from the model. */
  private audible(): Item | undefined {
    for (const item of this.items.values()) if (item.playedBytes < item.sentBytes) return item;
    return undefined;
  }
}

/** Bytes that a base64 string stands for. */
function decodedLength(base64: string): number {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  return Math.floor(base64.length / 4) * 3 - padding;
}
