import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const SURFACES = ['admin', 'runtime', 'telephony'] as const;
export type Surface = (typeof SURFACES)[number];

/** The configuration of one process: read once, validated whole. A feature that is off is `null`, never an empty string. */
export interface Config {
  production: boolean;
  host: string;
  port: number;
  /** Origin that Twilio reaches, without a trailing slash. Null: made from the port that the server got. */
  publicUrl: string | null;
  dataDir: string;
  databaseUrl: string | null;
  redisUrl: string | null;
  /** The current key first; the others are accepted during a rotation. Empty and no password: no admin surface. */
  adminApiKeys: string[];
  adminUsername: string;
  /** SHA-256 of the console password, hex. */
  adminPasswordSha256: string | null;
  streamTokenSecret: string;
  streamTokenSecretPrevious: string | null;
  /** 32 bytes. */
  encryptionKey: Buffer;
  twilio: { accountSid: string; authToken: string } | null;
  twilioApiBaseUrl: string | null;
  openaiApiKey: string | null;
  openaiBaseUrl: string | null;
  openaiRealtimeUrl: string;
  textModel: string | null;
  simulate: { carrier: boolean; model: boolean };
  legacyBearerAuth: boolean;
  /** Requests a minute. */
  rateLimitPerIp: number;
  rateLimitPerTenant: number;
  allowPrivateAddresses: boolean;
  webhookRetrySchedule: number[];
  streamSignatureRequired: boolean;
  trustProxy: boolean | number | string;
  surfaces: ReadonlySet<Surface>;
  metricsToken: string | null;
  logLevel: string;
}

export const DEFAULT_RETRY_SCHEDULE = [0, 5, 30, 120, 600, 1_800, 7_200, 21_600, 43_200, 86_400];
const DEFAULT_REALTIME_URL = 'wss://api.openai.com/v1/realtime';
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

/** Every variable that is read, in the order of `.env.example`. */
export const VARIABLES = [
  'HOST',
  'PORT',
  'PUBLIC_URL',
  'DATA_DIR',
  'DATABASE_URL',
  'REDIS_URL',
  'ADMIN_API_KEY',
  'ADMIN_USERNAME',
  'ADMIN_PASSWORD',
  'ADMIN_PASSWORD_SHA256',
  'STREAM_TOKEN_SECRET',
  'STREAM_TOKEN_SECRET_PREVIOUS',
  'ENCRYPTION_KEY',
  'TWILIO_ACCOUNT_SID',
  'TWILIO_AUTH_TOKEN',
  'TWILIO_API_BASE_URL',
  'OPENAI_API_KEY',
  'OPENAI_BASE_URL',
  'OPENAI_REALTIME_URL',
  'LEGACY_TENANT_BEARER_AUTH_ENABLED',
  'RATE_LIMIT_PER_IP',
  'RATE_LIMIT_PER_TENANT',
  'ALLOW_PRIVATE_ADDRESSES',
  'WEBHOOK_RETRY_SCHEDULE',
  'STREAM_SIGNATURE_REQUIRED',
  'TRUST_PROXY',
  'SURFACES',
  'SIMULATE',
  'TEXT_MODEL',
  'METRICS_TOKEN',
  'NODE_ENV',
  'LOG_LEVEL',
] as const;
export type Variable = (typeof VARIABLES)[number];

