import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuditEntry, VoiceSession } from '../../src/entities/index.js';
import { newId } from '../../src/lib/ids.js';
import type { NewSessionEvent } from '../../src/ports/session-events.js';
import { ScriptedCaller } from '../../src/simulators/carrier/caller.js';
import { seedSession } from '../testkit/context.js';
import { DocumentedApi } from '../testkit/documented.js';
import { ADMIN_KEY, seedCallable, startGateway, type TestGateway } from '../testkit/gateway.js';
import { until } from '../testkit/until.js';

const PASSWORD = 'correct horse battery staple';
let gateway: TestGateway;
let api: DocumentedApi;
let acme: Awaited<ReturnType<typeof seedCallable>>;
let globex: Awaited<ReturnType<typeof seedCallable>>;
beforeAll(async () => {
  gateway = await startGateway({
    env: { ADMIN_PASSWORD_SHA256: createHash('sha256').update(PASSWORD).digest('hex'), ADMIN_USERNAME: 'ada' },
  });
  acme = await seedCallable(gateway, 'acme', '+15555551234');
  globex = await seedCallable(gateway, 'globex', '+15555559999');
  api = await DocumentedApi.of(gateway);
});
afterAll(() => gateway.stop());

const admin = (method: string, path: string, body?: unknown) =>
  api.send(method, `/api/v1/admin${path}`, { body, headers: { 'x-admin-key': ADMIN_KEY } });
const tenant = (method: string, path: string, body?: unknown) =>
  api.send(method, `/api/v1${path}`, { body, key: acme.key });
const keyWith = async (...scopes: string[]) =>
  (await admin('POST', '/tenants/acme/api-keys', { name: 'narrow', scopes })).body.key as string;

const append = (session: VoiceSession, ...events: Omit<NewSessionEvent, 'eventId' | 'at'>[]) =>
  gateway.app.services.calls.sessionLog.append(
    session.id,
    null,
    events.map((event) => ({ ...event, eventId: newId(), at: new Date() }) as NewSessionEvent),
  );
const turn = (index: number, text: string) => ({
  type: 'TurnCompleted' as const,
  payload: {
    turn: {
      id: newId(),
      index,
      speaker: index % 2 === 0 ? ('AGENT' as const) : ('CALLER' as const),
      text,
      final: true,
      interrupted: false,
      startedAtMs: index * 1_000,
      endedAtMs: index * 1_000 + 500,
      latencyMs: index % 2 === 0 ? 400 : null,
    },
  },
});
const tool = {
  type: 'ToolCallCompleted' as const,
  payload: {
    toolCall: {
      id: newId(),
      modelCallId: 'call_1',
      name: 'look_up',
      arguments: { orderId: 7 },
      result: { shippedAt: 'today' },
      status: 'SUCCEEDED' as const,
      startedAtMs: 10,
      durationMs: 20,
      turnIndex: 0,
    },
  },
};
const end = {
  type: 'SessionEnded' as const,
  payload: { status: 'COMPLETED', reason: 'INTENT', durationMs: 3_000 } as const,
};

