import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js';
import {
  Agent,
  AgentVersion,
  AuditEntry,
  Call,
  Diagnostic,
  Evaluation,
  RolloutHistory,
  RolloutPolicy,
  VoiceSession,
  type StopCondition,
} from '../src/entities/index.js';
import { ScriptedCaller } from '../src/simulators/carrier/caller.js';
import { AppError } from '../src/lib/errors.js';
import { newId } from '../src/lib/ids.js';
import type { Jobs } from '../src/ports/jobs.js';
import { AgentVersions } from '../src/services/agent-versions.js';
import { Agents } from '../src/services/agents.js';
import { Diagnostics } from '../src/services/diagnostics.js';
import { ROLLOUT_QUEUE, RolloutWatch } from '../src/services/rollout-watch.js';
import { Rollouts } from '../src/services/rollout.js';
import { partyOf, rolloutPicker, shareOf } from '../src/services/version-picker.js';
import type { AdminViewer } from '../src/services/viewer.js';
import { noJobs, testContext } from './testkit/context.js';
import { DocumentedApi } from './testkit/documented.js';
import { ACCOUNT, ADMIN_KEY, seedCallable, startGateway, type TestGateway } from './testkit/gateway.js';
import { graphql, must } from './testkit/graphql.js';
import { until } from './testkit/until.js';

const request = { requestId: 'req-1', address: '192.0.2.1' };
const ann: AdminViewer = { kind: 'admin', name: 'ann', request };

let gateway: TestGateway;
let api: DocumentedApi;
let acme: Awaited<ReturnType<typeof seedCallable>>;
let globex: Awaited<ReturnType<typeof seedCallable>>;
beforeAll(async () => {
  gateway = await startGateway();
  acme = await seedCallable(gateway, 'acme', '+15555551234');
  globex = await seedCallable(gateway, 'globex', '+15555559999');
  api = await DocumentedApi.of(gateway);
});
afterAll(() => gateway.stop());

/** These versions have no evidence: launch gates are proven elsewhere. */
const UNPROVEN = { force: true, reason: 'a test without evidence' };
const em = () => gateway.database.database.em({ all: true });
const admin = (method: string, path: string, body?: unknown) =>
  api.send(method, `/api/v1/admin${path}`, { body, headers: { 'x-admin-key': ADMIN_KEY } });
const ok = async (...args: Parameters<typeof admin>) => {
  const { status, body } = await admin(...args);
  expect([status, body.error]).toEqual([200, undefined]);
  return body;
};

let agents = 0;
/** An agent of acme with a published version and a draft. */
async function anAgent(): Promise<{ id: string; key: string; published: string; draft: string }> {
  const key = `agent_${(agents += 1)}`;
  const { id } = await ok('POST', '/agents', { tenant_id: 'acme', key });
  const version = async () => (await ok('POST', `/agents/${id}/versions`, { prompt: 'Be kind.' })).id as string;
  const published = await version();
  await ok('POST', `/agent-versions/${published}/publish`, UNPROVEN);
  return { id, key, published, draft: await version() };
}
const setPolicy = (agentId: string, body: object) =>
  ok('PUT', `/agents/${agentId}/rollout-policy`, { ...UNPROVEN, ...body });
const versionRow = (id: string) => em().findOneOrFail(AgentVersion, { id });
const agentRow = (id: string) => em().findOneOrFail(Agent, { id });
const historyOf = (agentId: string) =>
  em().find(RolloutHistory, { agentId }, { orderBy: { createdAt: 'asc', id: 'asc' } });

interface Ended {
  count: number;
  failed?: number;
  escalated?: number;
  firstAudioMs?: number | null;
  score?: number | null;
  synthetic?: boolean;
  /** How long ago they ended, or when. */
  minutesAgo?: number;
  at?: Date;
  reason?: string;
}
/** Calls of a version that are over, as rows. */
async function endedCalls(versionId: string, how: Ended): Promise<void> {
  const tx = em();
  const { agentId, tenantId } = await versionRow(versionId);
  const at = how.at ?? new Date(Date.now() - (how.minutesAgo ?? 0) * 60_000);
  for (let i = 0; i < how.count; i += 1) {
    const failed = i < (how.failed ?? 0);
    const call = tx.create(Call, {
      tenantId,
      direction: 'INBOUND',
      status: 'COMPLETED',
      agentId,
      agentVersionId: versionId,
      synthetic: how.synthetic ?? false,
      escalated: i < (how.escalated ?? 0),
      timeToFirstAudioMs: how.firstAudioMs ?? null,
      createdAt: at,
      endedAt: at,
    });
    const session = tx.create(VoiceSession, {
      tenantId,
      callId: call.id ?? (call.id = newId()),
      agentVersionId: versionId,
      status: failed ? 'FAILED' : 'COMPLETED',
      endReason: how.reason ?? (failed ? 'MODEL_LOST' : 'INTENT'),
      model: 'gpt-realtime',
      startedAt: at,
      endedAt: at,
    });
    if (how.score != null)
      tx.create(Evaluation, {
        tenantId,
        sessionId: session.id ?? (session.id = newId()),
        agentVersionId: versionId,
        source: 'HUMAN',
        score: how.score,
        tags: [],
        evaluatedBy: 'ann',
        createdAt: at,
      });
  }
  await tx.flush();
}
/** The canary began so long ago. */
const began = (agentId: string, minutesAgo: number) =>
  em().nativeUpdate(RolloutPolicy, { agentId }, { startedAt: new Date(Date.now() - minutesAgo * 60_000) });
