import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildApp, type App, type AppOverrides } from '../../src/app.js';
import { startSimulation, type Simulation } from '../../src/app/simulation.js';
import { loadConfig } from '../../src/config.js';
import { silentLogger } from '../../src/ports/logger.js';
import { AudioLibrary } from '../../src/simulators/audio/library.js';
import { CarrierSimulator } from '../../src/simulators/carrier/server.js';
import { ModelSimulator } from '../../src/simulators/model/server.js';
import { openTestDatabase, type TestDatabase } from './database.js';

export const ADMIN_KEY = 'admin-key-for-tests-only';
export const ACCOUNT = { accountSid: `AC${'a'.repeat(32)}`, authToken: 'carrier-token' };

export interface RestAnswer<T> {
  status: number;
  body: T;
  headers: Headers;
}

/** REST at one origin. */
export interface RestClient {
  /** REST with the admin key. */
  admin<T = any>(method: string, path: string, body?: unknown): Promise<RestAnswer<T>>;
  /** REST with a tenant's key (or any headers). */
  call<T = any>(
    method: string,
    path: string,
    options?: { key?: string; body?: unknown; headers?: Record<string, string> },
  ): Promise<RestAnswer<T>>;
}

/** A whole gateway on real ports, with both simulators; speech runs several times faster than real. */
export interface TestGateway extends RestClient {
  app: App;
  origin: string;
  /** The environment that it was configured with: another process of the same installation starts with it too. */
  env: Record<string, string>;
  database: TestDatabase;
  carrier: CarrierSimulator;
  model: ModelSimulator;
  stop(): Promise<void>;
}

export interface GatewayOptions {
  env?: Record<string, string>;
  overrides?: AppOverrides;
  /** Share the database, and so be another process of the same installation. */
  database?: TestDatabase;
  speed?: number;
}

export async function startGateway(options: GatewayOptions = {}): Promise<TestGateway> {
  const database = options.database ?? (await openTestDatabase());
  const speed = options.speed ?? 4;
  const carrier = await new CarrierSimulator({ speed, sayMsPerCharacter: 0, bridgedMs: 20, ringMs: 2 }).start();
  carrier.tokens.set(ACCOUNT.accountSid, ACCOUNT.authToken);
  const model = await new ModelSimulator({ library: new AudioLibrary(30) }).start();
  const none: Simulation = await startSimulation({ carrier: false, model: false });
  const env: Record<string, string> = {
    HOST: '127.0.0.1',
    PORT: '0',
    DATA_DIR: mkdtempSync(join(tmpdir(), 'trunkline-gateway-')),
    ADMIN_API_KEY: ADMIN_KEY,
    LOG_LEVEL: 'silent',
    SIMULATE: 'none',
    TWILIO_ACCOUNT_SID: ACCOUNT.accountSid,
    TWILIO_AUTH_TOKEN: ACCOUNT.authToken,
    TWILIO_API_BASE_URL: carrier.baseUrl,
    OPENAI_API_KEY: model.apiKey,
    OPENAI_REALTIME_URL: model.realtimeUrl,
    OPENAI_BASE_URL: model.baseUrl,
    ALLOW_PRIVATE_ADDRESSES: 'true',
    RATE_LIMIT_PER_IP: '100000',
    RATE_LIMIT_PER_TENANT: '100000',
    WEBHOOK_RETRY_SCHEDULE: '0,0,0,0',
    ...(process.env.REDIS_URL ? { REDIS_URL: process.env.REDIS_URL } : {}),
    ...options.env,
  };
  const app = await buildApp(loadConfig(env), {
    log: silentLogger,
    database: database.database,
    simulation: none,
    syntheticSpeed: speed,
    ...options.overrides,
    // Tests with faults mean their own request, not the health that it tells of; what is about health says so.
    timing: {
      recorderBatchMs: 10,
      sweepIntervalMs: 500,
      providerProbeMs: 0,
      circuitCoolDownMs: 0,
      ...options.overrides?.timing,
    },
  });
  const origin = await app.start();
  return {
    app,
    origin,
    env,
    database,
    carrier,
    model,
    ...restAt(origin),
    stop: async () => {
      await app.stop(0);
      await carrier.stop();
      await model.stop();
      if (options.database === undefined) await database.dispose();
    },
  };
}

/** A plain client of the REST API. */
export function restAt(origin: string): RestClient {
  const send = async (method: string, path: string, headers: Record<string, string>, body?: unknown) => {
    const response = await fetch(origin + path, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = /\bjson\b/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, body: (json ? JSON.parse(text) : text) as any, headers: response.headers };
  };
  return {
    admin: (method, path, body) => send(method, `/api/v1/admin${path}`, { 'x-admin-key': ADMIN_KEY }, body),
    call: (method, path, { key, body, headers } = {}) =>
      send(method, path, { ...(key === undefined ? {} : { authorization: `Bearer ${key}` }), ...headers }, body),
  };
}

/** A tenant with a published agent behind a number, and a key for its application; made through REST. */
export async function seedCallable(
  gateway: TestGateway,
  tenantId = 'acme',
  number = '+15555551234',
  contract: object = {},
) {
  const must = async (method: string, path: string, body?: unknown) => {
    const answer = await gateway.admin(method, path, body);
    if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  await must('POST', '/tenants', { id: tenantId, name: tenantId });
  const agent = await must('POST', '/agents', { tenant_id: tenantId, key: 'front_desk' });
  const version = await must('POST', `/agents/${agent.id}/versions`, {
    prompt: 'You are a friendly receptionist.',
    greeting: 'Hello, how can I help you?',
    success_signals: ['resolved', 'transferred', 'callback_created', 'no_answer', 'failed_authentication'],
    ...contract,
  });
  await must('POST', `/agent-versions/${version.id}/publish`, { force: true, reason: 'A test without evidence.' });
  const route = await must('POST', '/phone-routes', { tenant_id: tenantId, number, agent_key: 'front_desk' });
  const { key } = await must('POST', `/tenants/${tenantId}/api-keys`, { name: 'app' });
  gateway.carrier.numbers.set(number, {
    accountSid: ACCOUNT.accountSid,
    voiceUrl: `${gateway.app.publicUrl}/api/v1/incoming-call`,
    fallbackUrl: `${gateway.app.publicUrl}/api/v1/fallback-call`,
    statusCallback: null,
  });
  return { tenantId, number, key: key as string, agent, version, route };
}
