import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Call, SessionEvent, Turn, VoiceSession } from '../src/entities/index.js';
import { newId } from '../src/lib/ids.js';
import { mapFeed, PAGE, turnsOf } from '../src/live/feed-reader.js';
import { SessionFeeds } from '../src/live/session-feed.js';
import type { Bus } from '../src/ports/bus.js';
import type { NewSessionEvent, TurnState } from '../src/ports/session-events.js';
import { MemoryBus } from '../src/pubsub/memory.js';
import type { ServiceContext } from '../src/services/context.js';
import { SessionLog } from '../src/services/session-log.js';
import { BatchingRecorder, sqlStateOf } from '../src/services/session-recorder.js';
import { seedSession, testContext } from './testkit/context.js';
import { openTestDatabase, type TestDatabase } from './testkit/database.js';
import { until } from './testkit/until.js';

const turn = (index: number, over: Partial<TurnState> = {}): TurnState => ({
  id: newId(),
  index,
  speaker: index % 2 === 0 ? 'AGENT' : 'CALLER',
  text: `turn ${index}`,
  final: true,
  interrupted: false,
  startedAtMs: index * 100,
  endedAtMs: index * 100 + 50,
  latencyMs: null,
  ...over,
});
const completed = (t: TurnState): NewSessionEvent => ({
  eventId: newId(),
  type: 'TurnCompleted',
  at: new Date(),
  payload: { turn: t },
});
const dtmf = (digit: string): NewSessionEvent => ({
  eventId: newId(),
  type: 'DtmfReceived',
  at: new Date(),
  payload: { digit },
});
const ended = (): NewSessionEvent => ({
  eventId: newId(),
  type: 'SessionEnded',
  at: new Date(),
  payload: { status: 'COMPLETED', reason: 'INTENT', durationMs: 1_000 },
});

const collect = async <T>(source: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const item of source) all.push(item);
  return all;
};

let test: TestDatabase;
let context: ServiceContext;
let log: SessionLog;
beforeAll(async () => {
  test = await openTestDatabase();
  context = testContext(test.database);
  log = new SessionLog(context);
});
afterAll(() => test.dispose());

const stored = (sessionId: string) =>
  test.database.em({ all: true }).find(SessionEvent, { sessionId }, { orderBy: { seq: 'asc' } });

