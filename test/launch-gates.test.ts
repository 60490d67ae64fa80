import { randomBytes } from 'node:crypto';
import { getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js';
import { WebSocket } from 'ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  AgentVersion,
  AuditEntry,
  Call,
  CallbackTask,
  PhoneRoute,
  RolloutPolicy,
  Scenario,
  ScheduledCall,
  SignatureCheck,
  SyntheticCall,
  SyntheticRun,
  TestNumber,
  VoiceSession,
} from '../src/entities/index.js';
import { ACCOUNT, ADMIN_KEY, seedCallable, startGateway, type TestGateway } from './testkit/gateway.js';
import { graphql, must, socketClient } from './testkit/graphql.js';
import { until } from './testkit/until.js';

let gateway: TestGateway;
const SECOND_KEY = 'another-admin-key-for-tests';
beforeAll(async () => {
  gateway = await startGateway({ env: { ADMIN_API_KEY: `${ADMIN_KEY},${SECOND_KEY}` } });
});
afterAll(() => gateway.stop());
const all = () => gateway.database.database.em({ all: true });

/** A refusal as both doors tell it. */
interface Refusal {
  code: string;
  details: { path: string; message: string }[];
}
interface Report {
  passed: boolean;
  clearedBy: string | null;
  forcedReason: string | null;
  gates: { name: string; status: string; required: number | null; observed: number | null; missing: string[] }[];
}

/** The same capabilities at one of the two doors. A refusal is given back, not thrown. */
interface Door {
  report(id: string): Promise<Report>;
  publish(id: string, request?: { force?: boolean; reason?: string }): Promise<Refusal | { status: string }>;
  approve(id: string, name: string, note?: string): Promise<Refusal | { name: string; approvedBy: string }>;
  withdraw(id: string, name: string): Promise<Refusal | { name: string }>;
  govern(tenantId: string, settings: Record<string, unknown>): Promise<void>;
}

const ask = async (field: string, query: string, variables: object): Promise<any> => {
  const { data, errors } = await graphql(gateway, query, variables as Record<string, unknown>);
  if (errors === undefined) return data[field];
  const { code, details = [] } = errors[0]!.extensions;
  return { code, details };
};
const overGraphql: Door = {
  report: (id) =>
    ask(
      'launchReport',
      `query ($id: ID!) { launchReport(agentVersionId: $id) { passed clearedBy forcedReason agentVersion { id }
        gates { name title status required observed evidence missing } approvals { name current } } }`,
      { id },
    ),
  publish: (id, request = {}) =>
    ask(
      'publishAgentVersion',
      `mutation ($id: ID!, $force: Boolean, $reason: String) {
        publishAgentVersion(id: $id, force: $force, reason: $reason) { status } }`,
      { id, ...request },
    ),
  approve: (id, name, note) =>
    ask(
      'approveAgentVersion',
      `mutation ($id: ID!, $name: String!, $note: String) {
        approveAgentVersion(agentVersionId: $id, name: $name, note: $note) { name approvedBy } }`,
      { id, name, note },
    ),
  withdraw: (id, name) =>
    ask(
      'withdrawApproval',
      `mutation ($id: ID!, $name: String!) { withdrawApproval(agentVersionId: $id, name: $name) { name } }`,
      { id, name },
    ),
  govern: async (tenantId, governance) => {
    const set = `mutation ($tenantId: ID!, $input: RuntimeConfigInput!) {
      setRuntimeConfig(tenantId: $tenantId, input: $input) { governance { minimumSyntheticCalls } } }`;
    await must(gateway, set, { tenantId, input: { governance } });
  },
};

const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const rest = async (method: string, path: string, body?: object): Promise<any> => {
  const answer = await gateway.admin(method, path, body);
  return answer.status < 300 ? answer.body : { code: answer.body.code, details: answer.body.details ?? [] };
};
const overRest: Door = {
  report: async (id) => {
    const body = await rest('GET', `/agent-versions/${id}/launch-report`);
    const gates = body.gates.map((gate: any) => ({ ...gate, status: gate.status.toUpperCase() }));
    return { ...body, gates, clearedBy: body.cleared_by, forcedReason: body.forced_reason };
  },
  publish: async (id, request = {}) => {
    const body = await rest('POST', `/agent-versions/${id}/publish`, request);
    return body.status === undefined ? body : { status: body.status.toUpperCase() };
  },
  approve: async (id, name, note) => {
    const body = await rest('PUT', `/agent-versions/${id}/approvals/${name}`, { note });
    return { ...body, approvedBy: body.approved_by };
  },
  withdraw: (id, name) => rest('DELETE', `/agent-versions/${id}/approvals/${name}`),
  govern: async (tenantId, settings) => {
    const governance = Object.fromEntries(Object.entries(settings).map(([name, value]) => [snake(name), value]));
    await rest('PUT', `/tenants/${tenantId}/runtime-config`, { governance });
  },
};

const CONTRACT = {
  prompt: 'You are a friendly receptionist.',
  intents: [{ name: 'order_status' }, { name: 'appointment' }],
  escalation_rules: [{ trigger: 'payment', action: 'callback' }],
};
const NAMES = ['security', 'behaviour', 'operations', 'rollout'];

/** A tenant with a number that leads to an agent, whose only version is a draft. */
async function seedDraftAgent(
  tenantId: string,
  number: string,
  { sandbox = false, contract = CONTRACT as object } = {},
) {
  await rest('POST', '/tenants', { id: tenantId, name: tenantId, sandbox });
  const agent = await rest('POST', '/agents', { tenant_id: tenantId, key: 'front_desk' });
  const route = await rest('POST', '/phone-routes', { tenant_id: tenantId, number, agent_key: 'front_desk' });
  const version = await rest('POST', `/agents/${agent.id}/versions`, contract);
  return { tenantId, agentId: agent.id as string, routeId: route.id as string, id: version.id as string };
}
type Draft = Awaited<ReturnType<typeof seedDraftAgent>>;

