import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig, VARIABLES } from './config.js';

const dir = mkdtempSync(join(tmpdir(), 'trunkline-config-'));
const load = (env: Record<string, string> = {}) => loadConfig({ DATA_DIR: dir, ...env });
const problems = (env: Record<string, string>): string => {
  try {
    load(env);
    return '';
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message;
  }
};

describe('the configuration', () => {
  it('needs nothing on a bare machine, and simulates both ends', () => {
    const config = load();
    expect(config).toMatchObject({
      port: 8080,
      databaseUrl: null,
      redisUrl: null,
      simulate: { carrier: true, model: true },
    });
    expect(config.encryptionKey).toHaveLength(32);
    expect(load().streamTokenSecret).toBe(config.streamTokenSecret);
  });

  it('never simulates an end by itself once any credential is set', () => {
    expect(load({ OPENAI_API_KEY: 'sk-x' }).simulate).toEqual({ carrier: false, model: false });
    expect(load({ OPENAI_API_KEY: 'sk-x', SIMULATE: 'carrier' }).simulate).toEqual({ carrier: true, model: false });
    expect(load({ SIMULATE: 'none' }).simulate).toEqual({ carrier: false, model: false });
  });

  it('reports every mistake at once, naming the variable', () => {
    const text = problems({
      PORT: '99999',
      PUBLIC_URL: 'https://x.example/path',
      DATABASE_URL: 'mysql://x',
      ADMIN_API_KEY: 'short',
      ENCRYPTION_KEY: 'abc',
      TWILIO_ACCOUNT_SID: 'AC12',
      SURFACES: 'kitchen',
      LOG_LEVEL: 'loud',
      ALLOW_PRIVATE_ADDRESSES: 'yes',
      WEBHOOK_RETRY_SCHEDULE: '0,x',
      SIMULATE: 'weather',
      RATE_LIMIT_PER_IP: '0',
      ADMIN_PASSWORD_SHA256: 'zz',
      STREAM_TOKEN_SECRET: 'short',
      REDIS_URL: 'http://x',
      OPENAI_REALTIME_URL: 'http://x',
      NODE_ENV: 'test',
    });
    for (const name of [
      'PORT',
      'PUBLIC_URL',
      'DATABASE_URL',
      'ADMIN_API_KEY',
      'ENCRYPTION_KEY',
      'TWILIO_ACCOUNT_SID',
      'TWILIO_AUTH_TOKEN',
      'SURFACES',
      'LOG_LEVEL',
      'ALLOW_PRIVATE_ADDRESSES',
      'WEBHOOK_RETRY_SCHEDULE',
      'SIMULATE',
      'RATE_LIMIT_PER_IP',
      'ADMIN_PASSWORD_SHA256',
      'STREAM_TOKEN_SECRET',
      'REDIS_URL',
      'OPENAI_REALTIME_URL',
    ])
      expect(text).toContain(`- ${name} `);
  });

  it('refuses production without its secrets and public URL', () => {
    const text = problems({ NODE_ENV: 'production' });
    for (const name of ['STREAM_TOKEN_SECRET', 'ENCRYPTION_KEY', 'PUBLIC_URL'])
      expect(text).toContain(`${name} is needed in production`);
  });

  it('takes the encryption key as hex or base64, several admin keys, and a hashed or plain password', () => {
    const key = Buffer.alloc(32, 7);
    expect(load({ ENCRYPTION_KEY: key.toString('hex') }).encryptionKey).toEqual(key);
    expect(load({ ENCRYPTION_KEY: key.toString('base64') }).encryptionKey).toEqual(key);
    expect(load({ ADMIN_API_KEY: `${'a'.repeat(16)}, ${'b'.repeat(16)}` }).adminApiKeys).toHaveLength(2);
    expect(load({ ADMIN_PASSWORD: 'x' }).adminPasswordSha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it.each(['.env.example', 'docker-compose.yml'])('has every variable in %s', (file) => {
    const text = readFileSync(file, 'utf8');
    expect(VARIABLES.filter((name) => !new RegExp(`\\b${name}\\b`).test(text))).toEqual([]);
  });
});