describe('the admin API', () => {
  it('takes a tenant through everything that it can hold', async () => {
    await admin('POST', '/tenants', { id: 'initech', name: 'Initech', time_zone: 'Europe/Berlin' });
    expect((await admin('GET', '/tenants/initech')).body).toMatchObject({
      status: 'active',
      time_zone: 'Europe/Berlin',
    });
    await admin('PATCH', '/tenants/initech', { name: 'Initech Ltd' });
    expect((await admin('POST', '/tenants/initech/suspend', { reason: 'unpaid' })).body.status).toBe('suspended');
    expect((await admin('POST', '/tenants/initech/resume')).body.status).toBe('active');
    expect((await admin('GET', '/tenants?limit=2')).body).toMatchObject({ limit: 2, offset: 0, total: 3 });

    const hours = { time_zone: null, windows: [{ days: [1, 2], start: '09:00', end: '17:00' }] };
    await admin('PUT', '/tenants/initech/runtime-config', {
      telephony: { ring_timeout_seconds: 20, calling_hours: hours },
      governance: { minimum_synthetic_calls: 5 },
    });
    expect((await admin('GET', '/tenants/initech/runtime-config')).body).toMatchObject({
      telephony: { ring_timeout_seconds: 20, calling_hours: hours },
      governance: { minimum_synthetic_calls: 5 },
    });

    const { body: imported } = await admin('POST', '/tenants/initech/api-keys/import', {
      name: 'old',
      token: 'a-token-of-old-clients',
    });
    expect(imported).toMatchObject({ legacy: true });
    expect((await gateway.call('GET', '/api/v1/call-logs', { key: 'a-token-of-old-clients' })).status).toBe(200);
    await admin('DELETE', `/tenants/initech/api-keys/${imported.id}`);
    expect((await admin('GET', '/tenants/initech/api-keys')).body.data[0].revoked_at).not.toBeNull();

    const accountSid = `AC${'9'.repeat(32)}`;
    const { body: credential } = await admin('POST', '/tenants/initech/twilio-credentials', {
      account_sid: accountSid,
      auth_token: 'a-token' + 'x'.repeat(10),
    });
    expect((await admin('GET', '/tenants/initech/twilio-credentials')).body.data).toHaveLength(1);
    await admin('DELETE', `/tenants/initech/twilio-credentials/${credential.id}`);

    const { body: phone } = await admin('POST', '/tenants/initech/test-numbers', {
      number: '+15555550777',
      label: 'desk',
    });
    expect((await admin('GET', '/tenants/initech/test-numbers')).body.data).toHaveLength(1);
    await admin('DELETE', `/tenants/initech/test-numbers/${phone.id}`);
  });

  it('takes an agent from its contract to a published version and a number', async () => {
    const { body: prompt } = await admin('POST', '/prompts', {
      tenant_id: 'initech',
      key: 'desk',
      text: 'Greet {{customer_name}}.',
      publish: true,
    });
    await admin('POST', `/prompts/${prompt.id}/revisions`, { text: 'Greet {{customer_name}} warmly.' });
    await admin('POST', `/prompts/${prompt.id}/publish`, { revision: 2 });
    expect((await admin('GET', `/prompts/${prompt.id}`)).body.published_revision).toBe(2);
    expect((await admin('GET', `/prompts/${prompt.id}/diff?from=1&to=2`)).body.diff).toContain(
      '+Greet {{customer_name}} warmly.',
    );
    expect((await admin('GET', `/prompts/${prompt.id}/revisions`)).body).toMatchObject({ data: [{}, {}], total: 2 });
    expect((await admin('GET', `/prompts/${prompt.id}/revisions/2`)).body.number).toBe(2);
    expect((await admin('GET', '/prompts?tenant_id=initech')).body.total).toBe(1);

    const { body: agent } = await admin('POST', '/agents', { tenant_id: 'initech', key: 'desk' });
    await admin('PATCH', `/agents/${agent.id}`, { name: 'Front desk' });
    expect((await admin('GET', `/agents/${agent.id}`)).body.name).toBe('Front desk');
    const always = { calling_hours: { windows: [{ days: [1], start: '00:00', end: '00:00' }] } };
    expect((await admin('PATCH', `/agents/${agent.id}`, always)).body.calling_hours.time_zone).toBeNull();
    expect((await admin('GET', '/agents?tenant_id=initech')).body.total).toBe(1);
    const contract = {
      prompt_key: 'desk',
      prompt_variables: { customer_name: 'you' },
      turn_detection: { type: 'server_vad', silence_duration_ms: 400 },
      tools: [
        {
          name: 'look_up',
          description: 'Looks an order up',
          parameters: { type: 'object', properties: { orderId: { type: 'string' } } },
          url: 'https://api.example.com/look-up',
          secret_header: 'x-secret',
          secret: 'tool-secret',
        },
      ],
      intents: [{ name: 'order_status', tools: ['look_up'] }],
      escalation_rules: [{ trigger: 'payment', action: 'callback' }],
      success_signals: ['resolved'],
      fallback: { action: 'message', message: 'Please call again.' },
    };
    const { body: version } = await admin('POST', `/agents/${agent.id}/versions`, contract);
    expect(version).toMatchObject({
      status: 'draft',
      number: 1,
      turn_detection: contract.turn_detection,
      tools: [{ name: 'look_up', timeout_ms: 10_000, parameters: contract.tools[0]!.parameters }],
      escalation_rules: [{ trigger: 'payment', repeated: 1 }],
    });
    expect(JSON.stringify(version)).not.toContain('tool-secret');
    await admin('PATCH', `/agent-versions/${version.id}`, { greeting: 'Hello' });
    expect((await admin('POST', `/agent-versions/${version.id}/publish`)).body.code).toBe('LAUNCH_GATES_FAILED');
    await admin('PUT', `/agent-versions/${version.id}/approvals/security`, { note: 'Keys are rotated.' });
    expect((await admin('GET', `/agent-versions/${version.id}/launch-report`)).body).toMatchObject({
      passed: false,
      cleared_at: null,
      approvals: [{ name: 'security', note: 'Keys are rotated.', current: true }],
    });
    await admin('DELETE', `/agent-versions/${version.id}/approvals/security`);
    const force = { force: true, reason: 'A test without evidence.' };
    expect((await admin('POST', `/agent-versions/${version.id}/publish`, force)).body.status).toBe('published');
    const { body: next } = await admin('POST', `/agents/${agent.id}/versions`, {
      from_version_id: version.id,
      greeting: 'Hi',
    });
    expect((await admin('GET', `/agent-versions/${next.id}`)).body.prompt_key).toBe('desk');
    expect((await admin('GET', `/agent-versions/${version.id}/diff/${next.id}`)).body.diff).toContain(
      '"greeting": "Hi"',
    );
    expect((await admin('GET', `/agents/${agent.id}/versions`)).body.data).toHaveLength(2);
    expect((await admin('PATCH', `/agent-versions/${version.id}`, { greeting: 'x' })).status).toBe(409);

    const rollout = `/agents/${agent.id}/rollout-policy`;
    await admin('PUT', rollout, { candidate_version_id: next.id, percentage: 10, ...force });
    expect((await admin('GET', rollout)).body).toMatchObject({ candidate_version_id: next.id, percentage: 10 });
    expect((await admin('GET', '/rollout-governance?tenant_id=initech')).body.data).toMatchObject([
      { agent_key: 'desk', rollout_policy: { percentage: 10 } },
    ]);
    await admin('POST', `/agents/${agent.id}/rollback`, { reason: 'It greets nobody.' });
    expect((await admin('GET', `/agents/${agent.id}/rollout-history?limit=1`)).body.data).toMatchObject([
      { action: 'rolled_back', from_version_id: next.id, to_version_id: version.id },
    ]);

    const { body: route } = await admin('POST', '/phone-routes', {
      tenant_id: 'initech',
      number: '+15555554321',
      agent_key: 'desk',
      direction: 'inbound',
      business_hours: {
        time_zone: 'Europe/Berlin',
        windows: [{ days: [1], start: '09:00', end: '17:00' }],
        outside: { action: 'message', message: 'We are closed.' },
      },
    });
    expect(route).toMatchObject({ direction: 'inbound', business_hours: { outside: { action: 'message' } } });
    await admin('PATCH', `/phone-routes/${route.id}`, { transfer_number: '+15555550123' });
    expect((await admin('GET', `/phone-routes/${route.id}`)).body.transfer_number).toBe('+15555550123');
    expect((await admin('GET', '/phone-routes?tenant_id=initech')).body.total).toBe(1);
    expect((await admin('POST', `/phone-routes/${acme.route.id}/verify`)).body).toMatchObject({
      ok: true,
      verified: true,
      problems: [],
    });
    await admin('DELETE', `/phone-routes/${route.id}`);
  });

  it('keeps scenarios and their runs, and names every field of one that is wrong', async () => {
    const wrong = await admin('POST', '/scenarios', {
      agent_id: acme.agent.id,
      name: '',
      intent: 'order_status',
      expected_tools: ['look_up', 'look_up'],
      must_say: [''],
      caller_lines: [{ text: 'Hello', audio: 'not base64' }],
    });
    expect(wrong.body.details.map((d: any) => d.path)).toEqual([
      'name',
      'caller_lines[0].audio',
      'must_say[0]',
      'expected_tools',
    ]);
    const nobody = await admin('POST', '/scenarios', { agent_id: acme.agent.id, name: 'Mute', intent: 'none' });
    expect(nobody.body.details.map((d: any) => d.path)).toEqual(['persona']);
    const recording = Buffer.alloc(1_600, 0xff).toString('base64');
    const { body: scenario } = await admin('POST', '/scenarios', {
      agent_id: acme.agent.id,
      name: 'Asks for an order',
      intent: 'order_status',
      caller_lines: [{ text: 'Where is it?', audio: recording }, { text: 'Bye.' }],
      must_say: ['on its way'],
    });
    expect(scenario).toMatchObject({
      tenant_id: 'acme',
      caller_lines: [
        { text: 'Where is it?', recorded_ms: 200 },
        { text: 'Bye.', recorded_ms: null },
      ],
      escalation_path: null,
      active: true,
    });
    const again = { agent_id: acme.agent.id, name: 'Asks for an order', intent: 'x', persona: 'Ann' };
    expect((await admin('POST', '/scenarios', again)).status).toBe(409);
    const change = { caller_lines: [{ text: 'Bye.' }, { text: 'Where is it?' }], must_say: null, active: false };
    expect((await admin('PATCH', `/scenarios/${scenario.id}`, change)).body).toMatchObject({
      intent: 'order_status',
      caller_lines: [{ recorded_ms: null }, { recorded_ms: 200 }],
      must_say: [],
      active: false,
    });
    expect((await admin('GET', `/scenarios/${scenario.id}`)).body.name).toBe('Asks for an order');
    expect((await admin('GET', `/scenarios?agent_id=${acme.agent.id}`)).body.total).toBe(1);
    expect((await admin('GET', `/scenarios?agent_id=${globex.agent.id}`)).body.total).toBe(0);
    const runs = `/agent-versions/${acme.version.id}/synthetic-runs`;
    expect((await admin('POST', runs, { count: 0 })).body.details.map((d: any) => d.path)).toEqual(['count']);
    expect((await admin('POST', runs)).status).toBe(422);
    expect((await admin('POST', runs, { scenario_ids: [newId()] })).status).toBe(404);
    const { body: run } = await admin('POST', runs, { count: 2, concurrency: 1, scenario_ids: [scenario.id] });
    expect((await admin('POST', `/synthetic-runs/${run.id}/cancel`)).body).toMatchObject({ status: 'canceled' });
    expect((await admin('GET', `/synthetic-runs/${run.id}`)).body).toMatchObject({
      count: 2,
      calls: [{ scenario_name: scenario.name, intent: 'order_status' }, { status: 'canceled' }],
    });
    expect((await admin('GET', `/synthetic-runs?agent_version_id=${acme.version.id}`)).body.total).toBe(1);
    expect((await admin('GET', '/synthetic-runs?tenant_id=globex')).body.total).toBe(0);

    expect((await admin('DELETE', `/scenarios/${scenario.id}`)).status).toBe(409);
    const spare = { agent_id: acme.agent.id, name: 'Never run', intent: 'x', persona: 'Ann' };
    const { body: unused } = await admin('POST', '/scenarios', spare);
    await admin('DELETE', `/scenarios/${unused.id}`);
    expect((await admin('GET', `/scenarios/${unused.id}`)).status).toBe(404);
    const { body: trail } = await admin('GET', `/audit-log?tenant_id=acme&action=scenario.`);
    expect(trail.data.map((entry: any) => entry.action)).toEqual([
      'scenario.removed',
      'scenario.created',
      'scenario.updated',
      'scenario.created',
    ]);
    expect(JSON.stringify(trail.data)).not.toContain(recording);
  });

  it('keeps webhooks, diagnostics, requests for access and the audit log', async () => {
    const { body: endpoint } = await admin('POST', '/webhook-endpoints', {
      tenant_id: 'globex',
      url: 'http://127.0.0.1:9/hook',
    });
    expect(endpoint.secret).toMatch(/^whsec_/);
    await admin('PATCH', `/webhook-endpoints/${endpoint.id}`, { description: 'CRM', events: ['voice.call.completed'] });
    expect((await admin('POST', `/webhook-endpoints/${endpoint.id}/rotate-secret`)).body.secret).not.toBe(
      endpoint.secret,
    );
    expect((await admin('GET', '/webhook-endpoints?tenant_id=globex')).body.total).toBe(1);
    const em = gateway.app.services.context.database.em({ all: true });
    await em.transactional((tx) =>
      gateway.app.services.context.outbox.enqueue(tx, 'globex', 'voice.call.completed', {
        call_sid: 'CA1',
        status: 'completed',
      }),
    );
    const { body: deliveries } = await admin('GET', '/webhook-deliveries?tenant_id=globex&event_id=');
    expect(deliveries.total).toBe(0);
    const delivery = (await admin('GET', '/webhook-deliveries?tenant_id=globex')).body.data[0];
    await admin('POST', `/webhook-events/${delivery.event_id}/redeliver`, { endpoint_id: endpoint.id });
    const since = new Date(Date.now() - 3_600_000).toISOString();
    await admin('POST', '/webhook-deliveries/redeliver-failed', { since, tenant_id: 'acme' });
    expect((await admin('DELETE', `/webhook-endpoints/${endpoint.id}`)).body.id).toBe(endpoint.id);
    expect((await admin('GET', '/webhook-deliveries?tenant_id=globex')).body.total).toBe(0);

    await gateway.app.services.calls.diagnostics.raise({
      tenantId: 'acme',
      code: 'invalid_signature',
      severity: 'WARNING',
      message: 'A request had none.',
    });
    expect((await admin('GET', '/alerts/auth-transport')).body).toMatchObject({
      status: 'warning',
      count: 1,
      alerts: [{ code: 'invalid_signature', severity: 'warning' }],
      diagnostics: { stream_auth_primary_configured: true, stream_auth_secret_count: 1 },
    });
    const { body: open } = await admin('GET', '/diagnostics?severity=warning&resolved=false');
    await admin('POST', `/diagnostics/${open.data[0].id}/resolve`);
    expect((await admin('GET', '/alerts/auth-transport')).body.status).toBe('ok');

    const { body: asked } = await api.send('POST', '/api/v1/api-access-requests', {
      body: { name: 'Eve', email: 'eve@example.com', use_case: 'calls' },
    });
    await admin('PATCH', `/api-access-requests/${asked.id}`, { status: 'accepted' });
    expect((await admin('GET', '/api-access-requests')).body.data[0]).toMatchObject({
      status: 'accepted',
      use_case: 'calls',
    });

    const { body: changes } = await admin('GET', '/audit-log?tenant_id=initech&action=agent_version.&limit=100');
    expect(new Set(changes.data.map((entry: any) => entry.subject_type))).toEqual(new Set(['agent_version']));
    const exported = await gateway.call<string>('GET', '/api/v1/admin/audit-log/export?tenant_id=initech', {
      headers: { 'x-admin-key': ADMIN_KEY },
    });
    expect(exported.headers.get('content-type')).toContain('application/x-ndjson');
    const entries = exported.body
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(entries.map((entry) => entry.action)).toEqual(
      expect.arrayContaining(['tenant.created', 'tenant.suspended']),
    );
    expect(exported.body).not.toContain('tool-secret');
  });

  it('reports unknown fields and everything else that is wrong, each by its name', async () => {
    const { status, body } = await admin('POST', `/agents/${acme.agent.id}/versions`, {
      escalation_rules: [{ trigger: 'payment', action: 'callback', repeated: 99 }],
      max_duration_seconds: 1,
    });
    expect([status, body.details.map((d: any) => d.path)]).toEqual([
      400,
      ['max_duration_seconds', 'escalation_rules[0].repeated'],
    ]);
    const unknown = await admin('POST', '/agents', { tenant_id: 'acme', key: 'x', tools: 1, fallback: {} });
    expect(unknown.body.details.map((d: any) => d.path)).toEqual(['tools', 'fallback']);
    expect((await admin('GET', '/tenants?colour=red')).body.details).toEqual([
      { path: 'colour', message: 'is no field of this request' },
    ]);
    const nested = await admin('POST', `/agents/${acme.agent.id}/versions`, {
      tools: [{ name: 'x', description: 'y', url: 5 }],
    });
    expect(nested.body.details).toEqual([{ path: 'tools[0].url', message: 'must be string' }]);
  });
});

