import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Call, ScheduledCall } from '../src/entities/index.js';
import { openGate } from '../src/services/call-gate.js';
import { createCallServices } from '../src/services/call-services.js';
import { seedCallable, startGateway, type RestAnswer, type TestGateway } from './testkit/gateway.js';
import { graphql, must } from './testkit/graphql.js';
import { MovableClock } from './testkit/movable-clock.js';
import { until } from './testkit/until.js';

const clock = new MovableClock();
let gateway: TestGateway;
let acme: Awaited<ReturnType<typeof seedCallable>>;
let free: Awaited<ReturnType<typeof seedCallable>>;
const OFFICE = { time_zone: null, windows: [{ days: [1, 2, 3, 4, 5], start: '09:00', end: '18:00' }] };
const tenantHours = (calling_hours: object | null) =>
  gateway.admin('PUT', '/tenants/acme/runtime-config', { telephony: { calling_hours } });
const agentHours = (calling_hours: object | null) =>
  gateway.admin('PATCH', `/agents/${acme.agent.id}`, { calling_hours });

beforeAll(async () => {
  gateway = await startGateway({ overrides: { clock } });
  acme = await seedCallable(gateway, 'acme', '+15555551234');
  free = await seedCallable(gateway, 'free', '+15555559999');
  await gateway.admin('PATCH', '/tenants/acme', { time_zone: 'Asia/Kolkata' });
  await tenantHours(OFFICE);
});
afterAll(() => gateway.stop());

// Each in a place of its own; the last four digits differ from call to call.
let numbers = 0;
const numberIn = (prefix: string) => `${prefix}${String(1_000 + numbers++)}`;
const NEW_YORK = '+1212555';
const LOS_ANGELES = '+1213555';
/** Boise or Los Angeles. */
const IDAHO = '+1208555';
/** Nobody has been given one: the tenant's zone. */
const NOWHERE = '+1555555';

const em = () => gateway.database.database.em({ all: true });
const dial = (to: string, more: object = {}, headers: Record<string, string> = {}) =>
  gateway.call('POST', '/api/v1/make-call', { key: acme.key, body: { to, ...more }, headers });
const callsTo = (to: string) => gateway.carrier.calls.filter((call) => call.options.to === to);
const scheduled = async (id: string) =>
  (await gateway.call('GET', `/api/v1/scheduled-calls/${id}`, { key: acme.key })).body;
/** What the clock would do within the minute. */
const lookForDueDials = () => gateway.app.infrastructure.jobs.send('due-dials', {});
/** When the dial is allowed: `now`, the time of the refusal, or `never`. */
async function allowed(at: string, to: string): Promise<string> {
  clock.set(at);
  const { status, body } = await dial(to);
  callsTo(to).forEach((call) => call.hangUp());
  if (status === 200) return 'now';
  expect([status, body.code]).toEqual([422, 'OUTSIDE_CALLING_HOURS']);
  return body.allowed_at ?? 'never';
}