const evaluate = (agentId: string) => gateway.app.services.rolloutWatch.evaluate(agentId);

/** What Twilio posts when somebody calls; gives the version that answers. */
async function incoming(
  to: string,
  from: string,
  callSid = `CA${newId().replaceAll('-', '')}`,
): Promise<string | null> {
  const target = '/api/v1/incoming-call';
  const form = { AccountSid: ACCOUNT.accountSid, CallSid: callSid, From: from, To: to };
  const signature = getExpectedTwilioSignature(ACCOUNT.authToken, gateway.app.publicUrl + target, form);
  const answer = await gateway.app.http.inject({
    method: 'POST',
    url: target,
    payload: new URLSearchParams(form).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-twilio-signature': signature },
  });
  expect(answer.body).toContain('<Stream');
  return (await em().findOneOrFail(Call, { callSid })).agentVersionId ?? null;
}

describe('a canary', () => {
  it('of 10 % over 2,000 callers takes 8–12 %, and each caller always gets the same version', async () => {
    const agent = await anAgent();
    await setPolicy(agent.id, { candidate_version_id: agent.draft, percentage: 10 });
    const callers = Array.from({ length: 2_000 }, (_, i) => `+1555${String(2_000_000 + i * 7)}`);
    const pick = async (some: string[]) => {
      const scope = gateway.database.database.em({ tenantId: 'acme' });
      const row = await scope.findOneOrFail(Agent, { id: agent.id });
      const picked: string[] = [];
      for (const caller of some) picked.push((await rolloutPicker.pick(scope, row, caller))!.id);
      return picked;
    };
    const first = await pick(callers);
    const share = first.filter((id) => id === agent.draft).length / callers.length;
    expect(share).toBeGreaterThanOrEqual(0.08);
    expect(share).toBeLessThanOrEqual(0.12);
    expect(new Set(first)).toEqual(new Set([agent.draft, agent.published]));
    const [few, fewFirst] = [callers.slice(0, 200), first.slice(0, 200)];
    expect(await pick(few)).toEqual(fewFirst);
    // Who is in stays in when the share grows.
    await setPolicy(agent.id, { candidate_version_id: agent.draft, percentage: 40 });
    const wider = await pick(few);
    expect(fewFirst.map((id, i) => [id, wider[i]])).not.toContainEqual([agent.draft, agent.published]);
    expect(wider.filter((id) => id === agent.draft).length).toBeGreaterThan(50);
  }, 120_000);

  it('knows its callers at both doors of a call, and those without a number by their call', async () => {
    const agent = await anAgent();
    const number = '+15555552200';
    await ok('POST', '/phone-routes', { tenant_id: 'acme', number, agent_key: agent.key });
    await setPolicy(agent.id, { candidate_version_id: agent.draft, percentage: 50 });
    const expected = (party: string) => (shareOf(agent.id, agent.draft, party) < 50 ? agent.draft : agent.published);
    const callers = Array.from({ length: 8 }, (_, i) => `+1555555${3_100 + i}`);
    expect(new Set(callers.map(expected)).size).toBe(2);
    for (const caller of callers) {
      expect(await incoming(number, caller)).toBe(expected(caller));
      expect(await incoming(number, caller)).toBe(expected(caller));
    }
    for (const to of callers.slice(0, 3)) {
      const body = { to, from: number, allow_concurrent: true };
      const made = await gateway.call('POST', '/api/v1/make-call', { key: acme.key, body });
      expect((await em().findOneOrFail(Call, { id: made.body.call_id })).agentVersionId).toBe(expected(to));
    }
    for (const callSid of Array.from({ length: 6 }, () => `CA${newId().replaceAll('-', '')}`))
      expect(await incoming(number, '+266696687', callSid)).toBe(expected(callSid));
  });

  it.each([
    ['', 'CA1'],
    ['anonymous', 'CA1'],
    ['Restricted', 'CA1'],
    ['+266696687', 'CA1'],
    ['sip:anonymous@anonymous.invalid', 'CA1'],
    ['sip:bob@example.com', 'sip:bob@example.com'],
    ['client:alice', 'client:alice'],
    ['+15555550100', '+15555550100'],
    ['15555550100', '15555550100'],
  ])('knows %j as %j', (from, party) => expect(partyOf(from, 'CA1')).toBe(party));

  it('spreads callers evenly for every candidate, whatever they are called', () =>
    fc.assert(
      fc.property(fc.uuid(), fc.uuid(), fc.string(), (agentId, candidateId, party) => {
        const share = shareOf(agentId, candidateId, party);
        expect(share).toBeGreaterThanOrEqual(0);
        expect(share).toBeLessThan(100);
        expect(shareOf(agentId, candidateId, party)).toBe(share);
      }),
    ));

  it('is over when its version is published, and a running call keeps its version', async () => {
    const agent = await anAgent();
    const number = '+15555552201';
    await ok('POST', '/phone-routes', { tenant_id: 'acme', number, agent_key: agent.key });
    await setPolicy(agent.id, { candidate_version_id: agent.draft, percentage: 100 });
    expect(await incoming(number, '+15555553201')).toBe(agent.draft);
    await ok('POST', `/agents/${agent.id}/rollback`, { reason: 'it swears' });
    expect(await incoming(number, '+15555553202')).toBe(agent.published);
    expect(await em().findOneOrFail(Call, { fromNumber: '+15555553201' })).toMatchObject({
      agentVersionId: agent.draft,
      status: 'RINGING',
    });
    const { id: next } = await ok('POST', `/agents/${agent.id}/versions`, { prompt: 'Be kinder.' });
    await setPolicy(agent.id, { candidate_version_id: next, percentage: 5 });
    await ok('POST', `/agent-versions/${next}/publish`, UNPROVEN);
    expect(await ok('GET', `/agents/${agent.id}/rollout-policy`)).toMatchObject({
      candidate_version_id: null,
      percentage: 0,
    });
    expect(await incoming(number, '+15555553203')).toBe(next);
    expect(await versionRow(agent.published)).toMatchObject({ status: 'RETIRED', rolledBackAt: null });
  });
});