describe('a console session', () => {
  const login = (body: object, headers: Record<string, string> = {}) =>
    api.send('POST', '/api/v1/admin/session', { body, headers });
  const cookieOf = (headers: Headers) => headers.get('set-cookie')!.split(';', 1)[0]!;

  it('begins with the right password, in a cookie that scripts and other sites cannot use', async () => {
    expect((await login({ username: 'ada', password: 'wrong' })).status).toBe(401);
    const { status, headers } = await login({ username: 'ada', password: PASSWORD });
    expect(status).toBe(200);
    expect(headers.get('set-cookie')).toMatch(/HttpOnly.*SameSite=Strict/);
    const cookie = cookieOf(headers);
    expect((await api.send('GET', '/api/v1/admin/session', { headers: { cookie } })).body.name).toBe('ada');
    expect((await gateway.call('GET', '/api/v1/admin/tenants', { headers: { cookie: `${cookie}x` } })).status).toBe(
      401,
    );
  });

  it('changes nothing for another site', async () => {
    const cookie = cookieOf((await login({ username: 'ada', password: PASSWORD })).headers);
    const rename = (headers: Record<string, string>) =>
      api.send('PATCH', '/api/v1/admin/tenants/acme', { body: { name: 'Acme' }, headers: { cookie, ...headers } });
    expect((await rename({ origin: 'https://evil.example' })).status).toBe(403);
    expect((await rename({})).status).toBe(403);
    expect((await rename({ origin: gateway.origin })).status).toBe(200);
    expect((await rename({ 'x-requested-with': 'console' })).status).toBe(200);
    expect((await login({ username: 'ada', password: PASSWORD }, { origin: 'https://evil.example' })).status).toBe(403);
  });

  it('ends with the log-out, which takes the cookie back', async () => {
    const { headers } = await api.send('DELETE', '/api/v1/admin/session', {
      headers: { 'x-requested-with': 'console' },
    });
    expect(headers.get('set-cookie')).toMatch(/^trunkline_admin=;.*Expires=Thu, 01 Jan 1970/);
  });
});

