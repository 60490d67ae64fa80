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
import { ScriptedCaller } from "../src/simulators/carrier/caller.js";
import { AppError } from '../src/lib/errors.js';
import { newId } from '../src/lib/ids.js';
import { AgentVersions } from '../src/services/agent-versions.js';
import { Agents } from '../src/services/agents.js';
import { Diagnostics } from '../src/services/diagnostics.js';
import { Rollouts } from '../src/services/rollout.js';
import { partyOf, rolloutPicker, shareOf } from '../src/services/version-picker.js';
import type { AdminViewer } from '../src/services/viewer.js';
import { testContext } from './testkit/context.js';
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
  await ok('POST', `/agent-versions/${published}/publish`, {});
  return { id, key, published, draft: await version() };
}
const setPolicy = (agentId: string, body: object) => ok('PUT', `/agents/${agentId}/rollout-policy`, body);
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
  /** How long ago they ended. */
  minutesAgo?: number;
  reason?: string;
}
/** Calls of a version that are over, as rows. */
async function endedCalls(versionId: string, how: Ended): Promise<void> {
  const tx = em();
  const { agentId, tenantId } = await versionRow(versionId);
  const at = new Date(Date.now() - (how.minutesAgo ?? 0) * 60_000);
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
async function incoming(to: string, from: string): Promise<string | null> {
  const target = '/api/v1/incoming-call';
  const callSid = `CA${newId().replaceAll('-', '')}`;
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
    const pickAll = async () => {
      const scope = gateway.database.database.em({ tenantId: 'acme' });
      const row = await scope.findOneOrFail(Agent, { id: agent.id });
      const picked: string[] = [];
      for (const caller of callers) picked.push((await rolloutPicker.pick(scope, row, caller))!.id);
      return picked;
    };
    const first = await pickAll();
    const share = first.filter((id) => id === agent.draft).length / callers.length;
    expect(share).toBeGreaterThanOrEqual(0.08);
    expect(share).toBeLessThanOrEqual(0.12);
    expect(new Set(first)).toEqual(new Set([agent.draft, agent.published]));
    expect(await pickAll()).toEqual(first);
    // Who is in stays in when the share grows.
    await setPolicy(agent.id, { candidate_version_id: agent.draft, percentage: 40 });
    const wider = await pickAll();
    expect(first.flatMap((id, i) => (id === agent.draft && wider[i] !== agent.draft ? [callers[i]] : []))).toEqual([]);
    expect(wider.filter((id) => id === agent.draft).length).toBeGreaterThan(600);
  });

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
    const strangers = await Promise.all(Array.from({ length: 16 }, () => incoming(number, '+266696687')));
    expect(new Set(strangers).size).toBe(2);
    expect(partyOf('anonymous', 'CA1')).toBe('CA1');
    expect(partyOf('sip:bob@example.com', 'CA1')).toBe('sip:bob@example.com');
  });

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
    await ok('POST', `/agent-versions/${next}/publish`, {});
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
    MEAN_SCORE: { threshold: 0.7, breach: { count: 10, score: 0.6 }, fine: { count: 10, score: 0.7 } },
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

  it.each(Object.entries(bad))('%s ends the candidate, with enough calls of its own window only', async (name, rule) => {
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
    expect(await state()).toMatchObject({ sample: 10, breached: true });
    expect(await evaluate(agent.id)).toBe(true);
    expect(await versionRow(agent.draft)).toMatchObject({ status: 'RETIRED', rolledBackAt: expect.any(Date) });
    expect((await historyOf(agent.id)).at(-1)).toMatchObject({
      action: 'STOPPED_BY_CONDITION',
      fromVersionId: agent.draft,
      toVersionId: agent.published,
      by: 'system:rollout',
      evidence: { condition: { metric, sample: 10, breached: true } },
    });
  });

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
        await gateway.carrier.placeInboundCall({ from: `+1555555340${i}`, to: number, handset: new ScriptedCaller([]) });
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