/** Every mistake at once, each naming its variable and how to mend it. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`The configuration is wrong:\n${problems.map((p) => `  - ${p}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

/** Reads the environment. Outside production missing secrets are made and kept under DATA_DIR. Throws {@link ConfigError}. */
export function loadConfig(env: Record<string, string | undefined>): Config {
  const read = new Reader(env);
  const production = read.text('NODE_ENV') === 'production';
  const dataDir = read.text('DATA_DIR') ?? './data';
  const secrets = new Secrets(read, production, dataDir);
  const twilio = twilioAccount(read);
  const openaiApiKey = read.text('OPENAI_API_KEY');
  const password = read.text('ADMIN_PASSWORD');
  const config: Config = {
    production,
    host: read.text('HOST') ?? '0.0.0.0',
    port: read.integer('PORT', 8080, 0, 65_535),
    publicUrl: read.origin('PUBLIC_URL'),
    dataDir,
    databaseUrl: read.url('DATABASE_URL', ['postgres:', 'postgresql:']),
    redisUrl: read.url('REDIS_URL', ['redis:', 'rediss:']),
    adminApiKeys: read.list('ADMIN_API_KEY').map((key) => {
      if (key.length < 16)
        read.problem('ADMIN_API_KEY', 'each key needs at least 16 characters; make one with: openssl rand -hex 24');
      return key;
    }),
    adminUsername: read.text('ADMIN_USERNAME') ?? 'admin',
    adminPasswordSha256:
      read
        .matching('ADMIN_PASSWORD_SHA256', /^[0-9a-f]{64}$/i, '64 hex digits: printf %s PASSWORD | sha256sum')
        ?.toLowerCase() ?? (password === null ? null : createHash('sha256').update(password).digest('hex')),
    streamTokenSecret: secrets.text('STREAM_TOKEN_SECRET'),
    streamTokenSecretPrevious: read.text('STREAM_TOKEN_SECRET_PREVIOUS'),
    encryptionKey: secrets.key('ENCRYPTION_KEY'),
    twilio,
    twilioApiBaseUrl: read.url('TWILIO_API_BASE_URL', ['http:', 'https:']),
    openaiApiKey,
    openaiBaseUrl: read.url('OPENAI_BASE_URL', ['http:', 'https:']),
    openaiRealtimeUrl: read.url('OPENAI_REALTIME_URL', ['ws:', 'wss:']) ?? DEFAULT_REALTIME_URL,
    textModel: read.text('TEXT_MODEL'),
    simulate: simulation(read, production, twilio !== null || openaiApiKey !== null),
    legacyBearerAuth: read.flag('LEGACY_TENANT_BEARER_AUTH_ENABLED', true),
    rateLimitPerIp: read.integer('RATE_LIMIT_PER_IP', 60, 1, 1_000_000),
    rateLimitPerTenant: read.integer('RATE_LIMIT_PER_TENANT', 1_000, 1, 10_000_000),
    allowPrivateAddresses: read.flag('ALLOW_PRIVATE_ADDRESSES', false),
    webhookRetrySchedule: retrySchedule(read),
    streamSignatureRequired: read.flag('STREAM_SIGNATURE_REQUIRED', false),
    trustProxy: trustProxy(read),
    surfaces: surfaces(read),
    metricsToken: read.text('METRICS_TOKEN'),
    logLevel: read.oneOf('LOG_LEVEL', LOG_LEVELS) ?? 'info',
  };
  if (production && config.publicUrl === null)
    read.problem(
      'PUBLIC_URL',
      'is needed in production: the https origin that Twilio calls, like https://voice.example.com',
    );
  if (read.problems.length > 0) throw new ConfigError(read.problems);
  return config;
}

/** Reads single variables and collects what is wrong with them. An empty value is an unset one. */
class Reader {
  readonly problems: string[] = [];
  constructor(private readonly env: Record<string, string | undefined>) {}

  problem(name: Variable, message: string): void {
    this.problems.push(`${name} ${message}`);
  }
  text(name: Variable): string | null {
    return this.env[name]?.trim() || null;
  }
  list(name: Variable): string[] {
    return (this.text(name) ?? '')
      .split(',')
      .map((s) => s.trim())
      .filter(Boolean);
  }
  matching(name: Variable, pattern: RegExp, needed: string): string | null {
    const value = this.text(name);
    if (value !== null && !pattern.test(value)) this.problem(name, `must be ${needed}`);
    return value;
  }
  oneOf(name: Variable, allowed: readonly string[]): string | null {
    const value = this.text(name);
    if (value !== null && !allowed.includes(value)) this.problem(name, `must be one of ${allowed.join(', ')}`);
    return value;
  }
  integer(name: Variable, fallback: number, min: number, max: number): number {
    const value = this.text(name);
    if (value === null) return fallback;
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < min || number > max)
      this.problem(name, `must be a whole number from ${min} to ${max}`);
    return number;
  }
  flag(name: Variable, fallback: boolean): boolean {
    const value = this.oneOf(name, ['true', 'false']);
    return value === null ? fallback : value === 'true';
  }
  url(name: Variable, protocols: readonly string[]): string | null {
    const value = this.text(name);
    if (value === null) return null;
    if (!URL.canParse(value) || !protocols.includes(new URL(value).protocol))
      this.problem(name, `must be a URL that starts with ${protocols.map((p) => `${p}//`).join(' or ')}`);
    return value;
  }
  origin(name: Variable): string | null {
    const value = this.url(name, ['http:', 'https:']);
    if (value === null || !URL.canParse(value)) return null;
    const url = new URL(value);
    if (url.pathname !== '/' || url.search || url.hash)
      this.problem(name, 'must be an origin without a path, like https://voice.example.com');
    return url.origin;
  }
}