describe('the runtime API', () => {
  let session: VoiceSession;
  beforeAll(async () => {
    session = await seedSession(gateway.database.database, 'acme');
    await append(session, turn(0, 'Hello'), turn(1, 'Where is my order?'), tool, end);
  });

  it('shows calls and sessions as documented, with transcript, tools and evaluations', async () => {
    const { body: judged } = await tenant('POST', `/voice-sessions/${session.id}/evaluations`, {
      score: 0.8,
      tags: ['polite'],
      notes: 'fine',
      unknown: 1,
    });
    expect(judged).toMatchObject({ ok: true, score: 0.8, source: 'api' });
    const { body: row } = await tenant('GET', `/voice-sessions/${session.id}`);
    expect(row).toMatchObject({
      status: 'reviewed',
      transcript: [
        { role: 'assistant', content: 'Hello', index: 0 },
        { role: 'user', content: 'Where is my order?', index: 1 },
      ],
      function_calls: [
        {
          name: 'look_up',
          arguments: { orderId: 7 },
          result: { shippedAt: 'today' },
          status: 'succeeded',
          duration_ms: 20,
        },
      ],
      evaluations: [{ score: 0.8, tags: ['polite'] }],
      tags: ['polite'],
      metrics: { turn_count: 2, mean_latency_ms: 400 },
    });
    expect((await tenant('GET', '/voice-sessions?status=reviewed')).body).toMatchObject({
      total: 1,
      data: [{ id: session.id }],
    });
    expect((await tenant('GET', '/voice-sessions?status=failed')).body.total).toBe(0);
    expect((await tenant('GET', `/voice-sessions/${session.id}/evaluations`)).body.total).toBe(1);
    expect((await tenant('GET', `/evaluations?voice_session_id=${session.id}&source=api`)).body.total).toBe(1);
    const { body: log } = await tenant('GET', `/call-logs/${session.callSid}`);
    expect(log).toMatchObject({ voice_session_id: session.id, evaluation_score: 0.8, direction: 'inbound' });
    expect(
      (await tenant('GET', `/call-logs?direction=inbound&from=2026-01-01&to=2999-01-01T00:00:00Z`)).body.total,
    ).toBe(1);
    expect((await tenant('GET', '/call-logs?to=2020-01-01')).body.total).toBe(0);
    expect((await tenant('GET', '/active-sessions')).body).toEqual({ data: [], total: 0 });
  });

  it('shows a narrow key what its scopes cover, and says which scope is missing', async () => {
    const key = await keyWith('calls:read');
    expect((await api.send('GET', '/api/v1/call-logs', { key })).body.data[0].voice_session_id).toBeNull();
    const refused = await api.send('GET', '/api/v1/voice-sessions', { key });
    expect(refused.body).toMatchObject({ code: 'FORBIDDEN', required_scope: 'sessions:read' });
    const sessions = await api.send('GET', `/api/v1/voice-sessions/${session.id}`, {
      key: await keyWith('sessions:read'),
    });
    expect(sessions.body.evaluations).toEqual([]);
  });

  it('adds up what happened on the line', async () => {
    const counted = { window_minutes: 30, calls_created: expect.any(Number), agents: expect.any(Array) };
    expect((await tenant('GET', '/call-logs/stats?window_minutes=30')).body).toMatchObject(counted);
    expect((await admin('GET', '/metrics?by=agent&tenant_id=acme')).body).toMatchObject({ tenant_id: 'acme' });
    expect((await admin('GET', '/provider-health')).body.data).toHaveLength(3);
  });

  it('says how an agent is judged, and how it was', async () => {
    const rubric = `/agents/${acme.agent.id}/rubric`;
    const criteria = [{ key: 'politeness', description: 'The agent is polite.', weight: 1 }];
    await admin('PUT', rubric, { criteria, sample_rate: 0.5 });
    expect((await admin('GET', rubric)).body).toMatchObject({ criteria, sample_rate: 0.5, revision: 1 });
    await admin('DELETE', rubric);
    expect((await tenant('GET', '/evaluations/summary?agent_key=front_desk')).body).toMatchObject({ data: [] });
    expect((await tenant('GET', '/evaluations/calibration?agent_key=front_desk')).body).toMatchObject({ sessions: 0 });
    expect((await tenant('GET', '/evaluations/calibration?agent_key=nobody')).status).toBe(404);
  });

  it('dials once for one idempotency key', async () => {
    const body = { to: '+15555555678' };
    const dial = () =>
      api.send('POST', '/api/v1/make-call', { key: acme.key, body, headers: { 'idempotency-key': 'order-7' } });
    const first = await dial();
    expect(first.body).toMatchObject({ ok: true, duplicate: false });
    expect((await dial()).body).toMatchObject({ duplicate: true, call_id: first.body.call_id });
    const other = await api.send('POST', '/api/v1/make-call', {
      key: acme.key,
      body: { to: '+15555555679' },
      headers: { 'idempotency-key': 'order-7' },
    });
    expect(other.body.code).toBe('IDEMPOTENCY_CONFLICT');
  });

  it('shows nothing of another tenant', async () => {
    const foreign = (method: string, path: string, body?: unknown) =>
      api.send(method, `/api/v1${path}`, { key: globex.key, body });
    for (const path of ['/call-logs', '/voice-sessions', '/evaluations'])
      expect((await foreign('GET', path)).body).toMatchObject({ data: [], total: 0 });
    expect((await foreign('GET', '/active-sessions')).body.data).toEqual([]);
    for (const [method, path, body] of [
      ['GET', `/call-logs/${session.callId}`],
      ['GET', `/call-logs/${session.callSid}`],
      ['GET', `/voice-sessions/${session.id}`],
      ['GET', `/voice-sessions/${session.id}/evaluations`],
      ['POST', `/voice-sessions/${session.id}/evaluations`, { score: 1 }],
      ['GET', `/live-logs?session_id=${session.id}`],
      ['GET', '/call-logs?tenant_id=acme'],
    ] as const)
      expect([path, (await foreign(method, path, body)).status]).toEqual([path, 404]);
  });
});