async function syntheticCalls(draft: Draft, intent: string, count: number, { simulated = false, passed = true } = {}) {
  const em = all();
  const { tenantId, agentId } = draft;
  const name = `${intent} ${randomBytes(4).toString('hex')}`;
  const scenario = em.create(Scenario, {
    tenantId,
    agentId,
    name,
    intent,
    callerLines: [],
    expectedTools: [],
    mustSay: [],
    mustNotSay: [],
  });
  const run = em.create(SyntheticRun, {
    tenantId,
    agentVersionId: draft.id,
    status: 'COMPLETED',
    count,
    concurrency: 1,
    simulated,
    startedBy: 'test',
  });
  await em.flush();
  const status = passed ? 'PASSED' : 'FAILED';
  for (let i = 0; i < count; i += 1)
    em.create(SyntheticCall, { tenantId, runId: run.id, scenarioId: scenario.id, status });
  await em.flush();
}

async function signatures(tenantId: string, valid: number, invalid: number, hoursAgo = 0) {
  const em = all();
  const createdAt = new Date(Date.now() - hoursAgo * 3_600_000);
  for (let i = 0; i < valid + invalid; i += 1) em.create(SignatureCheck, { tenantId, valid: i < valid, createdAt });
  await em.flush();
}

/** A conversation of the version that is over, judged through the API. */
async function evaluate(draft: Draft, score: number, { provider = 'openai', times = 1 } = {}) {
  const em = all();
  const { tenantId, id: agentVersionId } = draft;
  const call = em.create(Call, {
    tenantId,
    direction: 'INBOUND',
    status: 'COMPLETED',
    synthetic: true,
    agentVersionId,
  });
  await em.flush();
  const session = em.create(VoiceSession, {
    tenantId,
    callId: call.id,
    agentVersionId,
    status: 'COMPLETED',
    model: 'gpt-realtime',
    provider,
    startedAt: new Date(),
  });
  await em.flush();
  const record = `mutation ($input: RecordEvaluationInput!) { recordEvaluation(input: $input) { id } }`;
  for (let n = 0; n < times; n += 1) await must(gateway, record, { input: { sessionId: session.id, score } });
}

const outbound = (draft: Draft, from: number, to: number | null, fields: Partial<Call> = {}): Partial<Call> => ({
  tenantId: draft.tenantId,
  agentId: draft.agentId,
  direction: 'OUTBOUND',
  status: to === null ? 'IN_PROGRESS' : 'COMPLETED',
  toNumber: '+15555550777',
  createdAt: new Date(Date.now() - from * 60_000),
  endedAt: to === null ? null : new Date(Date.now() - to * 60_000),
  ...fields,
});
async function store(...calls: Partial<Call>[]) {
  const em = all();
  for (const call of calls) em.create(Call, call as Call);
  await em.flush();
}

async function gateOf(door: Door, draft: Pick<Draft, 'id'>, name: string) {
  return (await door.report(draft.id)).gates.find((gate) => gate.name === name)!;
}
const failingOf = async (door: Door, draft: Draft) =>
  (await door.report(draft.id)).gates.filter((gate) => gate.status === 'FAILED').map((gate) => gate.name);

let numbers = 0;
const freshNumber = () => `+1555556${String(1_000 + numbers++)}`;

