import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { newId } from '../../src/lib/ids.js';
import type { NewSessionEvent } from '../../src/ports/session-events.js';
import { SessionLog } from '../../src/services/session-log.js';
import { startGateway, type TestGateway } from '../testkit/gateway.js';
import { seedSession } from '../testkit/context.js';
import { until } from '../testkit/until.js';

const QUERY = `subscription ($id: ID!, $after: Int! = 0) { sessionEvents(sessionId: $id, after: $after) {
  seq ... on TurnCompleted { turn { text } } } }`;

/** A subscriber that speaks the protocol by hand, so that it can be made to read nothing. */
class Watcher {
  readonly events: { seq: number; turn?: { text: string } }[] = [];
  readonly closed: Promise<number>;
  completed = false;
  readonly socket: WebSocket;

  constructor(origin: string, key: string, session: string, after = 0, query = QUERY) {
    this.socket = new WebSocket(`${origin.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    this.closed = once(this.socket, 'close').then(([code]) => code as number);
    this.socket.on('open', () => this.send({ type: 'connection_init', payload: { authorization: `Bearer ${key}` } }));
    this.socket.on('message', (data) => {
      const message = JSON.parse((data as Buffer).toString());
      if (message.type === 'connection_ack')
        this.send({ id: 'µ"1', type: 'subscribe', payload: { query, variables: { id: session, after } } });
      else if (message.type === 'next' && message.id === 'µ"1') this.events.push(message.payload.data.sessionEvents);
      else if (message.type === 'complete') this.completed = true;
      else throw new Error(JSON.stringify(message));
    });
  }

  get seqs(): number[] {
    return this.events.map((event) => event.seq);
  }
  get tcp(): Socket {
    return (this.socket as unknown as { _socket: Socket })._socket;
  }
  private send(message: object): void {
    this.socket.send(JSON.stringify(message));
  }
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + 1 + i);

describe('many viewers of one call', () => {
  let gateway: TestGateway;
  let log: SessionLog;
  const keys: Record<string, string> = {};

  beforeAll(async () => {
    gateway = await startGateway();
    log = new SessionLog(gateway.app.services.context);
    await gateway.admin('POST', '/tenants', { id: 'acme', name: 'Acme' });
    for (const [name, scopes] of Object.entries({ a: undefined, b: undefined, c: ['live:read', 'sessions:read'] }))
      keys[name] = (await gateway.admin('POST', '/tenants/acme/api-keys', { name, scopes })).body.key;
  });
  afterAll(() => gateway.stop());

  const turn = (index: number, text: string): NewSessionEvent => ({
    eventId: newId(),
    type: 'TurnCompleted',
    at: new Date(),
    payload: {
      turn: {
        id: newId(),
        index,
        speaker: 'AGENT',
        text,
        final: true,
        interrupted: false,
        startedAtMs: 0,
        endedAtMs: 1,
        latencyMs: null,
      },
    },
  });
  const watch = (id: string, after = 0, key = 'a') => new Watcher(gateway.origin, keys[key]!, id, after);
  const gauge = async (name: string) =>
    Number(new RegExp(`^${name} (\\d+)$`, 'm').exec((await gateway.call('GET', '/metrics')).body as string)![1]);

  it('share one feed once they have caught up, whatever they had seen and whichever key they hold', async () => {
    const { id } = await seedSession(gateway.database.database, 'acme');
    await log.append(
      id,
      1,
      range(0, 10).map((n) => turn(n, `turn ${n}`)),
    );
    const watchers = Array.from({ length: 40 }, (_, i) => watch(id, i % 11, i % 2 === 0 ? 'a' : 'b'));
    watchers.push(watch(id, 0, 'c'));
    await until(() => watchers.every((w, i) => w.seqs.length === (i === 40 ? 10 : 10 - (i % 11))), 'what is stored');
    await log.append(id, 1, [turn(11, 'for all')]);
    await until(() => watchers.every((w) => w.seqs.at(-1) === 11), 'the next event');
    await log.append(id, 1, [turn(12, 'for all')]);
    await until(() => watchers.every((w) => w.seqs.at(-1) === 12), 'one more');
    // The key with other scopes watches on its own.
    expect([await gauge('trunkline_subscribers'), await gauge('trunkline_subscriber_audiences')]).toEqual([41, 2]);
    watchers.forEach((w, i) => expect(w.seqs).toEqual(range(i === 40 ? 0 : i % 11, 12)));
    await log.append(id, 1, [
      {
        eventId: newId(),
        type: 'SessionEnded',
        at: new Date(),
        payload: { status: 'COMPLETED', reason: 'INTENT', durationMs: 1 },
      },
    ]);
    await until(() => watchers.every((w) => w.completed), 'the end');
    watchers.forEach((w) => w.socket.terminate());
    await until(async () => (await gauge('trunkline_subscribers')) === 0, 'nobody');
    expect(await gauge('trunkline_subscriber_audiences')).toBe(0);
  });

  it('get every character and every length of text as it was spoken', async () => {
    const { id } = await seedSession(gateway.database.database, 'acme');
    const watcher = watch(id);
    const texts = [
      'plain',
      'Grüße, 東京 and 🦊 "quoted"\n',
      ...[100, 126, 127, 60_000, 70_000].map((n) => 'x'.repeat(n)),
    ];
    await log.append(
      id,
      1,
      texts.map((text, index) => turn(index, text)),
    );
    await until(() => watcher.events.length === texts.length, 'every text');
    expect(watcher.events.map((event) => event.turn!.text)).toEqual(texts);
    watcher.socket.terminate();
  });

  it('are not held up by one that reads nothing, and it misses nothing when it reads again', async () => {
    const { id } = await seedSession(gateway.database.database, 'acme');
    const [slow, ...others] = Array.from({ length: 3 }, () => watch(id));
    await log.append(id, 1, [turn(0, 'hello')]);
    await until(() => [slow!, ...others].every((w) => w.seqs.length === 1), 'the first event');
    slow!.tcp.pause();
    const text = 'y'.repeat(100_000);
    // More than the sockets' own buffers take.
    for (let n = 1; n <= 150; n += 30)
      await log.append(
        id,
        1,
        range(0, 30).map((i) => turn(n + i, text)),
      );
    await until(() => others.every((w) => w.seqs.length === 151), 'the others');
    expect(slow!.seqs.length).toBeLessThan(151);
    await until(async () => (await gauge('trunkline_subscriber_audiences')) === 1, 'the slow one set apart');
    slow!.tcp.resume();
    await until(() => slow!.seqs.length === 151, 'the slow one', 60_000);
    expect(slow!.seqs).toEqual(range(0, 151));
    await log.append(id, 1, [turn(151, 'together again')]);
    await until(() => [slow!, ...others].every((w) => w.seqs.length === 152), 'the last event');
    for (const watcher of [slow!, ...others]) watcher.socket.terminate();
  }, 90_000);
});
