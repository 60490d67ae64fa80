import { randomBytes } from 'node:crypto';
import type { Database } from '../../src/entities/database.js';
import { Agent, Call, Tenant, VoiceSession } from '../../src/entities/index.js';
import { newId } from '../../src/lib/ids.js';
import type { Bus } from '../../src/ports/bus.js';
import { systemClock } from '../../src/ports/clock.js';
import type { Jobs } from '../../src/ports/jobs.js';
import { silentLogger } from '../../src/ports/logger.js';
import { MemoryBus } from '../../src/pubsub/memory.js';
import { TopicBus } from '../../src/pubsub/topics.js';
import { DEFAULT_TIMING, type ServiceContext, type ServiceSettings } from '../../src/services/context.js';
import { noOutbox } from '../../src/services/outbox.js';

/** Jobs that are never run: for tests of what happens before them. */
export const noJobs: Jobs = {
  send: async () => null,
  work: async () => {},
  schedule: async () => {},
  start: async () => {},
  stop: async () => {},
};

/** A service context over a test database, with everything else in memory. */
export function testContext(
  database: Database,
  overrides: Partial<ServiceContext> & { bus?: Bus } = {},
): ServiceContext {
  const settings: ServiceSettings = {
    publicUrl: 'https://voice.test',
    streamTokenSecret: 's'.repeat(32),
    streamTokenSecretPrevious: null,
    encryptionKey: randomBytes(32),
    defaultCarrierAccount: null,
    legacyBearerAuth: true,
    allowPrivateAddresses: true,
    webhookRetrySchedule: [0, 1],
    defaultModel: 'gpt-realtime',
    defaultVoice: 'alloy',
    processId: newId(),
    timing: { ...DEFAULT_TIMING, recorderBatchMs: 5 },
  };
  const { bus = new MemoryBus(), ...rest } = overrides;
  return {
    database,
    topics: new TopicBus(bus),
    jobs: noJobs,
    outbox: noOutbox,
    clock: systemClock,
    log: silentLogger,
    settings,
    ...rest,
  };
}

/** Rows of a tenant with an agent, made once per database. */
export async function seedTenant(database: Database, tenantId = 'acme'): Promise<void> {
  const em = database.em({ all: true });
  if ((await em.count(Tenant, { id: tenantId })) > 0) return;
  em.create(Tenant, { id: tenantId, name: tenantId });
  em.create(Agent, { tenantId, key: 'front_desk', name: 'Front desk' });
  await em.flush();
}

/** A call in progress with an active session, as rows. */
export async function seedSession(database: Database, tenantId = 'acme'): Promise<VoiceSession> {
  await seedTenant(database, tenantId);
  const em = database.em({ all: true });
  const callSid = `CA${randomBytes(16).toString('hex')}`;
  const call = em.create(Call, {
    tenantId,
    direction: 'INBOUND',
    status: 'IN_PROGRESS',
    callSid,
    fromNumber: '+15555550001',
    toNumber: '+15555550002',
  });
  await em.flush();
  const session = em.create(VoiceSession, {
    tenantId,
    callId: call.id,
    callSid,
    model: 'gpt-realtime',
    startedAt: new Date(),
    ownerGeneration: 1,
  });
  await em.flush();
  return session;
}

/** Calls that are over, a second apart, as rows: more than anybody would place in a test. */
export async function seedEndedSessions(database: Database, tenantId: string, count: number): Promise<void> {
  const em = database.em({ all: true });
  for (let i = 0; i < count; i++) {
    const callSid = `CA${randomBytes(16).toString('hex')}`;
    const call = em.create(Call, { tenantId, direction: 'INBOUND', status: 'COMPLETED', callSid });
    em.create(VoiceSession, {
      tenantId,
      callId: call.id,
      callSid,
      model: 'gpt-realtime',
      status: 'COMPLETED',
      startedAt: new Date(Date.now() - i * 1_000),
      endedAt: new Date(),
      ownerGeneration: 1,
    });
  }
  await em.flush();
}