describe('calling hours', () => {
  it('go by the clock of whoever is called', async () => {
    // A Monday: 09:30 in New York, 06:30 in Los Angeles, 20:00 at the tenant's.
    expect(await allowed('2026-11-30T14:30:00Z', numberIn(NEW_YORK))).toBe('now');
    expect(await allowed('2026-11-30T14:30:00Z', numberIn(LOS_ANGELES))).toBe('2026-11-30T17:00:00.000Z');
    expect(await allowed('2026-11-30T14:30:00Z', numberIn(NOWHERE))).toBe('2026-12-01T03:30:00.000Z');
    expect(await allowed('2026-12-01T03:30:30Z', numberIn(NOWHERE))).toBe('now');
    // Friday evening in New York.
    expect(await allowed('2026-12-04T23:00:00Z', numberIn(NEW_YORK))).toBe('2026-12-07T14:00:00.000Z');
  });

  it('hold in every zone that the number may be in, and say when there is no such time', async () => {
    expect(await allowed('2026-11-30T16:30:00Z', numberIn(IDAHO))).toBe('2026-11-30T17:00:00.000Z');
    expect(await allowed('2026-11-30T17:30:00Z', numberIn(IDAHO))).toBe('now');
    // 17:30 in Los Angeles is 18:30 in Boise.
    expect(await allowed('2026-12-01T01:30:00Z', numberIn(IDAHO))).toBe('2026-12-01T17:00:00.000Z');
    // A Russian mobile may be in Kaliningrad or, ten hours later, in Kamchatka.
    expect(await allowed('2026-11-30T07:00:00Z', numberIn('+7912345'))).toBe('never');
  });

  it('of a number that names no place go by its country where that keeps one time, else by the tenant', async () => {
    // Toll-free numbers of +1 are answered anywhere from Guam to Newfoundland: 20:00 in Kolkata, then 09:30.
    const [tollFree, british] = [numberIn('+1800234'), numberIn('+44800111')];
    expect(await allowed('2026-11-30T14:30:00Z', tollFree)).toBe('2026-12-01T03:30:00.000Z');
    const { body } = await dial(tollFree);
    expect([body.allowed_at, body.time_zones]).toEqual(['2026-12-01T03:30:00.000Z', ['Asia/Kolkata']]);
    expect(await allowed('2026-12-01T04:00:00Z', tollFree)).toBe('now');
    // All of +44 keeps London's time.
    expect(await allowed('2026-12-01T04:00:00Z', british)).toBe('2026-12-01T09:00:00.000Z');
    expect(await allowed('2026-12-01T09:00:30Z', british)).toBe('now');
    await tenantHours({ ...OFFICE, windows: [] });
    const closed = await dial(british, { schedule_if_closed: true });
    expect([closed.status, closed.body.allowed_at, closed.body.error]).toEqual([
      422,
      null,
      expect.stringContaining('the calling hours are empty'),
    ]);
    await tenantHours(OFFICE);
  });

  it('of the agent come before the tenant’s, and may have a zone of their own', async () => {
    await agentHours({ ...OFFICE, windows: [{ days: [1], start: '22:00', end: '02:00' }] });
    // Monday 23:00 in New York, and an hour past midnight.
    expect(await allowed('2026-12-01T04:00:00Z', numberIn(NEW_YORK))).toBe('now');
    expect(await allowed('2026-12-01T06:00:00Z', numberIn(NEW_YORK))).toBe('now');
    expect(await allowed('2026-12-01T08:00:00Z', numberIn(NEW_YORK))).toBe('2026-12-08T03:00:00.000Z');
    await agentHours({ ...OFFICE, time_zone: 'Europe/Berlin' });
    expect(await allowed('2026-12-01T08:30:00Z', numberIn(LOS_ANGELES))).toBe('now');
    await agentHours(null);
    expect(await allowed('2026-12-01T08:30:00Z', numberIn(LOS_ANGELES))).toBe('2026-12-01T17:00:00.000Z');
  });

  it('refuse with the same code and facts over GraphQL, and nobody who has none', async () => {
    clock.set('2026-11-30T14:30:00Z');
    const query = 'mutation ($to: PhoneNumber!) { makeCall(input: { to: $to }) { call { id } } }';
    const to = numberIn(LOS_ANGELES);
    const { errors } = await graphql(gateway, query, { to }, acme.key);
    expect(errors![0]!.extensions).toMatchObject({
      code: 'OUTSIDE_CALLING_HOURS',
      allowed_at: '2026-11-30T17:00:00.000Z',
      time_zones: ['America/Los_Angeles'],
      retryable: false,
    });
    expect(await em().count(Call, { toNumber: to })).toBe(0);
    const made = await gateway.call('POST', '/api/v1/make-call', { key: free.key, body: { to } });
    expect([made.status, made.body.status]).toEqual([200, 'queued']);
    callsTo(to).forEach((call) => call.hangUp());
  });
});

