import type { EntityManager } from '@mikro-orm/postgresql';
import { VoiceSession, type AgentVersion, type Call, type RuntimeConfig } from '../entities/index.js';
import type { ServiceContext } from './context.js';
import { speechOf } from './tenant-defaults.js';

/** Makes the session of a call, with the model and voice that it will speak with. Flushes. */
export async function openSession(
  em: EntityManager,
  context: ServiceContext,
  call: Call,
  version: AgentVersion | null,
  config: RuntimeConfig | null,
): Promise<VoiceSession> {
  const { clock, settings } = context;
  const session = em.create(VoiceSession, {
    tenantId: call.tenantId,
    callId: call.id,
    callSid: call.callSid ?? null,
    agentKey: call.agentKey ?? null,
    agentVersionId: call.agentVersionId ?? null,
    synthetic: call.synthetic,
    ...speechOf(version, config, settings),
    startedAt: clock.now(),
  });
  await em.flush();
  return session;
}
