import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMIN_KEY, seedCallable, startGateway, type TestGateway } from '../testkit/gateway.js';
import { until } from '../testkit/until.js';

let gateway: TestGateway;
let acme: Awaited<ReturnType<typeof seedCallable>>;
let globex: Awaited<ReturnType<typeof seedCallable>>;
beforeAll(async () => {
  gateway = await startGateway();
  acme = await seedCallable(gateway, 'acme', '+15555551234');
  globex = await seedCallable(gateway, 'globex', '+15555559999');
});
afterAll(() => gateway.stop());

describe('the tutorial', () => {
  it('works with its cURL bodies as written', async () => {
    const config = await gateway.admin('PUT', '/tenants/acme/runtime-config', {
      model: 'gpt-realtime',
      voice: 'alloy',
      system_prompt_key: 'front_desk_v1',
      webhook_url: 'https://api.example.com/webhooks/stateset-voice',
    });
    expect(config.body).toMatchObject({
      ok: true,
      model: 'gpt-realtime',
      warnings: [expect.stringContaining('front_desk_v1')],
      webhook_secret: expect.stringMatching(/^whsec_/),
    });
    expect((await gateway.admin('GET', '/tenants/acme/runtime-config')).body).toMatchObject({
      system_prompt_key: 'front_desk_v1',
    });

    const made = await gateway.call('POST', '/api/v1/make-call', {
      key: acme.key,
      body: {
        to: '+15555555678',
        from: '+15555551234',
        agent_key: 'front_desk',
        greeting: 'Hi, this is Acme calling to confirm your appointment.',
      },
    });
    expect(made.body).toMatchObject({
      ok: true,
      call_sid: expect.stringMatching(/^CA/),
      status: 'queued',
      to: '+15555555678',
      from: '+15555551234',
    });

    const logs = await gateway.call('GET', '/api/v1/call-logs?limit=25', { key: acme.key });
    expect(logs.body).toMatchObject({
      limit: 25,
      offset: 0,
      total: 1,
      data: [{ call_sid: made.body.call_sid, direction: 'outbound' }],
    });
    const sessions = await gateway.call('GET', '/api/v1/voice-sessions?limit=25', { key: acme.key });
    expect(sessions.status).toBe(200);
    gateway.carrier.calls.at(-1)!.hangUp();
    await until(
      async () =>
        (await gateway.call('GET', `/api/v1/call-logs/${made.body.call_sid}`, { key: acme.key })).body.status ===
        'completed',
      'the end',
    );
  });
});

