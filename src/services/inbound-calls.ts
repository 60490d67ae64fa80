import type { EntityManager } from '@mikro-orm/postgresql';
import {
  Agent,
  Call,
  PhoneRoute,
  Tenant,
  VoiceSession,
  type AgentVersion,
  type OutsideDestination,
} from '../entities/index.js';
import { isOpenAt } from '../lib/hours.js';
import { LAST_RESORT, type CallAnswer } from './call-answers.js';
import type { CallGate } from './call-gate.js';
import { announceCall } from './call-progress.js';
import { loadCallSetting } from './call-setting.js';
import { isTerminal } from './call-states.js';
import { isSynthetic, speaksFor, type CarrierIdentity } from './carrier-identity.js';
import type { ServiceContext } from './context.js';
import type { DiagnosticSink } from './diagnostics.js';
import { pinnedVersion } from './dial-plan.js';
import type { Fallbacks } from './fallbacks.js';
import { openSession } from './session-open.js';
import { connectAnswer } from './stream-answer.js';
import { receiveSynthetic } from './synthetic-reception.js';
import { loadRuntimeConfig } from './telephony.js';
import { partyOf, type VersionPicker } from './version-picker.js';

/** The first webhook of a call that came in, parsed. */
export interface IncomingCall {
  /** Of a call that is known before it comes in: a synthetic one. */
  callId?: string | null;
  callSid: string;
  /** E.164, or what the carrier sent: `anonymous`, `client:…`, `sip:…`. */
  from: string;
  to: string;
}

export interface InboundServices {
  picker: VersionPicker;
  fallbacks: Fallbacks;
  diagnostics: DiagnosticSink;
  gate: CallGate;
}

/** Who answers a call, or why nobody can. */
interface Reception {
  agent: Agent | null;
  version: AgentVersion | null;
  /** Why the caller gets the fallback; null: an agent answers. */
  refusal: Refusal | null;
  /** Where callers go outside of business hours. */
  outside: OutsideDestination | null;
}
type Refusal =
  | 'tenant_suspended'
  | 'shutting_down'
  | 'model_not_configured'
  | 'model_down'
  | 'no_version'
  | 'outside_business_hours';

/** Refusals that an operator must mend; the others are wanted. */
const TO_BE_MENDED: Partial<Record<Refusal, string>> = {
  model_not_configured: 'Set OPENAI_API_KEY: callers hear the fallback until then.',
  no_version: 'Publish a version of the agent that this number is routed to.',
};

/** Calls that come in: from the called number to an agent that answers, or to a fallback; never to silence. */
export class InboundCalls {
  constructor(
    private readonly context: ServiceContext,
    private readonly services: InboundServices,
  ) {}

  /** Writes the call and its session, once per `callSid` however often the carrier asks, and says what to do with it. */
  async incoming(identity: CarrierIdentity, incoming: IncomingCall): Promise<CallAnswer> {
    const { database } = this.context;
    if (isSynthetic(identity)) return receiveSynthetic(this.context, this.services.gate, { callId: null, ...incoming });
    const route = await database.em({ all: true }).findOne(PhoneRoute, { number: incoming.to, active: true });
    if (route === null || route.direction === 'OUTBOUND' || !speaksFor(identity, route.tenantId))
      return this.unknownNumber(identity, incoming);
    const { call, session, reception, fresh } = await database
      .em({ tenantId: route.tenantId })
      .transactional((em) => this.receive(em, identity, incoming, route));
    if (fresh) await announceCall(this.context, call, session?.id ?? null);
    if (isTerminal(call.status)) return { kind: 'hang-up' };
    if (session !== null) return connectAnswer(this.context, call, session, 'initial');
    return this.fallback(call, reception);
  }