describe.each([
  ['GraphQL', overGraphql],
  ['REST', overRest],
] as const)('the launch gates over %s', (name, door) => {
  const tenantId = `gated-${name.toLowerCase()}`;
  let draft: Draft;
  beforeAll(async () => {
    draft = await seedDraftAgent(tenantId, freshNumber());
  });

  it('refuse a version without evidence, and say what is missing', async () => {
    const report = await door.report(draft.id);
    expect(report).toMatchObject({ passed: false, clearedBy: null });
    expect(Object.fromEntries(report.gates.map((gate) => [gate.name, gate.status]))).toEqual({
      synthetic_calls: 'FAILED',
      signature_verification: 'FAILED',
      duplicate_calls: 'PASSED',
      evaluation_score: 'FAILED',
      escalation_paths: 'PASSED',
      approvals: 'FAILED',
      not_rolled_back: 'PASSED',
    });
    const refused = (await door.publish(draft.id)) as Refusal;
    expect(refused.code).toBe('LAUNCH_GATES_FAILED');
    expect(refused.details.map((detail) => detail.path)).toEqual(await failingOf(door, draft));
    expect(refused.details[0]!.message).toContain('20 more passed synthetic calls');
  });

  it('count passed synthetic calls of every intent, but none against the simulator', async () => {
    await syntheticCalls(draft, 'order_status', 19);
    await syntheticCalls(draft, 'appointment', 30, { simulated: true });
    await syntheticCalls(draft, 'appointment', 5, { passed: false });
    expect(await gateOf(door, draft, 'synthetic_calls')).toMatchObject({
      status: 'FAILED',
      required: 20,
      observed: 19,
      evidence: { passed: 19, failed: 5, simulated: 30 },
      missing: ['1 more passed synthetic calls are needed.', 'No passed synthetic call covers the intent appointment.'],
    });
    await syntheticCalls(draft, 'order_status', 1);
    expect((await gateOf(door, draft, 'synthetic_calls')).missing).toHaveLength(1);
    await syntheticCalls(draft, 'appointment', 1);
    expect(await gateOf(door, draft, 'synthetic_calls')).toMatchObject({ status: 'PASSED', observed: 21 });
  });

  it('want 95 % of the last day’s signatures to hold, of at least twenty', async () => {
    await signatures(tenantId, 0, 400, 25);
    await signatures(tenantId, 18, 1);
    expect((await gateOf(door, draft, 'signature_verification')).missing).toEqual([
      '1 more signed requests of the last 24 hours are needed.',
      '1 of 19 requests carried no valid signature.',
    ]);
    await signatures(tenantId, 1, 0);
    expect(await gateOf(door, draft, 'signature_verification')).toMatchObject({ status: 'PASSED', observed: 0.95 });
    await signatures(tenantId, 0, 1);
    expect(await gateOf(door, draft, 'signature_verification')).toMatchObject({ status: 'FAILED' });
    // Newer requests push older ones out of the last thousand.
    await signatures(tenantId, 1_000, 0);
    expect(await gateOf(door, draft, 'signature_verification')).toMatchObject({ status: 'PASSED', required: 0.95 });
    await rest('PATCH', `/phone-routes/${draft.routeId}`, { direction: 'outbound' });
    expect(await gateOf(door, draft, 'signature_verification')).toMatchObject({ status: 'NOT_APPLICABLE' });
    await rest('PATCH', `/phone-routes/${draft.routeId}`, { direction: 'both' });
  });

  it('notice a customer who was dialled twice at once', async () => {
    await store(
      outbound(draft, 50, 40),
      outbound(draft, 40, 30),
      outbound(draft, 35, 34, { allowConcurrent: true }),
      outbound(draft, 33, 32, { toNumber: '+15555550778' }),
      outbound(draft, 31, 29, { synthetic: true }),
      outbound(draft, 20, null, { status: 'UNKNOWN' }),
      outbound(draft, 10, 5),
    );
    expect(await gateOf(door, draft, 'duplicate_calls')).toMatchObject({ status: 'PASSED', observed: 0 });
    await store(outbound(draft, 8, 7), outbound(draft, 4, null), outbound(draft, 1, 0));
    expect(await gateOf(door, draft, 'duplicate_calls')).toMatchObject({ status: 'FAILED', observed: 2 });
    const em = all();
    await em.nativeDelete(Call, { tenantId });
  });

  it('want a mean score of enough conversations with a real model', async () => {
    await evaluate(draft, 1, { provider: 'simulator' });
    expect(await gateOf(door, draft, 'evaluation_score')).toMatchObject({ status: 'FAILED', observed: null });
    // One call stays one, however often it is judged.
    await evaluate(draft, 1, { times: 5 });
    expect(await gateOf(door, draft, 'evaluation_score')).toMatchObject({
      status: 'FAILED',
      observed: 1,
      missing: ['2 more calls have to be evaluated.'],
    });
    await evaluate(draft, 0.5);
    await evaluate(draft, 0.5);
    expect(await gateOf(door, draft, 'evaluation_score')).toMatchObject({
      status: 'FAILED',
      required: 0.7,
      missing: ['The mean score is 0.667, below 0.7.'],
    });
    await evaluate(draft, 1);
    expect(await gateOf(door, draft, 'evaluation_score')).toMatchObject({ status: 'PASSED', observed: 0.75 });
    await door.govern(tenantId, { minimumEvaluatedCalls: 5 });
    expect((await gateOf(door, draft, 'evaluation_score')).missing).toEqual(['1 more calls have to be evaluated.']);
    await door.govern(tenantId, { minimumEvaluatedCalls: null });
  });

  it('want each named approval, and clear the version when all hold', async () => {
    expect(await failingOf(door, draft)).toEqual(['approvals']);
    expect(await door.approve(draft.id, 'everything')).toMatchObject({
      code: 'VALIDATION_FAILED',
      details: [{ path: 'name' }],
    });
    for (const approval of NAMES)
      expect(await door.approve(draft.id, approval, 'seen')).toMatchObject({
        name: approval,
        approvedBy: expect.stringMatching(/^admin-key:/),
      });
    expect((await door.report(draft.id)).passed).toBe(true);
    await door.withdraw(draft.id, 'security');
    expect(await door.withdraw(draft.id, 'security')).toMatchObject({ code: 'NOT_FOUND' });
    expect(((await door.publish(draft.id)) as Refusal).details).toEqual([
      { path: 'approvals', message: 'The approval security is missing.' },
    ]);
    await door.approve(draft.id, 'security');
    // Four eyes, where the tenant wants them.
    await door.govern(tenantId, { minimumApprovers: 2 });
    expect(((await door.publish(draft.id)) as Refusal).details).toEqual([
      { path: 'approvals', message: '2 different admins have to approve; 1 did.' },
    ]);
    const second = await gateway.call('PUT', `/api/v1/admin/agent-versions/${draft.id}/approvals/security`, {
      headers: { 'x-admin-key': SECOND_KEY },
      body: {},
    });
    expect(second.status).toBe(200);
    expect(await door.publish(draft.id)).toEqual({ status: 'PUBLISHED' });
    expect(await door.report(draft.id)).toMatchObject({
      forcedReason: null,
      clearedBy: expect.stringMatching(/^admin-key:/),
    });
    const trail = await all().find(AuditEntry, { subjectId: draft.id }, { orderBy: { createdAt: 'asc' } });
    expect(trail.map((entry) => entry.action).slice(-5)).toEqual([
      'approval.given',
      'approval.withdrawn',
      'approval.given',
      'approval.given',
      'agent_version.published',
    ]);
    expect(trail.at(-1)).toMatchObject({
      before: { status: 'DRAFT', clearedAt: null },
      after: { status: 'PUBLISHED', clearedAt: expect.any(String) },
    });
    // A request that is repeated, perhaps when the evidence has grown old, publishes nothing again.
    await door.withdraw(draft.id, 'security');
    expect(await door.publish(draft.id)).toEqual({ status: 'PUBLISHED' });
    const published = { subjectId: draft.id, action: 'agent_version.published' };
    expect(await all().count(AuditEntry, published)).toBe(1);
  });

  it('ask for as much as the tenant says', async () => {
    await door.govern(tenantId, {
      minimumSyntheticCalls: 0,
      minimumSignatureSample: 0,
      minimumSignatureRate: 0.5,
      minimumMeanScore: 0,
      requiredApprovals: ['legal'],
    });
    const contract = { ...CONTRACT, from_version_id: draft.id };
    const next = await rest('POST', `/agents/${draft.agentId}/versions`, contract);
    const { gates } = await door.report(next.id);
    expect(gates.filter((gate) => gate.status === 'NOT_APPLICABLE').map((gate) => gate.name)).toEqual([
      'synthetic_calls',
      'evaluation_score',
    ]);
    expect(gates.find((gate) => gate.name === 'signature_verification')).toMatchObject({ required: 0.5 });
    expect(await door.approve(next.id, 'security')).toMatchObject({ code: 'VALIDATION_FAILED' });
    expect(await door.approve(next.id, 'legal')).toMatchObject({ name: 'legal' });
    expect(await door.publish(next.id)).toEqual({ status: 'PUBLISHED' });
  });

  it('refuse a version that was rolled back, as a candidate too, unless it is forced', async () => {
    const [next] = await all().find(
      AgentVersion,
      { agentId: draft.agentId },
      { orderBy: { number: 'desc' }, limit: 1 },
    );
    expect(next).toMatchObject({ status: 'PUBLISHED' });
    const { id } = next!;
    expect((await door.report(id)).passed).toBe(true);
    await rest('POST', `/agents/${draft.agentId}/rollback`, { reason: 'It is rude.' });
    const missing = 'This version was rolled back before: make a new one from it.';
    expect(await gateOf(door, { id }, 'not_rolled_back')).toMatchObject({ status: 'FAILED', missing: [missing] });
    const refused = { code: 'LAUNCH_GATES_FAILED', details: [{ path: 'not_rolled_back', message: missing }] };
    expect(await door.publish(id)).toEqual(refused);
    const policy = { candidate_version_id: id, percentage: 5 };
    expect(await rest('PUT', `/agents/${draft.agentId}/rollout-policy`, policy)).toEqual(refused);
    expect(await door.publish(id, { force: true, reason: 'It was the caller.' })).toEqual({ status: 'PUBLISHED' });
    expect((await gateOf(door, { id }, 'not_rolled_back')).status).toBe('PASSED');
  });

  it('can be forced with a reason, which the audit log, the history and operators get to know', async () => {
    const { client } = socketClient(gateway, { 'x-admin-key': ADMIN_KEY });
    const query = `subscription { diagnosticRaised(tenantId: "${tenantId}") { code message detail } }`;
    const feed = client.iterate<any>({ query });
    const next = await rest('POST', `/agents/${draft.agentId}/versions`, CONTRACT);
    expect(await door.publish(next.id, { force: true })).toMatchObject({
      code: 'VALIDATION_FAILED',
      details: [{ path: 'reason' }],
    });
    expect(await door.publish(next.id, { force: true, reason: 'A launch day cannot wait.' })).toEqual({
      status: 'PUBLISHED',
    });
    let raised: any = null;
    // The open ones come first, and there may be some of before.
    while (raised?.detail.agentVersionId !== next.id) raised = (await feed.next()).value.data.diagnosticRaised;
    expect(raised).toMatchObject({
      code: 'launch_gates_forced',
      detail: { agentVersionId: next.id, reason: 'A launch day cannot wait.', failing: [{ path: 'approvals' }] },
    });
    await client.dispose();
    const forced = await all().findOneOrFail(AuditEntry, { subjectId: next.id, action: 'agent_version.forced' });
    expect(forced).toMatchObject({
      reason: 'A launch day cannot wait.',
      after: { failingGates: [{ path: 'approvals' }] },
    });
    const history = await must(
      gateway,
      `query ($tenantId: ID!) { agent(key: "front_desk", tenantId: $tenantId) {
        rolloutHistory(first: 1) { edges { node { action reason toVersionId } } } } }`,
      { tenantId },
    );
    expect(history.agent.rolloutHistory.edges[0].node).toEqual({
      action: 'FORCED',
      reason: 'A launch day cannot wait.',
      toVersionId: next.id,
    });
    expect(await door.report(next.id)).toMatchObject({ passed: false, forcedReason: 'A launch day cannot wait.' });
  });
});

