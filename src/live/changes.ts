import type { TopicBus, Topic, Topics } from '../pubsub/topics.js';
import type { FeedIterator } from './feed-reader.js';

/** Where the values of a last-value feed come from. */
export interface ChangeSource<T, K extends Topic> {
  topic: K;
  /** The topic's channel, where it has more than one. */
  channel?: string;
  /** What a message is about, or null when this subscriber does not care. Messages of one key that wait together are one. */
  keyOf(message: Topics[K]): string | null;
  /** What is unfinished now. */
  snapshot(): Promise<T[]>;
  /** The whole current state of what `key` names; null when there is nothing to show. */
  load(key: string): Promise<T | null>;
  /**
   * What a value says about the thing it is of. With it, the end of everything that was shown unfinished is shown too,
   * also when nobody heard of it. Missing: each value says everything, as a list does.
   */
  stateOf?(value: T): ChangeState;
}

export interface ChangeState {
  /** As {@link ChangeSource.keyOf} gives it. */
  key: string;
  finished: boolean;
  /** Another word for every state. */
  version: string;
}

/** A feed that hears nothing for so long reads the store: a message may have been lost without a trace. */
const QUIET_MS = 15_000;

/**
 * A last-value feed: a snapshot first, then every change with its whole current state. A slow reader skips states, never
 * the newest one, so that it needs no more memory than there are keys. After a bus reconnect the snapshot comes again.
 */
export function followChanges<T, K extends Topic>(
  topics: TopicBus,
  source: ChangeSource<T, K>,
  quietMs = QUIET_MS,
): FeedIterator<T> {
  return new ChangeFeed(topics, source, quietMs, new Map());
}

class ChangeFeed<T, K extends Topic> implements FeedIterator<T> {
  /** What the bus told of. */
  private readonly changed = new Set<string>();
  /** Shown unfinished, and not in the last snapshot: over, or no longer this subscriber's. */
  private readonly vanished = new Set<string>();
  private ready: T[] = [];
  private stale: 'everything' | 'what differs' | null = 'everything';
  private over = false;
  private wake: (() => void) | null = null;
  private readonly offReconnect: () => void;
  private readonly subscribed: Promise<() => void>;

  constructor(
    private readonly topics: TopicBus,
    private readonly source: ChangeSource<T, K>,
    private readonly quietMs: number,
    /** What its reader was shown unfinished: key -> version. */
    private readonly unfinished: Map<string, string>,
  ) {
    this.offReconnect = topics.bus.onReconnect(() => {
      this.stale = 'everything';
      this.signal();
    });
    this.subscribed = topics.subscribe(source.topic, source.channel ?? null, (message) => {
      const key = source.keyOf(message);
      if (key === null) return;
      this.changed.add(key);
      this.signal();
    });
    // Whoever never reads must still not crash the process.
    this.subscribed.catch(() => {});
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    // First the subscription, then the store: a change in between is seen twice rather than never.
    await this.subscribed;
    while (!this.over) {
      const value = this.ready.shift();
      if (value !== undefined) {
        this.note(value);
        return { value, done: false };
      }
      if (this.stale !== null) {
        await this.read(this.stale);
        continue;
      }
      const key = first(this.changed) ?? first(this.vanished);
      if (key === undefined) {
        await this.news();
        continue;
      }
      const told = this.changed.delete(key);
      this.vanished.delete(key);
      const loaded = await this.source.load(key);
      if (loaded === null) this.unfinished.delete(key);
      else if (!this.over && (this.note(loaded) || told)) return { value: loaded, done: false };
    }
    return { value: undefined, done: true };
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.over = true;
    this.offReconnect();
    this.signal();
    const off = await this.subscribed.catch(() => null);
    off?.();
    return { value: undefined, done: true };
  }

  /** Whoever waits has shown everything that was heard of: all that wait stand at the same place. */
  get position(): number | null {
    return this.wake === null || this.over ? null : 0;
  }

  /** Whoever could not keep up starts from what is true then, and still hears how that ended which it saw. */
  mark(): () => FeedIterator<T> {
    const seen = new Map(this.unfinished);
    return () => new ChangeFeed(this.topics, this.source, this.quietMs, seen);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private async read(what: 'everything' | 'what differs'): Promise<void> {
    const { stateOf } = this.source;
    this.stale = null;
    this.changed.clear();
    const snapshot = await this.source.snapshot();
    if (stateOf === undefined) return void (this.ready = snapshot);
    const states = snapshot.map((value) => ({ value, ...stateOf(value) }));
    const there = new Set(states.map(({ key }) => key));
    for (const key of this.unfinished.keys()) if (!there.has(key)) this.vanished.add(key);
    this.ready = states
      .filter(({ key, version }) => what === 'everything' || this.unfinished.get(key) !== version)
      .map(({ value }) => value);
  }

  /** Remembers what the reader is shown. True when that is another state than the one before. */
  private note(value: T): boolean {
    if (this.source.stateOf === undefined) return true;
    const { key, finished, version } = this.source.stateOf(value);
    const differs = this.unfinished.get(key) !== version;
    if (finished) this.unfinished.delete(key);
    else this.unfinished.set(key, version);
    return differs;
  }

  /** Until somebody tells of something, or nobody does for too long. */
  private async news(): Promise<void> {
    const timer =
      this.source.stateOf === undefined
        ? undefined
        : setTimeout(() => {
            this.stale ??= 'what differs';
            this.signal();
          }, this.quietMs).unref();
    await new Promise<void>((resolve) => (this.wake = resolve));
    clearTimeout(timer);
  }

  private signal(): void {
    this.wake?.();
    this.wake = null;
  }
}

const first = (keys: ReadonlySet<string>): string | undefined => keys.values().next().value;