  private async receive(
    em: EntityManager,
    identity: CarrierIdentity,
    incoming: IncomingCall,
    route: PhoneRoute,
  ): Promise<{ call: Call; session: VoiceSession | null; reception: Reception; fresh: boolean }> {
    // Deliveries of the same call that arrive together wait here; the second finds the row of the first.
    await em.execute('select pg_advisory_xact_lock(hashtextextended(?, 7204))', [`incoming:${incoming.callSid}`]);
    const reception = await this.receptionOf(em, route, incoming);
    const known = await em.findOne(Call, { callSid: incoming.callSid });
    if (known !== null) {
      const session = await em.findOne(VoiceSession, { callId: known.id, status: 'ACTIVE' });
      return { call: known, session, reception, fresh: false };
    }
    const call = em.create(Call, {
      tenantId: route.tenantId,
      callSid: incoming.callSid,
      accountSid: identity.accountSid,
      direction: 'INBOUND',
      status: 'RINGING',
      fromNumber: incoming.from,
      toNumber: incoming.to,
      agentId: reception.agent?.id ?? null,
      agentKey: reception.agent?.key ?? null,
      agentVersionId: reception.version?.id ?? null,
      phoneRouteId: route.id,
      errorCode: reception.refusal === 'outside_business_hours' ? null : reception.refusal,
    });
    await em.flush();
    const session =
      reception.refusal === null
        ? await openSession(em, this.context, call, reception.version, await loadRuntimeConfig(em, route.tenantId))
        : null;
    return { call, session, reception, fresh: true };
  }

  private async receptionOf(em: EntityManager, route: PhoneRoute, incoming: IncomingCall): Promise<Reception> {
    const tenant = await em.findOneOrFail(Tenant, { id: route.tenantId });
    const hours = route.businessHours;
    const outside = hours != null && !isOpenAt(hours, tenant.timeZone, this.context.clock.now()) ? hours.outside : null;
    const agentOutside =
      outside?.action === 'agent' && outside.target !== null
        ? await em.findOne(Agent, { tenantId: tenant.id, key: outside.target })
        : null;
    const agent = agentOutside ?? (await em.findOne(Agent, { id: route.agentId, tenantId: tenant.id }));
    const version = await this.versionOf(em, route, agent, agentOutside !== null, incoming);
    const refusals: [boolean, Refusal][] = [
      [tenant.status === 'SUSPENDED', 'tenant_suspended'],
      [outside !== null && agentOutside === null, 'outside_business_hours'],
      [this.services.gate.draining(), 'shutting_down'],
      [!this.services.gate.modelConfigured(), 'model_not_configured'],
      [this.services.gate.modelDown(), 'model_down'],
      [version === null, 'no_version'],
    ];
    const refusal = refusals.find(([holds]) => holds)?.[1] ?? null;
    return { agent, version, refusal, outside: refusal === 'outside_business_hours' ? outside : null };
  }

  /** The pinned version while it is cleared for customers; else the rollout decides. */
  private async versionOf(
    em: EntityManager,
    route: PhoneRoute,
    agent: Agent | null,
    agentOutside: boolean,
    { from, callSid }: IncomingCall,
  ): Promise<AgentVersion | null> {
    if (agent === null) return null;
    const pinned = agentOutside ? null : await pinnedVersion(em, route);
    return pinned ?? this.services.picker.pick(em, agent, partyOf(from, callSid));
  }

  private async fallback(call: Call, { refusal, outside }: Reception): Promise<CallAnswer> {
    const why = refusal ?? 'no_session';
    const mend = refusal === null ? undefined : TO_BE_MENDED[refusal];
    if (mend !== undefined)
      await this.services.diagnostics.raise({
        tenantId: call.tenantId,
        code: `call_not_answered.${why}`,
        severity: 'CRITICAL',
        message: 'A caller got the fallback because no agent could answer.',
        action: mend,
        detail: { callId: call.id },
      });
    const setting = await loadCallSetting(this.context.database.em({ tenantId: call.tenantId }), call);
    return { kind: 'fallback', fallback: await this.services.fallbacks.prepare(call, setting, why, outside) };
  }

  private async unknownNumber(identity: CarrierIdentity, { to, callSid }: IncomingCall): Promise<CallAnswer> {
    const [tenantId] = identity.tenantIds;
    await this.services.diagnostics.raise({
      tenantId: identity.tenantIds.size === 1 && !identity.isDefault ? tenantId! : null,
      code: 'unknown_number',
      severity: 'WARNING',
      message: 'A call came in for a number without an active inbound phone route; the caller heard the safe message.',
      action: 'Create a phone route for the number, or point it elsewhere at the carrier.',
      detail: { number: to, callSid },
      dedupeKey: `unknown_number:${to}`,
    });
    return LAST_RESORT;
  }
}