describe('a call that waits', () => {
  it('is kept until the hours allow it, once for one key, and then dialled once', async () => {
    clock.set('2026-11-30T14:30:00Z');
    const to = numberIn(LOS_ANGELES);
    const prompt_variables = { customer_name: 'Ann' };
    const ask = () => dial(to, { schedule_if_closed: true, prompt_variables }, { 'idempotency-key': `wait-${to}` });
    const answers = await Promise.all(Array.from({ length: 5 }, ask));
    const [{ body: first }] = answers as [(typeof answers)[0]];
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202, 202]);
    expect(new Set(answers.map(({ body }) => body.scheduled_call_id)).size).toBe(1);
    expect(answers.filter(({ body }) => !body.duplicate)).toHaveLength(1);
    expect(first).toMatchObject({ status: 'scheduled', call_id: null, scheduled_at: '2026-11-30T17:00:00.000Z' });
    await gateway.app.services.calls.dueDials.sweep();
    expect(callsTo(to)).toHaveLength(0);
    clock.set('2026-11-30T17:00:05Z');
    // Several processes may look at the same moment, which share nothing but the database.
    const { services, infrastructure } = gateway.app;
    const ports = { carrier: infrastructure.carrier, http: infrastructure.http, textModel: null, gate: openGate };
    const others = [1, 2].map(() => createCallServices(services.context, ports));
    await Promise.all([services.calls, ...others, ...others].map((calls) => calls.dueDials.sweep()));
    expect(callsTo(to)).toHaveLength(1);
    const row = await scheduled(first.scheduled_call_id);
    expect(row).toMatchObject({ state: 'dialed', to, call_id: expect.any(String), error: null });
    expect(await em().findOne(Call, { id: row.call_id })).toMatchObject({ promptVariables: prompt_variables });
    const again = await ask();
    expect(again.body).toMatchObject({ duplicate: true, call_id: row.call_id, call_sid: expect.stringMatching(/^CA/) });
    callsTo(to).forEach((call) => call.hangUp());
    expect(callsTo(to)).toHaveLength(1);
  });

  it('is checked again when its time has come: closed hours move it, a wish not to be called ends it', async () => {
    clock.set('2026-11-30T15:00:00Z');
    const [moved, refused] = [numberIn(NEW_YORK), numberIn(NEW_YORK)];
    const schedule = '2026-11-30T15:30:00Z';
    const waits = await dial(moved, { schedule });
    const ends = await dial(refused, { schedule });
    await gateway.call('POST', '/api/v1/dnc', { key: acme.key, body: { number: refused } });
    await tenantHours({ ...OFFICE, windows: [{ ...OFFICE.windows[0]!, start: '12:00' }] });
    clock.set('2026-11-30T15:30:05Z');
    await lookForDueDials();
    await until(async () => (await scheduled(ends.body.scheduled_call_id)).state === 'refused', 'the refusal');
    expect((await scheduled(ends.body.scheduled_call_id)).error).toContain('DO_NOT_CALL');
    expect(
      await until(async () => {
        const row = await scheduled(waits.body.scheduled_call_id);
        return row.error === null ? null : row;
      }),
    ).toMatchObject({ state: 'waiting', due_at: '2026-11-30T17:00:00.000Z' });
    await tenantHours(OFFICE);
    clock.set('2026-11-30T17:00:05Z');
    await lookForDueDials();
    await until(() => callsTo(moved).length === 1, 'the call');
    callsTo(moved).forEach((call) => call.hangUp());
    expect(callsTo(refused)).toHaveLength(0);
  });

  it('may be asked for at a time of the client’s choice, within the hours', async () => {
    clock.set('2026-11-30T15:00:00Z');
    const to = numberIn(NEW_YORK);
    const night = await dial(to, { schedule: '2026-12-01T04:00:00Z' });
    expect([night.status, night.body.allowed_at]).toEqual([422, '2026-12-01T14:00:00.000Z']);
    const query = `mutation ($to: PhoneNumber!, $at: DateTime!) {
      makeCall(input: { to: $to, schedule: $at, scheduleIfClosed: true }) {
        duplicate call { id } scheduledCall { id state dueAt to call { id } }
      }
    }`;
    const { makeCall } = await must(gateway, query, { to, at: '2026-12-01T04:00:00Z' }, acme.key);
    expect(makeCall).toEqual({
      duplicate: false,
      call: null,
      scheduledCall: { id: expect.any(String), state: 'WAITING', dueAt: '2026-12-01T14:00:00.000Z', to, call: null },
    });
    const list = '{ scheduledCalls(filter: { state: WAITING }) { edges { node { id } } } }';
    const ids = (data: any) => data.scheduledCalls.edges.map((edge: any) => edge.node.id);
    expect(ids(await must(gateway, list, {}, acme.key))).toContain(makeCall.scheduledCall.id);
    expect(ids(await must(gateway, list, {}, free.key))).toEqual([]);
    const cancel = 'mutation ($id: ID!) { cancelScheduledCall(id: $id) { state } }';
    const id = makeCall.scheduledCall.id;
    expect((await graphql(gateway, cancel, { id }, free.key)).errors![0]!.extensions.code).toBe('NOT_FOUND');
    expect((await must(gateway, cancel, { id }, acme.key)).cancelScheduledCall.state).toBe('CANCELED');
    expect((await graphql(gateway, cancel, { id }, acme.key)).errors![0]!.extensions).toMatchObject({
      code: 'CONFLICT',
      state: 'canceled',
    });
  });

  it('is either canceled or dialled, never both, whenever the two meet', async () => {
    const { services, infrastructure } = gateway.app;
    /** Another process, whose dials stop at one point until they may go on. */
    const dialler = (stopsAt: 'check' | 'carrier' | null) => {
      const reached = Promise.withResolvers<void>();
      const goOn = Promise.withResolvers<void>();
      const stop = () => (reached.resolve(), goOn.promise);
      const { carrier, http } = infrastructure;
      const { dueDials } = createCallServices(services.context, {
        carrier: Object.assign(Object.create(carrier), {
          createCall: async (...args: Parameters<typeof carrier.createCall>) => {
            if (stopsAt === 'carrier') await stop();
            return carrier.createCall(...args);
          },
        }) as typeof carrier,
        http,
        textModel: null,
        gate: openGate,
        dialChecks: [{ check: async () => (stopsAt === 'check' ? stop() : undefined) }],
      });
      return { dueDials, reached: reached.promise, goOn: goOn.resolve };
    };
    const meet = async (how: (cancel: () => Promise<RestAnswer<any>>) => Promise<RestAnswer<any>>) => {
      clock.set('2026-11-30T15:00:00Z');
      const to = numberIn(NEW_YORK);
      const { scheduled_call_id: id } = (await dial(to, { schedule: '2026-11-30T15:01:00Z' })).body;
      clock.set('2026-11-30T15:01:05Z');
      const canceled = await how(() => gateway.call('DELETE', `/api/v1/scheduled-calls/${id}`, { key: acme.key }));
      const row = await scheduled(id);
      expect([canceled.status, row.state, callsTo(to).length]).toEqual(
        canceled.status === 200 ? [200, 'canceled', 0] : [409, 'dialed', 1],
      );
      callsTo(to).forEach((call) => call.hangUp());
      return canceled.status;
    };
    for (let round = 0; round < 4; round += 1)
      await meet(async (cancel) => (await Promise.all([cancel(), dialler(null).dueDials.sweep()]))[0]);
    // Checked, and its row not written yet.
    await meet(async (cancel) => {
      const { dueDials, reached, goOn } = dialler('check');
      const swept = dueDials.sweep();
      await reached;
      const canceled = cancel();
      // The embedded database has one connection, which the dial's transaction holds.
      if (gateway.database.url !== null) await canceled;
      goOn();
      await swept;
      return canceled;
    });
    // Its row is written, and the carrier is being asked.
    const late = await meet(async (cancel) => {
      const { dueDials, reached, goOn } = dialler('carrier');
      const swept = dueDials.sweep();
      await reached;
      const canceled = await cancel();
      goOn();
      await swept;
      return canceled;
    });
    expect(late).toBe(409);
  });

  it('is refused at once for a time that has passed or is more than a year away', async () => {
    clock.set('2026-11-30T15:00:00Z');
    for (const schedule of ['2026-11-30T14:59:00Z', '2027-12-02T15:00:00Z', 'tomorrow']) {
      const { status, body } = await dial(numberIn(NEW_YORK), { schedule });
      expect([status, body.details?.[0]?.path]).toEqual([400, 'schedule']);
    }
    const inAYear = await dial(numberIn(NEW_YORK), { schedule: '2027-11-30T15:00:00Z' });
    expect(inAYear.status).toBe(202);
    const id = inAYear.body.scheduled_call_id;
    expect((await gateway.call('DELETE', `/api/v1/scheduled-calls/${id}`, { key: acme.key })).status).toBe(200);
  });

  it('is given up when it could not be made for a day', async () => {
    clock.set('2026-11-30T15:00:00Z');
    const to = numberIn(NEW_YORK);
    const id = (await dial(to, { schedule: '2026-11-30T15:01:00Z' })).body.scheduled_call_id;
    gateway.carrier.faults.createCall = 429;
    const sweepAt = async (at: string) => {
      clock.set(at);
      await gateway.app.services.calls.dueDials.sweep();
      return scheduled(id);
    };
    expect((await sweepAt('2026-11-30T15:01:05Z')).state).toBe('waiting');
    expect((await sweepAt('2026-12-01T15:00:00Z')).state).toBe('waiting');
    expect(await sweepAt('2026-12-01T15:02:00Z')).toMatchObject({
      state: 'refused',
      error: expect.stringContaining('CARRIER_UNAVAILABLE'),
    });
    gateway.carrier.faults.createCall = null;
    await sweepAt('2026-12-01T15:10:00Z');
    expect(callsTo(to)).toHaveLength(0);
  });

  it('is not made days late by an installation that was off', async () => {
    clock.set('2026-11-30T15:00:00Z');
    const [late, tooLate] = [numberIn(NEW_YORK), numberIn(NEW_YORK)];
    const ids = [];
    for (const [to, schedule] of [
      [late, '2026-12-01T15:00:00Z'],
      [tooLate, '2026-11-30T15:01:00Z'],
    ] as const)
      ids.push((await dial(to, { schedule })).body.scheduled_call_id as string);
    clock.set('2026-12-01T16:00:00Z');
    await gateway.app.services.calls.dueDials.sweep();
    const [dialled, refused] = await Promise.all(ids.map(scheduled));
    expect(dialled.state).toBe('dialed');
    expect(refused).toMatchObject({ state: 'refused', call_id: null, error: expect.stringContaining('for a day') });
    expect([callsTo(late).length, callsTo(tooLate).length]).toEqual([1, 0]);
    callsTo(late).forEach((call) => call.hangUp());
  });

  it('outlives a carrier that is down, and is not sent again when an answer got lost', async () => {
    clock.set('2026-11-30T15:00:00Z');
    const [down, lost] = [numberIn(NEW_YORK), numberIn(NEW_YORK)];
    const wait = async (to: string) =>
      (await dial(to, { schedule: '2026-11-30T15:01:00Z' })).body.scheduled_call_id as string;
    const downId = await wait(down);
    clock.set('2026-11-30T15:01:05Z');
    gateway.carrier.faults.createCall = 429;
    await gateway.app.services.calls.dueDials.sweep();
    expect(await scheduled(downId)).toMatchObject({ state: 'waiting', call_id: null, error: expect.any(String) });
    gateway.carrier.faults.createCall = null;
    clock.set('2026-11-30T15:02:30Z');
    await gateway.app.services.calls.dueDials.sweep();
    expect([(await scheduled(downId)).state, callsTo(down).length]).toEqual(['dialed', 1]);

    clock.set('2026-11-30T15:00:00Z');
    const lostId = await wait(lost);
    clock.set('2026-11-30T15:01:05Z');
    gateway.carrier.faults.createCall = 'lost-answer';
    await gateway.app.services.calls.dueDials.sweep();
    gateway.carrier.faults.createCall = null;
    await gateway.app.services.calls.dueDials.sweep();
    expect([(await scheduled(lostId)).state, callsTo(lost).length]).toEqual(['dialed', 1]);
    [down, lost].flatMap(callsTo).forEach((call) => call.hangUp());
    expect(await em().count(ScheduledCall, { state: 'WAITING', dueAt: { $lt: clock.now() } })).toBe(0);
  });
});