describe('evidence', () => {
  it('is about one contract: a draft that is changed starts anew', async () => {
    const draft = await seedDraftAgent('changing', freshNumber());
    await syntheticCalls(draft, 'order_status', 19);
    await syntheticCalls(draft, 'appointment', 1);
    for (let n = 0; n < 3; n += 1) await evaluate(draft, 1);
    await overRest.approve(draft.id, 'security');
    const passedOf = async () =>
      (await overRest.report(draft.id)).gates
        .filter((gate) => gate.status === 'PASSED')
        .map((gate) => gate.name)
        .filter((name) => ['synthetic_calls', 'evaluation_score'].includes(name));
    await rest('PATCH', `/agent-versions/${draft.id}`, { note: 'Only a note.' });
    expect(await passedOf()).toEqual(['synthetic_calls', 'evaluation_score']);
    await rest('PATCH', `/agent-versions/${draft.id}`, { prompt: 'You sell used cars.' });
    expect(await passedOf()).toEqual([]);
    expect((await gateOf(overRest, draft, 'approvals')).missing[0]).toContain('before the contract changed');
  });

  it('is about one prompt: another published revision starts anew, also in the moment of publishing', async () => {
    const contract = { ...CONTRACT, prompt: null, prompt_key: 'desk' };
    const draft = await seedDraftAgent('prompted', freshNumber(), { contract: { ...contract, prompt_key: null } });
    const prompt = await rest('POST', '/prompts', { tenant_id: 'prompted', key: 'desk', text: 'Kind.', publish: true });
    await rest('PATCH', `/agent-versions/${draft.id}`, contract);
    await overRest.govern('prompted', { minimumSyntheticCalls: 2, minimumSignatureRate: 0, minimumMeanScore: 0 });
    await overRest.govern('prompted', { requiredApprovals: [] });
    await syntheticCalls(draft, 'order_status', 1);
    await syntheticCalls(draft, 'appointment', 1);
    expect((await overRest.report(draft.id)).passed).toBe(true);
    await rest('POST', `/prompts/${prompt.id}/revisions`, { text: 'Unkind.' });
    await rest('POST', `/prompts/${prompt.id}/publish`, { revision: 2 });
    expect((await overRest.publish(draft.id)) as Refusal).toMatchObject({ details: [{ path: 'synthetic_calls' }] });
    await syntheticCalls(draft, 'order_status', 1);
    await syntheticCalls(draft, 'appointment', 1);
    expect(await overRest.publish(draft.id)).toEqual({ status: 'PUBLISHED' });
    expect((await rest('GET', `/agent-versions/${draft.id}`)).prompt_revision).toBe(2);
    // The same of a version that speaks the tenant's prompt.
    await rest('PUT', '/tenants/prompted/runtime-config', { system_prompt_key: 'desk' });
    const bare = await rest('POST', `/agents/${draft.agentId}/versions`, { ...CONTRACT, prompt: null });
    await syntheticCalls({ ...draft, id: bare.id }, 'order_status', 1);
    await syntheticCalls({ ...draft, id: bare.id }, 'appointment', 1);
    expect((await overRest.report(bare.id)).passed).toBe(true);
    await rest('POST', `/prompts/${prompt.id}/publish`, { revision: 1 });
    expect((await gateOf(overRest, bare, 'synthetic_calls')).status).toBe('FAILED');
  });

  it('is about what the tenant says where the version says nothing, and a version that leaves DRAFT keeps that', async () => {
    const contract = { ...CONTRACT, prompt: null };
    const draft = await seedDraftAgent('inheriting', freshNumber(), { contract });
    const own = await rest('POST', `/agents/${draft.agentId}/versions`, { ...contract, voice: 'ash' });
    const configure = (fields: object) => rest('PUT', '/tenants/inheriting/runtime-config', fields);
    const prompt = { tenant_id: 'inheriting', publish: true };
    for (const key of ['day', 'night']) await rest('POST', '/prompts', { ...prompt, key, text: `It is ${key}.` });
    await configure({ model: 'gpt-realtime', voice: 'alloy', system_prompt_key: 'day' });
    await overRest.govern('inheriting', { minimumSignatureRate: 0, requiredApprovals: ['legal'] });
    const prove = async (version: Draft) => {
      await syntheticCalls(version, 'order_status', 19);
      await syntheticCalls(version, 'appointment', 1);
      for (let n = 0; n < 3; n += 1) await evaluate(version, 1);
      await overRest.approve(version.id, 'legal');
      expect(await failingOf(overRest, version)).toEqual([]);
    };
    const everything = ['synthetic_calls', 'evaluation_score', 'approvals'];
    const independent = { ...draft, id: own.id as string };
    await prove(draft);
    await prove(independent);
    expect((await configure({ voice: 'alloy', system_prompt_key: 'day' })).warnings).toEqual([]);
    expect(await failingOf(overRest, draft)).toEqual([]);
    await configure({ voice: 'coral' });
    expect(await failingOf(overRest, draft)).toEqual(everything);
    expect(await failingOf(overRest, independent)).toEqual([]);
    // Also another prompt, however long ago it was published.
    for (const change of [{ system_prompt_key: 'night' }, { model: 'gpt-realtime-mini' }]) {
      await prove(draft);
      await configure(change);
      expect(await failingOf(overRest, draft)).toEqual(everything);
      expect(((await overRest.publish(draft.id)) as Refusal).code).toBe('LAUNCH_GATES_FAILED');
    }
    await prove(draft);
    expect(await rest('GET', `/agent-versions/${draft.id}`)).toMatchObject({
      model: null,
      voice: null,
      prompt_key: null,
    });
    expect(await overRest.publish(draft.id)).toEqual({ status: 'PUBLISHED' });
    const settled = { model: 'gpt-realtime-mini', voice: 'coral', prompt_key: 'night', prompt_revision: 1 };
    expect(await rest('GET', `/agent-versions/${draft.id}`)).toMatchObject(settled);

    // What callers hear is what was proven, whatever the tenant says now; and whoever says it is told so.
    const set = `mutation ($input: RuntimeConfigInput!) {
      setRuntimeConfig(tenantId: "inheriting", input: $input) { warnings { path message } } }`;
    const input = { model: 'gpt-realtime', voice: 'verse', systemPromptKey: 'day' };
    expect((await must(gateway, set, { input })).setRuntimeConfig.warnings).toEqual([
      { path: 'model', message: expect.stringContaining('front_desk keep the model gpt-realtime-mini') },
      { path: 'voice', message: expect.stringContaining('front_desk keep the voice coral') },
      { path: 'systemPromptKey', message: expect.stringContaining('front_desk keep the prompt night') },
    ]);
    expect(await failingOf(overRest, draft)).toEqual([]);
    const { number } = await all().findOneOrFail(PhoneRoute, { id: draft.routeId });
    await twilio('/api/v1/incoming-call', { To: number, From: '+15555550001' });
    expect(await all().findOneOrFail(VoiceSession, { agentVersionId: draft.id, provider: null })).toMatchObject({
      model: 'gpt-realtime-mini',
      voice: 'coral',
    });
    // A new version of it is made of what it was; what is given takes the place of what was settled.
    const changed = { from_version_id: draft.id, prompt: 'Be quick.', voice: null };
    expect(await rest('POST', `/agents/${draft.agentId}/versions`, changed)).toMatchObject({
      ...settled,
      voice: null,
      prompt: 'Be quick.',
      prompt_key: null,
      prompt_revision: null,
    });
  });

  it('without any prompt is about the plain one, of which operators hear when the tenant names one that is not there', async () => {
    const contract = { ...CONTRACT, prompt: null };
    const draft = await seedDraftAgent('promptless', freshNumber(), { contract });
    const forced = { force: true, reason: 'A test without evidence.' };
    const warned = async () =>
      (await rest('GET', '/diagnostics?code=plain_prompt&tenant_id=promptless')).data.map((row: any) => row.detail);
    const { id: first } = await rest('POST', `/agents/${draft.agentId}/versions`, contract);
    expect(await overRest.publish(first, forced)).toEqual({ status: 'PUBLISHED' });
    expect(await warned()).toEqual([]);
    await rest('PUT', '/tenants/promptless/runtime-config', { system_prompt_key: 'later' });
    expect(await overRest.publish(draft.id, forced)).toEqual({ status: 'PUBLISHED' });
    expect(await warned()).toMatchObject([{ agent_version_id: draft.id, prompt_key: 'later' }]);
    // The one that comes later is another contract.
    await rest('POST', '/prompts', { tenant_id: 'promptless', key: 'later', text: 'Be late.', publish: true });
    expect(await rest('GET', `/agent-versions/${draft.id}`)).toMatchObject({
      prompt: expect.stringContaining('friendly voice agent'),
      model: 'gpt-realtime',
      voice: 'alloy',
    });
  });

  it('of the simulator counts in a sandbox', async () => {
    const draft = await seedDraftAgent('sandbox', freshNumber(), { sandbox: true });
    await syntheticCalls(draft, 'order_status', 19, { simulated: true });
    await syntheticCalls(draft, 'appointment', 1, { simulated: true });
    for (let n = 0; n < 3; n += 1) await evaluate(draft, 0.9, { provider: 'simulator' });
    expect(await failingOf(overRest, draft)).toEqual(['signature_verification', 'approvals']);
  });

  it('needs an escalation path that leads to somebody, for every intent', async () => {
    const rules = [
      { trigger: 'payment', action: 'transfer', intents: ['order_status'] },
      { trigger: 'complaint', action: 'end' },
    ];
    const draft = await seedDraftAgent('paths', freshNumber(), { contract: { ...CONTRACT, escalation_rules: rules } });
    const gate = () => gateOf(overRest, draft, 'escalation_paths');
    expect(await gate()).toMatchObject({ status: 'FAILED', observed: 0, required: 2 });
    // A transfer needs a number, of its own or of the route.
    await rest('PATCH', `/phone-routes/${draft.routeId}`, { transfer_number: '+15555550123' });
    expect((await gate()).missing).toEqual([
      'The intent appointment has no rule that transfers or promises a callback.',
    ]);
    await rest('PATCH', `/agent-versions/${draft.id}`, {
      escalation_rules: [...rules, { trigger: 'complaint', action: 'callback', intents: ['appointment'] }],
    });
    expect(await gate()).toMatchObject({ status: 'PASSED' });
    await rest('PATCH', `/agent-versions/${draft.id}`, { intents: [], escalation_rules: [] });
    expect(await gate()).toMatchObject({ status: 'NOT_APPLICABLE' });
  });

  it('of signatures is counted for the tenant whose account, or whose number on the shared account, is named', async () => {
    const number = freshNumber();
    await seedDraftAgent('shared', number);
    const ours = freshNumber();
    await seedDraftAgent('own', ours);
    const account = { accountSid: `AC${'7'.repeat(32)}`, authToken: 'own-token' };
    await rest('POST', '/tenants/own/twilio-credentials', { account_sid: account.accountSid, auth_token: 'own-token' });
    await twilio('/api/v1/incoming-call', { To: number, From: '+15555550001' });
    await twilio('/api/v1/incoming-call', { To: number, From: '+15555550001' }, { ...ACCOUNT, authToken: 'wrong' });
    await twilio('/api/v1/incoming-call', { To: ours, From: '+15555550001' }, account);
    await twilio('/api/v1/incoming-call', { To: ours, From: '+15555550001' });
    const counted = async (tenantId: string) =>
      (await all().find(SignatureCheck, { tenantId })).map((check) => check.valid).toSorted();
    await until(
      async () => (await counted('shared')).length === 2 && (await counted('own')).length === 1,
      'the evidence',
    );
    expect(await counted('shared')).toEqual([false, true]);
    expect(await counted('own')).toEqual([true]);
  });

  it('shows a tenant its own reports only, and lets admins approve', async () => {
    const { key } = await rest('POST', '/tenants/sandbox/api-keys', { name: 'app' });
    const foreign = await all().findOneOrFail(AgentVersion, { tenantId: 'changing' });
    const own = await all().findOneOrFail(AgentVersion, { tenantId: 'sandbox' });
    const report = `query ($id: ID!) { launchReport(agentVersionId: $id) { passed } }`;
    expect((await must(gateway, report, { id: own.id }, key)).launchReport.passed).toBe(false);
    expect((await graphql(gateway, report, { id: foreign.id }, key)).errors![0]!.extensions.code).toBe('NOT_FOUND');
    const approve = `mutation ($id: ID!) { approveAgentVersion(agentVersionId: $id, name: "security") { id } }`;
    expect((await graphql(gateway, approve, { id: own.id }, key)).errors![0]!.extensions.code).toBe('FORBIDDEN');
  });
});

