import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { noticesOf } from './config/notices.js';
import { Reader } from './config/reader.js';
import { Secrets } from './config/secrets.js';
import type { Variable } from './config/variables.js';

export { VARIABLES, type Variable } from './config/variables.js';

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
  /** The current key first; the others are accepted during a rotation. Empty and no password: no admin surface. Read on that surface only. */
  adminApiKeys: string[];
  adminUsername: string;
  /** SHA-256 of the console password, hex. */
  adminPasswordSha256: string | null;
  /** Random where this process serves no telephony and none is set: such a process makes and reads no tokens. */
  streamTokenSecret: string;
  streamTokenSecretPrevious: string | null;
  /** 32 bytes each: the current key seals, the others still open what they sealed. */
  encryptionKey: readonly Buffer[];
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
  /** Milliseconds that running calls get on SIGTERM before they are led to another process. */
  drainMs: number;
  streamSignatureRequired: boolean;
  /** As fastify takes it: all, none, a number of hops, or a list of addresses and networks. */
  trustProxy: boolean | number | string[];
  surfaces: ReadonlySet<Surface>;
  metricsToken: string | null;
  logLevel: string;
  /** What an operator should know about this configuration; said loudly at start. Holds no secret. */
  notices: readonly string[];
}

export const DEFAULT_RETRY_SCHEDULE = [0, 5, 30, 120, 600, 1_800, 7_200, 21_600, 43_200, 86_400];
const DEFAULT_REALTIME_URL = 'wss://api.openai.com/v1/realtime';
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];
const NAMED_NETWORKS = ['loopback', 'linklocal', 'uniquelocal'];

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
  const surfaces = new Set(read.list('SURFACES').length === 0 ? SURFACES : read.listOf('SURFACES', SURFACES));
  const twilio = twilioAccount(read);
  const openaiApiKey = read.text('OPENAI_API_KEY');
  const config: Omit<Config, 'notices'> = {
    production,
    host: read.text('HOST') ?? '0.0.0.0',
    port: read.integer('PORT', 8080, 0, 65_535),
    publicUrl: read.origin('PUBLIC_URL'),
    dataDir,
    databaseUrl: read.url('DATABASE_URL', ['postgres:', 'postgresql:']),
    redisUrl: read.url('REDIS_URL', ['redis:', 'rediss:']),
    adminApiKeys: surfaces.has('admin') ? read.list('ADMIN_API_KEY') : [],
    adminUsername: read.text('ADMIN_USERNAME') ?? 'admin',
    adminPasswordSha256: surfaces.has('admin') ? adminPassword(read) : null,
    streamTokenSecret: secrets.text('STREAM_TOKEN_SECRET', surfaces.has('telephony')),
    streamTokenSecretPrevious: read.text('STREAM_TOKEN_SECRET_PREVIOUS'),
    encryptionKey: secrets.keys('ENCRYPTION_KEY'),
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
    drainMs: read.integer('DRAIN_SECONDS', 30, 0, 3_600) * 1_000,
    streamSignatureRequired: read.flag('STREAM_SIGNATURE_REQUIRED', false),
    trustProxy: trustProxy(read),
    surfaces,
    metricsToken: read.text('METRICS_TOKEN'),
    logLevel: read.oneOf('LOG_LEVEL', LOG_LEVELS) ?? 'info',
  };
  if (production) demandOfProduction(read, config);
  if (read.problems.length > 0) throw new ConfigError(read.problems);
  return { ...config, notices: noticesOf(config, secrets.fromDataDir, foreignSecrets(read, surfaces)) };
}

/** Secrets of a surface that this process does not serve: whoever breaks in here should not find them. */
function foreignSecrets(read: Reader, surfaces: ReadonlySet<Surface>): Variable[] {
  return Object.entries(SECRETS_OF)
    .filter(([surface]) => !surfaces.has(surface as Surface))
    .flatMap(([, names]) => names.filter((name) => read.text(name) !== null));
}
const SECRETS_OF: Partial<Record<Surface, readonly Variable[]>> = {
  admin: ['ADMIN_API_KEY', 'ADMIN_PASSWORD', 'ADMIN_PASSWORD_SHA256'],
  telephony: ['STREAM_TOKEN_SECRET', 'STREAM_TOKEN_SECRET_PREVIOUS'],
};

/** What is convenient on a desk and dangerous where customers call. */
function demandOfProduction(read: Reader, config: Omit<Config, 'notices'>): void {
  if (config.publicUrl === null)
    read.problem(
      'PUBLIC_URL',
      'is needed in production: the https origin that Twilio calls, like https://voice.example.com',
    );
  if (config.adminApiKeys.some((key) => key.length < 16))
    read.problem('ADMIN_API_KEY', 'needs at least 16 characters a key; make one with: openssl rand -hex 24');
  // A Twilio that is not Twilio's own (another base URL) may well be answered by a model that is none.
  if (config.twilio !== null && config.twilioApiBaseUrl === null && config.simulate.model && !config.simulate.carrier)
    read.problem('SIMULATE', 'must not name the model alone: a simulated agent never answers a real customer');
}

/** SHA-256 of the console's password, given as such or in plain. */
function adminPassword(read: Reader): string | null {
  const given = read.matching(
    'ADMIN_PASSWORD_SHA256',
    /^[0-9a-f]{64}$/i,
    '64 hex digits: printf %s PASSWORD | sha256sum',
  );
  const password = read.text('ADMIN_PASSWORD');
  const hashed = password === null ? null : createHash('sha256').update(password).digest('hex');
  if (given !== null && hashed !== null && given.toLowerCase() !== hashed)
    read.problem('ADMIN_PASSWORD_SHA256', 'is of another password than ADMIN_PASSWORD: set only one of them');
  return given?.toLowerCase() ?? hashed;
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
  const asked = read.listOf('SIMULATE', ['carrier', 'model', 'none']);
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

function trustProxy(read: Reader): Config['trustProxy'] {
  const value = read.text('TRUST_PROXY');
  if (value === null || value === 'false') return false;
  if (value === 'true') return true;
  if (/^\d+$/.test(value)) return Number(value);
  const networks = read.list('TRUST_PROXY');
  if (!networks.every((network) => NAMED_NETWORKS.includes(network) || isNetwork(network)))
    read.problem(
      'TRUST_PROXY',
      `must be true, false, a number of hops, or a list of addresses, networks (10.0.0.0/8), ${NAMED_NETWORKS.join(', ')}`,
    );
  return networks;
}

/** An IP address, or one with a prefix length. */
function isNetwork(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  const bits = isIP(address) === 6 ? 128 : 32;
  return (
    isIP(address) !== 0 &&
    rest.length === 0 &&
    (prefix === undefined || (/^\d+$/.test(prefix) && Number(prefix) <= bits))
  );
}
