import { WebSocket } from 'ws';
import { getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VoiceSession } from '../src/entities/index.js';
import { newId } from '../src/lib/ids.js';
import { systemClock, type Clock } from '../src/ports/clock.js';
import { ScriptedCaller } from '../src/simulators/carrier/caller.js';
import { openTestDatabase, type TestDatabase } from './testkit/database.js';
import { ACCOUNT, ADMIN_KEY, seedCallable, startGateway, type TestGateway } from './testkit/gateway.js';
import { graphql, must } from './testkit/graphql.js';
import { until } from './testkit/until.js';

const NEW_ADMIN_KEY = 'the-admin-key-that-comes-next';
const OLD_TOKEN = 'an-old-raw-bearer-token';
/** The clock of every process. */
let aheadMs = 0;
const clock: Clock = { ...systemClock, now: () => new Date(Date.now() + aheadMs) };

let database: TestDatabase;
/** Three processes of one installation, each with one surface. */
let telephony: TestGateway;
let runtime: TestGateway;
let admin: TestGateway;
let acme: Awaited<ReturnType<typeof seedCallable>>;

beforeAll(async () => {
  database = await openTestDatabase();
  const shared = { ENCRYPTION_KEY: 'a1'.repeat(32) };
  const overrides = { clock };
  telephony = await startGateway({
    database,
    overrides,
    env: { ...shared, SURFACES: 'telephony', TEXT_MODEL: 'simulated-text' },
  });
  // Who does not talk to callers holds no key of the models.
  const calls = {
    ...shared,
    PUBLIC_URL: telephony.app.publicUrl,
    TWILIO_API_BASE_URL: telephony.carrier.baseUrl,
    OPENAI_API_KEY: '',
  };
  runtime = await startGateway({
    database,
    overrides,
    env: { ...calls, SURFACES: 'runtime', LEGACY_TENANT_BEARER_AUTH_ENABLED: 'false' },
  });
  admin = await startGateway({
    database,
    overrides,
    env: { ...calls, SURFACES: 'admin', ADMIN_API_KEY: `${NEW_ADMIN_KEY}, ${ADMIN_KEY}` },
  });
  acme = await seedCallable(admin);
  telephony.carrier.numbers.set(acme.number, {
    accountSid: ACCOUNT.accountSid,
    voiceUrl: `${telephony.app.publicUrl}/api/v1/incoming-call`,
    fallbackUrl: null,
    statusCallback: null,
  });
});
afterAll(async () => {
  for (const gateway of [admin, runtime, telephony]) await gateway?.stop();
  await database.dispose();
});

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const status = async (gateway: TestGateway, method: string, path: string, headers: Record<string, string> = {}) =>
  (await gateway.call(method, path, { headers })).status;
/** What a WebSocket upgrade is answered with: 101, or the refusal. */
const upgrade = (gateway: TestGateway, path: string, protocols: string[] = []) =>
  new Promise<number>((resolve) => {
    const socket = new WebSocket(gateway.origin.replace('http', 'ws') + path, protocols);
    socket.on('open', () => {
      resolve(101);
      socket.terminate();
    });
    socket.on('unexpected-response', (_request, response) => {
      resolve(response.statusCode!);
      socket.terminate();
    });
    socket.on('error', () => {});
  });
/** A signed form of Twilio's. */
async function twilio(gateway: TestGateway, account = ACCOUNT, to = acme.number): Promise<number> {
  const target = '/api/v1/incoming-call';
  const form = {
    AccountSid: account.accountSid,
    CallSid: `CA${newId().replaceAll('-', '')}`,
    From: '+15555550199',
    To: to,
  };
  const signature = getExpectedTwilioSignature(account.authToken, telephony.app.publicUrl + target, form);
  const answer = await gateway.app.http.inject({
    method: 'POST',
    url: target,
    payload: new URLSearchParams(form).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-twilio-signature': signature },
  });
  return answer.statusCode;
}

