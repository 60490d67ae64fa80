import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Call, CALL_STATUSES, MetricsHour, MetricsMinute } from '../src/entities/index.js';
import { OperationsMetrics, percentile, type MetricsSnapshot } from '../src/services/operations-metrics.js';
import { MetricsRollup } from '../src/services/metrics-rollup.js';
import { ScriptedCaller, type Step } from '../src/simulators/carrier/caller.js';
import { noCarrierFaults } from '../src/simulators/carrier/faults.js';
import { seedTenant, testContext } from './testkit/context.js';
import { openTestDatabase, type TestDatabase } from './testkit/database.js';
import { seedCallable, startGateway, type TestGateway } from './testkit/gateway.js';
import { must, socketClient } from './testkit/graphql.js';
import { MovableClock } from './testkit/movable-clock.js';
import { until } from './testkit/until.js';
import type { AdminViewer } from '../src/services/viewer.js';

describe('through the doors', () => {
  let gateway: TestGateway;
  let acme: Awaited<ReturnType<typeof seedCallable>>;
  let globex: Awaited<ReturnType<typeof seedCallable>>;
  beforeAll(async () => {
    gateway = await startGateway({
      overrides: { timing: { recorderBatchMs: 10, sweepIntervalMs: 500, metricsSettleMs: 50 } },
    });
    acme = await seedCallable(gateway, 'acme', '+15555551234');
    globex = await seedCallable(gateway, 'globex', '+15555559999');
    for (const number of [acme.number, globex.number])
      gateway.carrier.numbers.get(number)!.statusCallback = `${gateway.app.publicUrl}/api/v1/call-status`;
    await gateway.admin('PATCH', `/phone-routes/${acme.route.id}`, { transfer_number: '+15555550999' });
  });
  afterEach(() => Object.assign(gateway.carrier.faults, noCarrierFaults()));
  afterAll(() => gateway.stop());

  const say = (name: string): Step => ({ say: gateway.model.library.clip(name) });
  const inbound = (from: string, ...steps: Step[]) =>
    gateway.carrier.placeInboundCall({ from, to: acme.number, handset: new ScriptedCaller(steps) });
  const FIELDS = `callsCreated callsAnswered callsEnded callsCompleted callsTransferred callsEscalated callsFailed
    answerRate completionRate transferRate escalationRate errorRate errors { cause count } averageHandleSeconds timeToFirstAudioP50Ms timeToFirstAudioP95Ms
    interruptions meanScore`;
  const QUERY = `query ($tenantId: ID, $minutes: Int) { operationsMetrics(tenantId: $tenantId, windowMinutes: $minutes) {
    tenantId windowMinutes from to concurrentCalls failedWebhooks ${FIELDS}
    byVersion: groups(by: VERSION) { tenantId agentKey agentVersionId ${FIELDS} }
    byAgent: groups(by: AGENT) { tenantId agentKey agentVersionId callsCreated callsFailed }
    byTenant: groups(by: TENANT) { tenantId callsCreated }
    minutes { at failedWebhooks ${FIELDS} }
  } }`;
  const metrics = async (key?: string, variables = {}) =>
    (await must(gateway, QUERY, variables, key)).operationsMetrics as Record<string, any>;

  it('counts calls that went well, badly and not at all, each once, however often the carrier says so', async () => {
    await gateway.admin('POST', '/webhook-endpoints', {
      tenant_id: 'acme',
      url: 'http://127.0.0.1:1/nobody',
      events: ['voice.call.started'],
    });
    Object.assign(gateway.carrier.faults, { callbacks: 'shuffled', doubledCallbacks: true, doubledWebhooks: true });
    const { client } = socketClient(gateway, { authorization: `Bearer ${acme.key}` });
    const feed = client.iterate<any>({
      query: `subscription { operationsMetrics { callsCreated callsFailed concurrentCalls } }`,
    });
    const next = async () => (await feed.next()).value.data.operationsMetrics;
    expect(await next()).toEqual({ callsCreated: 0, callsFailed: 0, concurrentCalls: 0 });

    gateway.carrier.behaviours.set('+15555550401', { answers: 'busy' });
    const dial = (to: string) => gateway.call('POST', '/api/v1/make-call', { key: acme.key, body: { to } });
    const [, , busy] = await Promise.all([
      inbound('+15555550321', { whileAgentSpeaks: 300 }, say('wait-a-moment'), { waitForAgent: 600 }, { hangUp: true }),
      inbound('+15555550322', { waitForAgent: 400 }, say('human-please'), { waitForAgent: 600 }, { pause: 5_000 }),
      dial('+15555550401'),
    ]);
    expect(busy.status).toBe(200);
    gateway.model.faults.refuseWith = 404;
    await inbound('+15555550323', { pause: 120_000 });
    gateway.model.faults.refuseWith = null;
    gateway.carrier.faults.createCall = 400;
    expect((await dial('+15555550402')).status).toBe(422);

    const all = await until(async () => {
      const now = await metrics(acme.key);
      return (
        now.callsEnded === 5 && now.failedWebhooks === 3 && now.callsFailed === 2 && now.interruptions === 1 && now
      );
    }, 'the end of all calls');
    expect(all).toMatchObject({
      tenantId: 'acme',
      windowMinutes: 60,
      concurrentCalls: 0,
      callsCreated: 5,
      callsAnswered: 3,
      callsCompleted: 2,
      callsEscalated: 1,
      callsTransferred: 1,
      callsFailed: 2,
      answerRate: 0.6,
      completionRate: 0.4,
      transferRate: 1 / 3,
      escalationRate: 1 / 3,
      errorRate: 0.4,
      interruptions: 1,
      meanScore: null,
      failedWebhooks: 3,
    });
    expect(all.errors.map((e: any) => e.count)).toEqual([1, 1]);
    expect(all.errors.map((e: any) => e.cause)).toContain('model_lost');
    expect(all.timeToFirstAudioP50Ms).toBeGreaterThan(0);
    expect(all.timeToFirstAudioP95Ms).toBeGreaterThanOrEqual(all.timeToFirstAudioP50Ms);
    expect(all.byVersion).toMatchObject([
      {
        tenantId: 'acme',
        agentKey: 'front_desk',
        agentVersionId: acme.version.id,
        callsCreated: 5,
        errors: all.errors,
      },
    ]);
    expect(all.byAgent).toEqual([
      { tenantId: 'acme', agentKey: 'front_desk', agentVersionId: null, callsCreated: 5, callsFailed: 2 },
    ]);
    const logs = (await gateway.call('GET', '/api/v1/call-logs', { key: acme.key })).body.data;
    const seconds = logs.filter((row: any) => row.answered_at !== null).map((row: any) => row.duration_seconds);
    expect(seconds).toHaveLength(3);
    expect(all.averageHandleSeconds).toBeCloseTo(seconds.reduce((sum: number, s: number) => sum + s, 0) / 3);
    const perMinute = all.minutes.reduce((sum: number, point: any) => sum + point.callsCreated, 0);
    expect(perMinute).toBe(5);
    for (let seen = await next(); seen.callsCreated < 5 || seen.callsFailed < 2;) seen = await next();
    await client.dispose();
  }, 60_000);

  it('follows the score that a person gives', async () => {
    const { body } = await gateway.call('GET', '/api/v1/voice-sessions?status=completed', { key: acme.key });
    const { status } = await gateway.call('POST', `/api/v1/voice-sessions/${body.data[0].id}/evaluations`, {
      key: acme.key,
      body: { score: 0.75 },
    });
    expect(status).toBe(200);
    await until(async () => (await metrics(acme.key)).meanScore === 0.75, 'the score');
  });

  it('shows a tenant its own calls, an admin everybody’s, and REST the same as GraphQL', async () => {
    expect(await metrics(globex.key)).toMatchObject({
      callsCreated: 0,
      failedWebhooks: 0,
      answerRate: null,
      minutes: [],
    });
    await gateway.carrier.placeInboundCall({
      from: '+15555550324',
      to: globex.number,
      handset: new ScriptedCaller([{ waitForAgent: 400 }, { hangUp: true }]),
    });
    await until(async () => (await metrics(globex.key)).callsEnded === 1, 'the call of globex');
    expect((await metrics()).byTenant).toEqual([
      { tenantId: 'acme', callsCreated: 5 },
      { tenantId: 'globex', callsCreated: 1 },
    ]);
    const inGraphql = await metrics(acme.key, { minutes: 5 });
    const { body } = await gateway.call('GET', '/api/v1/call-logs/stats?window_minutes=5', { key: acme.key });
    expect(body).toMatchObject({
      tenant_id: 'acme',
      window_minutes: 5,
      calls_created: inGraphql.callsCreated,
      time_to_first_audio_p95_ms: inGraphql.timeToFirstAudioP95Ms,
      failed_webhooks: inGraphql.failedWebhooks,
      errors: inGraphql.errors,
      agents: [{ agent_key: 'front_desk', calls_created: inGraphql.callsCreated }],
    });
    const operator = (await gateway.admin('GET', '/metrics?by=version&window_minutes=5')).body;
    expect(operator).toMatchObject({ ok: true, tenant_id: null, calls_created: 6 });
    expect(operator.groups.map((g: any) => g.calls_created)).toEqual([5, 1]);
    const foreign = await gateway.call('GET', '/api/v1/call-logs/stats?tenant_id=acme', { key: globex.key });
    expect(foreign).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
    const narrow = (await gateway.admin('POST', '/tenants/acme/api-keys', { name: 'n', scopes: ['calls:read'] })).body
      .key;
    const refused = await gateway.call('GET', '/api/v1/call-logs/stats', { key: narrow });
    expect(refused.body).toMatchObject({ code: 'FORBIDDEN', required_scope: 'operations:read' });
    await expect(metrics(acme.key, { minutes: 0 })).rejects.toThrow(/windowMinutes/);
  });
});

