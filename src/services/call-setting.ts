import type { EntityManager } from '@mikro-orm/postgresql';
import { Agent, AgentVersion, PhoneRoute, RuntimeConfig, Tenant, type Call } from '../entities/index.js';
import { loadRuntimeConfig, telephonyOf, type Telephony } from './telephony.js';

/** What stands behind a call: who it belongs to and what was configured for it. Null where it is gone or never was. */
export interface CallSetting {
  tenant: Tenant;
  agent: Agent | null;
  version: AgentVersion | null;
  route: PhoneRoute | null;
  config: RuntimeConfig | null;
  telephony: Telephony;
}

export async function loadCallSetting(em: EntityManager, call: Call): Promise<CallSetting> {
  const tenant = await em.findOneOrFail(Tenant, { id: call.tenantId });
  const version = await versionOfCall(em, call);
  const route =
    call.phoneRouteId == null ? null : await em.findOne(PhoneRoute, { id: call.phoneRouteId, tenantId: call.tenantId });
  const agent = call.agentId == null ? null : await em.findOne(Agent, { id: call.agentId, tenantId: call.tenantId });
  const config = await loadRuntimeConfig(em, call.tenantId);
  return { tenant, agent, version, route, config, telephony: telephonyOf(config) };
}

/** Null: no version took this call. */
export async function versionOfCall(
  em: EntityManager,
  { agentVersionId, tenantId }: Pick<Call, 'agentVersionId' | 'tenantId'>,
): Promise<AgentVersion | null> {
  return agentVersionId == null ? null : em.findOne(AgentVersion, { id: agentVersionId, tenantId });
}

/** The tenant's own number in a call: what a transfer shows as caller id. */
export function ownNumber(call: Pick<Call, 'direction' | 'fromNumber' | 'toNumber'>): string | null {
  return (call.direction === 'INBOUND' ? call.toNumber : call.fromNumber) ?? null;
}

/** The other party: the customer. */
export function customerNumber(call: Pick<Call, 'direction' | 'fromNumber' | 'toNumber'>): string | null {
  return (call.direction === 'INBOUND' ? call.fromNumber : call.toNumber) ?? null;
}
