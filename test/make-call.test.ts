import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Call, IdempotencyKey, Tenant, TestNumber } from '../src/entities/index.js';
import { CarrierError } from '../src/ports/carrier.js';
import { AppError } from '../src/lib/errors.js';
import { openGate } from '../src/services/call-gate.js';
import type { MakeCallInput } from '../src/services/make-call.js';
import {
  callWorld,
  seedCallTenant,
  seedDraft,
  viewerOf,
  type CallWorld,
  type SeededTenant,
} from './testkit/call-world.js';
import { openTestDatabase, type TestDatabase } from './testkit/database.js';
import { until } from './testkit/until.js';

let test: TestDatabase;
let acme: SeededTenant;
let globex: SeededTenant;
beforeAll(async () => {
  test = await openTestDatabase();
  acme = await seedCallTenant(test, 'acme');
  globex = await seedCallTenant(test, 'globex');
});
afterAll(() => test.dispose());

let numbers = 0;
const freshNumber = () => `+1555556${String(1_000 + numbers++)}`;
const viewer = viewerOf('acme');

function dial(world: CallWorld, input: Partial<MakeCallInput> & { to: string }, key: string | null = null) {
  return world.services.makeCall.makeCall(viewer, input, key);
}
async function refusal(promise: Promise<unknown>): Promise<AppError> {
  const error = await promise.then(
    () => null,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(AppError);
  return error as AppError;
}
const rows = (where: object) => test.database.em({ all: true }).find(Call, where);

describe('an outbound call', () => {
  it('is written before the carrier is asked, and its id travels in every callback URL', async () => {
    const world = callWorld(test);
    const to = freshNumber();
    let seen: Call | null = null;
    world.carrier.beforeCreate = async () => {
      [seen] = (await rows({ toNumber: to })) as [Call];
    };
    const { call, duplicate, unknown } = await dial(world, { to, greeting: 'Hi', orgId: 'north' });
    expect(seen!.status).toBe('DIALING');
    expect({ duplicate, unknown, status: call.status }).toEqual({ duplicate: false, unknown: false, status: 'QUEUED' });
    const [asked] = world.carrier.created;
    expect(asked).toMatchObject({ to, from: acme.route.number, sid: call.callSid });
    for (const url of [asked!.url, asked!.fallbackUrl, asked!.statusCallback])
      expect(url).toContain(`call_id=${call.id}`);
    expect(call).toMatchObject({ agentKey: 'front_desk', agentVersionId: acme.version.id, orgId: 'north' });
  });

  it('names every field that is wrong, and nothing is dialled', async () => {
    const world = callWorld(test);
    const promptVariables = { name: 'Ann', age: 7, story: 'a'.repeat(3_000) };
    const error = await refusal(dial(world, { to: '555', from: 'x', greeting: 'a'.repeat(3_000), promptVariables }));
    expect(error.code).toBe('VALIDATION_FAILED');
    const wrong = ['to', 'from', 'greeting', 'promptVariables.age', 'promptVariables.story'];
    expect(error.details!.map((d) => d.path)).toEqual(wrong);
    const many = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`n${i}`, '']));
    for (const given of [many, ['Ann'] as never, 'Ann' as never])
      expect((await refusal(dial(world, { to: '+15555550123', promptVariables: given }))).details).toMatchObject([
        { path: 'promptVariables' },
      ]);
    expect(world.carrier.created).toHaveLength(0);
  });

  it('takes only numbers, agents and versions of its own tenant', async () => {
    const world = callWorld(test);
    const to = freshNumber();
    const code = async (input: Partial<MakeCallInput>) => (await refusal(dial(world, { to, ...input }))).code;
    expect(await code({ from: globex.route.number })).toBe('UNPROCESSABLE');
    expect(await code({ agentKey: 'nobody' })).toBe('NOT_FOUND');
    expect(await code({ agentVersionId: globex.version.id })).toBe('NOT_FOUND');
    expect(await code({ agentVersionId: 'not-an-id' })).toBe('NOT_FOUND');
    expect(await code({ tenantId: 'globex' })).toBe('NOT_FOUND');
    expect(world.carrier.created).toHaveLength(0);
    expect(await rows({ toNumber: to })).toHaveLength(0);
  });

  it('reaches only registered test numbers with a version that is not cleared', async () => {
    const world = callWorld(test);
    const draft = await seedDraft(test, acme);
    const [stranger, tester] = [freshNumber(), freshNumber()];
    const em = test.database.em({ all: true });
    em.create(TestNumber, { tenantId: 'acme', number: tester });
    await em.flush();
    expect((await refusal(dial(world, { to: stranger, agentVersionId: draft.id }))).code).toBe('NOT_CLEARED');
    const { call } = await dial(world, { to: tester, agentVersionId: draft.id });
    expect(call.agentVersionId).toBe(draft.id);
  });

  it('is refused for a suspended tenant, without a carrier, and while shutting down', async () => {
    const suspended = await seedCallTenant(test, 'suspended');
    const em = test.database.em({ all: true });
    await em.nativeUpdate(Tenant, { id: 'suspended' }, { status: 'SUSPENDED' });
    const world = callWorld(test);
    const to = freshNumber();
    expect((await refusal(world.services.makeCall.makeCall(viewerOf(suspended.tenantId), { to }))).code).toBe(
      'TENANT_SUSPENDED',
    );
    world.context.settings.defaultCarrierAccount = null;
    expect((await refusal(dial(world, { to }))).code).toBe('CARRIER_UNAVAILABLE');
    const draining = callWorld(test, {}, { gate: { ...openGate, draining: () => true } });
    expect((await refusal(dial(draining, { to }))).code).toBe('UNAVAILABLE');
  });

  it('lets a check refuse inside the transaction, which leaves no row and frees the key', async () => {
    let allowed = false;
    const check = {
      check: async () => {
        if (!allowed) throw new AppError('DO_NOT_CALL', 'This number asked not to be called');
      },
    };
    const world = callWorld(test, {}, { dialChecks: [check] });
    const to = freshNumber();
    expect((await refusal(dial(world, { to }, 'dnc'))).code).toBe('DO_NOT_CALL');
    expect(await rows({ toNumber: to })).toHaveLength(0);
    allowed = true;
    expect((await dial(world, { to }, 'dnc')).duplicate).toBe(false);
  });
});

