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
}

/**
 * A last-value feed: a snapshot first, then every change with its whole current state. A slow reader skips states, never
 * the newest one, so that it needs no more memory than there are keys. After a bus reconnect the snapshot comes again.
 */
export function followChanges<T, K extends Topic>(topics: TopicBus, source: ChangeSource<T, K>): FeedIterator<T> {
  const changed = new Set<string>();
  let ready: T[] = [];
  let stale = true;
  let over = false;
  let wake: (() => void) | null = null;
  const signal = () => {
    wake?.();
    wake = null;
  };
  const offReconnect = topics.bus.onReconnect(() => {
    stale = true;
    signal();
  });
  const subscribed = topics.subscribe(source.topic, source.channel ?? null, (message) => {
    const key = source.keyOf(message);
    if (key === null) return;
    changed.add(key);
    signal();
  });
  // Whoever never reads must still not crash the process.
  subscribed.catch(() => {});

  const leave = async (): Promise<IteratorReturnResult<undefined>> => {
    over = true;
    offReconnect();
    signal();
    const off = await subscribed.catch(() => null);
    off?.();
    return { value: undefined, done: true };
  };

  const iterator: FeedIterator<T> = {
    async next() {
      // First the subscription, then the store: a change in between is seen twice rather than never.
      await subscribed;
      while (!over) {
        const value = ready.shift();
        if (value !== undefined) return { value, done: false };
        if (stale) {
          stale = false;
          changed.clear();
          ready = await source.snapshot();
          continue;
        }
        const key = changed.values().next().value;
        if (key === undefined) {
          await new Promise<void>((resolve) => (wake = resolve));
          continue;
        }
        changed.delete(key);
        const loaded = await source.load(key);
        if (loaded !== null && !over) return { value: loaded, done: false };
      }
      return { value: undefined, done: true };
    },
    return: leave,
    // Whoever waits has shown everything that was heard of: all that wait stand at the same place.
    get position() {
      return wake === null || over ? null : 0;
    },
    // Whoever could not keep up starts from what is true then.
    mark: () => () => followChanges(topics, source),
    [Symbol.asyncIterator]: () => iterator,
  };
  return iterator;
}