describe('a stop condition', () => {
  const bad: Record<StopCondition['metric'], { threshold: number; breach: Ended; fine: Ended }> = {
    ERROR_RATE: { threshold: 0.2, breach: { count: 10, failed: 3 }, fine: { count: 10, failed: 2 } },
    ESCALATION_RATE: { threshold: 0.5, breach: { count: 10, escalated: 6 }, fine: { count: 10, escalated: 5 } },
    MEAN_SCORE: { threshold: 0.7, breach: { count: 10, score: 0.69 }, fine: { count: 10, score: 0.7 } },
    TIME_TO_FIRST_AUDIO_P95_MS: {
      threshold: 1_000,
      breach: { count: 10, firstAudioMs: 1_001 },
      fine: { count: 10, firstAudioMs: 1_000 },
    },
  };
  const condition = (metric: StopCondition['metric'], threshold: number) => ({
    metric: metric.toLowerCase(),
    threshold,
    window_minutes: 30,
    minimum_calls: 10,
  });

  it.each(Object.entries(bad))(
    '%s ends the candidate, with enough calls of its own window only',
    async (name, rule) => {
      const metric = name as StopCondition['metric'];
      const agent = await anAgent();
      await setPolicy(agent.id, {
        candidate_version_id: agent.draft,
        percentage: 20,
        stop_conditions: [condition(metric, rule.threshold)],
      });
      await began(agent.id, 120);
      const state = async () => (await ok('GET', `/agents/${agent.id}/rollout-policy`)).stop_conditions[0];
      expect(await state()).toMatchObject({ value: null, sample: 0, breached: false });
      // Of another version, synthetic, outside of the window: none of them counts.
      await endedCalls(agent.published, rule.breach);
      await endedCalls(agent.draft, { ...rule.breach, synthetic: true });
      await endedCalls(agent.draft, { ...rule.breach, minutesAgo: 40 });
      await endedCalls(agent.draft, { ...rule.breach, count: 9 });
      expect(await state()).toMatchObject({ sample: 9, breached: false });
      expect(await evaluate(agent.id)).toBe(false);
      await endedCalls(agent.draft, { ...rule.breach, count: 1 });
      // Or the schedule does it, should its minute be over just now.
      await evaluate(agent.id);
      expect(await versionRow(agent.draft)).toMatchObject({ status: 'RETIRED', rolledBackAt: expect.any(Date) });
      expect((await historyOf(agent.id)).at(-1)).toMatchObject({
        action: 'STOPPED_BY_CONDITION',
        fromVersionId: agent.draft,
        toVersionId: agent.published,
        by: 'system:rollout',
        evidence: { condition: { metric, sample: 10, breached: true } },
      });
    },
  );

  it.each(Object.entries(bad))('%s leaves a candidate alone that stands at its threshold', async (name, rule) => {
    const agent = await anAgent();
    await setPolicy(agent.id, {
      candidate_version_id: agent.draft,
      percentage: 20,
      stop_conditions: [condition(name as StopCondition['metric'], rule.threshold)],
    });
    await began(agent.id, 1);
    await endedCalls(agent.draft, rule.fine);
    expect(await evaluate(agent.id)).toBe(false);
    expect((await ok('GET', `/agents/${agent.id}/rollout-policy`)).stop_conditions[0]).toMatchObject({
      value: rule.threshold,
      sample: 10,
    });
  });

  it('does not hold calls against a version that the gateway broke off, or that came before the canary', async () => {
    const agent = await anAgent();
    const policy = {
      candidate_version_id: agent.draft,
      percentage: 20,
      stop_conditions: [condition('ERROR_RATE', 0)],
    };
    await endedCalls(agent.draft, { count: 10, failed: 10, minutesAgo: 5 });
    await setPolicy(agent.id, policy);
    await endedCalls(agent.draft, { count: 10, failed: 10, reason: 'SHUTDOWN' });
    await endedCalls(agent.draft, { count: 10, failed: 10, reason: 'OWNER_LOST' });
    expect(await evaluate(agent.id)).toBe(false);
  });

  it('rolls back exactly once, whoever looks at the same moment', async () => {
    const agent = await anAgent();
    await setPolicy(agent.id, {
      candidate_version_id: agent.draft,
      percentage: 20,
      stop_conditions: [condition('ERROR_RATE', 0.1)],
    });
    await endedCalls(agent.draft, { count: 10, failed: 10 });
    const race = [
      ...Array.from({ length: 6 }, () => evaluate(agent.id)),
      gateway.app.services.rolloutWatch.evaluateAll().then(() => false),
    ];
    // One of them did it, or the schedule was faster than all.
    expect((await Promise.all(race)).filter(Boolean).length).toBeLessThanOrEqual(1);
    expect((await historyOf(agent.id)).filter(({ action }) => action === 'STOPPED_BY_CONDITION')).toHaveLength(1);
    expect(await em().find(AuditEntry, { action: 'agent.stopped_by_condition', subjectId: agent.id })).toHaveLength(1);
    const raised = await em().find(Diagnostic, { code: 'rollout_stopped' });
    expect(raised.filter(({ detail }) => detail?.agentId === agent.id)).toMatchObject([
      { tenantId: 'acme', severity: 'CRITICAL', count: 1 },
    ]);
  });

  it('ends a seeded bad candidate by itself, as its calls end', async () => {
    const agent = await anAgent();
    const number = '+15555552202';
    await ok('POST', '/phone-routes', { tenant_id: 'acme', number, agent_key: agent.key });
    gateway.carrier.numbers.set(number, gateway.carrier.numbers.get(acme.number)!);
    await setPolicy(agent.id, {
      candidate_version_id: agent.draft,
      percentage: 100,
      stop_conditions: [{ metric: 'error_rate', threshold: 0.1, window_minutes: 5, minimum_calls: 3 }],
    });
    gateway.model.faults.refuseWith = 404;
    try {
      for (let i = 0; i < 3; i += 1)
        await gateway.carrier.placeInboundCall({
          from: `+1555555340${i}`,
          to: number,
          handset: new ScriptedCaller([]),
        });
      await until(async () => (await versionRow(agent.draft)).status === 'RETIRED', 'the rollback');
    } finally {
      gateway.model.faults.refuseWith = null;
    }
    expect(await ok('GET', `/agents/${agent.id}/rollout-policy`)).toMatchObject({ candidate_version_id: null });
    const [newest] = (await ok('GET', `/agents/${agent.id}/rollout-history`)).data;
    expect(newest).toMatchObject({
      action: 'stopped_by_condition',
      from_version_id: agent.draft,
      to_version_id: agent.published,
      reason: expect.stringContaining('error rate is 1 (limit 0.1) over 3 calls'),
      evidence: { condition: { metric: 'ERROR_RATE', value: 1 } },
    });
    expect(await incoming(number, '+15555553410')).toBe(agent.published);
  });

  it('is looked at every minute, for what changes without a call that ends', async () => {
    const agent = await anAgent();
    const stop_conditions = [condition('ERROR_RATE', 0.1)];
    await setPolicy(agent.id, { candidate_version_id: agent.draft, percentage: 20, stop_conditions });
    await endedCalls(agent.draft, { count: 10, failed: 10 });
    const schedules = await em().execute(`select cron from pgboss.schedule where name = ?`, [ROLLOUT_QUEUE]);
    expect(schedules).toMatchObject([{ cron: '* * * * *' }]);
    // What the schedule sends.
    await gateway.app.services.context.jobs.send(ROLLOUT_QUEUE, {});
    await until(async () => (await versionRow(agent.draft)).status === 'RETIRED', 'the rollback');
  });

  it('looks again when a call is judged', async () => {
    const agent = await anAgent();
    await setPolicy(agent.id, {
      candidate_version_id: agent.draft,
      percentage: 10,
      stop_conditions: [{ metric: 'mean_score', threshold: 0.5, minimum_calls: 1 }],
    });
    await endedCalls(agent.draft, { count: 1 });
    const { id } = await em().findOneOrFail(VoiceSession, { agentVersionId: agent.draft });
    await api.send('POST', `/api/v1/voice-sessions/${id}/evaluations`, { key: acme.key, body: { score: 0.2 } });
    await until(async () => (await versionRow(agent.draft)).status === 'RETIRED', 'the rollback');
  });
});

