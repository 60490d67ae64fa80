import { join } from 'node:path';
import { GuardedHttp } from '../adapters/http/guarded-http.js';
import { PgBossJobs } from '../adapters/jobs/pg-boss.js';
import { createLogger } from '../adapters/logging/pino.js';
import { PrometheusMetrics } from '../adapters/metrics/prometheus.js';
import { OpenAIRealtime } from '../adapters/model/openai-realtime.js';
import { OpenAIText } from '../adapters/model/openai-text.js';
import { TwilioCarrier } from '../adapters/telephony/twilio-carrier.js';
import { MemoryRateLimiter } from '../adapters/rate-limit/memory.js';
import { RedisRateLimiter } from '../adapters/rate-limit/redis.js';
import type { Config } from '../config.js';
import { Database } from '../entities/database.js';
import type { Bus } from '../ports/bus.js';
import type { Carrier, CarrierAccount } from '../ports/carrier.js';
import type { Jobs } from '../ports/jobs.js';
import type { Logger } from '../ports/logger.js';
import type { Metrics } from '../ports/metrics.js';
import type { OutboundHttp } from '../ports/outbound-http.js';
import type { RateLimiter } from '../ports/rate-limiter.js';
import type { RealtimeModel } from '../ports/realtime-model.js';
import type { TextModel } from '../ports/text-model.js';
import { MemoryBus } from '../pubsub/memory.js';
import { RedisBus } from '../pubsub/redis.js';
import { startSimulation, type Simulation } from './simulation.js';

/** Everything outside that a process talks to. Tests replace any part; what they give they close themselves. */
export interface Infrastructure {
  log: Logger;
  database: Database;
  bus: Bus;
  jobs: Jobs;
  http: OutboundHttp;
  carrier: Carrier;
  defaultAccount: CarrierAccount | null;
  /** Null: no speech model is configured, and callers get their fallback. */
  realtime: RealtimeModel | null;
  textModel: TextModel | null;
  limiter: RateLimiter;
  metrics: Metrics;
  simulation: Simulation;
  close(): Promise<void>;
}

export type InfrastructureOverrides = Partial<Omit<Infrastructure, 'close'>>;

const DEFAULT_SIMULATED_TEXT_MODEL = 'simulated-text';

export async function openInfrastructure(config: Config, given: InfrastructureOverrides): Promise<Infrastructure> {
  const log = given.log ?? createLogger(config.logLevel);
  const database =
    given.database ??
    (await Database.open(
      config.databaseUrl === null ? { pgliteDir: join(config.dataDir, 'pgdata') } : { url: config.databaseUrl },
    ));
  const bus =
    given.bus ?? (config.redisUrl === null ? new MemoryBus(log) : await RedisBus.connect(config.redisUrl, log));
  const simulation = given.simulation ?? (await startSimulation(config.simulate));
  const jobs = given.jobs ?? new PgBossJobs(database, log);
  const http = given.http ?? new GuardedHttp(config.allowPrivateAddresses);
  const ownLimiter = config.redisUrl === null ? new MemoryRateLimiter() : new RedisRateLimiter(config.redisUrl, log);
  const metrics = given.metrics ?? new PrometheusMetrics();
  const carrierBase = simulation.carrier?.baseUrl ?? config.twilioApiBaseUrl;
  return {
    log,
    database,
    bus,
    jobs,
    http,
    carrier: given.carrier ?? new TwilioCarrier({ baseUrl: carrierBase }),
    defaultAccount: given.defaultAccount ?? simulation.account ?? config.twilio,
    realtime: given.realtime ?? realtimeModel(config, simulation, log),
    textModel: given.textModel ?? textModel(config, simulation),
    limiter: given.limiter ?? ownLimiter,
    metrics,
    simulation,
    close: async () => {
      if (ownLimiter instanceof RedisRateLimiter) ownLimiter.close();
      if (given.metrics === undefined) metrics.close();
      if (given.http === undefined) await http.close();
      if (given.bus === undefined) await bus.close();
      if (given.simulation === undefined) await simulation.stop();
      if (given.database === undefined) await database.close();
    },
  };
}

function realtimeModel(config: Config, { model }: Simulation, log: Logger): RealtimeModel | null {
  if (model !== null)
    return new OpenAIRealtime({ apiKey: model.apiKey, url: model.realtimeUrl, provider: 'simulator', log });
  if (config.openaiApiKey === null) return null;
  return new OpenAIRealtime({ apiKey: config.openaiApiKey, url: config.openaiRealtimeUrl, provider: 'openai', log });
}

function textModel(config: Config, { model }: Simulation): TextModel | null {
  if (model !== null)
    return new OpenAIText({
      apiKey: model.apiKey,
      baseUrl: model.baseUrl,
      model: config.textModel ?? DEFAULT_SIMULATED_TEXT_MODEL,
      provider: 'simulator',
    });
  if (config.openaiApiKey === null || config.textModel === null) return null;
  return new OpenAIText({
    apiKey: config.openaiApiKey,
    baseUrl: config.openaiBaseUrl,
    model: config.textModel,
    provider: 'openai',
  });
}