describe('the session log', () => {
  it('numbers events without holes, however many append at once', async () => {
    const { id } = await seedSession(test.database);
    await Promise.all(Array.from({ length: 20 }, (_, i) => log.append(id, 1, [dtmf('1'), completed(turn(i))])));
    expect((await stored(id)).map((e) => e.seq)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    expect(await test.database.em({ all: true }).findOneOrFail(VoiceSession, { id })).toMatchObject({
      lastSeq: 40,
      turnCount: 20,
    });
  });

  it('stores an event once, also when its batch comes again', async () => {
    const { id } = await seedSession(test.database);
    const batch = [dtmf('1'), dtmf('2')];
    await log.append(id, 1, batch);
    expect(await log.append(id, 1, [...batch, batch[0]!, dtmf('3')])).toMatchObject({
      outcome: 'stored',
      lastSeq: 3,
      stored: 1,
    });
  });

  it('refuses an owner that was superseded, but never the gateway itself', async () => {
    const { id } = await seedSession(test.database);
    await test.database.em({ all: true }).nativeUpdate(VoiceSession, { id }, { ownerGeneration: 3 });
    expect(await log.append(id, 2, [dtmf('1')])).toEqual({ outcome: 'refused', because: 'superseded' });
    expect(await log.append(id, null, [dtmf('1')])).toMatchObject({ outcome: 'stored' });
    expect(await log.append(newId(), null, [dtmf('1')])).toEqual({ outcome: 'refused', because: 'missing' });
  });

  it('ends with SessionEnded: nothing comes after it, and a repeat of what is stored is no error', async () => {
    const session = await seedSession(test.database);
    const last = ended();
    expect(await log.append(session.id, 1, [dtmf('1'), last, dtmf('2')])).toMatchObject({ lastSeq: 2 });
    expect(await log.append(session.id, 1, [dtmf('3')])).toEqual({ outcome: 'refused', because: 'ended' });
    expect(await log.append(session.id, 1, [last])).toMatchObject({ outcome: 'stored', stored: 0, lastSeq: 2 });
    const em = test.database.em({ all: true });
    expect(await em.findOneOrFail(VoiceSession, { id: session.id })).toMatchObject({
      status: 'COMPLETED',
      endReason: 'INTENT',
      durationMs: 1_000,
    });
  });

  it('keeps the rows that events are about: turns, escalation, outcome', async () => {
    const session = await seedSession(test.database);
    const growing = turn(0, { final: false, text: 'hel' });
    await log.append(session.id, 1, [
      { eventId: newId(), type: 'TurnStarted', at: new Date(), payload: { turn: growing } },
      completed({ ...growing, final: true, text: 'hello \u0000 \ud800', interrupted: true }),
      { eventId: newId(), type: 'OutcomeRecorded', at: new Date(), payload: { outcome: 'resolved', note: null } },
      {
        eventId: newId(),
        type: 'SessionEscalated',
        at: new Date(),
        payload: {
          escalation: { reason: 'angry', trigger: null, action: 'RECORD', target: null, initiatedBy: 'AGENT' },
        },
      },
    ]);
    await log.append(session.id, 1, [
      { eventId: newId(), type: 'TurnStarted', at: new Date(), payload: { turn: growing } },
    ]);
    const em = test.database.em({ all: true });
    expect(await em.findOneOrFail(Turn, { sessionId: session.id })).toMatchObject({
      text: 'hello \ufffd \ufffd',
      final: true,
      seq: 2,
    });
    expect(await em.findOneOrFail(Call, { id: session.callId })).toMatchObject({
      escalated: true,
      outcome: 'resolved',
    });
    expect(await em.findOneOrFail(VoiceSession, { id: session.id })).toMatchObject({
      interruptionCount: 1,
      escalated: true,
    });
  });

  it('stores what a model makes up, however long or broken its words are', async () => {
    const session = await seedSession(test.database);
    const word = `\u0000\ud800${'x'.repeat(500)}`;
    const result = await log.append(session.id, 1, [
      { eventId: newId(), type: 'IntentIdentified', at: new Date(), payload: { intent: word } },
      { eventId: newId(), type: 'OutcomeRecorded', at: new Date(), payload: { outcome: word, note: null } },
      {
        eventId: newId(),
        type: 'ToolCallStarted',
        at: new Date(),
        payload: {
          toolCall: {
            id: newId(),
            modelCallId: word,
            name: word,
            arguments: { word },
            result: null,
            status: 'RUNNING',
            startedAtMs: 0,
            durationMs: null,
            turnIndex: null,
          },
        },
      },
    ]);
    expect(result).toMatchObject({ outcome: 'stored', stored: 3 });
    const em = test.database.em({ all: true });
    expect((await em.findOneOrFail(VoiceSession, { id: session.id })).intent).toHaveLength(100);
  });

  it('waits out a database outage and then writes everything, in order', async () => {
    const { id } = await seedSession(test.database);
    let outage = true;
    const health: boolean[] = [];
    const flaky = new SessionLog(context);
    const append = flaky.append.bind(flaky);
    flaky.append = (...args) => (outage ? Promise.reject(new Error('database away')) : append(...args));
    const recorder = new BatchingRecorder(context, flaky, id, 1, { health: (ok) => health.push(ok) });
    for (let i = 0; i < 5; i++) recorder.append(dtmf(String(i)));
    await until(() => health.includes(false), 'a failed write');
    outage = false;
    await recorder.flush();
    expect((await stored(id)).map((e) => e.payload.digit)).toEqual(['0', '1', '2', '3', '4']);
    expect(health.at(-1)).toBe(true);
  });

  it('sets an event aside that the database refuses for its data, and stores all the others', async () => {
    const { id } = await seedSession(test.database);
    const refused: [string, string | null][] = [];
    const health: boolean[] = [];
    const recorder = new BatchingRecorder(context, log, id, 1, {
      health: (ok) => health.push(ok),
      setAside: ({ type }, error) => refused.push([type, sqlStateOf(error)]),
    });
    recorder.append(dtmf('1'));
    // No integer column holds the first, no statement can be made of the second.
    recorder.append(completed(turn(0, { startedAtMs: 1e12 })));
    recorder.append(dtmf('2'));
    recorder.append({ ...dtmf('?'), payload: { digit: 3n } } as unknown as NewSessionEvent);
    recorder.append(dtmf('4'));
    await recorder.flush();
    recorder.append(dtmf('5'));
    await recorder.flush();
    const events = await stored(id);
    expect(events.map((e) => [e.seq, e.payload.digit])).toEqual([
      [1, '1'],
      [2, '2'],
      [3, '4'],
      [4, '5'],
    ]);
    expect(refused).toEqual([
      ['TurnCompleted', '22003'],
      ['DtmfReceived', null],
    ]);
    expect(health).not.toContain(false);
  });

  it('tells an engine that another process took over', async () => {
    const { id } = await seedSession(test.database);
    const recorder = new BatchingRecorder(context, log, id, 1);
    let told = 0;
    recorder.onSuperseded(() => told++);
    await test.database.em({ all: true }).nativeUpdate(VoiceSession, { id }, { ownerGeneration: 2 });
    recorder.append(dtmf('1'));
    await recorder.flush();
    recorder.append(dtmf('2'));
    await recorder.flush();
    expect(told).toBe(1);
    expect(await stored(id)).toHaveLength(0);
  });

  it('comes to an end when it was taken over with words in hand', async () => {
    const { id } = await seedSession(test.database);
    const recorder = new BatchingRecorder(context, log, id, 1);
    recorder.append(dtmf('1'));
    recorder.supersede();
    // The batch interval passes with nothing to write any more: that of a later one has passed, too.
    const later = await seedSession(test.database);
    new BatchingRecorder(context, log, later.id, 1).append(dtmf('1'));
    await until(async () => (await stored(later.id)).length === 1, 'a batch that began later');
    await recorder.flush();
    expect(await stored(id)).toHaveLength(0);
  });
});

/** A bus that loses messages at random. */
class LossyBus extends MemoryBus {
  override async publish(channel: string, payload: unknown): Promise<void> {
    if (Math.random() < 0.7) await super.publish(channel, payload);
  }
}

describe('the live feed', () => {
  const feedsOver = (bus: Bus, rereadAfterMs = 50) => {
    const over = testContext(test.database, { bus });
    return {
      feeds: new SessionFeeds(test.database, over.topics, { rereadAfterMs }),
      log: new SessionLog(over),
      topics: over.topics,
    };
  };

  it('gives a reader that is cut off at 200 random moments exactly what is stored', async () => {
    const { feeds, log: lossyLog } = feedsOver(new LossyBus());
    const { id } = await seedSession(test.database);
    const writer = (async () => {
      for (let i = 0; i < 150; i++) await lossyLog.append(id, 1, [completed(turn(i))]);
      await lossyLog.append(id, 1, [ended()]);
    })();
    const seen: number[] = [];
    let cuts = 0;
    let over = false;
    while (!over) {
      const feed = feeds.follow(id, seen.at(-1) ?? 0);
      const quota = cuts < 200 ? 1 + Math.floor(Math.random() * 2) : Infinity;
      for (let taken = 0; ; taken++) {
        if (taken >= quota || (cuts < 200 && seen.length === 151)) break;
        const { value, done } = await feed.next();
        if (done) {
          over = true;
          break;
        }
        if ('event' in value) seen.push(value.event.seq);
      }
      await feed.return();
      if (seen.length === 151 && cuts >= 200) over = true;
      cuts++;
    }
    await writer;
    expect(cuts).toBeGreaterThanOrEqual(200);
    expect(seen).toEqual((await stored(id)).map((e) => e.seq));
    expect(feeds.followed).toBe(0);
  });

  it('replays a finished call and completes; also when nothing is left to give', async () => {
    const { feeds } = feedsOver(new MemoryBus());
    const { id } = await seedSession(test.database);
    await log.append(id, 1, [dtmf('1'), dtmf('2'), ended()]);
    const all: number[] = [];
    for await (const item of feeds.follow(id, 0)) if ('event' in item) all.push(item.event.seq);
    expect(all).toEqual([1, 2, 3]);
    for await (const _ of feeds.follow(id, 3)) throw new Error('nothing should come');
  });

  it('asks the store about all quiet sessions at once', async () => {
    const { feeds } = feedsOver(new MemoryBus(), 20);
    const sessions = await Promise.all(Array.from({ length: 5 }, () => seedSession(test.database)));
    const connection = test.database.orm.em.getConnection() as unknown as {
      executeQuery(...args: unknown[]): Promise<unknown>;
    };
    const real = connection.executeQuery;
    const statements: string[] = [];
    connection.executeQuery = function (...args) {
      statements.push(String(args[0]));
      return real.apply(this, args);
    };
    const open = sessions.map(({ id }) => feeds.follow(id, 0));
    try {
      const isLook = (sql: string): boolean =>
        /from voice_session where id in/.test(sql) && sql.split('?').length > sessions.length;
      await until(
        () => statements.length > 6 && statements.slice(-6).every(isLook),
        () => statements.slice(-12),
      );
    } finally {
      delete (connection as { executeQuery?: unknown }).executeQuery;
      await Promise.all(open.map((feed) => feed.return()));
    }
  });

  it('shows growing turns between stored ones, and drops what comes after the finished turn', async () => {
    const { feeds, log: own, topics } = feedsOver(new MemoryBus());
    const { id } = await seedSession(test.database);
    const feed = turnsOf(feeds.follow(id, 0, { partials: true }), { after: 0, partials: true });
    const t = turn(0, { final: false, text: '' });
    await own.append(id, 1, [{ eventId: newId(), type: 'TurnStarted', at: new Date(), payload: { turn: t } }]);
    expect((await feed.next()).value).toMatchObject({ seq: 1, final: false });
    await topics.publish('turnPartial', { sessionId: id, turn: { ...t, text: 'Hel' } });
    expect((await feed.next()).value).toMatchObject({ seq: 1, text: 'Hel', final: false });
    await own.append(id, 1, [completed({ ...t, text: 'Hello', final: true })]);
    expect((await feed.next()).value).toMatchObject({ seq: 2, text: 'Hello', final: true });
    await topics.publish('turnPartial', { sessionId: id, turn: { ...t, text: 'Hell' } });
    await own.append(id, 1, [ended()]);
    expect((await feed.next()).done).toBe(true);
  });

  it('lets a slow reader read at its own pace, and holds nobody else up for it', async () => {
    const { feeds, log: own } = feedsOver(new MemoryBus());
    const { id } = await seedSession(test.database);
    const seqsOf = () => mapFeed(feeds.follow(id, 0), (item) => ('event' in item ? item.event.seq : null));
    const slow = seqsOf();
    expect(await Promise.all([slow.next(), own.append(id, 1, [dtmf('1')])])).toMatchObject([{ value: 1 }, {}]);
    const fast = collect(seqsOf());
    for (let i = 0; i < 4; i++)
      await own.append(
        id,
        1,
        Array.from({ length: PAGE }, () => dtmf('1')),
      );
    await own.append(id, 1, [ended()]);
    const all = Array.from({ length: 4 * PAGE + 2 }, (_, i) => i + 1);
    expect(await fast).toEqual(all);
    expect([1, ...(await collect(slow))]).toEqual(all);
  });

  it('replays a log of many pages, however long it is', async () => {
    const { feeds } = feedsOver(new MemoryBus());
    const { id } = await seedSession(test.database);
    for (let i = 0; i < 8; i++)
      await log.append(
        id,
        1,
        Array.from({ length: PAGE }, () => dtmf('1')),
      );
    await log.append(id, 1, [ended()]);
    const seqs: number[] = [];
    for await (const item of feeds.follow(id, 0)) {
      if ('event' in item) seqs.push(item.event.seq);
      if (seqs.length % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(seqs).toEqual(Array.from({ length: 8 * PAGE + 1 }, (_, i) => i + 1));
  });

  it('says where it stands while it waits, and is busy otherwise', async () => {
    const { feeds, log: own } = feedsOver(new MemoryBus());
    const { id } = await seedSession(test.database);
    const feed = mapFeed(feeds.follow(id, 0), (item) => ('event' in item && item.event.seq > 2 ? item : null));
    expect(feed.position).toBeNull();
    const waiting = feed.next();
    await own.append(id, 1, [dtmf('1'), dtmf('2')]);
    await until(() => feed.position === 2, 'the feed to have passed over two events');
    await own.append(id, 1, [dtmf('3')]);
    await waiting;
    expect(feed.position).toBeNull();
    await feed.return();
  });

  it('can be left while it waits', async () => {
    const { feeds } = feedsOver(new MemoryBus());
    const { id } = await seedSession(test.database);
    const feed = feeds.follow(id, 0);
    const waiting = feed.next();
    await feed.return();
    expect((await waiting).done).toBe(true);
    await until(() => feeds.followed === 0, 'the source to close');
  });

  it('is the stored sequence from any starting point (property)', async () => {
    const { feeds } = feedsOver(new MemoryBus());
    const { id } = await seedSession(test.database);
    await log.append(id, 1, [...Array.from({ length: 30 }, () => dtmf('1')), ended()]);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 31 }), async (after) => {
        const seqs: number[] = [];
        for await (const item of feeds.follow(id, after)) if ('event' in item) seqs.push(item.event.seq);
        expect(seqs).toEqual(Array.from({ length: 31 - after }, (_, i) => after + 1 + i));
      }),
      { numRuns: 20 },
    );
  });
});
