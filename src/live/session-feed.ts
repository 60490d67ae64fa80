import { SessionEvent, VoiceSession } from '../entities/index.js';
import type { Database } from '../entities/database.js';
import type { StoredSessionEvent, TurnState } from '../ports/session-events.js';
import type { TopicBus } from '../pubsub/topics.js';
import { PAGE, ReaderQueue, type FeedIterator, type Reader } from './feed-reader.js';

export interface FeedTiming {
  /** The store is read again after this silence, ms: the bus may have lost a message. */
  rereadAfterMs: number;
  /** Events and partials that may wait for one reader. */
  maxQueued: number;
}
export const DEFAULT_FEED_TIMING: FeedTiming = { rereadAfterMs: 5_000, maxQueued: 1_000 };

/**
 * The live feed over the session log (design.md §4): what is stored after `after`, then what follows, each event once
 * and in order, until the session has ended. The bus is only a wake-up; readers of one session share its store reads.
 */
export class SessionFeeds {
  private readonly sources = new Map<string, Promise<Source>>();

  constructor(
    private readonly database: Database,
    private readonly topics: TopicBus,
    private readonly timing: FeedTiming = DEFAULT_FEED_TIMING,
  ) {}

  /**
   * Events of one session. The caller has checked that the viewer may see it. With `partials` also growing turns.
   * The iterator throws {@link SlowReader} when it is not read fast enough; `return()` lets go of everything at once.
   */
  follow(sessionId: string, after: number, options: { partials?: boolean } = {}): FeedIterator {
    const queue = new ReaderQueue(after, this.timing.maxQueued, options.partials ?? false);
    this.attach(sessionId, queue).then(
      (source) => queue.onLeave(() => source.remove(queue)),
      (error: Error) => queue.fail(error),
    );
    return queue;
  }

  /** Number of sessions that are being followed in this process. */
  get followed(): number {
    return this.sources.size;
  }

  private async attach(sessionId: string, reader: Reader): Promise<Source> {
    for (;;) {
      let opening = this.sources.get(sessionId);
      if (opening === undefined) {
        opening = Source.open(this.database, this.topics, this.timing, sessionId, () => this.sources.delete(sessionId));
        this.sources.set(sessionId, opening);
        opening.catch(() => this.sources.delete(sessionId));
      }
      const source = await opening;
      // Between two awaits the last reader may have left and closed it: then a new one is opened.
      if (source.add(reader)) return source;
      if (this.sources.get(sessionId) === opening) this.sources.delete(sessionId);
    }
  }
}

/** All readers of one session in this process: one subscription, one store read per wake-up. */
class Source {
  private readonly readers = new Set<Reader>();
  private reading: Promise<void> | null = null;
  private again = false;
  private closed = false;
  private timer: NodeJS.Timeout | null = null;
  private readonly offs: (() => void)[] = [];
  private readonly finalTurns = new Set<string>();

  private constructor(
    private readonly database: Database,
    private readonly timing: FeedTiming,
    private readonly sessionId: string,
    private readonly onClose: () => void,
  ) {}

  static async open(
    database: Database,
    topics: TopicBus,
    timing: FeedTiming,
    sessionId: string,
    onClose: () => void,
  ): Promise<Source> {
    const source = new Source(database, timing, sessionId, onClose);
    // First subscribe, then read: an event that is published in between is found in the store.
    source.offs.push(await topics.subscribe('sessionAppended', sessionId, () => source.wake()));
    source.offs.push(await topics.subscribe('turnPartial', sessionId, (m) => source.partial(m.turn)));
    source.offs.push(topics.bus.onReconnect(() => source.wake()));
    return source;
  }

  add(reader: Reader): boolean {
    if (this.closed) return false;
    this.readers.add(reader);
    this.wake();
    return true;
  }

  remove(reader: Reader): void {
    this.readers.delete(reader);
    if (this.readers.size === 0) this.close();
  }

  private close(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.timer !== null) clearTimeout(this.timer);
    for (const off of this.offs) off();
    this.onClose();
  }

  private partial(turn: TurnState): void {
    if (this.finalTurns.has(turn.id)) return;
    for (const reader of this.readers) reader.push({ partial: turn });
  }

  private wake(): void {
    if (this.closed) return;
    this.again = true;
    this.reading ??= this.readAll().finally(() => {
      this.reading = null;
      if (this.again) this.wake();
      else this.rest();
    });
  }

  private rest(): void {
    if (this.closed) return;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = setTimeout(() => this.wake(), this.timing.rereadAfterMs);
    this.timer.unref();
  }

  /** Reads from the reader that is furthest behind; the others skip what they have. */
  private async readAll(): Promise<void> {
    try {
      while (this.again && !this.closed) {
        this.again = false;
        for (;;) {
          const from = Math.min(...[...this.readers].map((reader) => reader.at));
          if (!Number.isFinite(from)) return;
          const events = await this.page(from);
          for (const event of events) this.hand(event);
          if (events.length < PAGE) break;
        }
        if (await this.isOver()) for (const reader of this.readers) reader.end();
      }
    } catch {
      // The database is away: readers wait, and the next wake-up tries again.
      this.again = false;
    }
  }

  private hand(event: StoredSessionEvent): void {
    if (event.type === 'TurnCompleted') this.finalTurns.add(event.payload.turn.id);
    for (const reader of this.readers)
      if (event.seq === reader.at + 1) reader.push({ event });
      else if (event.seq > reader.at + 1) this.again = true;
    if (event.type === 'SessionEnded') for (const reader of this.readers) if (reader.at === event.seq) reader.end();
  }

  /** A reader that resumes after the last event of an ended session gets nothing more, and must not wait for ever. */
  private async isOver(): Promise<boolean> {
    const behind = [...this.readers];
    if (behind.length === 0) return false;
    const session = await this.database
      .em({ all: true })
      .findOne(VoiceSession, { id: this.sessionId }, { fields: ['status', 'lastSeq'] });
    return session !== null && session.status !== 'ACTIVE' && behind.every((reader) => reader.at >= session.lastSeq);
  }

  private async page(after: number): Promise<StoredSessionEvent[]> {
    const rows = await this.database
      .em({ all: true })
      .find(
        SessionEvent,
        { sessionId: this.sessionId, seq: { $gt: after } },
        { orderBy: { seq: 'asc' }, limit: PAGE, disableIdentityMap: true },
      );
    return rows.map((row) => ({
      sessionId: row.sessionId as string,
      seq: row.seq,
      eventId: row.eventId,
      type: row.type,
      at: row.at,
      payload: row.payload,
    })) as unknown as StoredSessionEvent[];
  }
}
