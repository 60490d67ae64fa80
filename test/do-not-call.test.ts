import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuditEntry, Call, CallbackTask, DoNotCallEntry } from '../src/entities/index.js';
import { openGate } from '../src/services/call-gate.js';
import { createCallServices } from '../src/services/call-services.js';
import type { DialCheck } from '../src/services/dial-plan.js';
import { ScriptedCaller } from '../src/simulators/carrier/caller.js';
import { noCarrierFaults } from '../src/simulators/carrier/faults.js';
import { noModelFaults } from '../src/simulators/model/faults.js';
import { viewerOf } from './testkit/call-world.js';
import { ACCOUNT, ADMIN_KEY, seedCallable, startGateway, type TestGateway } from './testkit/gateway.js';
import { graphql, must } from './testkit/graphql.js';
import { MovableClock } from './testkit/movable-clock.js';
import { until } from './testkit/until.js';

const clock = new MovableClock();
let gateway: TestGateway;
let acme: Awaited<ReturnType<typeof seedCallable>>;
let globex: Awaited<ReturnType<typeof seedCallable>>;
beforeAll(async () => {
  gateway = await startGateway({ overrides: { clock } });
  acme = await seedCallable(gateway, 'acme', '+15555551234');
  globex = await seedCallable(gateway, 'globex', '+15555559999');
});
afterAll(() => gateway.stop());

let numbers = 0;
const freshNumber = () => `+1555557${String(1_000 + numbers++)}`;
const em = () => gateway.database.database.em({ all: true });
const dnc = (method: string, path = '', body?: unknown, key = acme.key) =>
  gateway.call(method, `/api/v1/dnc${path}`, { key, body });
const dial = (to: string, key = acme.key, more: object = {}) =>
  gateway.call('POST', '/api/v1/make-call', { key, body: { to, ...more } });
const dialsTo = (number: string) => gateway.carrier.calls.filter((call) => call.options.to === number).length;
const hangUp = (number: string) =>
  gateway.carrier.calls.filter((call) => call.options.to === number).forEach((call) => call.hangUp());

