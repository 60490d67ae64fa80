import { randomBytes } from 'node:crypto';
import { getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Call } from '../../src/entities/index.js';
import { ScriptedCaller, type Step } from '../../src/simulators/carrier/caller.js';
import { ACCOUNT, startGateway, type TestGateway } from '../testkit/gateway.js';
import { graphqlDoor, restDoor, type TutorialDoor } from '../testkit/tutorial-doors.js';
import { until } from '../testkit/until.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());

const HUMAN = '+15555550177';
const CUSTOMER = '+15555555678';
const APPROVALS = ['security', 'behaviour', 'operations', 'rollout'];

/** Each intent with what a caller of it says, and what must come of it. */
const SCENARIOS = [
  {
    intent: 'appointment_confirmation',
    says: ['confirm-appointment', 'thanks-goodbye'],
    expects: { mustSay: ['your appointment is confirmed'], expectedOutcome: 'resolved' },
  },
  {
    intent: 'order_status',
    says: ['order-status', 'thanks-goodbye'],
    expects: { mustSay: ['on its way'], mustNotSay: ['refund'], expectedOutcome: 'resolved' },
  },
  { intent: 'payment_question', says: ['pay-bill'], expects: { escalationPath: 'payment' } },
];

const clip = (name: string) => ({
  text: gateway.model.library.text(name),
  audio: gateway.model.library.clip(name).toString('base64'),
});

/** What the carrier posts when somebody calls; gives the version that answers, or null when the caller hears words. */
async function calledBy(from: string, to: string): Promise<string | null> {
  const target = '/api/v1/incoming-call';
  const callSid = `CA${randomBytes(16).toString('hex')}`;
  const form = { AccountSid: ACCOUNT.accountSid, CallSid: callSid, From: from, To: to };
  const response = await fetch(gateway.origin + target, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'x-twilio-signature': getExpectedTwilioSignature(ACCOUNT.authToken, gateway.app.publicUrl + target, form),
    },
    body: new URLSearchParams(form).toString(),
  });
  const twiml = await response.text();
  if (!twiml.includes('<Connect>')) return (expect(twiml).toContain('<Say>'), null);
  const call = await gateway.database.database.em({ all: true }).findOneOrFail(Call, { callSid });
  return call.agentVersionId ?? null;
}