describe('an idempotency key', () => {
  it('makes one call of 50 identical requests at once', async () => {
    const world = callWorld(test);
    const allAsked = Promise.withResolvers<void>();
    world.carrier.beforeCreate = () => allAsked.promise;
    const to = freshNumber();
    const asked = Array.from({ length: 50 }, () => dial(world, { to }, 'fifty'));
    allAsked.resolve();
    const results = await Promise.all(asked);
    expect(world.carrier.created).toHaveLength(1);
    expect(new Set(results.map((r) => r.call.id)).size).toBe(1);
    expect(results.filter((r) => !r.duplicate)).toHaveLength(1);
    expect(results.every((r) => r.call.callSid === world.carrier.created[0]!.sid)).toBe(true);
  });

  it('gives back the call in its current state, before every other check', async () => {
    const world = callWorld(test);
    const to = freshNumber();
    const first = await dial(world, { to, allowConcurrent: false }, 'state');
    await world.services.progress.report(first.call.id, { status: 'BUSY', at: new Date() });
    const gate = { ...openGate, draining: () => true };
    const again = await callWorld(test, {}, { gate }).services.makeCall.makeCall(viewer, { to }, 'state');
    expect(again).toMatchObject({ duplicate: true, call: { id: first.call.id, status: 'BUSY' } });
  });

  it('is a conflict with another request, even an invalid one', async () => {
    const world = callWorld(test);
    await dial(world, { to: freshNumber() }, 'conflict');
    expect((await refusal(dial(world, { to: freshNumber() }, 'conflict'))).code).toBe('IDEMPOTENCY_CONFLICT');
    expect((await refusal(dial(world, { to: 'nonsense' }, 'conflict'))).code).toBe('IDEMPOTENCY_CONFLICT');
    expect(world.carrier.created).toHaveLength(1);
  });

  it('belongs to one tenant', async () => {
    const world = callWorld(test);
    const to = freshNumber();
    await dial(world, { to }, 'mine');
    const other = await world.services.makeCall.makeCall(viewerOf('globex'), { to }, 'mine');
    expect(other).toMatchObject({ duplicate: false, call: { tenantId: 'globex' } });
  });

  it('is free again after a refusal that proves that no call exists', async () => {
    const world = callWorld(test);
    const to = freshNumber();
    world.carrier.beforeCreate = () => {
      throw new CarrierError('rejected', 'Invalid To', 21211, 400);
    };
    const error = await refusal(dial(world, { to }, 'refused'));
    expect(error).toMatchObject({ code: 'CARRIER_REJECTED', extra: { carrier_code: 21211 } });
    expect(await rows({ toNumber: to })).toMatchObject([{ status: 'FAILED', errorCode: '21211' }]);
    world.carrier.beforeCreate = () => {
      throw new CarrierError('unavailable', 'Too many requests', 20429, 429);
    };
    expect(await refusal(dial(world, { to }, 'refused'))).toMatchObject({
      code: 'CARRIER_UNAVAILABLE',
      retryable: true,
    });
    world.carrier.beforeCreate = () => {};
    expect((await dial(world, { to }, 'refused')).call.status).toBe('QUEUED');
    expect(await test.database.em({ all: true }).count(IdempotencyKey, { key: 'refused' })).toBe(1);
  });

  it('answers at most after the patience of a waiter, as unknown', async () => {
    const world = callWorld(test);
    world.context.settings.timing.idempotencyWaitMs = 150;
    let answer = () => {};
    world.carrier.beforeCreate = () => new Promise((resolve) => (answer = resolve));
    const to = freshNumber();
    const first = dial(world, { to }, 'slow');
    await until(async () => (await rows({ toNumber: to })).length === 1);
    expect(await dial(world, { to }, 'slow')).toMatchObject({
      duplicate: true,
      unknown: true,
      call: { callSid: null },
    });
    answer();
    expect((await first).unknown).toBe(false);
    expect(world.carrier.created).toHaveLength(1);
  });

  it.each([
    ['empty', ''],
    ['blank', ' '],
    ['too long', 'k'.repeat(256)],
    ['unstorable', 'a\u0000b'],
  ])('must be a sane text (%s is not)', async (_, key) => {
    expect((await refusal(dial(callWorld(test), { to: freshNumber() }, key))).code).toBe('VALIDATION_FAILED');
  });
});