describe('a number on the list', () => {
  it('is dialled by nobody of that tenant, with the same code at both doors, until it is taken off', async () => {
    const number = freshNumber();
    const added = await dnc('POST', '', { number: number.replace(/^\+1(...)(...)/, '+1 ($1) $2-'), reason: 'asked' });
    expect(added.body).toMatchObject({ ok: true, number, reason: 'asked', source: 'api', expires_at: null });
    const refused = await dial(number, acme.key, { schedule_if_closed: true });
    expect([refused.status, refused.body.code, refused.body.list]).toEqual([422, 'DO_NOT_CALL', 'tenant']);
    const query = 'mutation ($to: PhoneNumber!) { makeCall(input: { to: $to }) { duplicate } }';
    const { errors } = await graphql(gateway, query, { to: number }, acme.key);
    expect(errors![0]!.extensions).toMatchObject({ code: 'DO_NOT_CALL', list: 'tenant' });
    expect(dialsTo(number)).toBe(0);
    expect(await em().count(Call, { toNumber: number })).toBe(0);
    // Another tenant's customer is another tenant's business.
    expect((await dial(number, globex.key)).status).toBe(200);
    hangUp(number);
    expect((await dnc('DELETE', `?number=${encodeURIComponent(number)}`, undefined, globex.key)).status).toBe(404);
    expect((await dnc('DELETE', `?number=${number}`)).body).toMatchObject({ ok: true, number });
    expect((await dial(number)).status).toBe(200);
    expect((await dnc('DELETE', `?number=${number}`)).status).toBe(404);
    const trail = await em().find(AuditEntry, { subjectId: added.body.id }, { orderBy: { createdAt: 'asc' } });
    expect(trail.map((entry) => entry.action)).toEqual(['do_not_call.added', 'do_not_call.removed']);
  });

  it('binds until it expires, and adding it again never shortens that', async () => {
    const number = freshNumber();
    clock.set('2026-11-30T10:00:00Z');
    await dnc('POST', '', { number, expires_at: '2026-12-02T10:00:00Z' });
    await dnc('POST', '', { number, reason: 'again', expires_at: '2026-12-01T10:00:00Z' });
    clock.set('2026-12-02T09:59:00Z');
    expect((await dial(number)).body.code).toBe('DO_NOT_CALL');
    // It will have expired by then.
    expect((await dial(number, acme.key, { schedule: '2026-12-02T10:30:00Z' })).body.status).toBe('scheduled');
    clock.set('2026-12-02T10:01:00Z');
    const listed = async (query: string) => (await dnc('GET', `?number=${number}&${query}`)).body.total;
    expect([await listed('active=true'), await listed('active=false')]).toEqual([0, 1]);
    expect((await dial(number)).status).toBe(200);
    hangUp(number);
    // For good, and no end later makes it shorter.
    await dnc('POST', '', { number });
    expect((await dnc('POST', '', { number, expires_at: '2027-01-01T00:00:00Z' })).body).toMatchObject({
      expires_at: null,
      reason: 'again',
    });
    expect(await em().count(DoNotCallEntry, { number })).toBe(1);
  });

  it('of the whole installation binds every tenant, and only admins keep it', async () => {
    const number = freshNumber();
    const added = await gateway.admin('POST', '/dnc', { number, reason: 'regulator' });
    expect(added.body).toMatchObject({ tenant_id: null, source: 'admin' });
    await gateway.admin('POST', '/dnc', { number });
    expect(await em().count(DoNotCallEntry, { number })).toBe(1);
    for (const { key } of [acme, globex])
      expect((await dial(number, key)).body).toMatchObject({ code: 'DO_NOT_CALL', list: 'global' });
    expect((await gateway.admin('GET', `/dnc?number=${number}`)).body).toMatchObject({ total: 1 });
    // It is not the tenant's to see, nor to change.
    expect((await dnc('GET', `?number=${number}`)).body.total).toBe(0);
    expect((await dnc('DELETE', `/${added.body.id}`)).status).toBe(404);
    const add = `mutation ($number: String!) { addDoNotCall(input: { number: $number, global: true }) { id } }`;
    expect((await graphql(gateway, add, { number }, acme.key)).errors![0]!.extensions.code).toBe('FORBIDDEN');
    expect((await gateway.admin('DELETE', `/dnc/${added.body.id}`)).status).toBe(200);
    expect((await dial(number)).status).toBe(200);
    hangUp(number);
  });

  it('needs the scopes, and says what is wrong with it', async () => {
    const { key } = (await gateway.admin('POST', '/tenants/acme/api-keys', { name: 'r', scopes: ['calls:write'] }))
      .body;
    expect((await dnc('POST', '', { number: freshNumber() }, key)).body.required_scope).toBe('operations:write');
    expect((await dnc('GET', '', undefined, key)).body.required_scope).toBe('operations:read');
    for (const body of [{ number: '555' }, { number: 'anonymous' }, { number: '+1' }])
      expect((await dnc('POST', '', body)).body.details).toEqual([{ path: 'number', message: expect.any(String) }]);
    const past = await dnc('POST', '', { number: freshNumber(), expires_at: '2020-01-01T00:00:00Z' });
    expect(past.body.details[0].path).toBe('expires_at');
    expect((await dnc('DELETE')).status).toBe(400);
    // An admin names the tenant whose list it is.
    expect(
      (
        await gateway.call('POST', '/api/v1/dnc', {
          headers: { 'x-admin-key': ADMIN_KEY },
          body: { number: freshNumber() },
        })
      ).status,
    ).toBe(400);
  });
});

