import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Call, VoiceSession } from '../src/entities/index.js';
import { CarrierError } from '../src/ports/carrier.js';
import { noJobs } from './testkit/context.js';
import { ACCOUNT, callWorld, seedCallTenant, type CallWorld, type SeededTenant } from './testkit/call-world.js';
import { openTestDatabase, type TestDatabase } from './testkit/database.js';

let test: TestDatabase;
let acme: SeededTenant;
let world: CallWorld;
let sent: { queue: string; data: object }[];
beforeAll(async () => {
  test = await openTestDatabase();
  acme = await seedCallTenant(test, 'acme');
});
afterAll(() => test.dispose());
beforeEach(async () => {
  // Each case is the only one with something to reconcile.
  for (const table of ['session_event', 'voice_session', 'call']) await em().execute(`delete from "${table}"`);
  sent = [];
  world = callWorld(test, {
    jobs: { ...noJobs, send: async (queue, data) => (sent.push({ queue, data }), null) },
  });
});

const em = () => test.database.em({ all: true });
const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000);
const newSid = () => `CA${randomBytes(16).toString('hex')}`;
const sweep = () => world.services.reconciler.sweep();
const reload = (call: Call) => em().findOneOrFail(Call, { id: call.id });
const reloadSession = (call: Call) => em().findOneOrFail(VoiceSession, { callId: call.id });

async function row(values: Partial<Call>): Promise<Call> {
  const writer = em();
  const call = writer.create(Call, {
    tenantId: 'acme',
    accountSid: ACCOUNT.accountSid,
    direction: 'OUTBOUND',
    status: 'IN_PROGRESS',
    fromNumber: acme.route.number,
    toNumber: '+15555550042',
    createdAt: minutesAgo(3),
    updatedAt: minutesAgo(3),
    ...values,
  });
  await writer.flush();
  return call;
}
async function session(call: Call, values: Partial<VoiceSession>): Promise<void> {
  const writer = em();
  writer.create(VoiceSession, {
    tenantId: call.tenantId,
    callId: call.id,
    callSid: call.callSid,
    model: 'm',
    startedAt: minutesAgo(3),
    ...values,
  });
  await writer.flush();
}
const listed = (sid: string, more = {}) =>
  world.carrier.put(sid, 'ringing', { to: '+15555550042', from: acme.route.number, createdAt: minutesAgo(2), ...more });

describe('a dial without an answer', () => {
  it('becomes unknown after half a minute', async () => {
    const slow = await row({ status: 'DIALING', createdAt: minutesAgo(1) });
    const young = await row({ status: 'DIALING', toNumber: '+15555550043', createdAt: new Date() });
    await sweep();
    expect([(await reload(slow)).status, (await reload(young)).status]).toEqual(['UNKNOWN', 'DIALING']);
  });

  it('adopts the carrier’s call when it is the only match, and is never sent again', async () => {
    const call = await row({ status: 'UNKNOWN' });
    const sid = newSid();
    listed(sid);
    await sweep();
    expect(await reload(call)).toMatchObject({ status: 'RINGING', callSid: sid });
    expect(world.carrier.created).toHaveLength(0);
  });

  it('adopts nothing when two calls match, when the match is another row’s, or when two rows wait for it', async () => {
    const call = await row({ status: 'UNKNOWN' });
    listed(newSid());
    listed(newSid());
    await sweep();
    expect(await reload(call)).toMatchObject({ status: 'UNKNOWN', callSid: null });
    world.carrier.calls.clear();
    const taken = newSid();
    listed(taken);
    await row({ callSid: taken, updatedAt: new Date() });
    await em().nativeUpdate(Call, { id: call.id }, { checkedAt: null });
    await sweep();
    expect(await reload(call)).toMatchObject({ callSid: null });
    world.carrier.calls.clear();
    listed(newSid());
    const rival = await row({ status: 'UNKNOWN' });
    await em().nativeUpdate(Call, { id: call.id }, { checkedAt: null });
    await sweep();
    expect([(await reload(call)).callSid, (await reload(rival)).callSid]).toEqual([null, null]);
  });

  it('is not asked about again at once, and is given up after a day without a trace', async () => {
    const call = await row({ status: 'UNKNOWN' });
    await sweep();
    const first = (await reload(call)).checkedAt;
    await sweep();
    expect((await reload(call)).checkedAt).toEqual(first);
    const old = await row({ status: 'UNKNOWN', createdAt: minutesAgo(25 * 60), toNumber: '+15555550044' });
    await sweep();
    expect(await reload(old)).toMatchObject({ status: 'FAILED', errorCode: 'never_placed' });
  });
});