/** Secrets that production must set, and that development makes once and keeps, so that a restart reads its own data. */
class Secrets {
  constructor(
    private readonly read: Reader,
    private readonly production: boolean,
    private readonly dataDir: string,
  ) {}

  text(name: 'STREAM_TOKEN_SECRET'): string {
    const value = this.read.text(name);
    if (value !== null && value.length < 32)
      this.read.problem(name, 'needs at least 32 characters; make one with: openssl rand -hex 32');
    return value ?? this.made(name);
  }
  key(name: 'ENCRYPTION_KEY'): Buffer {
    const value = this.read.text(name) ?? this.made(name);
    const key = /^[0-9a-f]{64}$/i.test(value) ? Buffer.from(value, 'hex') : Buffer.from(value, 'base64');
    if (value !== '' && key.length !== 32)
      this.read.problem(name, 'must be 32 bytes, as 64 hex digits or base64; make one with: openssl rand -hex 32');
    return key;
  }
  private made(name: Variable): string {
    if (this.production) {
      this.read.problem(name, 'is needed in production; make one with: openssl rand -hex 32');
      return '';
    }
    const file = join(this.dataDir, `${name.toLowerCase()}.dev`);
    if (existsSync(file)) return readFileSync(file, 'utf8').trim();
    const value = randomBytes(32).toString('hex');
    mkdirSync(this.dataDir, { recursive: true });
    writeFileSync(file, value, { mode: 0o600 });
    return value;
  }
}

function twilioAccount(read: Reader): Config['twilio'] {
  const accountSid = read.matching('TWILIO_ACCOUNT_SID', /^AC[0-9a-fA-F]{32}$/, 'an account SID: AC and 32 hex digits');
  const authToken = read.text('TWILIO_AUTH_TOKEN');
  if ((accountSid === null) !== (authToken === null))
    read.problem(
      accountSid === null ? 'TWILIO_ACCOUNT_SID' : 'TWILIO_AUTH_TOKEN',
      'is missing: both Twilio variables go together',
    );
  return accountSid !== null && authToken !== null ? { accountSid, authToken } : null;
}

/** Nothing set and no production: both ends simulated. Some credentials: what is missing is off, never simulated. */
function simulation(read: Reader, production: boolean, anyCredential: boolean): Config['simulate'] {
  const asked = read.list('SIMULATE');
  const unknown = asked.filter((s) => s !== 'carrier' && s !== 'model' && s !== 'none');
  if (unknown.length > 0) read.problem('SIMULATE', 'must be a list of carrier, model; or none');
  if (asked.length === 0) return { carrier: !production && !anyCredential, model: !production && !anyCredential };
  return { carrier: asked.includes('carrier'), model: asked.includes('model') };
}

function retrySchedule(read: Reader): number[] {
  const seconds = read.list('WEBHOOK_RETRY_SCHEDULE');
  if (seconds.length === 0) return DEFAULT_RETRY_SCHEDULE;
  if (seconds.length > 50 || seconds.some((s) => !/^\d{1,7}$/.test(s)))
    read.problem('WEBHOOK_RETRY_SCHEDULE', 'must be at most 50 whole seconds, like 0,5,30,120');
  return seconds.map(Number);
}

function surfaces(read: Reader): ReadonlySet<Surface> {
  const asked = read.list('SURFACES');
  if (asked.some((s) => !(SURFACES as readonly string[]).includes(s)))
    read.problem('SURFACES', `must be a list of ${SURFACES.join(', ')}`);
  return new Set(asked.length === 0 ? SURFACES : (asked as Surface[]));
}

function trustProxy(read: Reader): Config['trustProxy'] {
  const value = read.text('TRUST_PROXY');
  if (value === null || value === 'false') return false;
  return value === 'true' ? true : /^\d+$/.test(value) ? Number(value) : value;
}
