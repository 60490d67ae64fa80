import { describe, expect, it } from 'vitest';
import { MemoryBus } from '../pubsub/memory.js';
import { TopicBus } from '../pubsub/topics.js';
import { followChanges, type ChangeSource } from './changes.js';

interface Row {
  id: string;
  status: 'ringing' | 'talking' | 'over';
}

class ForgetfulBus extends MemoryBus {
  private readonly listeners = new Set<() => void>();
  override onReconnect(listener?: () => void): () => void {
    if (listener !== undefined) this.listeners.add(listener);
    return () => void this.listeners.delete(listener!);
  }
  reconnect(): void {
    for (const listener of this.listeners) listener();
  }
}

function world(quietMs = 60_000) {
  const bus = new ForgetfulBus();
  const topics = new TopicBus(bus);
  const rows = new Map<string, Row>();
  let reads = 0;
  const source: ChangeSource<Row, 'callChanged'> = {
    topic: 'callChanged',
    keyOf: ({ callId }) => callId,
    snapshot: async () => ((reads += 1), [...rows.values()].filter((row) => row.status !== 'over')),
    load: async (id) => rows.get(id) ?? null,
    stateOf: ({ id, status }) => ({ key: id, finished: status === 'over', version: status }),
  };
  const set = (id: string, status: Row['status']) => rows.set(id, { id, status });
  const tell = (callId: string) => topics.publish('callChanged', { tenantId: 't', callId, sessionId: null });
  const feed = followChanges(topics, source, quietMs);
  const next = async (from = feed) => {
    const { value } = await from.next();
    return `${value?.id} ${value?.status}`;
  };
  return { bus, rows, set, tell, feed, next, reads: () => reads };
}

describe('a last-value feed', () => {
  it('shows what is unfinished, then every change that it is told of, in its newest state', async () => {
    const { set, tell, next, feed } = world();
    set('a', 'ringing');
    set('old', 'over');
    expect(await next()).toBe('a ringing');
    const waiting = next();
    set('a', 'talking');
    await tell('a');
    expect(await waiting).toBe('a talking');
    set('a', 'over');
    await tell('a');
    await tell('a');
    expect(await next()).toBe('a over');
    await feed.return();
  });

  it('tells the end of what it showed after a reconnect, although nobody else did', async () => {
    const { bus, set, next, feed } = world();
    set('a', 'talking');
    set('b', 'talking');
    expect([await next(), await next()]).toEqual(['a talking', 'b talking']);
    const waiting = next();
    set('a', 'over');
    bus.reconnect();
    expect([await waiting, await next()]).toEqual(['b talking', 'a over']);
    await feed.return();
  });

  it('finds what a lost message would have said once it is quiet, and repeats nothing', async () => {
    const { set, rows, next, feed, reads } = world(20);
    set('a', 'talking');
    set('b', 'ringing');
    set('c', 'ringing');
    expect([await next(), await next(), await next()]).toEqual(['a talking', 'b ringing', 'c ringing']);
    const waiting = next();
    while (reads() < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    set('b', 'talking');
    expect(await waiting).toBe('b talking');
    set('a', 'over');
    rows.delete('c');
    set('d', 'ringing');
    expect([await next(), await next()].toSorted()).toEqual(['a over', 'd ringing']);
    await feed.return();
  });

  it('tells a reader that could not keep up how that ended which it saw', async () => {
    const { set, next, feed } = world();
    set('a', 'talking');
    await next();
    const goOn = feed.mark();
    set('a', 'over');
    set('b', 'ringing');
    const late = goOn();
    expect([await next(late), await next(late)]).toEqual(['b ringing', 'a over']);
    await feed.return();
    await late.return();
  });
});