describe('an import', () => {
  it('takes thousands of numbers, says which it could not take, and finds those that were there', async () => {
    const known = freshNumber();
    await dnc('POST', '', { number: known });
    const many = Array.from({ length: 3_000 }, (_, i) => ({ number: `+1 555 561 ${String(1_000 + i)}` }));
    const entries = [...many, { number: 'rubbish' }, { number: known, reason: 'twice' }, { number: known }];
    const { body } = await dnc('POST', '/import', { entries });
    expect(body).toEqual({
      ok: true,
      added: 3_000,
      updated: 1,
      rejected: [{ index: 3_000, message: expect.any(String) }],
    });
    expect((await dial('+15555613999')).body.code).toBe('DO_NOT_CALL');
    const page = await must(
      gateway,
      '{ doNotCallEntries(first: 100) { edges { node { number tenantId } } pageInfo { hasNextPage } } }',
      {},
      acme.key,
    );
    expect(page.doNotCallEntries.edges).toHaveLength(100);
    expect(page.doNotCallEntries.pageInfo.hasNextPage).toBe(true);
  });

  it('may go to the global list over GraphQL', async () => {
    const [a, b] = [freshNumber(), freshNumber()];
    const query = `mutation ($entries: [DoNotCallEntryInput!]!) {
      importDoNotCall(input: { global: true, entries: $entries }) { added updated rejected { index } }
    }`;
    const entries = [{ number: a }, { number: b }, { number: 'x' }];
    const { importDoNotCall } = await must(gateway, query, { entries });
    expect(importDoNotCall).toEqual({ added: 2, updated: 0, rejected: [{ index: 2 }] });
    const remove = 'mutation ($number: String!) { removeDoNotCall(number: $number, global: true) { number } }';
    expect((await must(gateway, remove, { number: a })).removeDoNotCall.number).toBe(a);
    expect((await dial(a)).status).toBe(200);
    expect((await dial(b)).body.code).toBe('DO_NOT_CALL');
    hangUp(a);
  });
});

describe('a race', () => {
  it('between adding a number and dialling it never ends with a call row written after the answer', async () => {
    for (let before = 0; before <= 6; before += 2) {
      const number = freshNumber();
      const race = async () => {
        const { status } = await dial(number, acme.key, { allow_concurrent: true });
        expect([200, 422]).toContain(status);
      };
      const early = Array.from({ length: before }, race);
      const added = dnc('POST', '', { number });
      const late = Array.from({ length: 6 - before }, race);
      await added;
      // What was not written by now never will be.
      const written = await em().count(Call, { toNumber: number });
      expect((await dial(number, acme.key, { allow_concurrent: true })).body.code).toBe('DO_NOT_CALL');
      await Promise.all([...early, ...late]);
      expect(await em().count(Call, { toNumber: number })).toBe(written);
      hangUp(number);
    }
  });
});

describe('adding a number while it is being dialled', () => {
  it('answers only when the call row is there to be seen, or certain never to be written', async () => {
    const number = freshNumber();
    const { services, infrastructure } = gateway.app;
    const checked = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const slow: DialCheck = {
      check: () => {
        checked.resolve();
        return goOn.promise;
      },
    };
    const { makeCall } = createCallServices(services.context, {
      carrier: infrastructure.carrier,
      http: infrastructure.http,
      textModel: null,
      gate: openGate,
      dialChecks: [services.calls.doNotCall, slow],
    });
    const dialled = makeCall.makeCall(viewerOf('acme'), { to: number });
    await checked.promise;
    /** The embedded database has one connection, which the dial's transaction holds: everything else waits for it. */
    const waitsForLock = async () =>
      gateway.database.url === null ||
      (
        await em().execute<unknown[]>(
          `select 1 from pg_locks join pg_database d on d.oid = database
           where locktype = 'advisory' and not granted and d.datname = current_database()`,
        )
      ).length > 0;
    // The dial did not see the number, and its row is not written yet.
    let answered = false;
    const added = dnc('POST', '', { number }).then(async ({ status }) => {
      answered = true;
      return [status, await em().count(Call, { toNumber: number })];
    });
    await until(async () => answered || (await waitsForLock()), 'the addition to wait');
    goOn.resolve();
    expect(await added).toEqual([200, 1]);
    await dialled;
    expect((await dial(number, acme.key, { allow_concurrent: true })).body.code).toBe('DO_NOT_CALL');
    hangUp(number);
  });
});