describe('live logs', () => {
  /** Events until the stream ends or `enough` are there. */
  async function follow(query: string, { headers = {}, enough = Infinity, key = acme.key } = {}) {
    const abort = new AbortController();
    const response = await fetch(`${gateway.origin}/api/v1/live-logs?${query}`, {
      headers: { authorization: `Bearer ${key}`, ...headers },
      signal: abort.signal,
    });
    const events: { id: number; name: string; data: any }[] = [];
    const read = async () => {
      let text = '';
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        const frames = text.split('\n\n');
        text = frames.pop()!;
        for (const frame of frames) {
          const fields = Object.fromEntries(
            frame.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
          );
          if (fields.data !== undefined)
            events.push({ id: Number(fields.id), name: fields.event!, data: JSON.parse(fields.data) });
        }
        if (events.length >= enough) return abort.abort();
      }
    };
    return { response, events, done: read().catch(() => {}) };
  }

  it('replay a session, then follow it to its end, and resume where a reader left off', async () => {
    const session = await seedSession(gateway.database.database, 'acme');
    await append(session, turn(0, 'Hello'), tool);
    const first = await follow(`session_id=${session.id}`, { enough: 2 });
    expect(first.response.headers.get('content-type')).toContain('text/event-stream');
    expect(first.response.headers.get('x-request-id')).toBeTruthy();
    expect(first.response.headers.get('x-ratelimit-limit')).toBeTruthy();
    await first.done;
    const second = await follow(`session_id=${session.id}`, { headers: { 'last-event-id': '2' } });
    await append(session, turn(1, 'Hi'), end);
    await second.done;
    expect(first.events.map(({ id, name }) => [id, name])).toEqual([
      [1, 'TurnCompleted'],
      [2, 'ToolCallCompleted'],
    ]);
    expect(first.events[1]!.data).toMatchObject({
      session_id: session.id,
      seq: 2,
      tool_call: { name: 'look_up', duration_ms: 20, arguments: { orderId: 7 }, result: { shippedAt: 'today' } },
    });
    expect(second.events.map(({ id, name }) => [id, name])).toEqual([
      [3, 'TurnCompleted'],
      [4, 'SessionEnded'],
    ]);
    expect((await follow(`session_id=${session.id}&after=4`)).response.status).toBe(204);
    const replay = await follow(`session_id=${session.id}`);
    await replay.done;
    expect(replay.events.map(({ id }) => id)).toEqual([1, 2, 3, 4]);
  });

  it('end when the key is revoked', async () => {
    const session = await seedSession(gateway.database.database, 'acme');
    const { key, id } = (await admin('POST', '/tenants/acme/api-keys', { name: 'short' })).body;
    const stream = await follow(`session_id=${session.id}`, { key });
    await admin('DELETE', `/tenants/acme/api-keys/${id}`);
    await stream.done;
    await until(() => gateway.app.services.feeds.followed === 0, 'the feed to be left');
  });

  it('refuse a missing scope, a strange id and a session that is not there', async () => {
    expect((await api.send('GET', `/api/v1/live-logs?session_id=x`, { key: acme.key })).status).toBe(404);
    const narrow = await keyWith('sessions:read');
    expect((await api.send('GET', `/api/v1/live-logs?session_id=x`, { key: narrow })).body.required_scope).toBe(
      'live:read',
    );
    expect((await api.send('GET', `/api/v1/live-logs?session_id=x&after=-1`, { key: acme.key })).status).toBe(400);
  });
});

