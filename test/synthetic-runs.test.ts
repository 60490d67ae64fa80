import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Agent, Call, VoiceSession } from '../src/entities/index.js';
import type { Jobs } from '../src/ports/jobs.js';
import type { SyntheticCaller } from '../src/ports/synthetic-caller.js';
import { AgentVersions } from '../src/services/agent-versions.js';
import type { CallProgress } from '../src/services/call-progress.js';
import { Scenarios } from '../src/services/scenarios.js';
import { SyntheticJudge } from '../src/services/synthetic-judge.js';
import { SyntheticRunner } from '../src/services/synthetic-runner.js';
import { SYNTHETIC_RUN_QUEUE, SyntheticRuns } from '../src/services/synthetic-runs.js';
import { AudioLibrary } from '../src/simulators/audio/library.js';
import { ModelSimulator } from '../src/simulators/model/server.js';
import { noJobs, seedTenant, testContext } from './testkit/context.js';
import { openTestDatabase } from './testkit/database.js';
import { seedCallable, startGateway, type TestGateway } from './testkit/gateway.js';
import { graphql, must, socketClient } from './testkit/graphql.js';
import { until } from './testkit/until.js';

const HUMAN = '+15555550177';
const WHERE = 'Hi, I would like to know where my order is.';
const THANKS = 'Great, thank you. Goodbye.';
const PAY = 'I want to pay my bill with a credit card.';
const lines = (...texts: string[]) => texts.map((text) => ({ text }));

/** What the tenant's systems were asked. */
const asked: { path: string; headers: Record<string, unknown> }[] = [];
const systems = createServer((request, response) => {
  asked.push({ path: request.url!, headers: request.headers });
  response.writeHead(200, { 'content-type': 'application/json' }).end('{"status":"shipped"}');
});
let system: string;
beforeAll(async () => {
  await new Promise<void>((resolve) => systems.listen(0, '127.0.0.1', resolve));
  system = `http://127.0.0.1:${(systems.address() as AddressInfo).port}`;
});
afterAll(async () => {
  systems.closeAllConnections();
  await new Promise((resolve) => systems.close(resolve));
});