describe('the customer’s own wish', () => {
  const hears = () =>
    new ScriptedCaller([
      { waitForAgent: 400 },
      { say: gateway.model.library.clip('stop-calling') },
      { pause: 120_000 },
    ]);
  const entryOf = (number: string) => until(() => em().findOne(DoNotCallEntry, { number }), 'the entry');
  // What the carrier and the model do wrong must not cost the customer their wish.
  beforeAll(() => {
    Object.assign(gateway.carrier.faults, { callbacks: 'shuffled', doubledCallbacks: true, doubledWebhooks: true });
    Object.assign(gateway.model.faults, { transcripts: 'reordered', lateDeltas: true, malformed: true });
  });
  afterAll(() => {
    Object.assign(gateway.carrier.faults, noCarrierFaults());
    Object.assign(gateway.model.faults, noModelFaults());
  });

  it('is put on the list by the agent, for good', async () => {
    const from = '+15555550777';
    const call = gateway.carrier.startInboundCall({ from, to: acme.number, handset: hears() });
    const over = call.run();
    expect(await entryOf(from)).toMatchObject({ tenantId: 'acme', source: 'agent', expiresAt: null });
    call.hangUp();
    await over;
    expect((await dial(from)).body.code).toBe('DO_NOT_CALL');
    // Also a task that would dial by itself does not.
    const task = await gateway.call('POST', '/api/v1/callbacks', {
      key: acme.key,
      body: { number: from, reason: 'we hoped', auto_dial: true },
    });
    await until(
      async () => (await em().findOneOrFail(CallbackTask, { id: task.body.id })).state === 'CANCELED',
      'the task',
    );
    expect(dialsTo(from)).toBe(0);
    expect(call.options.accountSid).toBe(ACCOUNT.accountSid);
  });

  it('is shown to whoever is to call somebody back, in both lists and as long as it binds', async () => {
    const [own, everybody, expired, free] = Array.from({ length: 4 }, freshNumber) as [string, string, string, string];
    const tasks = await Promise.all(
      [own, everybody, expired, free].map(async (number) => {
        const body = { number, reason: 'asked', queue: 'people' };
        return (await gateway.call('POST', '/api/v1/callbacks', { key: acme.key, body })).body;
      }),
    );
    expect(tasks.map((task) => task.do_not_call)).toEqual([false, false, false, false]);
    await dnc('POST', '', { number: own });
    await dnc('POST', '', { number: free }, globex.key);
    await dnc('POST', '', { number: expired, expires_at: new Date(clock.now().getTime() + 60_000).toISOString() });
    await gateway.admin('POST', '/dnc', { number: everybody });
    clock.set(new Date(clock.now().getTime() + 120_000).toISOString());
    const { body } = await gateway.call('GET', '/api/v1/callbacks?queue=people', { key: acme.key });
    const shown = new Map(body.data.map((task: any) => [task.number, task.do_not_call]));
    expect([own, everybody, expired, free].map((number) => shown.get(number))).toEqual([true, true, false, false]);
    const claim = 'mutation ($id: ID!) { claimCallbackTask(id: $id) { doNotCall } }';
    expect((await must(gateway, claim, { id: tasks[0].id }, acme.key)).claimCallbackTask.doNotCall).toBe(true);
  });

  it('counts as well when it is said to an agent who called', async () => {
    const number = freshNumber();
    gateway.carrier.behaviours.set(number, { handset: hears });
    const { body } = await dial(number);
    expect(await entryOf(number)).toMatchObject({
      tenantId: 'acme',
      source: 'agent',
      createdBy: `call:${body.call_id}`,
      expiresAt: null,
    });
    hangUp(number);
    await gateway.carrier.calls.find((call) => call.options.to === number)!.ended;
    expect((await dial(number)).body.code).toBe('DO_NOT_CALL');
    expect(dialsTo(number)).toBe(1);
    // Nothing was put on the list but the customer's number.
    expect(await em().count(DoNotCallEntry, { number: acme.number })).toBe(0);
  });
});