/** A signed request of the carrier; its TwiML. */
async function twilio(
  target: string,
  params: Record<string, string>,
  { accountSid, authToken }: { accountSid: string; authToken: string } = ACCOUNT,
): Promise<string> {
  const form = { AccountSid: accountSid, CallSid: `CA${randomBytes(16).toString('hex')}`, ...params };
  const response = await fetch(gateway.origin + target, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'x-twilio-signature': getExpectedTwilioSignature(authToken, gateway.app.publicUrl + target, form),
    },
    body: new URLSearchParams(form).toString(),
  });
  return response.text();
}

/** Opens the media stream that the TwiML asks for; resolves when the gateway closes it again. */
async function closedStream(twiml: string, callSid: string): Promise<void> {
  const token = /name="stream_token" value="([^"]+)"/.exec(twiml)![1]!;
  const socket = new WebSocket(`${gateway.origin.replace('http', 'ws')}/media-stream`);
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', () => resolve());
    socket.on('open', () => {
      const start = {
        streamSid: 'MZ1',
        accountSid: ACCOUNT.accountSid,
        callSid,
        customParameters: { stream_token: token },
      };
      const mediaFormat = { encoding: 'audio/x-mulaw', sampleRate: 8_000, channels: 1 };
      socket.send(JSON.stringify({ event: 'connected', protocol: 'Call', version: '1.0.0' }));
      socket.send(
        JSON.stringify({ event: 'start', sequenceNumber: '1', streamSid: 'MZ1', start: { ...start, mediaFormat } }),
      );
    });
  });
}

