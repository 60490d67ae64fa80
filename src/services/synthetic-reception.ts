import { AgentVersion, Call, Tenant, VoiceSession } from '../entities/index.js';
import { isUuid } from '../lib/ids.js';
import { LAST_RESORT, type CallAnswer } from './call-answers.js';
import type { CallGate } from './call-gate.js';
import { announceCall, lockCall } from './call-progress.js';
import { isTerminal } from './call-states.js';
import type { ServiceContext } from './context.js';
import { openSession } from './session-open.js';
import { connectAnswer } from './stream-answer.js';
import { SYNTHETIC_ACCOUNT_SID } from './synthetic-account.js';
import { loadRuntimeConfig } from './telephony.js';

/**
 * Answers a call of the synthetic account. Its run announced it with the version that answers, whatever the rollout says;
 * from here on it is an ordinary call. Nobody, or a call that is over, is told to hang up.
 */
export async function receiveSynthetic(
  context: ServiceContext,
  gate: CallGate,
  { callId, callSid }: { callId: string | null; callSid: string },
): Promise<CallAnswer> {
  const received = await context.database.em({ all: true }).transactional(async (em) => {
    const call = callId !== null && isUuid(callId) ? await lockCall(em, callId) : null;
    if (call === null || !isAnnounced(call, callSid)) return null;
    const tenant = await em.findOneOrFail(Tenant, { id: call.tenantId });
    const refusal = tenant.status === 'SUSPENDED' ? 'tenant_suspended' : refusalOf(gate);
    call.callSid = callSid;
    call.errorCode = refusal;
    await em.flush();
    if (refusal !== null) return { call, session: null };
    const known = await em.findOne(VoiceSession, { callId: call.id, status: 'ACTIVE' });
    const version = await em.findOne(AgentVersion, { id: call.agentVersionId!, tenantId: call.tenantId });
    const config = await loadRuntimeConfig(em, call.tenantId);
    return { call, session: known ?? (await openSession(em, context, call, version, config)) };
  });
  if (received === null) return { kind: 'hang-up' };
  const { call, session } = received;
  await announceCall(context, call, session?.id ?? null);
  return session === null ? LAST_RESORT : connectAnswer(context, call, session, 'initial');
}

function refusalOf(gate: CallGate): string | null {
  if (gate.draining()) return 'shutting_down';
  if (!gate.modelConfigured()) return 'model_not_configured';
  return gate.modelDown() ? 'model_down' : null;
}

function isAnnounced(call: Call, callSid: string): boolean {
  return (
    call.synthetic &&
    call.accountSid === SYNTHETIC_ACCOUNT_SID &&
    !isTerminal(call.status) &&
    (call.callSid == null || call.callSid === callSid)
  );
}
