import { cpSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { PgBossJobs } from '../src/adapters/jobs/pg-boss.js';
import { buildApp, type App } from '../src/app.js';
import type { Simulation } from '../src/app/simulation.js';
import { loadConfig } from '../src/config.js';
import { seedDemo, type DemoTenant } from '../src/demo/seed.js';
import { Database } from '../src/entities/database.js';
import { silentLogger } from '../src/ports/logger.js';

export const ACCOUNT = { accountSid: `AC${'b'.repeat(32)}`, authToken: 'bench-token' };
const ADMIN_KEY = 'bench-admin-key-0000';

/** Both outer ends are the load's. */
const NONE: Simulation = { carrier: null, model: null, account: null, stop: async () => {} };

export interface GatewayOptions {
  /** A folder of this run, removed at its end. */
  dir: string;
  /** A folder with a migrated embedded database; it is copied. */
  template: string;
  /** An empty PostgreSQL database, or that of the process that `tenant` comes from; missing: a copy of the template. */
  databaseUrl?: string;
  /** Missing: the bus is in the process. */
  redisUrl?: string;
  /** Made by another process of the same installation. */
  tenant?: DemoTenant;
  /** Where the load plays the model; missing: nobody calls. */
  modelUrl?: string;
}

/** A whole gateway as `npm start` would compose it, on an embedded database, with one tenant and one agent. */
export interface BenchGateway {
  app: App;
  origin: string;
  tenant: DemoTenant;
  adminKey: string;
}

export async function startGateway({
  dir,
  template,
  databaseUrl,
  redisUrl,
  modelUrl,
  tenant,
}: GatewayOptions): Promise<BenchGateway> {
  const dataDir = mkdtempSync(join(dir, 'gateway-'));
  if (databaseUrl === undefined) cpSync(template, join(dataDir, 'pgdata'), { recursive: true });
  const config = loadConfig({
    HOST: '127.0.0.1',
    PORT: '0',
    ...(databaseUrl === undefined ? { DATA_DIR: dataDir } : { DATABASE_URL: databaseUrl }),
    ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl }),
    ADMIN_API_KEY: ADMIN_KEY,
    SIMULATE: 'none',
    TWILIO_ACCOUNT_SID: ACCOUNT.accountSid,
    TWILIO_AUTH_TOKEN: ACCOUNT.authToken,
    // Nobody listens there: no call of a benchmark may reach a real carrier.
    TWILIO_API_BASE_URL: 'http://127.0.0.1:9',
    RATE_LIMIT_PER_TENANT: '10000000',
    ...(modelUrl === undefined ? {} : { OPENAI_API_KEY: 'bench', OPENAI_REALTIME_URL: modelUrl }),
  });
  const app = await buildApp(config, { log: silentLogger, simulation: NONE });
  const origin = await app.start();
  const seeded = tenant ?? (await seedDemo(app, origin, ADMIN_KEY, { numbers: new Map() }));
  return { app, origin, tenant: seeded, adminKey: ADMIN_KEY };
}

/** Makes a migrated database in a folder of `dir`, to be copied by each gateway: migrating takes longer than starting. */
export async function makeTemplate(dir: string): Promise<string> {
  const template = join(dir, 'template');
  const database = await Database.open({ pgliteDir: template });
  await database.migrate();
  const jobs = new PgBossJobs(database, silentLogger, { supervise: false, schedule: false });
  await jobs.start();
  await jobs.stop();
  await database.close();
  return template;
}