describe('a process', () => {
  const doors: [
    string,
    (gateway: TestGateway) => Promise<number>,
    { admin: number; runtime: number; telephony: number },
  ][] = [
    [
      'admin routes',
      (g) => status(g, 'GET', '/api/v1/admin/tenants', { 'x-admin-key': ADMIN_KEY }),
      { admin: 200, runtime: 404, telephony: 404 },
    ],
    [
      'the console’s login',
      (g) => status(g, 'GET', '/api/v1/admin/session', { 'x-admin-key': ADMIN_KEY }),
      { admin: 200, runtime: 404, telephony: 404 },
    ],
    [
      'runtime routes',
      (g) => status(g, 'GET', '/api/v1/call-logs', bearer(acme.key)),
      { admin: 404, runtime: 200, telephony: 404 },
    ],
    [
      'their deprecated names',
      (g) => status(g, 'GET', '/call-logs', bearer(acme.key)),
      { admin: 404, runtime: 200, telephony: 404 },
    ],
    [
      'GraphQL for tenants',
      async (g) => await graphqlStatus(g, bearer(acme.key)),
      { admin: 401, runtime: 200, telephony: 404 },
    ],
    [
      'GraphQL for admins',
      async (g) => await graphqlStatus(g, { 'x-admin-key': ADMIN_KEY }),
      { admin: 200, runtime: 404, telephony: 404 },
    ],
    [
      'the GraphQL socket',
      (g) => upgrade(g, '/graphql', ['graphql-transport-ws']),
      { admin: 101, runtime: 101, telephony: 404 },
    ],
    ['Twilio’s webhooks', (g) => twilio(g), { admin: 404, runtime: 404, telephony: 200 }],
    ['the media stream', (g) => upgrade(g, '/media-stream'), { admin: 404, runtime: 404, telephony: 101 }],
    [
      'live listening',
      (g) => upgrade(g, `/api/v1/live-audio?call_id=${newId()}`),
      { admin: 101, runtime: 101, telephony: 404 },
    ],
    ['health', (g) => status(g, 'GET', '/health/ready'), { admin: 200, runtime: 200, telephony: 200 }],
  ];
  const graphqlStatus = async (gateway: TestGateway, headers: Record<string, string>) => {
    const query = '{ viewer { kind } }';
    return (await gateway.call('POST', '/graphql', { headers, body: { query } })).status;
  };

  it.each(doors)('with one surface serves %s where they belong, and nowhere else', async (_name, knock, expected) => {
    expect({ admin: await knock(admin), runtime: await knock(runtime), telephony: await knock(telephony) }).toEqual(
      expected,
    );
  });

  it('describes the routes that it serves', async () => {
    const paths = async (gateway: TestGateway) =>
      Object.keys((await gateway.call('GET', '/api-docs/openapi.json')).body.paths);
    expect((await paths(runtime)).filter((path) => path.includes('/admin/'))).toEqual([]);
    expect(await paths(runtime)).toContain('/api/v1/make-call');
    expect((await paths(admin)).filter((path) => path.includes('/api/v1/') && !path.includes('/admin/'))).toEqual([]);
    expect(await paths(admin)).toContain('/api/v1/admin/tenants');
  });

  it('is one of an installation: an admin sets up, a tenant dials, Twilio talks to a third', async () => {
    const body = { to: '+15555550321', agent_key: 'front_desk' };
    telephony.carrier.behaviours.set(body.to, {
      handset: () => new ScriptedCaller([{ waitForAgent: 400 }, { hangUp: true }]),
    });
    const made = await runtime.call('POST', '/api/v1/make-call', { key: acme.key, body });
    expect([made.status, made.body.error]).toEqual([200, undefined]);
    const log = await until(async () => {
      const { body: row } = await runtime.call('GET', `/api/v1/call-logs/${made.body.call_id}`, { key: acme.key });
      return row.status === 'completed' && row.voice_session_id !== null ? row : null;
    }, 'the end of the call');
    const { body: session } = await runtime.call('GET', `/api/v1/voice-sessions/${log.voice_session_id}`, {
      key: acme.key,
    });
    expect(session).toMatchObject({ agent_key: 'front_desk', model: 'gpt-realtime' });
    // Its summary was written where the text model is configured, whoever saw the job first.
    const summarized = await until(
      () => database.database.em({ all: true }).findOne(VoiceSession, { id: session.id, summarySource: { $ne: null } }),
      'the summary',
    );
    expect(summarized.summarySource).toBe('simulated-text');
  });
});

describe('an admin key', () => {
  it('is exchanged with overlap: both open both doors, until the old one is taken out', async () => {
    const opens = async (gateway: TestGateway, key: string) => [
      await status(gateway, 'GET', '/api/v1/admin/tenants', { 'x-admin-key': key }),
      (
        await gateway.call('POST', '/graphql', {
          headers: { 'x-admin-key': key },
          body: { query: '{ viewer { kind } }' },
        })
      ).status,
    ];
    expect(await opens(admin, ADMIN_KEY)).toEqual([200, 200]);
    expect(await opens(admin, NEW_ADMIN_KEY)).toEqual([200, 200]);
    const later = await startGateway({ database, env: { SURFACES: 'admin', ADMIN_API_KEY: NEW_ADMIN_KEY } });
    try {
      expect(await opens(later, NEW_ADMIN_KEY)).toEqual([200, 200]);
      expect(await opens(later, ADMIN_KEY)).toEqual([401, 401]);
    } finally {
      await later.stop();
    }
  });
});