describe.each([
  ['GraphQL', graphqlDoor, '+15555551234'],
  ['REST', restDoor, '+15555551299'],
] as const)('the tutorial through %s', (name, openDoor, number) => {
  const tenantId = `acme-${name.toLowerCase()}`;
  const caller = (n: number) => `+15555557${name === 'REST' ? 1 : 0}${String(n).padStart(2, '0')}`;
  let door: TutorialDoor;
  let key: string;
  let agentId: string;
  let first: string;
  let second: string;
  beforeAll(() => {
    door = openDoor(gateway);
  });

  /** Synthetic calls, judgements and approvals of a version. */
  async function prove(versionId: string, count: number): Promise<void> {
    const { passed, failures, sessions } = await door.runSynthetic(versionId, count);
    expect([passed, failures]).toEqual([count, []]);
    for (const sessionId of sessions.slice(0, 3))
      expect(await door.recordEvaluation(key, sessionId, 0.9)).toMatchObject({ score: 0.9 });
    for (const approval of APPROVALS) expect(await door.approve(versionId, approval)).toMatchObject({ name: approval });
  }

  it('1. defines the agent contract, configures the runtime and routes a number', async () => {
    await door.createTenant({ id: tenantId, name: 'Acme' });
    const webhookUrl = 'https://api.example.com/webhooks/stateset-voice';
    const config = { model: 'gpt-realtime', voice: 'alloy', systemPromptKey: 'front_desk_v1', webhookUrl };
    expect(await door.setRuntimeConfig(tenantId, config)).toMatchObject({
      model: 'gpt-realtime',
      webhookSecret: expect.stringMatching(/^whsec_/),
    });
    await door.createPrompt({
      tenantId,
      key: 'front_desk_v1',
      text: 'You are the friendly front desk of {{company}}. Be brief.',
      publish: true,
    });
    agentId = (await door.createAgent({ tenantId, key: 'front_desk' })).id;
    const version = await door.createAgentVersion({
      agentId,
      promptKey: 'front_desk_v1',
      promptVariables: { company: 'Acme' },
      greeting: 'Hello, this is Acme. How can I help you?',
      intents: SCENARIOS.map(({ intent }) => ({ name: intent })),
      escalationRules: [
        { trigger: 'payment', action: 'transfer', target: HUMAN },
        { trigger: 'identity_failure', action: 'callback' },
        { trigger: 'complaint', action: 'transfer', target: HUMAN },
        { trigger: 'low_confidence', repeated: 3, action: 'callback' },
      ],
      successSignals: ['resolved', 'transferred', 'callback_created', 'no_answer', 'failed_authentication'],
    });
    expect(version).toMatchObject({ number: 1, status: 'DRAFT' });
    first = version.id;
    gateway.carrier.numbers.set(number, {
      accountSid: ACCOUNT.accountSid,
      voiceUrl: `${gateway.app.publicUrl}/api/v1/incoming-call`,
      fallbackUrl: `${gateway.app.publicUrl}/api/v1/fallback-call`,
      statusCallback: null,
    });
    const route = await door.createPhoneRoute({ tenantId, number, agentKey: 'front_desk' });
    expect(await door.verifyPhoneRoute(route.id)).toMatchObject({ ok: true });
    key = await door.createApiKey(tenantId);
  });

  it('2. lets nobody talk to an agent that has not earned it', async () => {
    expect(await door.publish(first)).toMatchObject({
      code: 'LAUNCH_GATES_FAILED',
      details: ['synthetic_calls', 'signature_verification', 'evaluation_score', 'approvals'].map((path) => ({ path })),
    });
    expect(await door.makeCall(key, { to: CUSTOMER, agentKey: 'front_desk' })).toMatchObject({ code: 'UNPROCESSABLE' });
    expect(await door.makeCall(key, { to: CUSTOMER, agentVersionId: first })).toMatchObject({ code: 'NOT_CLEARED' });
    // Callers hear the fallback meanwhile, and each signed request is evidence for a gate.
    for (let n = 0; n < 20; n += 1) expect(await calledBy(caller(n), number)).toBeNull();
    const gates = await until(async () => {
      const report = await door.launchReport(first);
      return report.gates.some((g) => g.name === 'signature_verification' && g.status === 'PASSED')
        ? report.gates
        : null;
    }, 'the evidence of signatures');
    expect(gates.filter((gate) => gate.status === 'FAILED').map((gate) => gate.name)).toEqual([
      'synthetic_calls',
      'evaluation_score',
      'approvals',
    ]);
  });

  it(
    '3. proves it with 20 synthetic calls, judges and approves it, and publishes it',
    { timeout: 300_000 },
    async () => {
      for (const { intent, says, expects } of SCENARIOS)
        await door.createScenario({ agentId, name: intent, intent, callerLines: says.map(clip), ...expects });
      await prove(first, 20);
      expect(await door.launchReport(first)).toMatchObject({ passed: true });
      expect(await door.publish(first)).toMatchObject({ status: 'PUBLISHED', forcedReason: null });
    },
  );

  it('4. makes the first outbound call, answers the first caller, and observes both', async () => {
    const say = (name: string): Step => ({ say: gateway.model.library.clip(name) });
    gateway.carrier.behaviours.set(CUSTOMER, {
      handset: () =>
        new ScriptedCaller([
          { waitForAgent: 400 },
          say('confirm-appointment'),
          { waitForAgent: 400, orAfter: 8_000 },
          { hangUp: true },
        ]),
    });
    const made = await door.makeCall(key, {
      to: CUSTOMER,
      from: number,
      agentKey: 'front_desk',
      greeting: 'Hi, this is Acme calling to confirm your appointment.',
    });
    expect(made).toMatchObject({ callSid: expect.stringMatching(/^CA/), toNumber: CUSTOMER });
    expect(await calledBy(caller(30), number)).toBe(first);
    const outbound = await until(async () => {
      const [call] = await door.calls(key, 'OUTBOUND');
      return call?.status === 'COMPLETED' ? call : null;
    }, 'the end of the call');
    expect(outbound.agentVersionId).toBe(first);
    expect((await door.calls(key, 'INBOUND')).filter((call) => call.agentVersionId === first)).toHaveLength(1);
  });

  it('5. gives a share of the callers to a proven candidate, always the same ones', { timeout: 120_000 }, async () => {
    second = (await door.createAgentVersion({ agentId, fromVersionId: first, greeting: 'Acme, good day!' })).id;
    const policy = { candidateVersionId: second, percentage: 50 };
    expect(await door.setRolloutPolicy(agentId, policy)).toMatchObject({ code: 'LAUNCH_GATES_FAILED' });
    await door.setRuntimeConfig(tenantId, { governance: { minimumSyntheticCalls: 3 } });
    await prove(second, 3);
    expect(await door.setRolloutPolicy(agentId, policy)).toMatchObject(policy);
    const answered = new Map<string, string | null>();
    for (let n = 40; n < 100 && new Set(answered.values()).size < 2; n += 1)
      answered.set(caller(n), await calledBy(caller(n), number));
    expect(new Set(answered.values())).toEqual(new Set([first, second]));
    for (const [from, version] of answered) expect(await calledBy(from, number)).toBe(version);
    expect((await door.rollback(agentId, 'Customers do not like the new greeting.')).publishedVersion.id).toBe(first);
    for (const from of answered.keys()) expect(await calledBy(from, number)).toBe(first);
    expect(await door.makeCall(key, { to: '+15555555680', agentVersionId: second })).toMatchObject({
      code: 'NOT_CLEARED',
    });
  });

  it('6. tells who changed what', async () => {
    expect(await door.history(tenantId, agentId)).toMatchObject([
      {
        action: 'ROLLED_BACK',
        reason: 'Customers do not like the new greeting.',
        by: expect.stringMatching(/^admin-key:/),
      },
      { action: 'CANDIDATE_STARTED' },
      { action: 'PUBLISHED' },
    ]);
    const trail = await door.auditLog(tenantId);
    expect(trail).toEqual(
      expect.arrayContaining([
        'tenant.created',
        'runtime_config.set',
        'agent_version.created',
        'phone_route.created',
        'synthetic_run.started',
        'approval.given',
        'agent_version.published',
        'rollout_policy.set',
        'agent.rolled_back',
      ]),
    );
    expect(trail).not.toContain('agent_version.forced');
  });
});