describe('a dial whose answer is lost', () => {
  it('is unknown, is never sent again, and blocks its number', async () => {
    const world = callWorld(test);
    const to = freshNumber();
    world.carrier.afterCreate = () => {
      throw new CarrierError('unknown', 'timeout');
    };
    const lost = await dial(world, { to }, 'lost');
    expect(lost).toMatchObject({ unknown: true, call: { status: 'UNKNOWN', callSid: null } });
    expect(await dial(world, { to }, 'lost')).toMatchObject({
      duplicate: true,
      unknown: true,
      call: { id: lost.call.id },
    });
    const error = await refusal(dial(world, { to }));
    expect(error).toMatchObject({ code: 'DUPLICATE_CALL', extra: { call_id: lost.call.id } });
    expect(world.carrier.created).toHaveLength(1);
  });

  it('blocks for five minutes only', async () => {
    const world = callWorld(test);
    const to = freshNumber();
    world.carrier.afterCreate = () => {
      throw new Error('a bug in an adapter is no proof either');
    };
    const lost = await dial(world, { to });
    world.carrier.afterCreate = () => {};
    const before = new Date(Date.now() - world.context.settings.timing.unknownBlocksMs - 1_000);
    await test.database.em({ all: true }).nativeUpdate(Call, { id: lost.call.id }, { createdAt: before });
    expect((await dial(world, { to })).call.status).toBe('QUEUED');
  });

  it('takes the state that a callback brought while the answer was missing', async () => {
    const world = callWorld(test);
    world.carrier.afterCreate = async (call, request) => {
      const id = new URL(request.url).searchParams.get('call_id')!;
      await world.services.progress.report(id, { status: 'RINGING', sequence: 1, at: new Date(), callSid: call.sid });
      throw new CarrierError('unknown', 'connection reset');
    };
    const { call, unknown } = await dial(world, { to: freshNumber() });
    expect(unknown).toBe(false);
    expect(call).toMatchObject({ status: 'RINGING', callSid: world.carrier.created[0]!.sid });
  });
});

describe('the duplicate guard', () => {
  it('lets one of many simultaneous requests without a key through', async () => {
    const world = callWorld(test);
    const to = freshNumber();
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => dial(world, { to })));
    expect(results.filter((r) => r.status === 'fulfilled')).toHaveLength(1);
    expect(world.carrier.created).toHaveLength(1);
  });

  it('looks at this tenant and its numbers only, both directions, and lets allow_concurrent pass', async () => {
    const world = callWorld(test);
    const to = freshNumber();
    const em = test.database.em({ all: true });
    em.create(Call, { tenantId: 'acme', direction: 'INBOUND', status: 'IN_PROGRESS', fromNumber: to });
    await em.flush();
    expect((await refusal(dial(world, { to }))).code).toBe('DUPLICATE_CALL');
    await world.services.makeCall.makeCall(viewerOf('globex'), { to });
    await dial(world, { to, allowConcurrent: true });
    expect(world.carrier.created).toHaveLength(2);
  });

  it('asks the carrier about a running call without news, so that a lost callback blocks nobody for long', async () => {
    const world = callWorld(test);
    const to = freshNumber();
    const first = await dial(world, { to });
    const em = test.database.em({ all: true });
    await em.nativeUpdate(Call, { id: first.call.id }, { updatedAt: new Date(Date.now() - 120_000) });
    world.carrier.calls.get(first.call.callSid!)!.status = 'completed';
    const second = await dial(world, { to }, 'after-silence');
    expect(second.call.id).not.toBe(first.call.id);
    expect(await rows({ id: first.call.id })).toMatchObject([{ status: 'COMPLETED' }]);
    await em.nativeUpdate(Call, { id: second.call.id }, { updatedAt: new Date(Date.now() - 120_000) });
    expect((await refusal(dial(world, { to }))).code).toBe('DUPLICATE_CALL');
    expect(world.carrier.fetches).toBe(2);
  });
});