describe('a number that begins to lead callers to an agent', () => {
  it('asks for what only callers need, unless the version was forced or this is', async () => {
    const draft = await seedDraftAgent('dialler', freshNumber());
    await rest('PATCH', `/phone-routes/${draft.routeId}`, { direction: 'outbound' });
    await overRest.govern('dialler', { minimumSyntheticCalls: 0, minimumMeanScore: 0, requiredApprovals: [] });
    expect(await overRest.publish(draft.id)).toEqual({ status: 'PUBLISHED' });
    const inward = { direction: 'inbound' };
    expect(await rest('PATCH', `/phone-routes/${draft.routeId}`, inward)).toMatchObject({
      code: 'LAUNCH_GATES_FAILED',
      details: [{ path: 'signature_verification' }],
    });
    expect(await rest('GET', `/phone-routes/${draft.routeId}`)).toMatchObject({ direction: 'outbound' });
    const create = `mutation ($input: CreatePhoneRouteInput!) { createPhoneRoute(input: $input) { id } }`;
    const input = { tenantId: 'dialler', number: freshNumber(), agentKey: 'front_desk' };
    expect(await ask('createPhoneRoute', create, { input })).toMatchObject({ code: 'LAUNCH_GATES_FAILED' });
    expect(await ask('createPhoneRoute', create, { input: { ...input, force: true } })).toMatchObject({
      details: [{ path: 'reason' }],
    });
    await signatures('dialler', 20, 0);
    expect(await rest('PATCH', `/phone-routes/${draft.routeId}`, inward)).toMatchObject(inward);
    await rest('PATCH', `/phone-routes/${draft.routeId}`, { direction: 'outbound' });
    await signatures('dialler', 0, 20);
    const forced = { ...input, force: true, reason: 'The carrier is known.' };
    const known = await ask('createPhoneRoute', create, { input: forced });
    expect(known).toMatchObject({ id: expect.any(String) });
    expect(await overRest.report(draft.id)).toMatchObject({ forcedReason: 'The carrier is known.' });
    // Forced once, it is not asked again when its next number begins.
    await rest('DELETE', `/phone-routes/${known.id}`);
    const third = { ...input, number: freshNumber() };
    expect(await ask('createPhoneRoute', create, { input: third })).toMatchObject({ id: expect.any(String) });
    const audited = { subjectId: draft.id, action: 'agent_version.forced' };
    expect(await all().findOneOrFail(AuditEntry, audited)).toMatchObject({ reason: 'The carrier is known.' });
  });
});

