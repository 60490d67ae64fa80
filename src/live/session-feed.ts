import { SessionEvent, VoiceSession } from '../entities/index.js';
import type { Database } from '../entities/database.js';
import type { StoredSessionEvent, TurnState } from '../ports/session-events.js';
import type { TopicBus } from '../pubsub/topics.js';
import { PAGE, ReaderQueue, type FeedIterator } from './feed-reader.js';

export interface FeedTiming {
  /** Between two looks at the store, ms, for what the bus may have lost. */
  rereadAfterMs: number;
}
export const DEFAULT_FEED_TIMING: FeedTiming = { rereadAfterMs: 5_000 };

/**
 * The live feed over the session log (design.md §4): what is stored after `after`, then what follows, each event once
 * and in order, until the session has ended. The bus is only a wake-up; readers of one session share its store reads.
 */
export class SessionFeeds {
  private readonly sources = new Map<string, Promise<Source>>();
  private timer: NodeJS.Timeout | null = null;
  private looking = false;

  constructor(
    private readonly database: Database,
    private readonly topics: TopicBus,
    private readonly timing: FeedTiming = DEFAULT_FEED_TIMING,
  ) {}

  /**
   * Events of one session. The caller has checked that the viewer may see it. With `partials` also growing turns.
   * Read at the reader's own pace; `return()` lets go of everything at once.
   */
  follow(sessionId: string, after: number, options: { partials?: boolean } = {}): FeedIterator {
    const queue = new ReaderQueue(after, options.partials ?? false, (from) => this.follow(sessionId, from, options));
    this.attach(sessionId, queue).then(
      (source) =>
        queue.attach(
          () => source.wake(),
          () => source.remove(queue),
        ),
      (error: Error) => queue.fail(error),
    );
    return queue;
  }

  /** Number of sessions that are being followed in this process. */
  get followed(): number {
    return this.sources.size;
  }

  private async attach(sessionId: string, reader: ReaderQueue): Promise<Source> {
    for (;;) {
      let opening = this.sources.get(sessionId);
      if (opening === undefined) {
        opening = Source.open(this.database, this.topics, sessionId, () => this.forget(sessionId));
        this.sources.set(sessionId, opening);
        this.timer ??= setInterval(() => void this.lookAtStore(), this.timing.rereadAfterMs).unref();
        opening.catch(() => this.forget(sessionId));
      }
      const source = await opening;
      // Between two awaits the last reader may have left and closed it: then a new one is opened.
      if (source.add(reader)) return source;
      if (this.sources.get(sessionId) === opening) this.forget(sessionId);
    }
  }

  private forget(sessionId: string): void {
    this.sources.delete(sessionId);
    if (this.sources.size > 0 || this.timer === null) return;
    clearInterval(this.timer);
    this.timer = null;
  }

  /** One statement for all sessions that are followed: with a few for each, watching many calls would be mostly that. */
  private async lookAtStore(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    try {
      const ids = [...this.sources.keys()];
      // Rows, not entities: making a thousand of these would hold up everybody's audio.
      const sessions = await this.database
        .em({ all: true })
        .execute<{ id: string; status: string; last_seq: number }[]>(
          `select id, status, last_seq from voice_session where id in (${ids.map(() => '?').join(',')})`,
          ids,
        );
      for (const { id, status, last_seq: lastSeq } of sessions)
        (await this.sources.get(id))?.compare(lastSeq, status !== 'ACTIVE');
    } catch {
      // The database is away: the next look will find what there is.
    } finally {
      this.looking = false;
    }
  }
}

/** All readers of one session in this process: one subscription, one store read per wake-up. */
class Source {
  private readonly readers = new Set<ReaderQueue>();
  private reading: Promise<void> | null = null;
  private again = false;
  /** The seq of `SessionEnded`, once it is known. */
  private lastSeq: number | null = null;
  /** A reader came that may have seen everything of an ended session already: no event will tell it. */
  private mayBeOver = false;
  private closed = false;
  private readonly offs: (() => void)[] = [];
  private readonly finalTurns = new Set<string>();

  private constructor(
    private readonly database: Database,
    private readonly sessionId: string,
    private readonly onClose: () => void,
  ) {}

  static async open(database: Database, topics: TopicBus, sessionId: string, onClose: () => void): Promise<Source> {
    const source = new Source(database, sessionId, onClose);
    // First subscribe, then read: an event that is published in between is found in the store.
    source.offs.push(await topics.subscribe('sessionAppended', sessionId, () => source.wake()));
    source.offs.push(await topics.subscribe('turnPartial', sessionId, (m) => source.partial(m.turn)));
    source.offs.push(topics.bus.onReconnect(() => source.wake()));
    return source;
  }

  add(reader: ReaderQueue): boolean {
    if (this.closed) return false;
    this.readers.add(reader);
    this.mayBeOver = true;
    this.wake();
    return true;
  }

  remove(reader: ReaderQueue): void {
    this.readers.delete(reader);
    if (this.readers.size === 0) this.close();
  }

  private close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const off of this.offs) off();
    this.onClose();
  }

  private partial(turn: TurnState): void {
    if (this.finalTurns.has(turn.id)) return;
    for (const reader of this.readers) reader.pushPartial(turn);
  }

  wake(): void {
    if (this.closed) return;
    this.again = true;
    this.reading ??= this.readAll().finally(() => {
      this.reading = null;
      if (this.again) this.wake();
    });
  }

  /** Reads again where the store has more than the readers were given, or knows of an end that they do not. */
  compare(lastSeq: number, over: boolean): void {
    if (over) this.lastSeq ??= lastSeq;
    if (over || [...this.readers].some((reader) => reader.at < lastSeq)) this.wake();
  }

  private async readAll(): Promise<void> {
    try {
      while (this.again && !this.closed) {
        this.again = false;
        while (await this.readPage());
        if (this.mayBeOver && this.lastSeq === null) await this.learnWhetherOver();
        if (this.lastSeq !== null) for (const reader of this.readers) if (reader.at >= this.lastSeq) reader.end();
      }
    } catch {
      // The database is away: readers wait, and the next wake-up tries again.
      this.again = false;
    }
  }

  /** Reads for the one furthest behind among those with room; the others skip what they have. True: there may be more. */
  private async readPage(): Promise<boolean> {
    let from = Infinity;
    for (const reader of this.readers) if (reader.hasRoom && reader.at < from) from = reader.at;
    if (from === Infinity) return false;
    const events = await this.page(from);
    for (const event of events) this.hand(event);
    if (events.length === PAGE) return true;
    const newest = events.at(-1)?.seq ?? from;
    for (const reader of this.readers) reader.live = reader.at >= newest;
    return false;
  }

  private hand(event: StoredSessionEvent): void {
    if (event.type === 'TurnCompleted') this.finalTurns.add(event.payload.turn.id);
    if (event.type === 'SessionEnded') this.lastSeq = event.seq;
    for (const reader of this.readers)
      if (!reader.hasRoom) reader.live = false;
      else if (event.seq === reader.at + 1) reader.push(event);
      // It came while the page was read, and is behind it.
      else if (event.seq > reader.at + 1) this.again = true;
  }

  private async learnWhetherOver(): Promise<void> {
    this.mayBeOver = false;
    const session = await this.database
      .em({ all: true })
      .findOne(VoiceSession, { id: this.sessionId }, { fields: ['status', 'lastSeq'] });
    if (session !== null && session.status !== 'ACTIVE') this.lastSeq = session.lastSeq;
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
