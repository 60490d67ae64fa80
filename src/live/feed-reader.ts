import type { StoredSessionEvent, TurnState } from '../ports/session-events.js';

/** Events read from the store at once, and about as many as wait for one reader. */
export const PAGE = 500;

/** A stored event, or a turn whose text is still growing. */
export type FeedItem = { event: StoredSessionEvent } | { partial: TurnState };

/** An iterator that can be left while it waits (a generator could not: its `return()` waits for the pending `next()`). */
export type FeedIterator<T = FeedItem> = AsyncIterableIterator<T, undefined, undefined> & {
  return(): Promise<IteratorReturnResult<undefined>>;
  /**
   * Where this feed stands, while it waits for something new; null while it is busy. Two feeds of the same thing that
   * stand at the same place give the same from here on: their readers may share one of them.
   */
  readonly position: number | null;
  /**
   * Remembers the place after what was handed out last, between two `next()`. What it returns opens a feed that goes on
   * from there, for a reader that cannot keep up with the others of this one.
   */
  mark(): () => FeedIterator<T>;
};

/**
 * The queue between a session's source and one reader. It holds about a page: a reader that lags is left behind, and
 * read for again once it has made room, so that slowness costs time and never memory or an event.
 */
export class ReaderQueue implements FeedIterator {
  /** Newest seq that was queued. */
  at: number;
  /** It has everything that was stored at the last look: growing turns make sense to it. */
  live = false;
  private readonly items: FeedItem[] = [];
  /** Newest seq that was handed out. */
  private taken: number;
  private over = false;
  private failure: Error | null = null;
  private waiting: PromiseWithResolvers<IteratorResult<FeedItem, undefined>> | null = null;
  private onRoom: () => void = () => {};
  private onLeave: () => void = () => {};

  constructor(
    after: number,
    private readonly partials: boolean,
    private readonly reopen: (after: number) => FeedIterator,
  ) {
    this.at = after;
    this.taken = after;
  }

  /** Events may be pushed. */
  get hasRoom(): boolean {
    return !this.over && this.items.length < PAGE;
  }

  get position(): number | null {
    return this.waiting === null ? null : this.at;
  }

  mark(): () => FeedIterator {
    const { taken } = this;
    return () => this.reopen(taken);
  }

  push(event: StoredSessionEvent): void {
    if (this.over) return;
    this.at = event.seq;
    this.items.push({ event });
    this.settle();
  }

  /** Growing text is dropped for whoever is busy with older things: the finished turn will say it all. */
  pushPartial(partial: TurnState): void {
    if (!this.partials || !this.live || !this.hasRoom) return;
    this.items.push({ partial });
    this.settle();
  }

  /** Completes once what is queued was read. */
  end(): void {
    if (this.over) return;
    this.over = true;
    this.onLeave();
    this.settle();
  }

  fail(error: Error): void {
    this.failure ??= error;
    this.end();
  }

  /** `onRoom`: there is room again. `onLeave`: the reader is done; called at once when it is already. */
  attach(onRoom: () => void, onLeave: () => void): void {
    this.onRoom = onRoom;
    this.onLeave = onLeave;
    if (this.over) onLeave();
  }

  next(): Promise<IteratorResult<FeedItem, undefined>> {
    this.waiting = Promise.withResolvers();
    const { promise } = this.waiting;
    this.settle();
    return promise;
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.items.length = 0;
    this.end();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private settle(): void {
    if (this.waiting === null) return;
    const { resolve, reject } = this.waiting;
    const item = this.failure === null ? this.items.shift() : undefined;
    if (item !== undefined) {
      if ('event' in item) this.taken = item.event.seq;
      resolve({ value: item, done: false });
    } else if (this.failure !== null) reject(this.failure);
    else if (this.over) resolve({ value: undefined, done: true });
    else return;
    this.waiting = null;
    if (!this.live && !this.over && this.items.length === PAGE / 2) this.onRoom();
  }
}

/**
 * What `map` makes of each item; items that it turns into null are left out. Leaving it leaves the source. A `map` that
 * remembers things says with `remap` how to go on from a mark: with what it remembers at that moment.
 */
export function mapFeed<A, B>(
  source: FeedIterator<A>,
  map: (item: A) => B | null,
  remap: () => (again: FeedIterator<A>) => FeedIterator<B> = () => (again) => mapFeed(again, map),
): FeedIterator<B> {
  const iterator: FeedIterator<B> = {
    async next() {
      for (;;) {
        const { value, done } = await source.next();
        if (done === true) return { value: undefined, done: true };
        const mapped = map(value);
        if (mapped !== null) return { value: mapped, done: false };
      }
    },
    async return() {
      await source.return();
      return { value: undefined, done: true };
    },
    get position() {
      return source.position;
    },
    mark() {
      const [reopen, goOn] = [source.mark(), remap()];
      return () => goOn(reopen());
    },
    [Symbol.asyncIterator]: () => iterator,
  };
  return iterator;
}

/**
 * The conversation in a session's events: finished turns, and with `partials` those that are still growing between them.
 * A growing one carries the seq of the last event that this feed delivered, so that resuming from it loses nothing.
 */
export function turnsOf(
  items: FeedIterator,
  { after, partials }: { after: number; partials: boolean },
): FeedIterator<TurnState & { seq: number }> {
  let delivered = after;
  return mapFeed(
    items,
    (item) => {
      if ('partial' in item) return { ...item.partial, final: false, seq: delivered };
      const { event } = item;
      if (event.type !== 'TurnCompleted' && !(partials && event.type === 'TurnStarted')) return null;
      delivered = event.seq;
      return { ...event.payload.turn, seq: event.seq };
    },
    () => {
      const from = { after: delivered, partials };
      return (again) => turnsOf(again, from);
    },
  );
}