describe('a tenant’s key', () => {
  const reads = (key: string) => status(runtime, 'GET', '/api/v1/call-logs', bearer(key));
  const create = async (input: object) => (await admin.admin('POST', '/tenants/acme/api-keys', input)).body;
  const shown = async (id: string) =>
    (await admin.admin('GET', '/tenants/acme/api-keys?limit=100')).body.data.find((row: any) => row.id === id);

  it('shows when it was last used, and never the key again', async () => {
    const { id, key, prefix } = await create({ name: 'new' });
    expect(await shown(id)).toMatchObject({ last_used_at: null, revoked_at: null, prefix });
    expect(key.startsWith(prefix)).toBe(true);
    expect(await reads(key)).toBe(200);
    await until(async () => (await shown(id)).last_used_at !== null, 'the time of use');
    expect(JSON.stringify(await shown(id))).not.toContain(key);
  });

  it('ends when it expires', async () => {
    const { key, expires_at } = await create({
      name: 'brief',
      expires_at: new Date(clock.now().getTime() + 3_600_000).toISOString(),
    });
    expect(expires_at).not.toBeNull();
    expect(await reads(key)).toBe(200);
    expect((await graphql(runtime, '{ viewer { kind } }', {}, key)).data.viewer.kind).toBe('TENANT');
    aheadMs += 3_700_000;
    expect(await reads(key)).toBe(401);
    expect((await graphql(runtime, '{ viewer { kind } }', {}, key)).errors![0]!.extensions.code).toBe(
      'UNAUTHENTICATED',
    );
  });

  it('ends in every process when an admin revokes it in one', async () => {
    const { id, key } = await create({ name: 'lost' });
    expect(await reads(key)).toBe(200);
    await must(admin, `mutation ($id: ID!) { revokeApiKey(id: $id) { revokedAt } }`, { id });
    await until(async () => (await reads(key)) === 401, 'the end of the key');
    expect((await shown(id)).revoked_at).not.toBeNull();
  });

  it('may not be a raw token of old clients where those are switched off', async () => {
    const { body } = await admin.admin('POST', '/tenants/acme/api-keys/import', { name: 'old', token: OLD_TOKEN });
    expect(body.legacy).toBe(true);
    expect(await reads(OLD_TOKEN)).toBe(401);
  });
});

describe('a tenant’s Twilio account', () => {
  it('gets a new token with overlap: both sign, the new one dials, and the old one ends', async () => {
    const tenant = await seedCallable(admin, 'own', '+15555557700');
    const accountSid = `AC${'7'.repeat(32)}`;
    const set = (authToken: string) =>
      admin.admin('POST', '/tenants/own/twilio-credentials', {
        account_sid: accountSid,
        auth_token: authToken,
        overlap_seconds: 600,
      });
    const signs = (authToken: string) => twilio(telephony, { accountSid, authToken }, tenant.number);
    await set('the-first-token');
    expect(await signs('the-first-token')).toBe(200);
    await set('the-second-token');
    expect([await signs('the-first-token'), await signs('the-second-token'), await signs('a-stranger')]).toEqual([
      200, 200, 403,
    ]);
    telephony.carrier.tokens.set(accountSid, 'the-second-token');
    telephony.carrier.numbers.set(tenant.number, { ...telephony.carrier.numbers.get(acme.number)!, accountSid });
    const body = { to: '+15555550322', agent_key: 'front_desk' };
    expect((await runtime.call('POST', '/api/v1/make-call', { key: tenant.key, body })).body).toMatchObject({
      ok: true,
    });
    expect(telephony.carrier.calls.at(-1)!.options.accountSid).toBe(accountSid);
    aheadMs += 700_000;
    expect([await signs('the-first-token'), await signs('the-second-token')]).toEqual([403, 200]);
    const { body: audit } = await admin.admin('GET', '/audit-log?tenant_id=own&action=twilio_credential.');
    expect(audit.data.map((entry: any) => entry.action)).toEqual([
      'twilio_credential.rotated',
      'twilio_credential.set',
    ]);
    expect(JSON.stringify(audit)).not.toMatch(/the-(first|second)-token|v1\.\w/);
  });
});