describe('the rollup', () => {
  let test: TestDatabase;
  beforeAll(async () => {
    test = await openTestDatabase();
    await seedTenant(test.database, 'acme');
    await seedTenant(test.database, 'globex');
  });
  afterAll(() => test.dispose());

  const call = fc.record({
    tenantId: fc.constantFrom('acme', 'globex'),
    status: fc.constantFrom(...CALL_STATUSES),
    synthetic: fc.boolean(),
    escalated: fc.boolean(),
    answered: fc.boolean(),
    errorCode: fc.option(fc.constantFrom('busy_network', '21211')),
    durationSeconds: fc.nat({ max: 600 }),
    evaluationScore: fc.option(fc.constantFrom(0, 0.25, 1)),
    timeToFirstAudioMs: fc.option(fc.integer({ min: 1, max: 9_000 })),
    // Over the border of an hour and with an empty hour between.
    minute: fc.constantFrom(0, 1, 59, 60, 185),
  });
  const round = fc.array(call, { maxLength: 6 });

  it('says after any number of sweeps by any number of processes what the calls say', async () => {
    const em = () => test.database.em({ all: true });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(round, fc.nat({ max: 1 })), { maxLength: 4 }), async (rounds) => {
        await em().nativeDelete(Call, {});
        await em().nativeDelete(MetricsMinute, {});
        await em().nativeDelete(MetricsHour, {});
        const processes = [0, 1].map(() => new MetricsRollup(testContext(test.database)));
        for (const [calls, process] of rounds) {
          const write = em();
          // What is there already changes too: counts must fall as well as rise.
          for (const old of await write.find(Call, {})) old.escalated = !old.escalated;
          for (const { answered, minute, ...fields } of calls)
            write.create(Call, {
              ...fields,
              direction: 'INBOUND',
              answeredAt: answered ? new Date() : null,
              createdAt: new Date(Date.UTC(2026, 0, 1, 0, minute, 30)),
            });
          await write.flush();
          expect(await processes[process]!.sweep()).toBe(true);
        }
        const real = (await em().find(Call, { synthetic: false })) as Call[];
        const ended = real.filter((c) => ['COMPLETED', 'BUSY', 'FAILED', 'NO_ANSWER', 'CANCELED'].includes(c.status));
        const failed = real.filter((c) => c.errorCode != null || c.status === 'FAILED').length;
        const handled = ended.filter((c) => c.answeredAt != null);
        const truth = {
          created: real.length,
          ended: ended.length,
          escalated: real.filter((c) => c.escalated).length,
          failed,
          errors: failed,
          handled: handled.length,
          seconds: handled.reduce((seconds, c) => seconds + c.durationSeconds!, 0),
          scores: real.filter((c) => c.evaluationScore != null).length,
          bins: real.filter((c) => c.timeToFirstAudioMs != null).length,
        };
        for (const table of [MetricsMinute, MetricsHour])
          for (const tenantId of [{ $ne: '' }, ''])
            expect(totals(await em().find(table as typeof MetricsMinute, { tenantId }))).toEqual(truth);
      }),
      { numRuns: 15 },
    );
  });

  it('answers with whole hours what it answered with their minutes, also before an hour is added up', async () => {
    const clock = new MovableClock();
    const em = () => test.database.em({ all: true });
    for (const table of [Call, MetricsMinute, MetricsHour] as const) await em().nativeDelete(table as typeof Call, {});
    const admin: AdminViewer = { kind: 'admin', name: 'ann', request: { requestId: null, address: null } };
    const context = testContext(test.database, { clock });
    const [rollup, metrics] = [new MetricsRollup(context), new OperationsMetrics(context)];
    const write = em();
    const times = ['09:10', '09:59', '10:00', '10:30', '10:59', '11:00'];
    for (const [i, time] of times.entries())
      write.create(Call, {
        tenantId: i % 2 === 0 ? 'acme' : 'globex',
        direction: 'INBOUND',
        status: i === 0 ? 'FAILED' : 'COMPLETED',
        timeToFirstAudioMs: 100 * (i + 1),
        createdAt: new Date(`2026-05-01T${time}:30Z`),
      });
    await write.flush();
    clock.set('2026-05-01T11:00:40Z');
    await rollup.sweep();
    const ask = async (tenantId: string | null, minutes: number) => {
      const window: MetricsSnapshot = await metrics.snapshot(admin, tenantId, minutes);
      const groups = await metrics.groups(admin, window, 'TENANT');
      return { ...window, groups: groups.map((group) => [group.tenantId, group.callsCreated]) };
    };
    const everyone = {
      callsCreated: 6,
      callsFailed: 1,
      groups: [
        ['acme', 3],
        ['globex', 3],
      ],
    };
    expect(await ask(null, 180)).toMatchObject(everyone);
    expect(await ask('acme', 180)).toMatchObject({ callsCreated: 3, groups: [['acme', 3]] });
    expect(await ask(null, 60)).toMatchObject({ callsCreated: 3 });
    expect(await ask('globex', 1)).toMatchObject({ callsCreated: 1 });
    expect((await em().find(MetricsHour, { tenantId: '' })).map(({ created }) => created)).toEqual([2, 3]);

    // 11:00 is over, and nobody has added it up yet: its minutes are read.
    clock.set('2026-05-01T12:00:10Z');
    const before = await ask(null, 300);
    expect(before).toMatchObject(everyone);
    await rollup.sweep();
    expect(await em().count(MetricsHour, { tenantId: '' })).toBe(3);
    expect(await ask(null, 300)).toEqual(before);
    // That the hours are what is read: without them the calls are missing.
    await em().nativeDelete(MetricsHour, { bucket: new Date('2026-05-01T10:00:00Z') });
    expect(await ask(null, 300)).toMatchObject({ callsCreated: 3 });
  });

  it('gives percentiles within a tenth of the true ones', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 20, max: 20_000 }), { minLength: 1, maxLength: 60 }),
        fc.constantFrom(0.5, 0.95),
        async (times, share) => {
          const bins = Map.groupBy(times, (ms) => Math.ceil(1.1 ** Math.ceil(Math.log(ms) / Math.log(1.1))));
          const counted = [...bins].map(([upper, list]) => ({ upper, count: list.length }));
          const truth = times.toSorted((a, b) => a - b)[Math.ceil(share * times.length) - 1]!;
          const found = percentile(counted, share)!;
          expect(found).toBeGreaterThanOrEqual(Math.floor(truth / 1.1) - 1);
          expect(found).toBeLessThanOrEqual(Math.ceil(truth * 1.1) + 1);
        },
      ),
    );
    expect(percentile([], 0.5)).toBeNull();
  });
});

function totals(rows: readonly MetricsMinute[]): Record<string, number> {
  const sum = (pick: (row: MetricsMinute) => number) => rows.reduce((total, row) => total + Number(pick(row)), 0);
  const total = (counts: (row: MetricsMinute) => Record<string, number>) =>
    sum((row) => Object.values(counts(row)).reduce((a, b) => a + b, 0));
  return {
    created: sum((r) => r.created),
    ended: sum((r) => r.ended),
    escalated: sum((r) => r.escalated),
    failed: sum((r) => r.failed),
    errors: total((r) => r.errors),
    handled: sum((r) => r.handled),
    seconds: sum((r) => r.handleSeconds),
    scores: sum((r) => r.scoreCount),
    bins: total((r) => r.firstAudioBins),
  };
}