describe('a rollout policy', () => {
  it('is held to the launch gates: no share without evidence, or by force with a reason; turning down always works', async () => {
    const agent = await anAgent();
    const path = `/agents/${agent.id}/rollout-policy`;
    const policy = { candidate_version_id: agent.draft, percentage: 10 };
    const refused = await admin('PUT', path, policy);
    expect([refused.status, refused.body.code]).toEqual([422, 'LAUNCH_GATES_FAILED']);
    expect(refused.body.details.map((issue: { path: string }) => issue.path)).toContain('synthetic_calls');
    expect((await admin('GET', path)).status).toBe(404);
    expect((await admin('PUT', path, { ...policy, force: true })).body.details).toMatchObject([{ path: 'reason' }]);
    expect(await versionRow(agent.draft)).toMatchObject({ status: 'DRAFT', clearedAt: null });
    expect(await setPolicy(agent.id, policy)).toMatchObject({
      candidate_version_id: agent.draft,
      percentage: 10,
      stop_conditions: [{ metric: 'error_rate', threshold: 0.1, window_minutes: 60, minimum_calls: 20, value: null }],
      updated_by: expect.stringMatching(/^admin-key:/),
    });
    expect(await versionRow(agent.draft)).toMatchObject({ status: 'CANDIDATE', forcedReason: UNPROVEN.reason });
    expect((await admin('PUT', path, { ...policy, percentage: 11 })).status).toBe(422);
    const started = (await ok('PUT', path, policy)).started_at;
    expect(await ok('PUT', path, { ...policy, percentage: 0 })).toMatchObject({ percentage: 0, started_at: started });
    // Conditions that are not given stay as they are, whatever the share.
    const own = [{ metric: 'escalation_rate', threshold: 0.3, window_minutes: 15, minimum_calls: 5 }];
    const other = await anAgent();
    const share = { candidate_version_id: other.draft, percentage: 10 };
    await setPolicy(other.id, { ...share, stop_conditions: own });
    expect(await setPolicy(other.id, { ...share, percentage: 20 })).toMatchObject({
      percentage: 20,
      stop_conditions: own,
    });
    const history = await historyOf(agent.id);
    expect(history.map(({ action, percentage, reason }) => [action, percentage, reason])).toEqual([
      ['FORCED', 100, UNPROVEN.reason],
      ['CANDIDATE_STARTED', 10, UNPROVEN.reason],
      ['CANDIDATE_CHANGED', 0, null],
    ]);
    const trail = await em().find(AuditEntry, { action: 'rollout_policy.set', subjectId: agent.id });
    expect(trail.map(({ before, after }) => [before?.percentage, after?.percentage])).toEqual([
      [undefined, 10],
      [10, 0],
    ]);
  });

  it('names every field that is wrong, the same at both doors, and knows what cannot be', async () => {
    const agent = await anAgent();
    const wrong = {
      candidateVersionId: agent.draft,
      percentage: 101,
      stopConditions: [
        { metric: 'ERROR_RATE', threshold: 1.5 },
        { metric: 'TIME_TO_FIRST_AUDIO_P95_MS', threshold: 90_000, windowMinutes: 0, minimumCalls: 0 },
      ],
    };
    const { errors } = await graphql(gateway, SET_POLICY, { agentId: agent.id, input: wrong });
    expect(errors![0]!.extensions).toMatchObject({
      code: 'VALIDATION_FAILED',
      details: [
        { path: 'percentage' },
        { path: 'stopConditions[0].threshold' },
        { path: 'stopConditions[1].threshold' },
        { path: 'stopConditions[1].windowMinutes' },
        { path: 'stopConditions[1].minimumCalls' },
      ],
    });
    const put = (id: string, candidate: string, more: object = {}) =>
      admin('PUT', `/agents/${id}/rollout-policy`, { candidate_version_id: candidate, percentage: 5, ...more });
    const answers = {
      threshold: await put(agent.id, agent.draft, { stop_conditions: [{ metric: 'mean_score', threshold: 2 }] }),
      itself: await put(agent.id, agent.published, UNPROVEN),
      otherAgents: await put(agent.id, (await anAgent()).draft, UNPROVEN),
      otherTenants: await put(agent.id, globex.version.id, UNPROVEN),
      nobodys: await put(newId(), agent.draft, UNPROVEN),
    };
    expect(Object.fromEntries(Object.entries(answers).map(([name, { body }]) => [name, body.code]))).toEqual({
      threshold: 'VALIDATION_FAILED',
      itself: 'CONFLICT',
      otherAgents: 'NOT_FOUND',
      otherTenants: 'NOT_FOUND',
      nobodys: 'NOT_FOUND',
    });
    expect(answers.threshold.body.details).toMatchObject([{ path: 'stop_conditions[0].threshold' }]);
    const { id } = await ok('POST', '/agents', { tenant_id: 'acme', key: 'nothing_published' });
    const { id: alone } = await ok('POST', `/agents/${id}/versions`, { prompt: 'Be kind.' });
    expect((await put(id, alone, UNPROVEN)).body.code).toBe('UNPROCESSABLE');
    expect((await admin('POST', `/agents/${id}/rollback`, { reason: 'x' })).body.code).toBe('UNPROCESSABLE');
    expect((await admin('POST', `/agents/${id}/rollback`, { reason: ' ' })).body.details).toMatchObject([
      { path: 'reason' },
    ]);
  });

  it('is set, seen and ended over GraphQL, with its history, and a diagnostic of the way back', async () => {
    const agent = await anAgent();
    const input = {
      candidateVersionId: agent.draft,
      percentage: 25,
      stopConditions: [{ metric: 'ESCALATION_RATE', threshold: 0.5, windowMinutes: 15 }],
      ...UNPROVEN,
    };
    const set = await must(gateway, SET_POLICY, { agentId: agent.id, input });
    expect(set.setRolloutPolicy).toEqual({
      percentage: 25,
      candidateVersion: { id: agent.draft, status: 'CANDIDATE' },
      stopConditions: [
        { metric: 'ESCALATION_RATE', windowMinutes: 15, minimumCalls: 20, value: null, breached: false },
      ],
    });
    const query = `query ($key: String!) { agent(key: $key) { rolloutPolicy { percentage } publishedVersion { id }
      rolloutHistory(first: 2) { edges { node { action fromVersionId toVersionId by } } pageInfo { hasNextPage } } } }`;
    expect((await must(gateway, query, { key: agent.key }, acme.key)).agent.rolloutPolicy).toEqual({ percentage: 25 });
    const back = `mutation ($id: ID!) { rollbackAgent(agentId: $id, reason: "too chatty") { publishedVersion { id } rolloutPolicy { candidateVersionId percentage } } }`;
    expect((await must(gateway, back, { id: agent.id })).rollbackAgent).toEqual({
      publishedVersion: { id: agent.published },
      rolloutPolicy: { candidateVersionId: null, percentage: 0 },
    });
    const { agent: seen } = await must(gateway, query, { key: agent.key }, acme.key);
    expect(
      seen.rolloutHistory.edges.map(({ node }: any) => [node.action, node.fromVersionId, node.toVersionId]),
    ).toEqual([
      ['ROLLED_BACK', agent.draft, agent.published],
      ['CANDIDATE_STARTED', agent.published, agent.draft],
    ]);
    expect(seen.rolloutHistory.pageInfo.hasNextPage).toBe(true);
    const raised = await must(
      gateway,
      `{ diagnostics(filter: { code: "rolled_back" }) { edges { node { tenantId message detail } } } }`,
    );
    expect(raised.diagnostics.edges.map(({ node }: any) => node.detail.agentId)).toContain(agent.id);
  });

  it('is nobody else’s, and no tenant key changes it', async () => {
    const policy = { candidateVersionId: acme.version.id, percentage: 5 };
    const codes = async (...args: Parameters<typeof graphql>) =>
      (await graphql(...args)).errors?.map((error) => error.extensions.code);
    const back = `mutation ($id: ID!) { rollbackAgent(agentId: $id, reason: "x") { id } }`;
    for (const key of [acme.key, globex.key]) {
      expect(await codes(gateway, SET_POLICY, { agentId: acme.agent.id, input: policy }, key)).toEqual(['FORBIDDEN']);
      expect(await codes(gateway, back, { id: acme.agent.id }, key)).toEqual(['FORBIDDEN']);
    }
    for (const [method, path] of [
      ['GET', `/agents/${acme.agent.id}/rollout-policy`],
      ['GET', `/agents/${acme.agent.id}/rollout-history`],
      ['POST', `/agents/${acme.agent.id}/rollback`],
      ['GET', '/rollout-governance'],
    ] as const)
      expect((await gateway.call(method, `/api/v1/admin${path}`, { key: acme.key })).status).toBe(403);
    const all = `{ rolloutGovernance { edges { node { agent { tenantId } } } } }`;
    const { rolloutGovernance } = await must(gateway, all, {}, globex.key);
    expect(new Set(rolloutGovernance.edges.map(({ node }: any) => node.agent.tenantId))).toEqual(new Set(['globex']));
    expect(
      await codes(gateway, `{ rolloutGovernance(tenantId: "acme") { edges { cursor } } }`, {}, globex.key),
    ).toEqual(['NOT_FOUND']);
  });
});