describe('the REST door', () => {
  it('answers every mistake in the documented envelope', async () => {
    const post = (body: unknown, headers: Record<string, string> = {}) =>
      gateway.call('POST', '/api/v1/make-call', { key: acme.key, body, headers });
    const cases: [Promise<{ status: number; body: any }>, number, string][] = [
      [gateway.call('GET', '/api/v1/call-logs'), 401, 'UNAUTHENTICATED'],
      [gateway.call('GET', '/api/v1/call-logs', { key: 'tl_live_wrong' }), 401, 'UNAUTHENTICATED'],
      [gateway.call('GET', '/api/v1/admin/tenants', { key: acme.key }), 403, 'FORBIDDEN'],
      [gateway.call('GET', '/api/v1/nothing'), 404, 'NOT_FOUND'],
      [post('{"to":'), 400, 'BAD_REQUEST'],
      [post({}), 400, 'VALIDATION_FAILED'],
      [post({ to: 5 }), 400, 'VALIDATION_FAILED'],
      [post({ to: '123' }), 400, 'VALIDATION_FAILED'],
      [post({ to: '+15555550001\u0000' }), 400, 'VALIDATION_FAILED'],
      [post({ to: '+15555550001', agent_key: 'nobody' }), 404, 'NOT_FOUND'],
      [post({ to: '+15555550001', from: globex.number }), 422, 'UNPROCESSABLE'],
      [post({ to: '+15555550001', agent_version_id: globex.version.id }), 404, 'NOT_FOUND'],
      [post('to=x', { 'content-type': 'text/csv' }), 415, 'UNSUPPORTED_MEDIA_TYPE'],
      [post({ to: 'x'.repeat(300_000) }), 413, 'PAYLOAD_TOO_LARGE'],
      [gateway.call('GET', '/api/v1/call-logs?limit=1000', { key: acme.key }), 400, 'VALIDATION_FAILED'],
      [gateway.call('GET', '/api/v1/call-logs?from=yesterday', { key: acme.key }), 400, 'VALIDATION_FAILED'],
      [gateway.admin('POST', '/tenants', { id: 'x', name: 'x', colour: 'red' }), 400, 'VALIDATION_FAILED'],
      [gateway.admin('POST', '/tenants', { id: 'acme', name: 'again' }), 409, 'CONFLICT'],
    ];
    for (const [answer, status, code] of cases) {
      const { status: got, body } = await answer;
      expect([got, body.code]).toEqual([status, code]);
      expect(body).toMatchObject({
        ok: false,
        error: expect.any(String),
        request_id: expect.any(String),
        retryable: expect.any(Boolean),
      });
    }
    expect((await post({ to: '123' })).body.details).toEqual([{ path: 'to', message: expect.any(String) }]);
  });

  it('says 202 when nobody knows whether a dial came about, and dials no second time', async () => {
    const dial = () =>
      gateway.call('POST', '/api/v1/make-call', {
        key: acme.key,
        headers: { 'idempotency-key': 'lost' },
        body: { to: '+15555550911' },
      });
    gateway.carrier.faults.createCall = 'reset';
    try {
      const { createRequests } = gateway.carrier;
      for (const duplicate of [false, true])
        expect(await dial()).toMatchObject({
          status: 202,
          body: { ok: true, call_sid: null, status: 'unknown', to: '+15555550911', duplicate },
        });
      expect(gateway.carrier.createRequests).toBe(createRequests + 1);
    } finally {
      gateway.carrier.faults.createCall = null;
    }
  });

  it('echoes a sane request id, counts requests, and lists with offset', async () => {
    const answer = await gateway.call('GET', '/api/v1/call-logs', {
      key: acme.key,
      headers: { 'x-request-id': 'abc-123' },
    });
    expect(answer.headers.get('x-request-id')).toBe('abc-123');
    expect(Number(answer.headers.get('x-ratelimit-remaining'))).toBeGreaterThan(0);
    const strange = await gateway.call('GET', '/api/v1/call-logs', {
      key: acme.key,
      headers: { 'x-request-id': 'a b"<' },
    });
    expect(strange.headers.get('x-request-id')).not.toContain('"');
  });

  it('answers the old names too, and says that they are deprecated', async () => {
    const answer = await gateway.call('GET', '/call-logs', { key: acme.key });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('deprecation')).not.toBeNull();
    expect(answer.headers.get('link')).toContain('</api/v1/call-logs>');
  });

  it('describes itself in three documents', async () => {
    const names = {
      public: ['/api/v1/make-call'],
      admin: ['/api/v1/admin/tenants'],
      openapi: ['/api/v1/make-call', '/api/v1/admin/tenants'],
    };
    for (const [name, paths] of Object.entries(names)) {
      const { body } = await gateway.call('GET', `/api-docs/${name}.json`);
      expect(body.openapi).toBe('3.1.0');
      for (const path of paths) expect(Object.keys(body.paths)).toContain(path);
      expect(Object.keys(body.paths)).not.toContain('/make-call');
    }
    expect(
      Object.keys((await gateway.call('GET', '/api-docs/public.json')).body.paths).some((p) => p.includes('/admin/')),
    ).toBe(false);
    expect((await gateway.call('GET', '/swagger-ui')).status).toBeLessThan(400);
    // What the page itself asks for: without it a person sees an error where the API should be.
    expect(Object.keys((await gateway.call('GET', '/swagger-ui/json')).body.paths)).toContain('/api/v1/make-call');
  });

  it('is healthy, and says what is missing', async () => {
    expect((await gateway.call('GET', '/health/live')).body).toEqual({ ok: true });
    expect((await gateway.call('GET', '/health/ready')).body).toMatchObject({
      ok: true,
      status: 'ready',
      parts: { database: true, bus: true, carrier: true, model: true },
    });
  });

  it('shows metrics on this machine, and not through a proxy', async () => {
    const { status, body } = await gateway.call<string>('GET', '/metrics');
    expect(status).toBe(200);
    expect(body).toMatch(/trunkline_http_requests_total\{[^}]*route="\/api\/v1\/make-call"/);
    expect(body).toContain('trunkline_event_loop_lag_p99_seconds');
    const proxied = await gateway.call('GET', '/metrics', { headers: { 'x-forwarded-for': '10.0.0.1' } });
    expect(proxied.status).toBe(403);
  });

  it('revokes a key at once, and refuses a suspended tenant', async () => {
    const { key, id } = (await gateway.admin('POST', '/tenants/globex/api-keys', { name: 'short' })).body;
    expect((await gateway.call('GET', '/api/v1/call-logs', { key })).status).toBe(200);
    await gateway.admin('DELETE', `/tenants/globex/api-keys/${id}`);
    expect((await gateway.call('GET', '/api/v1/call-logs', { key })).status).toBe(401);
    await gateway.admin('POST', '/tenants/globex/suspend');
    expect((await gateway.call('GET', '/api/v1/call-logs', { key: globex.key })).body.code).toBe('TENANT_SUSPENDED');
    await gateway.admin('POST', '/tenants/globex/resume');
    expect((await gateway.call('GET', '/api/v1/call-logs', { key: globex.key })).status).toBe(200);
  });

  it('writes every admin change on the audit log, without secrets', async () => {
    const { body } = await gateway.admin('GET', '/audit-log?limit=100');
    expect(body.data.map((entry: { action: string }) => entry.action)).toEqual(
      expect.arrayContaining(['tenant.created', 'api_key.created', 'api_key.revoked']),
    );
    expect(JSON.stringify(body)).not.toMatch(/whsec_|tl_live_[\w-]{20}/);
    expect(JSON.stringify(body)).not.toContain(ADMIN_KEY);
  });
});
