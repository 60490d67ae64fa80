import type { EntityManager } from '@mikro-orm/postgresql';
import { Agent, AgentVersion, PhoneRoute, Tenant, type Call } from '../entities/index.js';
import { AppError, notFound } from '../lib/errors.js';
import { isUuid } from '../lib/ids.js';
import { Check } from '../lib/validation.js';
import type { CarrierAccount } from '../ports/carrier.js';
import type { CarrierAccounts } from './carrier-accounts.js';
import { CLEARED, isCleared, isTestNumber } from './clearance.js';
import { CALLS_OUT, loadRuntimeConfig, telephonyOf, type Telephony } from './telephony.js';
import type { VersionPicker } from './version-picker.js';

/** A request as both doors hand it over; what is absent is resolved. */
export interface MakeCallInput {
  /** Named by admins; a tenant key has its own. */
  tenantId?: string | null;
  to: string;
  from?: string | null;
  agentKey?: string | null;
  agentVersionId?: string | null;
  greeting?: string | null;
  /** Values of the prompt's variables for this call; they win over the version's. A name that the prompt has not is ignored. */
  promptVariables?: Record<string, unknown> | null;
  orgId?: string | null;
  allowConcurrent?: boolean | null;
}

/** What somebody wants to dial, checked for form. */
export interface DialRequest {
  to: string;
  from: string | null;
  agentKey: string | null;
  agentVersionId: string | null;
  greeting: string | null;
  promptVariables: Record<string, string> | null;
  orgId: string | null;
  allowConcurrent: boolean;
}

const MAX_GREETING_CHARACTERS = 2_000;
const MAX_VARIABLES = 100;
const MAX_VARIABLE_CHARACTERS = 2_000;

/** Checks the form of every field at once. Throws VALIDATION_FAILED. */
export function dialRequestOf(input: MakeCallInput, check = new Check()): DialRequest {
  const request: DialRequest = {
    to: check.phone('to', input.to),
    from: input.from == null ? null : check.phone('from', input.from),
    agentKey: check.optionalText('agentKey', input.agentKey, 100),
    agentVersionId: check.optionalText('agentVersionId', input.agentVersionId, 100),
    greeting: check.optionalText('greeting', input.greeting, MAX_GREETING_CHARACTERS),
    promptVariables: promptVariablesOf(check, input.promptVariables ?? null),
    orgId: check.optionalText('orgId', input.orgId, 200),
    allowConcurrent: input.allowConcurrent === true,
  };
  check.when(request.to !== '' && request.from === request.to, 'to', 'must not be the number that calls');
  check.done();
  return request;
}

function promptVariablesOf(check: Check, given: Record<string, unknown> | null): Record<string, string> | null {
  if (given === null) return null;
  if (typeof given !== 'object' || Array.isArray(given)) {
    check.fail('promptVariables', 'must be an object of texts by the name of their variable');
    return null;
  }
  const entries = Object.entries(given);
  check.when(entries.length > MAX_VARIABLES, 'promptVariables', `must hold at most ${MAX_VARIABLES} entries`);
  for (const [name, value] of entries.slice(0, MAX_VARIABLES)) {
    const path = `promptVariables.${name}`;
    if (typeof value !== 'string') check.fail(path, 'must be a text');
    else check.optionalText(path, value, MAX_VARIABLE_CHARACTERS);
  }
  return given as Record<string, string>;
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
  /** When it is to be dialled: now, or later for a scheduled call. */
  at: Date;
}

/**
 * One more reason not to dial (do-not-call, calling hours). Runs inside the transaction that makes the call, before the
 * duplicate guard; throws an AppError to refuse, which leaves no trace and frees the idempotency key.
 */
export interface DialCheck {
  check(em: EntityManager, plan: DialPlan): Promise<void>;
}

/**
 * Runs in the transaction that writes the call row, after every check, and may refuse by throwing: what the call is made
 * for is marked as done together with it, or the call does not come about.
 */
export type DialClaim = (em: EntityManager, call: Call) => Promise<void>;

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
  const route = await routeOf(em, tenantId, request.from, telephony.fromNumber);
  const { agent, version } = await agentOf(em, services.picker, tenantId, request, route);
  const account = await services.accounts.forTenant(em, tenantId);
  if (account === null) throw new AppError('CARRIER_UNAVAILABLE', 'No telephone carrier is configured for this tenant');
  return { tenant, route, agent, version, account, telephony, to: request.to, from: route.number, at };
}

async function routeOf(
  em: EntityManager,
  tenantId: string,
  asked: string | null,
  configured: string | null,
): Promise<PhoneRoute> {
  const outbound = { tenantId, ...CALLS_OUT };
  const from = asked ?? configured;
  const route =
    from !== null
      ? await em.findOne(PhoneRoute, { ...outbound, number: from })
      : await em.findOne(PhoneRoute, outbound, { orderBy: { isDefault: 'desc', createdAt: 'asc', id: 'asc' } });
  if (route !== null) return route;
  // The client named nothing that it could mend.
  const named = asked !== null ? 'from' : `telephony.from_number of the runtime config (${from})`;
  throw new AppError(
    'UNPROCESSABLE',
    from === null
      ? 'This tenant has no phone route for outbound calls'
      : `${named} is not an active phone route of this tenant for outbound calls`,
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

/** The row of a call that is about to be dialled. */
export function dialledRow(plan: DialPlan, { orgId, greeting, promptVariables, allowConcurrent }: DialRequest) {
  return {
    tenantId: plan.tenant.id,
    accountSid: plan.account.accountSid,
    direction: 'OUTBOUND',
    status: 'DIALING',
    fromNumber: plan.from,
    toNumber: plan.to,
    agentId: plan.agent.id,
    agentKey: plan.agent.key,
    agentVersionId: plan.version.id,
    phoneRouteId: plan.route.id,
    orgId,
    greeting,
    promptVariables,
    allowConcurrent,
  } as const;
}