const SET_POLICY = `mutation ($agentId: ID!, $input: RolloutPolicyInput!) { setRolloutPolicy(agentId: $agentId, input: $input) {
  percentage candidateVersion { id status } stopConditions { metric windowMinutes minimumCalls value breached } } }`;

describe('rollout governance', () => {
  it('shows each agent’s quality, thresholds and policy with its current values', async () => {
    await ok('PUT', '/tenants/globex/runtime-config', { governance: { minimum_mean_score: 0.8 } });
    const { id: candidate } = await ok('POST', `/agents/${globex.agent.id}/versions`, { prompt: 'Be kind.' });
    await setPolicy(globex.agent.id, {
      candidate_version_id: candidate,
      percentage: 5,
      stop_conditions: [{ metric: 'escalation_rate', threshold: 0.9, minimum_calls: 1 }],
    });
    await endedCalls(globex.version.id, { count: 4, failed: 1, escalated: 2, firstAudioMs: 300, score: 0.5 });
    await endedCalls(globex.version.id, { count: 4, failed: 4, synthetic: true });
    await endedCalls(globex.version.id, { count: 4, failed: 4, minutesAgo: 25 * 60 });
    await endedCalls(candidate, { count: 2, escalated: 1 });
    const { data, total } = await ok('GET', '/rollout-governance?tenant_id=globex');
    expect(total).toBe(1);
    expect(data[0]).toMatchObject({
      tenant_id: 'globex',
      agent_key: 'front_desk',
      published_version: { id: globex.version.id, number: 1 },
      quality: {
        calls: 4,
        error_rate: 0.25,
        escalation_rate: 0.5,
        mean_score: 0.5,
        evaluated_calls: 4,
        time_to_first_audio_p95_ms: 300,
      },
      evaluation_thresholds: { minimum_mean_score: 0.8, minimum_synthetic_calls: 20 },
      rollout_policy: {
        candidate_version_id: candidate,
        percentage: 5,
        stop_conditions: [{ metric: 'escalation_rate', value: 0.5, sample: 2, breached: false }],
      },
    });
    expect((await ok('GET', '/rollout-governance?limit=1')).data).toHaveLength(1);
  });
});