describe('stepping into a call', () => {
  const acts: [string, object?][] = [
    ['say', { text: 'One moment.' }],
    ['whisper', { text: 'Be brief.' }],
    ['mute'],
    ['unmute'],
    ['take-over'],
    ['hand-back'],
    ['escalate', { reason: 'asked for a person' }],
  ];

  it.each([
    ['a tenant', (sid: string, act: string, body?: object) => tenant('POST', `/calls/${sid}/${act}`, body)],
    ['an admin', (sid: string, act: string, body?: object) => admin('POST', `/calls/${sid}/${act}`, body)],
  ])('answers %s as documented', async (_, act) => {
    for (const last of [['transfer', { to: '+15555550123' }], ['end']] as [string, object?][]) {
      const handset = new ScriptedCaller([{ pause: 600_000 }]);
      const call = gateway.carrier.startInboundCall({ from: '+15555550456', to: acme.number, handset });
      const over = call.run();
      const em = gateway.database.database.em({ all: true });
      await until(() => em.findOne(VoiceSession, { callSid: call.sid, lastSeq: { $gte: 1 } }), 'the session');
      for (const [name, body] of [...(last[0] === 'end' ? acts : []), last]) {
        const answer = await act(call.sid, name, body);
        expect(answer, name).toMatchObject({ status: 200, body: { ok: true, call_sid: call.sid } });
      }
      await over;
    }
    expect((await act(`CA${'0'.repeat(32)}`, 'end')).status).toBe(404);
  });
});