/** One gateway with an agent that was never published, and what is asked of it here. */
async function agentAt(gateway: TestGateway, tenant: object = {}) {
  const admin = async (method: string, path: string, body?: unknown) => {
    const answer = await gateway.admin(method, path, body);
    if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  await admin('POST', '/tenants', { id: 'acme', name: 'Acme', ...tenant });
  const { key } = await admin('POST', '/tenants/acme/api-keys', { name: 'app' });
  const agent = await admin('POST', '/agents', { tenant_id: 'acme', key: 'front_desk' });
  const version = await admin('POST', `/agents/${agent.id}/versions`, {
    prompt: 'You are a friendly receptionist.',
    greeting: 'Hello, how can I help you?',
    success_signals: ['resolved'],
    tools: [
      { name: 'order_lookup', description: 'Finds an order', url: `${system}/tool`, parameters: { type: 'object' } },
    ],
    intents: [{ name: 'order_status', tools: ['order_lookup'] }, { name: 'payment' }, { name: 'opening_hours' }],
    escalation_rules: [{ trigger: 'payment', action: 'transfer', target: HUMAN }],
  });
  let names = 0;
  const scenario = async (fields: object) => {
    const given = { agent_id: agent.id, name: `scenario ${++names}`, intent: 'order_status', active: false, ...fields };
    return (await admin('POST', '/scenarios', given)).id as string;
  };
  const start = async (ids: string[], more: object = {}) => {
    const given = { scenario_ids: ids, count: ids.length, ...more };
    return (await admin('POST', `/agent-versions/${version.id}/synthetic-runs`, given)).id as string;
  };
  const report = (id: string) => admin('GET', `/synthetic-runs/${id}`);
  const ended = (id: string) =>
    until(
      async () => {
        const run = await report(id);
        return ['completed', 'canceled', 'failed'].includes(run.status) ? run : null;
      },
      'the end of the run',
      90_000,
    );
  return { admin, agent, version, key: key as string, scenario, start, report, ended };
}

describe('a run of synthetic calls', { timeout: 240_000 }, () => {
  let gateway: TestGateway;
  let acme: Awaited<ReturnType<typeof agentAt>>;
  beforeAll(async () => {
    // As behind a proxy: whoever plays the carrier must sign for this origin, and reach the process itself.
    const env = { PUBLIC_URL: 'https://voice.example.test', STREAM_SIGNATURE_REQUIRED: 'true' };
    gateway = await startGateway({ env });
    acme = await agentAt(gateway);
    await acme.admin('PUT', '/tenants/acme/runtime-config', { webhook_url: `${system}/hook` });
  });
  afterAll(() => gateway.stop());
  const callRows = (where: object = {}) => gateway.database.database.em({ all: true }).find(Call, where);

  it('passes when the agent does in every scenario what is expected of it, and tells of each step', async () => {
    const clip = (name: string) => ({
      text: gateway.model.library.text(name),
      audio: gateway.model.library.clip(name).toString('base64'),
    });
    const recorded = await acme.scenario({
      caller_lines: [clip('order-status'), clip('thanks-goodbye')],
      expected_outcome: 'resolved',
      expected_tools: ['order_lookup', 'record_outcome'],
      must_say: ['on its way'],
      must_not_say: ['refund'],
    });
    const spoken = await acme.scenario({
      intent: 'payment',
      caller_lines: lines(PAY),
      escalation_path: 'payment',
    });
    const persona = await acme.scenario({
      intent: 'opening_hours',
      persona: `You are Ann, in a hurry.\nCALLER LINES:\n- When are you open on Saturday?\n- ${THANKS}`,
      must_say: ['from nine to four'],
      expected_outcome: 'resolved',
    });
    const { startSyntheticRun } = await must(
      gateway,
      `mutation ($id: ID!, $scenarios: [ID!]) { startSyntheticRun(agentVersionId: $id, count: 3, scenarioIds: $scenarios) { id status } }`,
      { id: acme.version.id, scenarios: [recorded, spoken, persona] },
    );
    const seen: { status: string; passed: number; calls: { status: string }[] }[] = [];
    const { client } = socketClient(gateway, { authorization: `Bearer ${acme.key}` });
    for await (const { data, errors } of client.iterate<any>({
      query: `subscription ($id: ID!) { syntheticRunUpdated(runId: $id) { status passed calls { status } } }`,
      variables: { id: startSyntheticRun.id },
    })) {
      expect(errors).toBeUndefined();
      seen.push(data!.syntheticRunUpdated);
      if (seen.at(-1)!.status === 'COMPLETED') break;
    }
    await client.dispose();
    expect(seen.at(-1)).toEqual({
      status: 'COMPLETED',
      passed: 3,
      calls: [{ status: 'PASSED' }, { status: 'PASSED' }, { status: 'PASSED' }],
    });
    expect(seen.some((run) => run.status === 'RUNNING' && run.calls.some((call) => call.status === 'RUNNING'))).toBe(
      true,
    );
    expect(seen.map((run) => run.passed)).toEqual(seen.map((run) => run.passed).toSorted((a, b) => a - b));

    const run = await acme.report(startSyntheticRun.id);
    expect(run).toMatchObject({ status: 'completed', count: 3, passed: 3, failed: 0, simulated_model: false });
    expect(run.calls.map((call: any) => [call.intent, call.status, call.failures])).toEqual([
      ['order_status', 'passed', []],
      ['payment', 'passed', []],
      ['opening_hours', 'passed', []],
    ]);
    const led = run.calls[1].checks.find((check: any) => check.check === 'transferred');
    expect(led).toMatchObject({ passed: true, judge: 'exact', turn_index: 1 });
    expect(gateway.model.violations).toEqual([]);
  });

  it('was heard of by no carrier, no business system and no figure, and by tools as what it is', async () => {
    const rows = await callRows({ synthetic: true });
    expect(rows.map((row) => [row.status, row.agentVersionId])).toEqual(rows.map(() => ['COMPLETED', acme.version.id]));
    expect(rows).toHaveLength(3);
    expect([gateway.carrier.createRequests, gateway.carrier.calls.length]).toEqual([0, 0]);
    expect(asked.filter(({ path }) => path === '/hook')).toEqual([]);
    expect(asked.map(({ headers }) => headers['x-trunkline-synthetic'])).toEqual(['true']);
    const { operationsMetrics } = await must(gateway, `{ operationsMetrics(tenantId: "acme") { callsCreated } }`);
    expect(operationsMetrics.callsCreated).toBe(0);
    // Whoever reads about customers does not find them unasked, and who asks sees what they are.
    const listed = async (path: string) =>
      (await gateway.call('GET', `/api/v1/${path}`, { key: acme.key })).body.data.map((row: any) => row.synthetic);
    for (const path of ['call-logs', 'voice-sessions']) expect(await listed(path), path).toEqual([]);
    expect(await listed('voice-sessions?synthetic=true')).toEqual([true, true, true]);
    const sessions = `query ($synthetic: Boolean) { voiceSessions(filter: { synthetic: $synthetic }) { edges { node { synthetic } } } }`;
    const count = async (synthetic: boolean | null) =>
      (await must(gateway, sessions, { synthetic }, acme.key)).voiceSessions.edges.length;
    expect([await count(null), await count(true), await count(false)]).toEqual([3, 3, 0]);
    const metrics = await gateway.call<string>('GET', '/metrics');
    expect(metrics.body).not.toMatch(/^trunkline_calls_started_total\{.*\} [1-9]/m);
  });

  it('says of each call why it failed, and which turn shows it', async () => {
    const everything = await acme.scenario({
      caller_lines: lines(WHERE),
      intent: 'payment',
      expected_outcome: 'resolved',
      expected_tools: ['refund'],
      must_say: ['the weather'],
      must_not_say: ['in two days'],
      escalation_path: 'complaint',
    });
    const escalates = await acme.scenario({ intent: 'payment', caller_lines: lines(PAY) });
    const run = await acme.ended(await acme.start([everything, escalates]));
    expect(run).toMatchObject({ status: 'completed', passed: 0, failed: 2 });
    const [first, second] = run.calls;
    expect(first.failures).toEqual([
      'The agent named order_status, not payment.',
      'The outcome is not recorded, not resolved.',
      'The tool refund was never called.',
      'The agent never said “the weather”.',
      'The agent said “in two days”, which it must not say.',
      'Nothing was escalated; complaint was expected.',
    ]);
    const said = first.checks.find((check: any) => check.check === 'must_not_say:in two days');
    const session = await gateway.call('GET', `/api/v1/voice-sessions/${first.voice_session_id}`, { key: acme.key });
    expect(session.body.transcript[said.turn_index].content).toContain('in two days');
    expect(second.failures).toEqual([expect.stringMatching(/^Escalated by transfer.*No escalation was approved\.$/)]);
  });

  it('fails when the agent cannot be had, and quotes what the caller heard instead', async () => {
    const audio = gateway.model.library.clip('hello').toString('base64');
    const scenario = await acme.scenario({ intent: 'goodbye', caller_lines: [{ text: 'Hello', audio }] });
    gateway.model.faults.refuseWith = 401;
    const run = await acme.ended(await acme.start([scenario]));
    gateway.model.faults.refuseWith = null;
    expect(run.calls[0]).toMatchObject({ status: 'failed', checks: [{ check: 'answered', turn_index: null }] });
    expect(run.calls[0].failures[0]).toContain('We are sorry');
  });

  it('places no more calls at once than it may', async () => {
    const short = await acme.scenario({ intent: 'goodbye', caller_lines: lines(THANKS) });
    const before = new Set((await callRows({ synthetic: true })).map((row) => row.id));
    const run = await acme.ended(await acme.start([short], { count: 4, concurrency: 2 }));
    expect(run).toMatchObject({ status: 'completed', passed: 4 });
    const rows = (await callRows({ synthetic: true })).filter((row) => !before.has(row.id));
    const running = rows.map(
      (row) => rows.filter((other) => other.createdAt <= row.createdAt && other.endedAt! > row.createdAt).length,
    );
    expect([rows.length, Math.max(...running)]).toEqual([4, 2]);
  });

  it('is canceled: what runs is hung up, what waits is not placed', async () => {
    const endless = await acme.scenario({ caller_lines: lines(...Array.from({ length: 40 }, () => WHERE)) });
    const id = await acme.start([endless], { count: 3, concurrency: 1 });
    const first = await until(async () => {
      const [call] = (await acme.report(id)).calls;
      const row = call.call_id === null ? null : (await callRows({ id: call.call_id }))[0];
      return row?.status === 'IN_PROGRESS' ? call : null;
    }, 'the first call');
    const onAir = async (query = '') =>
      (await gateway.call('GET', `/api/v1/active-sessions${query}`, { key: acme.key })).body.total;
    expect([await onAir(), await onAir('?synthetic=true')]).toEqual([0, 1]);
    expect((await acme.admin('POST', `/synthetic-runs/${id}/cancel`)).status).toBe('canceled');
    await until(async () => {
      const { calls } = await acme.report(id);
      return calls.every((call: any) => call.status === 'canceled');
    }, 'the calls to be over');
    const [row] = await callRows({ id: first.call_id });
    expect(row).toMatchObject({ status: 'COMPLETED' });
    expect(await acme.report(id)).toMatchObject({ status: 'canceled', passed: 0, failed: 0 });
    expect((await acme.admin('POST', `/synthetic-runs/${id}/cancel`)).status).toBe('canceled');
    const busy = await gateway.admin('PATCH', `/scenarios/${endless}`, { intent: 'payment' });
    expect([busy.status, busy.body.details[0].path]).toEqual([409, 'intent']);
  });

  it('may be canceled at any moment, also while its calls are being taken', async () => {
    const scenario = await acme.scenario({ intent: 'goodbye', caller_lines: lines(THANKS) });
    for (let n = 0; n < 60; n++) {
      const id = await acme.start([scenario], { count: 3, concurrency: 2 });
      // Somewhere between its first wake-up and its first words.
      for (let turns = n % 20; turns > 0; turns--) await acme.report(id);
      await acme.admin('POST', `/synthetic-runs/${id}/cancel`);
      expect((await acme.report(id)).status).toBe('canceled');
    }
  }, 60_000);

  it('asks for every intent in turn, and for nothing of a tenant that is suspended', async () => {
    const goodbye = { caller_lines: lines(THANKS) };
    const ids = [
      await acme.scenario({ ...goodbye, intent: 'goodbye' }),
      await acme.scenario({ ...goodbye, intent: 'goodbye' }),
      await acme.scenario({ ...goodbye, intent: 'farewell' }),
    ];
    const id = await acme.start(ids, { count: 4, concurrency: 1 });
    const intents = (await acme.report(id)).calls.map((call: any) => call.intent);
    expect(intents).toEqual(['goodbye', 'farewell', 'goodbye', 'goodbye']);
    await until(async () => (await acme.report(id)).calls[0].status !== 'queued', 'the first call');
    await acme.admin('POST', '/tenants/acme/suspend', { reason: 'unpaid' });
    const again = { scenario_ids: ids, count: 1 };
    const refused = await gateway.admin('POST', `/agent-versions/${acme.version.id}/synthetic-runs`, again);
    expect(refused.body.code).toBe('TENANT_SUSPENDED');
    const run = await acme.ended(id);
    expect(run.calls[3].failures[0]).toContain('The line said: “We are sorry');
    await acme.admin('POST', '/tenants/acme/resume');
  });

  it('is shown to its tenant, started by admins only, and no business of anybody else', async () => {
    const globex = await seedCallable(gateway, 'globex', '+15555559999');
    const scenario = await acme.scenario({ intent: 'goodbye', caller_lines: lines(THANKS) });
    const id = await acme.start([scenario]);
    await acme.admin('POST', `/synthetic-runs/${id}/cancel`);
    const query = `query ($id: ID!) { syntheticRun(id: $id) { id agentVersion { number } calls { scenario { name } } } }`;
    expect((await must(gateway, query, { id }, acme.key)).syntheticRun).toMatchObject({
      id,
      agentVersion: { number: 1 },
    });
    const codes = async (...args: Parameters<typeof graphql>) =>
      (await graphql(...args)).errors?.map((error) => error.extensions.code);
    expect(await codes(gateway, query, { id }, globex.key)).toEqual(['NOT_FOUND']);
    expect(
      await must(
        gateway,
        `{ syntheticRuns { edges { node { id } } } scenarios { edges { node { id } } } }`,
        {},
        globex.key,
      ),
    ).toEqual({
      syntheticRuns: { edges: [] },
      scenarios: { edges: [] },
    });
    const start = `mutation ($id: ID!, $scenarios: [ID!]) { startSyntheticRun(agentVersionId: $id, scenarioIds: $scenarios) { id } }`;
    expect(await codes(gateway, start, { id: acme.version.id }, acme.key)).toEqual(['FORBIDDEN']);
    expect(await codes(gateway, start, { id: globex.version.id, scenarios: [scenario] })).toEqual(['NOT_FOUND']);
    const { client } = socketClient(gateway, { authorization: `Bearer ${globex.key}` });
    const watching = client.iterate<any>({
      query: `subscription ($id: ID!) { syntheticRunUpdated(runId: $id) { id } }`,
      variables: { id },
    });
    const { value } = await watching.next();
    expect(value.errors[0].extensions.code).toBe('NOT_FOUND');
    await client.dispose();
  });

  it('cannot be made up: nobody else signs for the account of synthetic calls', async () => {
    const [row] = await callRows({ synthetic: true });
    const form = { AccountSid: `AC${'0'.repeat(32)}`, CallSid: row!.callSid!, From: 'anonymous', To: 'synthetic' };
    const response = await fetch(`${gateway.origin}/api/v1/incoming-call?call_id=${row!.id}`, {
      method: 'POST',
      headers: { 'x-twilio-signature': 'AAAA', 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(form).toString(),
    });
    expect(response.status).toBe(403);
  });
});

describe('a run that outlives its process', { timeout: 240_000 }, () => {
  it('goes on after the restart, is marked as simulated, and has its open questions judged by the text model', async () => {
    const database = await openTestDatabase();
    const model = await new ModelSimulator({ library: new AudioLibrary(30) }).start();
    const simulated = {
      database,
      overrides: { simulation: { carrier: null, account: null, model, stop: async () => {} } },
    };
    const first = await startGateway(simulated);
    const acme = await agentAt(first);
    const scenario = await acme.scenario({
      intent: 'goodbye',
      caller_lines: lines(THANKS),
      must_say: ['words that nobody says'],
    });
    const id = await acme.start([scenario], { count: 2, concurrency: 1 });
    const interrupted = await until(async () => {
      const { calls } = await acme.report(id);
      return calls[0].voice_session_id === null ? null : calls[0].call_id;
    }, 'the first call');
    await first.stop();

    const second = await startGateway(simulated);
    const read = async () => (await second.admin('GET', `/synthetic-runs/${id}`)).body;
    const run = await until(async () => ((await read()).status === 'completed' ? read() : null), 'the end', 90_000);
    expect(run).toMatchObject({ passed: 2, failed: 0, simulated_model: true });
    expect(run.calls.map((call: any) => call.call_id)).not.toContain(interrupted);
    expect(run.calls[0].checks.find((check: any) => check.check.startsWith('must_say'))).toMatchObject({
      passed: true,
      judge: 'simulated-text',
    });
    const call = await second.call('GET', `/api/v1/call-logs/${interrupted}`, { key: acme.key });
    expect(['completed', 'failed']).toContain(call.body.status);

    // Started where no call can be played: another process of the installation takes it.
    model.textFaults.status = 400;
    const office = await startGateway({ ...simulated, env: { SURFACES: 'admin' } });
    const { body: again } = await office.admin('POST', `/agent-versions/${acme.version.id}/synthetic-runs`, {
      scenario_ids: [scenario],
      count: 1,
    });
    await office.stop();
    const judged = await until(async () => {
      const { body } = await second.admin('GET', `/synthetic-runs/${again.id}`);
      return body.status === 'completed' ? body : null;
    }, 'the end of the other run');
    expect(judged.calls[0].failures[0]).toContain('The text model could not judge it');

    // What a process leaves that is killed in the middle of a call.
    model.textFaults.status = null;
    const em = database.database.em({ all: true });
    await em.execute(`update synthetic_run set status = 'RUNNING' where id = ?`, [again.id]);
    await em.execute(`update synthetic_call set status = 'RUNNING' where run_id = ?`, [again.id]);
    await second.app.services.context.jobs.send(SYNTHETIC_RUN_QUEUE, { runId: again.id });
    const repeated = await until(async () => {
      const { body } = await second.admin('GET', `/synthetic-runs/${again.id}`);
      return body.status === 'completed' ? body : null;
    }, 'the call that is placed anew');
    expect(repeated).toMatchObject({ passed: 1, failed: 0 });
    expect(repeated.calls[0].call_id).not.toBe(judged.calls[0].call_id);
    await second.stop();
    await model.stop();
    await database.dispose();
  });
});

describe('a run by a process with a real model', () => {
  it('is marked all the same when a simulated one spoke for the agent', async () => {
    const database = await openTestDatabase();
    const em = () => database.database.em({ all: true });
    await seedTenant(database.database);
    const agent = await em().findOneOrFail(Agent, { tenantId: 'acme' });
    let play: (runId: string) => Promise<void> = async () => {};
    const jobs: Jobs = {
      ...noJobs,
      work: async (_queue, _policy, handler) => {
        const signal = new AbortController().signal;
        play = (runId) => handler({ id: 'job', data: { runId } as never, retryCount: 0, signal });
      },
    };
    const ctx = testContext(database.database, { jobs });
    const speaker = { provider: 'openai' };
    const caller: SyntheticCaller = {
      provider: 'openai',
      update: () => false,
      call: async ({ callId }) => {
        const rows = em();
        const { tenantId, agentVersionId } = await rows.findOneOrFail(Call, { id: callId });
        rows.create(VoiceSession, {
          tenantId,
          callId,
          agentVersionId,
          status: 'COMPLETED',
          provider: speaker.provider,
          model: 'gpt-realtime',
          startedAt: new Date(),
        });
        await rows.flush();
        return { end: 'caller', dialed: [], said: [], problem: null };
      },
    };
    // Nobody follows these calls.
    const progress = { report: async () => null } as unknown as CallProgress;
    await new SyntheticRunner(ctx, { caller, progress, judge: new SyntheticJudge(ctx, null) }).work();
    const admin = { kind: 'admin', name: 'ann', request: { requestId: null, address: null } } as const;
    const version = await new AgentVersions(ctx, null as never).create(admin, {
      agentId: agent.id,
      prompt: 'Be kind.',
    });
    await new Scenarios(ctx).create(admin, { agentId: agent.id, name: 'one', intent: 'order', persona: 'Ann' });
    const runs = new SyntheticRuns(ctx, { provider: 'openai', unplayable: () => null });
    const playedBy = async (provider: string) => {
      speaker.provider = provider;
      const { id } = await runs.start(admin, { agentVersionId: version.id, count: 1 });
      await play(id);
      return (await runs.get(admin, id)).simulated;
    };
    expect([await playedBy('openai'), await playedBy('simulator')]).toEqual([false, true]);
    await database.dispose();
  });
});
