import type { StoredSessionEvent, TurnState } from '../ports/session-events.js';

/** A reader did not keep up: its connection is closed with 1013, and it can resume with `after`. */
export class SlowReader extends Error {
  constructor() {
    super('reader too slow; resume with the last seq seen');
    this.name = 'SlowReader';
  }
}

/** Events read from the store at once. */
export const PAGE = 500;

/** A stored event, or a turn whose text is still growing. */
export type FeedItem = { event: StoredSessionEvent } | { partial: TurnState };

/** One reader of a source. `push` never waits; `end` and `fail` are final. */
export interface Reader {
  /** Newest seq that this reader has been given. */
  at: number;
  push(item: FeedItem): void;
  end(): void;
  fail(error: Error): void;
}

/** An iterator that can be left while it waits (a generator could not: its `return()` waits for the pending `next()`). */
export type FeedIterator<T = FeedItem> = AsyncIterableIterator<T, undefined, undefined> & {
  return(): Promise<IteratorReturnResult<undefined>>;
};

/** A bounded queue between a source and one reader. */
export class ReaderQueue implements Reader, FeedIterator {
  at: number;
  private readonly items: FeedItem[] = [];
  private over = false;
  private failure: Error | null = null;
  private waiting: PromiseWithResolvers<IteratorResult<FeedItem, undefined>> | null = null;
  private leave: (() => void) | null = null;

  constructor(
    after: number,
    private readonly limit: number,
    private readonly partials: boolean,
  ) {
    this.at = after;
  }

  push(item: FeedItem): void {
    if (this.over) return;
    if ('event' in item) this.at = item.event.seq;
    else if (!this.partials) return;
    // While it catches up from the store a reader may lag by a page; only what piles up beyond that is its own slowness.
    if (this.items.length >= this.limit + PAGE) return this.fail(new SlowReader());
    this.items.push(item);
    this.settle();
  }

  end(): void {
    this.over = true;
    this.leave?.();
    this.settle();
  }

  fail(error: Error): void {
    this.failure ??= error;
    this.end();
  }

  /** `leave` is called once the reader is done; at once when it is already. */
  onLeave(leave: () => void): void {
    this.leave = leave;
    if (this.over) leave();
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
    if (item !== undefined) resolve({ value: item, done: false });
    else if (this.failure !== null) reject(this.failure);
    else if (this.over) resolve({ value: undefined, done: true });
    else return;
    this.waiting = null;
  }
}

/** What `map` makes of each item; items that it turns into null are left out. Leaving it leaves the source. */
export function mapFeed<A, B>(source: FeedIterator<A>, map: (item: A) => B | null): FeedIterator<B> {
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
    [Symbol.asyncIterator]: () => iterator,
  };
  return iterator;
}

/** The conversation in a session's events: turn states as they are stored, and growing ones between them. */
export function turnsOf(items: FeedIterator, after: number): FeedIterator<TurnState & { seq: number }> {
  let seq = after;
  return mapFeed(items, (item) => {
    if ('partial' in item) return { ...item.partial, final: false, seq };
    seq = item.event.seq;
    return 'turn' in item.event.payload ? { ...item.event.payload.turn, seq } : null;
  });
}
