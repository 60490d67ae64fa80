import type { FeedIterator } from './feed-reader.js';

/** Where one subscriber sits at the edge of the process. */
export interface Seat {
  /** Takes one encoded value; never waits. */
  deliver(payload: string): void;
  /** More waits for this subscriber than should be held for it. */
  readonly congested: boolean;
  /** Resolves when it can take more, or is gone. */
  room(): Promise<void>;
  /** Nothing comes any more; `error` when the feed failed. */
  end(error?: Error): void;
}

/** Turns a value of the feed into what all of an audience receive. */
export type Encode<T> = (value: T) => string | Promise<string>;

/**
 * Many subscribers of the same thing share one feed, one execution and one encoded payload per event (design.md §4).
 * Each joins with a feed of its own, at its own place; audiences of one key that wait at the same place become one.
 * Whoever cannot keep up leaves its audience, and goes on from its place with a feed of its own once it has room.
 */
export class FanOut {
  private readonly byKey = new Map<string, Set<Audience<any>>>();
  private seated = 0;

  /** Subscribers now. */
  get seats(): number {
    return this.seated;
  }

  /** Feeds that are read for them. */
  get audiences(): number {
    return this.byKey.values().reduce((sum, siblings) => sum + siblings.size, 0);
  }

  /**
   * Seats one subscriber. Of one `key` are only subscriptions whose feeds and encoded values are the same for all, and
   * who may see the same. Returns how to leave; after that, and after `end`, the seat is not touched again.
   */
  join<T>(key: string, feed: FeedIterator<T>, encode: Encode<T>, seat: Seat): () => void {
    const place: Place = { seat, audience: null, gone: false };
    this.seated++;
    this.open({ key, feed, encode }, place);
    return () => {
      if (place.gone) return;
      this.vacate(place);
      place.audience?.remove(place);
    };
  }

  /** For audiences. */
  vacate(place: Place): void {
    place.gone = true;
    this.seated--;
  }

  /** For audiences: `place` goes on with a feed of its own. */
  open<T>(shared: Shared<T>, place: Place): void {
    let siblings = this.byKey.get(shared.key);
    if (siblings === undefined) this.byKey.set(shared.key, (siblings = new Set()));
    const audience = new Audience(this, siblings, shared);
    siblings.add(audience);
    audience.add(place);
    void audience.run().finally(() => {
      if (siblings.size === 0 && this.byKey.get(shared.key) === siblings) this.byKey.delete(shared.key);
    });
  }
}

interface Place {
  readonly seat: Seat;
  /** Null while it waits for room. */
  audience: Audience<any> | null;
  gone: boolean;
}

interface Shared<T> {
  key: string;
  feed: FeedIterator<T>;
  encode: Encode<T>;
}

/** Those who read one feed together. */
class Audience<T> {
  private readonly places = new Set<Place>();
  private over = false;

  constructor(
    private readonly hub: FanOut,
    private readonly siblings: Set<Audience<T>>,
    private readonly shared: Shared<T>,
  ) {}

  add(place: Place): void {
    place.audience = this;
    this.places.add(place);
  }

  remove(place: Place): void {
    this.places.delete(place);
    place.audience = null;
    if (this.places.size === 0) this.close();
  }

  async run(): Promise<void> {
    const { feed, encode } = this.shared;
    try {
      while (!this.over) {
        const next = feed.next();
        this.meet();
        const { value, done } = await next;
        if (this.over) return;
        if (done === true) return this.end();
        const payload = await encode(value);
        for (const { seat } of this.places) seat.deliver(payload);
        await this.waitForTheSlow();
      }
    } catch (error) {
      this.end(error as Error);
    }
  }

  /** Whoever waits at the same place gets the same from here on: the smaller audience joins the larger. */
  private meet(): void {
    const { position } = this.shared.feed;
    if (position === null) return;
    for (const other of this.siblings) {
      if (other === this || other.shared.feed.position !== position) continue;
      const [small, large] = other.places.size < this.places.size ? [other, this] : [this, other];
      for (const place of small.places) large.add(place);
      small.places.clear();
      small.close();
      if (small === this) return;
    }
  }

  private async waitForTheSlow(): Promise<void> {
    // Alone it costs nobody anything to wait, and no second look at the store.
    if (this.places.size === 1) {
      const [only] = this.places;
      if (only!.seat.congested) await only!.seat.room();
      return;
    }
    for (const place of this.places) if (place.seat.congested) this.seatApart(place);
  }

  private seatApart(place: Place): void {
    const reopen = this.shared.feed.mark();
    this.remove(place);
    void place.seat.room().then(() => {
      if (!place.gone) this.hub.open({ ...this.shared, feed: reopen() }, place);
    });
  }

  private close(): void {
    if (this.over) return;
    this.over = true;
    this.siblings.delete(this);
    void this.shared.feed.return();
  }

  private end(error?: Error): void {
    this.close();
    for (const place of this.places) {
      this.hub.vacate(place);
      place.seat.end(error);
    }
    this.places.clear();
  }
}