describe('callbacks, do-not-call lists and scheduled calls', () => {
  it('are kept as documented', async () => {
    const due = { due_at: '2030-01-01T09:00:00Z', sla_due_at: '2030-01-01T10:00:00Z' };
    const { body: task } = await tenant('POST', '/callbacks', {
      number: '+15555550444',
      reason: 'invoice',
      queue: 'billing',
      priority: 1,
      note: 'after five',
      ...due,
    });
    expect(task).toMatchObject({ state: 'open', origin: 'api', queue: 'billing', priority: 1, sla_breached: false });
    const { body: listed } = await tenant('GET', '/callbacks?state=open&queue=billing&sla_breached=false');
    expect(listed.data.map((row: { id: string }) => row.id)).toEqual([task.id]);
    expect((await tenant('GET', `/callbacks/${task.id}`)).body.notes).toMatchObject([{ text: 'after five' }]);
    expect((await tenant('GET', '/callbacks/nonsense')).status).toBe(404);
    expect((await tenant('POST', '/callbacks/claim', { queue: 'billing' })).body).toEqual({ ok: true, callback: null });
    await tenant('PATCH', `/callbacks/${task.id}`, { due_at: '2020-01-01T00:00:00Z' });
    const { body: next } = await tenant('POST', '/callbacks/claim', { queue: 'billing', assignee: 'ann' });
    expect(next.callback).toMatchObject({ id: task.id, state: 'claimed', assignee: 'ann' });
    const again = await tenant('PATCH', `/callbacks/${task.id}`, { state: 'claimed' });
    expect([again.status, again.body.state, again.body.assignee]).toEqual([409, 'claimed', 'ann']);
    expect((await tenant('PATCH', `/callbacks/${task.id}`, { priority: 9 })).body.details[0].path).toBe('priority');
    expect((await tenant('POST', '/callbacks', { reason: 'whom?' })).body.details[0].path).toBe('number');
    const done = await tenant('PATCH', `/callbacks/${task.id}`, { state: 'done', note: 'paid' });
    expect(done.body).toMatchObject({ state: 'done', closed_at: expect.any(String) });

    for (const [send, path] of [
      [tenant, '/dnc'],
      [admin, '/dnc'],
    ] as const) {
      const { body: entry } = await send('POST', path, { number: '+15555550445', reason: 'asked' });
      expect((await send('GET', `${path}?active=true&number=%2B15555550445`)).body.data).toMatchObject([
        { id: entry.id, number: '+15555550445' },
      ]);
      expect((await send('POST', `${path}/import`, { entries: [{ number: '+15555550446' }] })).body.added).toBe(1);
      expect((await send('DELETE', `${path}/${entry.id}`)).status).toBe(200);
      expect((await send('DELETE', `${path}?number=%2B15555550446`)).status).toBe(200);
      expect((await send('DELETE', path)).status).toBe(400);
      await send('POST', path, { number: '+15555550446' });
      expect((await send('DELETE', path, { number: '+1 555 555 0446' })).body.number).toBe('+15555550446');
    }
    expect((await admin('POST', '/dnc', { number: '+15555550445', tenant_id: 'acme' })).status).toBe(400);

    const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
    const waits = await tenant('POST', '/make-call', { to: '+15555550447', schedule: inAnHour });
    expect([waits.status, waits.body]).toMatchObject([
      202,
      { status: 'scheduled', call_sid: null, call_id: null, scheduled_at: inAnHour },
    ]);
    const { scheduled_call_id: id } = waits.body;
    expect((await tenant('GET', '/scheduled-calls?state=waiting')).body.data).toMatchObject([
      { id, to: '+15555550447' },
    ]);
    expect((await tenant('GET', `/scheduled-calls/${id}`)).body).toMatchObject({ state: 'waiting', call_id: null });
    expect((await tenant('DELETE', `/scheduled-calls/${id}`)).body).toMatchObject({ ok: true, state: 'canceled' });
    expect((await tenant('DELETE', `/scheduled-calls/${id}`)).status).toBe(409);
    const late = await tenant('POST', '/make-call', { to: '+15555550447', schedule: '2020-01-01T00:00:00Z' });
    expect([late.status, late.body.details[0].path]).toEqual([400, 'schedule']);
  });
});