describe('a running call without news', () => {
  it('is looked up, and moves on when the carrier knows better', async () => {
    const lost = await row({ callSid: newSid() });
    const fine = await row({ callSid: newSid(), updatedAt: new Date() });
    const beating = await row({ callSid: newSid() });
    await session(beating, {
      ownerId: 'p',
      ownerBeatAt: new Date(),
      streamOpenedAt: minutesAgo(3),
      ownerGeneration: 1,
    });
    for (const call of [lost, fine, beating]) world.carrier.put(call.callSid!, 'completed', { durationSeconds: 30 });
    await sweep();
    expect(await reload(lost)).toMatchObject({ status: 'COMPLETED', durationSeconds: 30 });
    expect((await reload(fine)).status).toBe('IN_PROGRESS');
    expect((await reload(beating)).status).toBe('IN_PROGRESS');
    expect(world.carrier.fetches).toBe(1);
  });

  it('does not block the others when the carrier fails on it', async () => {
    const bad = await row({ callSid: newSid(), updatedAt: minutesAgo(9) });
    const strange = await row({ callSid: newSid(), updatedAt: minutesAgo(8) });
    const good = await row({ callSid: newSid() });
    world.carrier.onFetch = (sid) => {
      if (sid === bad.callSid) throw new CarrierError('unknown', 'timeout');
      if (sid === strange.callSid) throw new TypeError('not a carrier error at all');
      return world.carrier.put(sid, 'no-answer');
    };
    await sweep();
    expect((await reload(good)).status).toBe('NO_ANSWER');
    expect((await reload(bad)).status).toBe('IN_PROGRESS');
    expect((await reload(bad)).checkedAt).not.toBeNull();
  });

  it('is asked about by one process only, in bounded batches', async () => {
    for (let i = 0; i < 30; i++) await row({ callSid: newSid() });
    const other = callWorld(test);
    await Promise.all([sweep(), other.services.reconciler.sweep()]);
    const fetches = world.carrier.fetches + other.carrier.fetches;
    expect(fetches).toBeGreaterThanOrEqual(20);
    expect(fetches).toBeLessThanOrEqual(30);
    await Promise.all([sweep(), other.services.reconciler.sweep()]);
    expect(world.carrier.fetches + other.carrier.fetches).toBe(30);
  });
});

describe('a session that nobody owns any more', () => {
  const dead = {
    ownerId: 'gone',
    ownerBeatAt: minutesAgo(2),
    streamOpenedAt: minutesAgo(3),
    ownerGeneration: 1,
    lastSeq: 0,
  };

  it('is closed when its call has ended, and its events go out', async () => {
    const call = await row({ callSid: newSid(), updatedAt: new Date() });
    await session(call, dead);
    world.carrier.put(call.callSid!, 'completed', { durationSeconds: 7 });
    await sweep();
    expect(await reloadSession(call)).toMatchObject({ status: 'FAILED', endReason: 'OWNER_LOST', lastSeq: 1 });
    expect(await reload(call)).toMatchObject({ status: 'COMPLETED', durationSeconds: 7 });
    expect(sent.map(({ queue }) => queue).toSorted()).toEqual([
      'call-completed',
      'call-completed',
      'call-evaluation',
      'call-summary',
    ]);
  });

  it('is kept for the resume route while its call goes on', async () => {
    const call = await row({ callSid: newSid() });
    await session(call, dead);
    world.carrier.put(call.callSid!, 'in-progress');
    await sweep();
    expect((await reloadSession(call)).status).toBe('ACTIVE');
  });

  it('is closed when no stream ever came, when the stream’s end was forgotten, and when the owner never ended it', async () => {
    const orphan = await row({ callSid: newSid(), updatedAt: new Date() });
    await session(orphan, {});
    const forgotten = await row({ callSid: newSid(), updatedAt: new Date() });
    await session(forgotten, { ...dead, ownerId: null, streamEndedAt: minutesAgo(1) });
    const overdue = await row({ callSid: newSid(), status: 'COMPLETED', endedAt: minutesAgo(1) });
    await session(overdue, { ...dead, ownerBeatAt: new Date() });
    for (const call of [orphan, forgotten]) world.carrier.put(call.callSid!, 'completed');
    await sweep();
    const reasons = await Promise.all(
      [orphan, forgotten, overdue].map(async (c) => (await reloadSession(c)).endReason),
    );
    expect(reasons).toEqual(['CALL_ENDED', 'CALL_ENDED', 'OWNER_LOST']);
  });

  it('takes its synthetic call along: there is no carrier to ask', async () => {
    const call = await row({ synthetic: true });
    await session(call, dead);
    await sweep();
    expect((await reload(call)).status).toBe('FAILED');
    expect((await reloadSession(call)).status).toBe('FAILED');
    expect(world.carrier.fetches).toBe(0);
  });
});

it('sends the last event again when the process died before it', async () => {
  const call = await row({ status: 'BUSY', callSid: newSid(), endedAt: minutesAgo(2) });
  await row({ status: 'FAILED', endedAt: minutesAgo(2), completedEventSent: true });
  await sweep();
  expect(sent).toEqual([{ queue: 'call-completed', data: { callId: call.id } }]);
});

it('starts, sweeps by itself and stops', async () => {
  const call = await row({ status: 'DIALING', createdAt: minutesAgo(1) });
  world.services.reconciler.start();
  await world.services.reconciler.stop();
  expect((await reload(call)).status).toBe('UNKNOWN');
});