/** What a rollout must do, in a few lines. */
interface Model {
  versions: string[];
  /** Everything that was ever live, newest last; what comes up on a rollback is the newest that is not bad. */
  live: string[];
  published: string | null;
  candidate: string | null;
  bad: Set<string>;
}

describe('the rollout watch', () => {
  it('looks once for many calls that ended before it looked', async () => {
    // Another time than the gateway's own watch lives in.
    const clock = { now: () => new Date('2026-10-01T00:00:00Z'), monotonicMs: () => performance.now() };
    let wake: (data: object) => Promise<void> = async () => {};
    const jobs: Jobs = {
      ...noJobs,
      work: async (_queue, _policy, handler) => {
        wake = (data) =>
          handler({ id: 'job', data: data as never, retryCount: 0, signal: new AbortController().signal });
      },
    };
    const ctx = testContext(gateway.database.database, { clock, jobs });
    const diagnostics = new Diagnostics(ctx);
    const { clearance } = gateway.app.services;
    const agent = await anAgent();
    await new Rollouts(ctx, { clearance, diagnostics, agents: new Agents(ctx) }).setPolicy(ann, agent.id, {
      candidateVersionId: agent.draft,
      percentage: 10,
      stopConditions: [{ metric: 'ERROR_RATE', threshold: 0, minimumCalls: 1 }],
      ...UNPROVEN,
    });
    await new RolloutWatch(ctx, diagnostics).work();
    const at = clock.now().getTime();
    await wake({ agentId: agent.id, at });
    await endedCalls(agent.draft, { count: 1, failed: 1, at: clock.now() });
    await wake({ agentId: agent.id, at: at - 60_000 });
    expect(await versionRow(agent.draft)).toMatchObject({ status: 'CANDIDATE' });
    await wake({ agentId: agent.id, at });
    expect(await versionRow(agent.draft)).toMatchObject({ status: 'RETIRED' });
  });
});

