import type { Config } from '../config.js';
import type { Variable } from './variables.js';

/** What an operator should know about a configuration that works: what is simulated, off, made up or trusting. */
export function noticesOf(
  config: Omit<Config, 'notices'>,
  madeSecrets: readonly Variable[],
  foreignSecrets: readonly Variable[],
): string[] {
  const { simulate, twilio, openaiApiKey, production, surfaces } = config;
  const calls = surfaces.has('runtime') || surfaces.has('telephony');
  const table: readonly (readonly [boolean, string])[] = [
    [simulate.carrier, 'The carrier is SIMULATED: no real telephone rings.'],
    [simulate.model, 'The speech model is SIMULATED: no real agent answers.'],
    [
      calls && !simulate.carrier && twilio === null,
      'No default Twilio account is set: only tenants with an account of their own can call.',
    ],
    [
      surfaces.has('telephony') && !simulate.model && openaiApiKey === null,
      'OPENAI_API_KEY is not set: no agent answers, callers get the fallback of their agent.',
    ],
    [
      twilio !== null && simulate.model && !simulate.carrier,
      'A simulated agent would answer real callers of this Twilio account: use it for tests only.',
    ],
    [
      madeSecrets.length > 0,
      `${madeSecrets.join(' and ')} not set: using development secrets kept in ${config.dataDir}.`,
    ],
    [
      surfaces.has('admin') && config.adminApiKeys.length === 0 && config.adminPasswordSha256 === null,
      'Neither ADMIN_API_KEY nor an admin password is set: the admin surface answers 404.',
    ],
    [
      foreignSecrets.length > 0,
      `${foreignSecrets.join(' and ')} set, and not needed: this process serves ${[...surfaces].join(' and ')} only.`,
    ],
    [
      config.adminApiKeys.some((key) => key.length < 16) || config.streamTokenSecret.length < 32,
      'ADMIN_API_KEY or STREAM_TOKEN_SECRET is short enough to be guessed; production refuses it.',
    ],
    [
      production && config.databaseUrl === null,
      'DATABASE_URL is not set: the embedded database serves one process and is not backed up.',
    ],
    [
      production && config.redisUrl === null,
      'REDIS_URL is not set: live updates do not reach other processes of this installation.',
    ],
    [
      production && config.publicUrl?.startsWith('http:') === true,
      'PUBLIC_URL is not https: Twilio opens media streams over wss only.',
    ],
    [
      config.trustProxy === true,
      'TRUST_PROXY=true believes any client about its address; name the proxies or the number of hops.',
    ],
    [
      config.allowPrivateAddresses,
      'ALLOW_PRIVATE_ADDRESSES=true: tools and webhooks of tenants reach the private network.',
    ],
  ];
  return table.filter(([applies]) => applies).map(([, notice]) => notice);
}