describe('every change by an admin', () => {
  it('is on the audit log, with the request that made it', async () => {
    const entries = await gateway.database.database.em({ all: true }).find(AuditEntry, {});
    const audited = new Set(entries.map(({ requestId }) => requestId));
    const silent = api.writes.filter(({ requestId }) => !audited.has(requestId)).map(({ operation }) => operation);
    // Coming, going and asking the carrier change nothing, and no delivery had failed that could be repeated.
    expect([...new Set(silent)].filter((line) => line.includes('/admin/')).toSorted()).toEqual([
      'DELETE /api/v1/admin/session',
      'POST /api/v1/admin/phone-routes/{id}/verify',
      'POST /api/v1/admin/session',
      'POST /api/v1/admin/webhook-deliveries/redeliver-failed',
    ]);
  });
});

describe('every documented operation', () => {
  it('has been answered as documented by the tests above', async () => {
    for (const path of ['/health/live', '/health/ready']) await api.send('GET', path);
    const streams = ['GET /api/v1/live-logs', 'GET /api/v1/admin/audit-log/export'];
    const missing = api.operations
      .map(({ method, path }) => `${method} ${path}`)
      .filter((line) => !api.proven.has(line));
    expect(missing.toSorted()).toEqual(streams.toSorted());
  });
});
