import type { EntityManager } from '@mikro-orm/postgresql';
import { Agent, AgentVersion, PhoneRoute, Tenant } from '../entities/index.js';
import { AppError, notFound } from '../lib/errors.js';
import { isUuid } from '../lib/ids.js';
import type { CarrierAccount } from '../ports/carrier.js';
import type { CarrierAccounts } from './carrier-accounts.js';
import { CLEARED, isCleared, isTestNumber } from './clearance.js';
import { loadRuntimeConfig, telephonyOf, type Telephony } from './telephony.js';
import type { VersionPicker } from './version-picker.js';

/** What somebody wants to dial, checked for form. */
export interface DialRequest {
  to: string;
  from: string | null;
  agentKey: string | null;
  agentVersionId: string | null;
  greeting: string | null;
  orgId: string | null;
  allowConcurrent: boolean;
}

/** Everything that a dial needs, resolved and allowed so far. */
export interface DialPlan {
  tenant: Tenant;
  route: PhoneRoute;
  agent: Agent;
  version: AgentVersion;
  account: CarrierAccount;
  telephony: Telephony;
  to: string;
  from: string;
  at: Date;
}

/**
 * One more reason not to dial (do-not-call, calling hours). Runs inside the transaction that makes the call, before the
 * duplicate guard; throws an AppError to refuse, which leaves no trace and frees the idempotency key.
 */
export interface DialCheck {
  check(em: EntityManager, plan: DialPlan): Promise<void>;
}

/** Resolves a request to a plan. Throws an AppError for whatever is missing, foreign or not allowed. */
export async function planDial(
  em: EntityManager,
  services: { accounts: CarrierAccounts; picker: VersionPicker },
  tenantId: string,
  request: DialRequest,
  at: Date,
): Promise<DialPlan> {
  const tenant = await em.findOne(Tenant, { id: tenantId });
  if (tenant === null) throw notFound('tenant');
  if (tenant.status === 'SUSPENDED') throw new AppError('TENANT_SUSPENDED', 'This tenant is suspended');
  const telephony = telephonyOf(await loadRuntimeConfig(em, tenantId));
  const route = await routeOf(em, tenantId, request.from ?? telephony.fromNumber);
  const { agent, version } = await agentOf(em, services.picker, tenantId, request, route);
  const account = await services.accounts.forTenant(em, tenantId);
  if (account === null) throw new AppError('CARRIER_UNAVAILABLE', 'No telephone carrier is configured for this tenant');
  return { tenant, route, agent, version, account, telephony, to: request.to, from: route.number, at };
}

async function routeOf(em: EntityManager, tenantId: string, from: string | null): Promise<PhoneRoute> {
  const outbound = { tenantId, active: true, direction: { $in: ['OUTBOUND', 'BOTH'] } } as const;
  const route =
    from !== null
      ? await em.findOne(PhoneRoute, { ...outbound, number: from })
      : await em.findOne(PhoneRoute, outbound, { orderBy: { isDefault: 'desc', createdAt: 'asc', id: 'asc' } });
  if (route !== null) return route;
  throw new AppError(
    'UNPROCESSABLE',
    from === null
      ? 'This tenant has no phone route for outbound calls'
      : 'from is not an active phone route of this tenant for outbound calls',
  );
}

async function agentOf(
  em: EntityManager,
  picker: VersionPicker,
  tenantId: string,
  request: DialRequest,
  route: PhoneRoute,
): Promise<{ agent: Agent; version: AgentVersion }> {
  const agent = request.agentKey === null ? null : await em.findOne(Agent, { tenantId, key: request.agentKey });
  if (request.agentKey !== null && agent === null) throw notFound('agent');
  if (request.agentVersionId !== null) return namedVersion(em, tenantId, request.agentVersionId, agent, request.to);
  const chosen = agent ?? (await em.findOneOrFail(Agent, { id: route.agentId, tenantId }));
  const version =
    (agent === null ? await pinnedVersion(em, route) : null) ?? (await picker.pick(em, chosen, request.to));
  if (version === null)
    throw new AppError('UNPROCESSABLE', 'This agent has no published version; publish one or name agent_version_id');
  return { agent: chosen, version };
}

/** The version that a route is pinned to, as long as it is cleared for customers; else null, and the rollout decides. */
export async function pinnedVersion(
  em: EntityManager,
  { agentVersionId, tenantId }: Pick<PhoneRoute, 'agentVersionId' | 'tenantId'>,
): Promise<AgentVersion | null> {
  return agentVersionId == null ? null : em.findOne(AgentVersion, { id: agentVersionId, tenantId, ...CLEARED });
}

/** A version named by id: one that is not cleared for customers reaches registered test numbers only. */
async function namedVersion(
  em: EntityManager,
  tenantId: string,
  versionId: string,
  agent: Agent | null,
  to: string,
): Promise<{ agent: Agent; version: AgentVersion }> {
  const version = isUuid(versionId) ? await em.findOne(AgentVersion, { id: versionId, tenantId }) : null;
  if (version === null || (agent !== null && version.agentId !== agent.id)) throw notFound('agent version');
  if (!isCleared(version) && !(await isTestNumber(em, tenantId, to)))
    throw new AppError(
      'NOT_CLEARED',
      'This agent version is not cleared for customers; it may call registered test numbers only',
    );
  return { agent: agent ?? (await em.findOneOrFail(Agent, { id: version.agentId, tenantId })), version };
}