describe('traffic', () => {
  it('follows publications, canaries, stops and rollbacks in any order, and never goes back to a bad version', async () => {
    let now = Date.parse('2026-11-01T00:00:00Z');
    const clock = { now: () => new Date((now += 1_000)), monotonicMs: () => performance.now() };
    const ctx = testContext(gateway.database.database, { clock });
    const { clearance } = gateway.app.services;
    const versions = new AgentVersions(ctx, clearance);
    const diagnostics = new Diagnostics(ctx);
    const rollouts = new Rollouts(ctx, { clearance, diagnostics, agents: new Agents(ctx) });
    const watch = new RolloutWatch(ctx, diagnostics);
    const stopConditions = [{ metric: 'ERROR_RATE' as const, threshold: 0, minimumCalls: 1 }];
    const acts = {
      publish: (_agent: string, version: string): Promise<unknown> => versions.publish(ann, version, UNPROVEN),
      canary: (agent: string, candidateVersionId: string): Promise<unknown> =>
        rollouts.setPolicy(ann, agent, { candidateVersionId, percentage: 10, stopConditions, ...UNPROVEN }),
      rollback: (agent: string): Promise<unknown> => rollouts.rollback(ann, agent, 'bad'),
      stop: async (agent: string): Promise<unknown> => {
        const policy = await em().findOne(RolloutPolicy, { agentId: agent });
        if (policy?.candidateVersionId != null)
          await endedCalls(policy.candidateVersionId, { count: 1, failed: 1, at: clock.now() });
        return watch.evaluate(agent);
      },
    };
    const step = fc.record({
      act: fc.constantFrom('publish' as const, 'canary' as const, 'rollback' as const, 'stop' as const),
      version: fc.nat(3),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async (steps) => {
        const agent = await new Agents(ctx).create(ann, { tenantId: 'acme', key: `walk_${newId()}` });
        const made = [];
        for (let i = 0; i < 4; i += 1)
          made.push((await versions.create(ann, { agentId: agent.id, prompt: 'Be kind.' })).id);
        const model: Model = { versions: made, live: [], published: null, candidate: null, bad: new Set() };
        for (const { act, version } of steps) {
          const expected = expectedCode(model, act, made[version]!);
          const outcome = await acts[act](agent.id, made[version]!).then(
            () => null,
            (error: unknown) => (error instanceof AppError ? error.code : String(error)),
          );
          expect([act, outcome]).toEqual([act, expected]);
          const row = await agentRow(agent.id);
          const policy = await em().findOne(RolloutPolicy, { agentId: agent.id });
          expect([row.publishedVersionId ?? null, policy?.candidateVersionId ?? null]).toEqual([
            model.published,
            model.candidate,
          ]);
          const states = await em().find(AgentVersion, { agentId: agent.id });
          expect(states.filter(({ status }) => status === 'PUBLISHED').map(({ id }) => id)).toEqual(
            model.published === null ? [] : [model.published],
          );
          expect(states.filter(({ status }) => status === 'CANDIDATE').map(({ id }) => id)).toEqual(
            model.candidate === null ? [] : [model.candidate],
          );
        }
      }),
      { numRuns: 12 },
    );
  });
});

/** Moves the model; gives the code of the refusal, null when the step is done. */
function expectedCode(model: Model, act: 'publish' | 'canary' | 'rollback' | 'stop', version: string): string | null {
  if (act === 'publish') {
    if (model.candidate === version) model.candidate = null;
    if (model.published !== version) model.live.push(version);
    model.published = version;
    return null;
  }
  if (act === 'canary') {
    if (model.published === null) return 'UNPROCESSABLE';
    if (model.published === version) return 'CONFLICT';
    model.candidate = version;
    return null;
  }
  if (model.candidate !== null) {
    model.bad.add(model.candidate);
    model.candidate = null;
    return null;
  }
  if (act === 'stop') return null;
  const previous = model.live.findLast((id) => id !== model.published && !model.bad.has(id));
  if (model.published === null || previous === undefined) return 'UNPROCESSABLE';
  model.bad.add(model.published);
  model.published = previous;
  return null;
}