describe('a version that is not cleared takes no customer’s call', () => {
  let acme: Awaited<ReturnType<typeof seedCallable>>;
  let draft: string;
  const tester = '+15555559001';
  beforeAll(async () => {
    acme = await seedCallable(gateway, 'acme', freshNumber());
    draft = (await rest('POST', `/agents/${acme.agent.id}/versions`, CONTRACT)).id;
    await rest('POST', '/tenants/acme/test-numbers', { number: tester });
  });
  const change = (id: string, fields: Partial<AgentVersion>) => all().nativeUpdate(AgentVersion, { id }, fields);
  const clear = (id: string) => change(id, { clearedAt: new Date(), rolledBackAt: null });
  const dial = (body: object) => gateway.call('POST', '/api/v1/make-call', { key: acme.key, body });
  const dialGraphql = async (input: object) =>
    (
      await graphql(
        gateway,
        `
          mutation ($input: MakeCallInput!) {
            makeCall(input: $input) {
              call {
                id
              }
            }
          }
        `,
        { input },
        acme.key,
      )
    ).errors?.[0]?.extensions.code;
  const dialled = () => all().count(Call, { tenantId: 'acme', direction: 'OUTBOUND' });
  const answers = (twiml: string) => twiml.includes('<Connect>');
  const incoming = (to: string, callSid?: string) =>
    twilio('/api/v1/incoming-call', {
      To: to,
      From: freshNumber(),
      ...(callSid === undefined ? {} : { CallSid: callSid }),
    });

  it('named by id', async () => {
    const before = await dialled();
    const to = freshNumber();
    expect((await dial({ to, agent_version_id: draft })).body).toMatchObject({ code: 'NOT_CLEARED', ok: false });
    expect((await dial({ to, agent_key: 'front_desk', agent_version_id: draft })).body.code).toBe('NOT_CLEARED');
    const alias = await gateway.call('POST', '/make-call', { key: acme.key, body: { to, agent_version_id: draft } });
    expect(alias.body.code).toBe('NOT_CLEARED');
    expect(await dialGraphql({ to, agentVersionId: draft })).toBe('NOT_CLEARED');
    await change(draft, { clearedAt: new Date(), rolledBackAt: new Date() });
    expect((await dial({ to, agent_version_id: draft })).body.code).toBe('NOT_CLEARED');
    await change(draft, { clearedAt: null, rolledBackAt: null });
    expect(await dialled()).toBe(before);
    expect((await dial({ to: tester, agent_version_id: draft })).body).toMatchObject({ ok: true, to: tester });
    gateway.carrier.calls.at(-1)!.hangUp();
  });

  it('pinned by a route', async () => {
    const pin = { agent_version_id: draft };
    expect(await rest('PATCH', `/phone-routes/${acme.route.id}`, pin)).toMatchObject({ code: 'NOT_CLEARED' });
    const create = { tenant_id: 'acme', number: freshNumber(), agent_key: 'front_desk', ...pin };
    expect(await rest('POST', '/phone-routes', create)).toMatchObject({ code: 'NOT_CLEARED' });
    // One that lost its clearance after it was pinned: the rollout decides.
    await all().nativeUpdate(PhoneRoute, { id: acme.route.id }, { agentVersionId: draft });
    const callSid = `CA${randomBytes(16).toString('hex')}`;
    expect(answers(await incoming(acme.number, callSid))).toBe(true);
    expect(await all().findOneOrFail(Call, { callSid })).toMatchObject({ agentVersionId: acme.version.id });
    const { body } = await dial({ to: freshNumber(), from: acme.number });
    expect(await all().findOneOrFail(Call, { callSid: body.call_sid })).toMatchObject({
      agentVersionId: acme.version.id,
    });
    gateway.carrier.calls.at(-1)!.hangUp();
    await all().nativeUpdate(PhoneRoute, { id: acme.route.id }, { agentVersionId: null });
  });

  it('as a candidate', async () => {
    const em = all();
    const stopConditions: never[] = [];
    const policy = { agentId: acme.agent.id, tenantId: 'acme', candidateVersionId: draft, percentage: 100 };
    em.create(RolloutPolicy, { ...policy, stopConditions, startedAt: new Date(), updatedBy: 'test' });
    await em.flush();
    for (const state of [{ clearedAt: null }, { clearedAt: new Date(), rolledBackAt: new Date() }]) {
      await change(draft, { status: 'CANDIDATE', ...state });
      const callSid = `CA${randomBytes(16).toString('hex')}`;
      expect(answers(await incoming(acme.number, callSid))).toBe(true);
      expect(await all().findOneOrFail(Call, { callSid })).toMatchObject({ agentVersionId: acme.version.id });
      const { body } = await dial({ to: freshNumber() });
      expect(await all().findOneOrFail(Call, { callSid: body.call_sid })).toMatchObject({
        agentVersionId: acme.version.id,
      });
      gateway.carrier.calls.at(-1)!.hangUp();
    }
    await change(draft, { status: 'DRAFT', clearedAt: null, rolledBackAt: null });
    await all().nativeDelete(RolloutPolicy, { agentId: acme.agent.id });
  });

  it('as the version that its agent serves', async () => {
    const outside = { action: 'agent', target: 'front_desk' };
    const closed = { time_zone: 'UTC', windows: [], outside };
    const other = await rest('POST', '/agents', { tenant_id: 'acme', key: 'other' });
    const nights = freshNumber();
    const fields = { number: nights, agent_id: other.id, business_hours: closed };
    expect(await rest('POST', '/phone-routes', { tenant_id: 'acme', ...fields })).toMatchObject({ number: nights });
    expect(answers(await incoming(nights))).toBe(true);
    for (const lost of [{ clearedAt: null }, { rolledBackAt: new Date() }]) {
      await change(acme.version.id, lost);
      const before = await dialled();
      expect((await dial({ to: freshNumber(), agent_key: 'front_desk' })).status).toBe(422);
      expect((await dial({ to: freshNumber() })).status).toBe(422);
      expect(await dialGraphql({ to: freshNumber() })).toBe('UNPROCESSABLE');
      expect(await dialled()).toBe(before);
      expect(answers(await incoming(acme.number))).toBe(false);
      expect(answers(await incoming(nights))).toBe(false);
      await clear(acme.version.id);
    }
  });

  it('when a call is answered, resumed or streamed', async () => {
    const answer = (call: Call) =>
      twilio(`/api/v1/answer-call?call_id=${call.id}`, { CallSid: call.callSid!, CallStatus: 'in-progress' });
    const em = all();
    const ringing = em.create(Call, {
      tenantId: 'acme',
      direction: 'OUTBOUND',
      status: 'RINGING',
      accountSid: ACCOUNT.accountSid,
      callSid: `CA${randomBytes(16).toString('hex')}`,
      fromNumber: acme.number,
      toNumber: freshNumber(),
      agentId: acme.agent.id,
      agentKey: 'front_desk',
      agentVersionId: draft,
      phoneRouteId: acme.route.id,
    });
    await em.flush();
    expect(answers(await answer(ringing))).toBe(false);
    expect(await all().count(VoiceSession, { callId: ringing.id })).toBe(0);
    // The same call to somebody of the tenant's own is answered.
    await all().nativeUpdate(Call, { id: ringing.id }, { toNumber: tester });
    const twiml = await answer(ringing);
    expect(answers(twiml)).toBe(true);
    await all().nativeDelete(TestNumber, { number: tester });
    await closedStream(twiml, ringing.callSid!);
    expect(await all().findOneOrFail(VoiceSession, { callId: ringing.id })).toMatchObject({ ownerGeneration: 0 });
    const resumed = await twilio(`/api/v1/resume-call?call_id=${ringing.id}`, { CallSid: ringing.callSid! });
    expect(answers(resumed)).toBe(false);
    expect(resumed).toContain('<Say>');
  });

  it('dialled later: a scheduled call, or a callback that dials by itself', async () => {
    const { dueDials } = gateway.app.services.calls;
    const due = new Date(Date.now() + 3_600_000);
    const schedule = (to: string, body: object = {}) => dial({ to, schedule: due.toISOString(), ...body });
    const [byAgent, byId, byCallback] = [freshNumber(), freshNumber(), freshNumber()];
    expect((await schedule(byAgent, { agent_version_id: draft })).body.code).toBe('NOT_CLEARED');
    const waiting = [
      (await schedule(byAgent, { agent_key: 'front_desk' })).body.scheduled_call_id,
      (await schedule(byId, { agent_version_id: acme.version.id })).body.scheduled_call_id,
    ];
    const { body: task } = await gateway.call('POST', '/api/v1/callbacks', {
      key: acme.key,
      body: {
        number: byCallback,
        reason: 'asked',
        auto_dial: true,
        agent_key: 'front_desk',
        due_at: due.toISOString(),
      },
    });
    // The version is rolled back before their time comes.
    await change(acme.version.id, { rolledBackAt: new Date() });
    const past = new Date(Date.now() - 1_000);
    await all().nativeUpdate(ScheduledCall, { id: waiting }, { dueAt: past });
    await all().nativeUpdate(CallbackTask, { id: task.id }, { dueAt: past, dialAt: null, autoDial: true });
    await dueDials.sweep();
    expect(await all().count(Call, { toNumber: [byAgent, byId, byCallback] })).toBe(0);
    const states = (await all().find(ScheduledCall, { id: waiting })).map((row) => row.state);
    expect(states).toEqual(['REFUSED', 'REFUSED']);
    expect(await all().findOneOrFail(CallbackTask, { id: task.id })).toMatchObject({ state: 'OPEN', autoDial: false });
    await clear(acme.version.id);
  });

  it('nor by a tenant that is resumed', async () => {
    await change(acme.version.id, { clearedAt: null });
    await rest('POST', '/tenants/acme/suspend', { reason: 'unpaid' });
    await rest('POST', '/tenants/acme/resume');
    await until(async () => (await dial({ to: freshNumber() })).status !== 403, 'the resumed tenant');
    expect((await dial({ to: freshNumber() })).status).toBe(422);
    expect(answers(await incoming(acme.number))).toBe(false);
    await clear(acme.version.id);
  });

  it('while a call that has begun goes on when its version is rolled back', async () => {
    const callSid = `CA${randomBytes(16).toString('hex')}`;
    await incoming(acme.number, callSid);
    await change(acme.version.id, { rolledBackAt: new Date() });
    const call = await all().findOneOrFail(Call, { callSid });
    expect(answers(await twilio(`/api/v1/resume-call?call_id=${call.id}`, { CallSid: callSid }))).toBe(true);
    await clear(acme.version.id);
  });
});
