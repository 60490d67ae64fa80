import Fastify, { type FastifyInstance } from 'fastify';
import { afterAll, describe, expect, it } from 'vitest';
import { MemoryRateLimiter } from '../adapters/rate-limit/memory.js';
import { PrometheusMetrics } from '../adapters/metrics/prometheus.js';
import { AppError } from '../lib/errors.js';
import { silentLogger } from '../ports/logger.js';
import type { Credentials } from '../services/viewers.js';
import type { RestDoorOptions } from './deps.js';
import { requestIds } from './http.js';
import { requestMetrics } from './metrics.js';
import { restDoor } from './rest-door.js';

const opened: { app: FastifyInstance; metrics: PrometheusMetrics }[] = [];
afterAll(async () => {
  for (const { app, metrics } of opened) {
    metrics.close();
    await app.close();
  }
});

/** The door with a tenant `good`, an admin `root`, and services that are broken on purpose. */
async function door(options: Partial<RestDoorOptions> & { adminConfigured?: boolean } = {}): Promise<FastifyInstance> {
  const app = Fastify();
  const metrics = new PrometheusMetrics();
  opened.push({ app, metrics });
  const request = { requestId: null, address: null };
  const viewers = {
    adminConfigured: options.adminConfigured ?? true,
    authenticate: async ({ authorization, adminKey }: Credentials) => {
      if (adminKey === 'root') return { kind: 'admin', name: 'root', request };
      if (authorization === 'Bearer good')
        return { kind: 'tenant', tenantId: 'acme', apiKeyId: 'k', scopes: new Set(), request };
      throw new AppError('UNAUTHENTICATED', 'no');
    },
  };
  const broken = { list: async () => Promise.reject(new Error('secret detail of the database')) };
  await app.register(requestIds);
  await app.register(requestMetrics, { metrics });
  await app.register(restDoor, {
    services: {
      context: { settings: { publicUrl: 'http://voice.test' } },
      viewers,
      calls: {},
      callsQuery: broken,
      tenants: broken,
      adminSessions: null,
    } as unknown as RestDoorOptions['services'],
    surfaces: new Set(['runtime', 'admin'] as const),
    limiter: new MemoryRateLimiter(),
    rateLimitPerTenant: 3,
    rateLimitPerIp: 2,
    log: silentLogger,
    metrics,
    metricsToken: null,
    readiness: async () => ({
      status: 'unavailable',
      draining: true,
      parts: { database: true, bus: true, carrier: true, model: false },
    }),
    ...options,
  });
  return app;
}
const get = (app: FastifyInstance, url: string, headers: Record<string, string> = {}) => app.inject({ url, headers });
const good = { authorization: 'Bearer good' };

describe('rate limits of the REST door', () => {
  it('count a tenant by its key, and say when to come back', async () => {
    const app = await door();
    const answers = [];
    for (let i = 0; i < 4; i++) answers.push(await get(app, '/api/v1/call-logs?limit=0', good));
    expect(
      answers.map((a) => [a.statusCode, a.headers['x-ratelimit-limit'], a.headers['x-ratelimit-remaining']]),
    ).toEqual([
      [400, '3', '2'],
      [400, '3', '1'],
      [400, '3', '0'],
      [429, '3', '0'],
    ]);
    expect(Number(answers[3]!.headers['retry-after'])).toBeGreaterThan(0);
    expect(answers[3]!.json()).toMatchObject({ ok: false, code: 'RATE_LIMITED', retryable: true });
  });

  it('count everybody else by address: wrong keys, open routes and strange paths together', async () => {
    const app = await door();
    expect((await get(app, '/api/v1/call-logs', { authorization: 'Bearer bad' })).statusCode).toBe(401);
    expect((await get(app, '/nothing/here')).statusCode).toBe(404);
    expect((await get(app, '/api/v1/call-logs', { authorization: 'Bearer bad' })).statusCode).toBe(429);
    expect((await get(app, '/api-docs/public.json')).statusCode).toBe(429);
    // Somebody else behind the same address still has a valid key.
    expect((await get(app, '/api/v1/call-logs?limit=0', good)).statusCode).toBe(400);
  });

  it('leave health checks alone', async () => {
    const app = await door();
    for (let i = 0; i < 5; i++) expect((await get(app, '/health/live')).statusCode).toBe(200);
  });
});

describe('the REST door', () => {
  it('masks what nobody expected, and gives the request id to find it by', async () => {
    const answer = await get(await door(), '/api/v1/call-logs', { ...good, 'x-request-id': 'mine-1' });
    expect(answer.statusCode).toBe(500);
    expect(answer.json()).toMatchObject({ ok: false, code: 'INTERNAL', request_id: 'mine-1', retryable: true });
    expect(answer.body).not.toContain('secret detail');
  });

  it('has no admin surface where no admin credential is configured', async () => {
    const app = await door({ adminConfigured: false, rateLimitPerIp: 100 });
    const answers = await Promise.all([
      get(app, '/api/v1/admin/tenants', { 'x-admin-key': 'root' }),
      get(app, '/api/v1/admin/tenants'),
      app.inject({ method: 'POST', url: '/api/v1/admin/session', payload: { username: 'a', password: 'b' } }),
    ]);
    for (const answer of answers) expect([answer.statusCode, answer.json().code]).toEqual([404, 'NOT_FOUND']);
  });

  it('serves the surfaces that this process has', async () => {
    const runtime = await door({ surfaces: new Set(['runtime'] as const) });
    expect((await get(runtime, '/api/v1/admin/tenants', { 'x-admin-key': 'root' })).statusCode).toBe(404);
    const admin = await door({ surfaces: new Set(['admin'] as const) });
    expect((await get(admin, '/api/v1/call-logs', good)).statusCode).toBe(404);
    expect((await get(admin, '/api/v1/admin/tenants', { 'x-admin-key': 'root' })).statusCode).toBe(500);
  });

  it('keeps metrics for their token', async () => {
    const app = await door({ metricsToken: 'for-prometheus' });
    expect((await get(app, '/metrics')).statusCode).toBe(403);
    const answer = await get(app, '/metrics', { authorization: 'Bearer for-prometheus' });
    expect(answer.headers['content-type']).toContain('text/plain');
    expect(answer.body).toContain('trunkline_http_requests_total{method="GET",route="/metrics",status="403"} 1');
  });

  it('is not ready while it drains', async () => {
    const answer = await get(await door(), '/health/ready');
    expect([answer.statusCode, answer.json()]).toEqual([
      503,
      {
        ok: false,
        status: 'unavailable',
        draining: true,
        parts: { database: true, bus: true, carrier: true, model: false },
      },
    ]);
  });
});
