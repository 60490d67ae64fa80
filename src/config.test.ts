import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigError, DEFAULT_RETRY_SCHEDULE, loadConfig, VARIABLES } from './config.js';

const dir = mkdtempSync(join(tmpdir(), 'trunkline-config-'));
afterAll(() => rmSync(dir, { recursive: true }));
const KEY = 'a1'.repeat(32);
const ACCOUNT = { TWILIO_ACCOUNT_SID: `AC${'0'.repeat(32)}`, TWILIO_AUTH_TOKEN: 't' };
const PRODUCTION = {
  NODE_ENV: 'production',
  PUBLIC_URL: 'https://voice.example.com',
  STREAM_TOKEN_SECRET: 's'.repeat(32),
  ENCRYPTION_KEY: KEY,
};
const load = (env: Record<string, string> = {}) => loadConfig({ DATA_DIR: dir, ...env });
/** Variables that are complained about, in order. */
const wrong = (env: Record<string, string>): string[] => {
  try {
    load(env);
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).problems.map((problem) => problem.split(' ')[0]!);
  }
};

describe('the configuration', () => {
  it('needs nothing on a bare machine: everything embedded, both ends simulated, and it says so', () => {
    const config = load();
    expect(config).toMatchObject({
      production: false,
      host: '0.0.0.0',
      port: 8080,
      publicUrl: null,
      databaseUrl: null,
      redisUrl: null,
      adminApiKeys: [],
      adminPasswordSha256: null,
      openaiRealtimeUrl: 'wss://api.openai.com/v1/realtime',
      rateLimitPerIp: 60,
      rateLimitPerTenant: 1_000,
      webhookRetrySchedule: DEFAULT_RETRY_SCHEDULE,
      simulate: { carrier: true, model: true },
      trustProxy: false,
      legacyBearerAuth: true,
      logLevel: 'info',
    });
    expect([...config.surfaces]).toEqual(['admin', 'runtime', 'telephony']);
    const said = config.notices.join('\n');
    expect(said).toContain('carrier is SIMULATED');
    expect(said).toContain('model is SIMULATED');
    expect(said).toContain('STREAM_TOKEN_SECRET and ENCRYPTION_KEY not set');
    expect(said).toContain('admin surface answers 404');
  });

  it('keeps the secrets that it made, so that a restart reads its own data', () => {
    const { encryptionKey, streamTokenSecret } = load();
    expect(load()).toMatchObject({ encryptionKey, streamTokenSecret });
    expect(encryptionKey[0]).toHaveLength(32);
    expect(readdirSync(dir).toSorted()).toEqual(['encryption_key.dev', 'stream_token_secret.dev']);
  });

  it('says that it cannot keep a secret instead of making another at every start', () => {
    const file = join(dir, 'plain-file');
    writeFileSync(file, '');
    expect(wrong({ DATA_DIR: file })).toEqual(['STREAM_TOKEN_SECRET', 'ENCRYPTION_KEY']);
    rmSync(file);
  });

  it('treats an empty value as an unset one', () =>
    expect(load({ ...Object.fromEntries(VARIABLES.map((name) => [name, ' '])), DATA_DIR: dir })).toEqual(load()));

  it.each([
    [{}, true, true],
    [{ OPENAI_API_KEY: 'k' }, false, false],
    [ACCOUNT, false, false],
    [{ ...ACCOUNT, OPENAI_API_KEY: 'k' }, false, false],
    [{ OPENAI_API_KEY: 'k', SIMULATE: 'carrier' }, true, false],
    [{ SIMULATE: 'carrier' }, true, false],
    [{ SIMULATE: 'model, carrier' }, true, true],
    [{ SIMULATE: 'none' }, false, false],
    [PRODUCTION, false, false],
    [{ ...PRODUCTION, SIMULATE: 'carrier,model' }, true, true],
  ])('with %j simulates carrier: %s, model: %s', (env, carrier, model) =>
    expect(load(env as Record<string, string>).simulate).toEqual({ carrier, model }),
  );

  it('lets no simulated agent answer the customers of a real carrier', () => {
    expect(wrong({ ...PRODUCTION, ...ACCOUNT, SIMULATE: 'model' })).toEqual(['SIMULATE']);
    expect(load({ ...ACCOUNT, SIMULATE: 'model' }).notices.join()).toContain('would answer real callers');
    // Against another Twilio than Twilio's own it is a test installation.
    expect(wrong({ ...PRODUCTION, ...ACCOUNT, SIMULATE: 'model', TWILIO_API_BASE_URL: 'http://sim:9' })).toEqual([]);
  });

  it('says what is off when only some credentials are there', () => {
    expect(load(ACCOUNT).notices.join()).toContain('OPENAI_API_KEY is not set');
    expect(load({ OPENAI_API_KEY: 'k' }).notices.join()).toContain('No default Twilio account');
    expect(load({ ...ACCOUNT, OPENAI_API_KEY: 'k', ENCRYPTION_KEY: KEY, ADMIN_PASSWORD: 'x' }).notices).toHaveLength(1);
  });

  it.each([
    ['PORT', ['99999', '-1', '80.5', '1e3', 'http']],
    ['PUBLIC_URL', ['https://x.example/path', 'x.example', 'ftp://x', 'https://x.example/?a=1']],
    ['DATABASE_URL', ['mysql://x', 'localhost']],
    ['REDIS_URL', ['http://x']],
    ['STREAM_SIGNATURE_REQUIRED', ['yes', '1', 'TRUE']],
    ['ENCRYPTION_KEY', ['abc', 'z'.repeat(64), 'a'.repeat(63), `${KEY},abc`]],
    ['ADMIN_PASSWORD_SHA256', ['zz', 'a'.repeat(63)]],
    ['TWILIO_API_BASE_URL', ['ftp://x']],
    ['OPENAI_BASE_URL', ['api.openai.com']],
    ['OPENAI_REALTIME_URL', ['https://api.openai.com']],
    ['RATE_LIMIT_PER_IP', ['0', '-5', 'many']],
    ['RATE_LIMIT_PER_TENANT', ['0']],
    ['ALLOW_PRIVATE_ADDRESSES', ['yes']],
    ['LEGACY_TENANT_BEARER_AUTH_ENABLED', ['on']],
    ['WEBHOOK_RETRY_SCHEDULE', ['0,x', '-1', '1.5', Array(51).fill('1').join()]],
    ['TRUST_PROXY', ['10.0.0.0/33', 'proxy.local', '::1/129', '10.0.0.1/8/8', '-1']],
    ['SURFACES', ['kitchen', 'admin,kitchen']],
    ['SIMULATE', ['weather', 'true']],
    ['LOG_LEVEL', ['loud']],
  ] as const)('refuses a wrong %s and says how to mend it', (name, values) => {
    for (const value of values) expect([value, wrong({ [name]: value })]).toEqual([value, [name]]);
  });

  it('reports every mistake at once', () => {
    expect(wrong({ PORT: 'x', REDIS_URL: 'x', SURFACES: 'x', TWILIO_AUTH_TOKEN: 't' }).toSorted()).toEqual([
      'PORT',
      'REDIS_URL',
      'SURFACES',
      'TWILIO_ACCOUNT_SID',
    ]);
    expect(wrong({ TWILIO_ACCOUNT_SID: 'AC12' })).toEqual(['TWILIO_ACCOUNT_SID', 'TWILIO_AUTH_TOKEN']);
  });

  it('either loads or throws a ConfigError, whatever the environment holds', () => {
    const value = fc.oneof(fc.string(), fc.constantFrom('true', '0', ',', '1', 'https://a.example', KEY, 'admin'));
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...VARIABLES.filter((n) => n !== 'DATA_DIR')), value), (env) => {
        wrong(env as Record<string, string>);
      }),
    );
  });

  it('reads back every retry schedule', () =>
    fc.assert(
      fc.property(fc.array(fc.nat(9_999_999), { minLength: 1, maxLength: 50 }), (seconds) => {
        expect(load({ WEBHOOK_RETRY_SCHEDULE: seconds.join(', ') }).webhookRetrySchedule).toEqual(seconds);
      }),
    ));

  it.each([
    ['true', true],
    ['false', false],
    ['2', 2],
    ['10.0.0.0/8, ::1, loopback', ['10.0.0.0/8', '::1', 'loopback']],
  ])('trusts the proxies of TRUST_PROXY=%s', (value, expected) =>
    expect(load({ TRUST_PROXY: value }).trustProxy).toEqual(expected),
  );

  it('refuses production without its secrets and public URL, and with secrets that can be guessed', () => {
    expect(wrong({ NODE_ENV: 'production' })).toEqual(['STREAM_TOKEN_SECRET', 'ENCRYPTION_KEY', 'PUBLIC_URL']);
    expect(wrong({ ...PRODUCTION, ADMIN_API_KEY: 'short' })).toEqual(['ADMIN_API_KEY']);
    expect(wrong({ ...PRODUCTION, STREAM_TOKEN_SECRET: 'short' })).toEqual(['STREAM_TOKEN_SECRET']);
    expect(load({ ADMIN_API_KEY: 'short' }).notices.join()).toContain('short enough to be guessed');
  });

  it('asks a process without telephony for no stream secret, and gives it one that opens nothing', () => {
    const { STREAM_TOKEN_SECRET: _, ...env } = { ...PRODUCTION, SURFACES: 'admin,runtime' };
    expect(load(env).streamTokenSecret).not.toBe(load(env).streamTokenSecret);
  });

  it('asks each surface for its own secrets, and says which ones belong elsewhere', () => {
    const { STREAM_TOKEN_SECRET, ...shared } = PRODUCTION;
    expect(wrong({ ...shared, SURFACES: 'admin' })).toEqual([]);
    expect(wrong({ ...shared, SURFACES: 'runtime' })).toEqual([]);
    expect(wrong({ ...shared, SURFACES: 'telephony' })).toEqual(['STREAM_TOKEN_SECRET']);
    expect(wrong({ ...shared, SURFACES: 'telephony', STREAM_TOKEN_SECRET })).toEqual([]);
    const all = { ...PRODUCTION, ADMIN_API_KEY: 'k'.repeat(16), ADMIN_PASSWORD: 'x', ADMIN_USERNAME: 'ada' };
    expect(load({ ...all, SURFACES: 'runtime,telephony' })).toMatchObject({
      adminApiKeys: [],
      adminPasswordSha256: null,
      notices: expect.arrayContaining([expect.stringContaining('ADMIN_API_KEY and ADMIN_PASSWORD set')]),
    });
    expect(load({ ...all, SURFACES: 'admin' }).notices.join()).toContain('STREAM_TOKEN_SECRET set, and not needed');
    expect(load(all).notices.join()).not.toContain('not needed');
    // A key that opens nothing here is not judged here either.
    expect(wrong({ ...PRODUCTION, ADMIN_API_KEY: 'short', SURFACES: 'telephony' })).toEqual([]);
  });

  it('takes encryption keys as hex or base64, the current one first', () => {
    const [current, previous] = [Buffer.alloc(32, 7), Buffer.alloc(32, 255)];
    const text = `${current.toString('hex')}, ${previous.toString('base64')}`;
    expect(load({ ENCRYPTION_KEY: text }).encryptionKey).toEqual([current, previous]);
    expect(load({ ENCRYPTION_KEY: previous.toString('base64url') }).encryptionKey).toEqual([previous]);
  });

  it('takes several admin keys, and a password in plain or hashed but not two of them', () => {
    expect(load({ ADMIN_API_KEY: 'current-key-0001, previous-key-001' }).adminApiKeys).toEqual([
      'current-key-0001',
      'previous-key-001',
    ]);
    const hash = load({ ADMIN_PASSWORD: 'x' }).adminPasswordSha256!;
    expect(load({ ADMIN_PASSWORD_SHA256: hash.toUpperCase() }).adminPasswordSha256).toBe(hash);
    expect(wrong({ ADMIN_PASSWORD: 'y', ADMIN_PASSWORD_SHA256: hash })).toEqual(['ADMIN_PASSWORD_SHA256']);
  });

  it('is told whole in .env.example, in this order', () =>
    expect([...readFileSync('.env.example', 'utf8').matchAll(/^# ([A-Z0-9_]+)=/gm)].map((m) => m[1])).toEqual([
      ...VARIABLES,
    ]));
});
