import {
  Agent,
  AgentVersion,
  PhoneRoute,
  type BusinessHours,
  type CallFallback,
  type RouteDirection,
} from '../entities/index.js';
import { ROUTE_DIRECTIONS } from '../entities/index.js';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { Page } from '../lib/cursor.js';
import { AppError, invalid, notFound } from '../lib/errors.js';
import { isUuid } from '../lib/ids.js';
import { CarrierError, type Carrier } from '../ports/carrier.js';
import { fallback } from './agent-contract.js';
import { audit } from './audit-log.js';
import type { CarrierAccounts } from './carrier-accounts.js';
import { Checks, knownId } from './checks.js';
import { isCleared, type Clearance, type ClearanceRequest } from './clearance.js';
import type { ServiceContext } from './context.js';
import { given, listOffset, listPage, type OffsetRequest, type PageRequest, type Rows } from './listing.js';
import { reachableAgents, versionsServing } from './reachable-agents.js';
import { verificationOf, type RouteVerification } from './route-verification.js';
import type { Announce } from './session-end.js';
import { existingTenant } from './tenants.js';
import { emFor, requireAdmin, requireScope, type Viewer } from './viewer.js';
import { inTransaction, orConflict, snapshot } from './writes.js';

/** Undefined on an update: as it is. */
export interface PhoneRouteChange extends ClearanceRequest {
  direction?: RouteDirection | null;
  /** By key or id; one of them on creation. */
  agentKey?: string | null;
  agentId?: string | null;
  /** Pins a version; null: the published one and its canary. */
  agentVersionId?: string | null;
  isDefault?: boolean | null;
  businessHours?: (Omit<BusinessHours, 'outside'> & { outside: PhoneRouteDestination }) | null;
  fallback?: { action: CallFallback['action']; message?: string | null; target?: string | null } | null;
  transferNumber?: string | null;
  active?: boolean | null;
}
export interface NewPhoneRoute extends PhoneRouteChange {
  tenantId?: string | null;
  number: string;
}
export interface PhoneRouteDestination {
  action: BusinessHours['outside']['action'];
  message?: string | null;
  target?: string | null;
}

export class PhoneRoutes {
  constructor(
    private readonly ctx: ServiceContext,
    private readonly carrier: Carrier,
    private readonly accounts: CarrierAccounts,
    private readonly clearance: Clearance,
  ) {}

  /**
   * Throws VALIDATION_FAILED, NOT_FOUND, CONFLICT when the number is routed already, by whomever; LAUNCH_GATES_FAILED when
   * it would lead callers to a version that has not earned them, unless `force` with a reason.
   */
  async create(viewer: Viewer, input: NewPhoneRoute): Promise<PhoneRoute> {
    requireAdmin(viewer);
    const checks = new Checks();
    const number = checks.phone('number', input.number);
    if (input.agentKey == null && input.agentId == null) checks.fail('agentKey', 'is needed');
    const fields = checkedFields(checks, input);
    checks.done();
    const { id: tenantId } = await existingTenant(this.ctx, viewer, input.tenantId);
    // Whose it is stays a secret: another tenant's numbers are none of this one's business.
    const { route, announce } = await orConflict('This number is routed already', () =>
      inTransaction(this.ctx, viewer, async (em) => {
        const reached = await reachableAgents(em, tenantId);
        const agent = await agentOf(em, tenantId, input);
        await requireAgentOutside(em, tenantId, fields.businessHours);
        const route = em.create(PhoneRoute, {
          direction: 'BOTH',
          ...fields,
          tenantId,
          number,
          agentId: agent!.id,
          agentVersionId: await pinned(em, agent!, input.agentVersionId ?? null),
        });
        await em.flush();
        await onlyDefault(em, route);
        audit(em, viewer, {
          tenantId,
          action: 'phone_route.created',
          subjectType: 'phone_route',
          subjectId: route.id,
          after: snapshot(route),
          reason: input.reason ?? null,
        });
        return { route, announce: await this.askForReached(em, viewer, tenantId, reached, input) };
      }),
    );
    await announce();
    return route;
  }

  /** Throws as {@link create}. */
  async update(viewer: Viewer, id: string, change: PhoneRouteChange): Promise<PhoneRoute> {
    requireAdmin(viewer);
    const checks = new Checks();
    const fields = checkedFields(checks, change);
    checks.done();
    const { route, announce } = await inTransaction(this.ctx, viewer, async (em) => {
      const route = await routeOf(em, id);
      const reached = await reachableAgents(em, route.tenantId);
      const before = snapshot(route);
      const agent = await agentOf(em, route.tenantId, change);
      await requireAgentOutside(em, route.tenantId, fields.businessHours);
      em.assign(route, fields);
      if (agent !== null && agent.id !== route.agentId) {
        route.agentId = agent.id;
        // The other agent's version cannot stay pinned.
        route.agentVersionId = null;
      }
      if (change.agentVersionId !== undefined)
        route.agentVersionId = await pinned(em, await em.findOneOrFail(Agent, route.agentId), change.agentVersionId);
      await em.flush();
      await onlyDefault(em, route);
      audit(em, viewer, {
        tenantId: route.tenantId,
        action: 'phone_route.updated',
        subjectType: 'phone_route',
        subjectId: id,
        before,
        after: snapshot(route),
        reason: change.reason ?? null,
      });
      return { route, announce: await this.askForReached(em, viewer, route.tenantId, reached, change) };
    });
    await announce();
    return route;
  }

  /** Versions of agents that no number led callers to before answer to the gates that are about callers. */
  private async askForReached(
    em: EntityManager,
    viewer: Viewer,
    tenantId: string,
    before: ReadonlyMap<string, number>,
    request: ClearanceRequest,
  ): Promise<Announce> {
    const announcements: Announce[] = [];
    for (const agentId of (await reachableAgents(em, tenantId)).keys())
      if (!before.has(agentId))
        for (const version of await versionsServing(em, agentId))
          announcements.push(await this.clearance.requireReachable(em, viewer, version, request));
    return async () => {
      for (const announce of announcements) await announce();
    };
  }

  async remove(viewer: Viewer, id: string): Promise<PhoneRoute> {
    requireAdmin(viewer);
    return inTransaction(this.ctx, viewer, async (em) => {
      const route = await routeOf(em, id);
      const before = snapshot(route);
      await em.remove(route).flush();
      audit(em, viewer, {
        tenantId: route.tenantId,
        action: 'phone_route.removed',
        subjectType: 'phone_route',
        subjectId: id,
        before,
      });
      return route;
    });
  }

  /** Asks the carrier whether the number points here. Throws NOT_FOUND, CARRIER_UNAVAILABLE, CARRIER_REJECTED. */
  async verify(viewer: Viewer, id: string): Promise<RouteVerification> {
    requireAdmin(viewer);
    const em = emFor(this.ctx.database, viewer);
    const route = await routeOf(em, id);
    const account = await this.accounts.forTenant(em, route.tenantId);
    if (account === null)
      throw new AppError('CARRIER_UNAVAILABLE', 'No Twilio credentials are configured for this tenant');
    const found = await this.carrier.fetchNumber(account, route.number).catch((error: unknown) => {
      if (!(error instanceof CarrierError)) throw error;
      throw error.failure === 'rejected'
        ? new AppError('CARRIER_REJECTED', 'Twilio refused the request: check the credentials', { cause: error })
        : new AppError('CARRIER_UNAVAILABLE', 'Twilio does not answer', { cause: error, retryAfterSeconds: 10 });
    });
    return verificationOf(found, this.ctx.settings.publicUrl);
  }

  async get(viewer: Viewer, id: string): Promise<PhoneRoute> {
    requireScope(viewer, 'agents:read');
    return routeOf(emFor(this.ctx.database, viewer), id);
  }
  /** By id or number. Null when missing or foreign. */
  async find(viewer: Viewer, by: { id?: string | null; number?: string | null }): Promise<PhoneRoute | null> {
    requireScope(viewer, 'agents:read');
    const em = emFor(this.ctx.database, viewer);
    if (by.id != null) return isUuid(by.id) ? em.findOne(PhoneRoute, { id: by.id }) : null;
    return by.number == null ? null : em.findOne(PhoneRoute, { number: by.number });
  }
  page(viewer: Viewer, tenantId: string | null | undefined, request: PageRequest): Promise<Page<PhoneRoute>> {
    requireScope(viewer, 'agents:read');
    return listPage(emFor(this.ctx.database, viewer, tenantId), PhoneRoute, {}, request);
  }
  list(
    viewer: Viewer,
    { tenantId, ...where }: { tenantId?: string | null; number?: string },
    request: OffsetRequest,
  ): Promise<Rows<PhoneRoute>> {
    requireScope(viewer, 'agents:read');
    return listOffset(emFor(this.ctx.database, viewer, tenantId), PhoneRoute, given(where), request);
  }
}

function checkedFields(checks: Checks, input: PhoneRouteChange) {
  const hours = input.businessHours;
  return {
    ...(input.direction == null ? {} : { direction: checks.oneOf('direction', input.direction, ROUTE_DIRECTIONS) }),
    ...(input.isDefault == null ? {} : { isDefault: input.isDefault }),
    ...(input.active == null ? {} : { active: input.active }),
    ...(hours === undefined ? {} : { businessHours: hours === null ? null : businessHours(checks, hours) }),
    ...(input.fallback === undefined
      ? {}
      : { fallback: input.fallback === null ? null : fallback(checks, 'fallback', input.fallback) }),
    ...(input.transferNumber === undefined
      ? {}
      : { transferNumber: checks.optionalPhone('transferNumber', input.transferNumber) }),
  };
}

function businessHours(checks: Checks, hours: NonNullable<PhoneRouteChange['businessHours']>): BusinessHours {
  const path = 'businessHours.outside';
  const weekly = checks.weeklyHours('businessHours', hours);
  const { action, message = null, target = null } = hours.outside;
  if (action !== 'agent') return { ...weekly, outside: fallback(checks, path, { action, message, target }) };
  return {
    ...weekly,
    outside: {
      action,
      message: checks.optionalText(`${path}.message`, message, { max: 2_000 }),
      target: checks.key(`${path}.target`, target),
    },
  };
}

/** Null when the input names none. Throws NOT_FOUND. */
async function agentOf(em: EntityManager, tenantId: string, input: PhoneRouteChange): Promise<Agent | null> {
  if (input.agentKey == null && input.agentId == null) return null;
  if (input.agentId != null && !isUuid(input.agentId)) throw notFound('agent');
  const agent = await em.findOne(Agent, {
    tenantId,
    ...(input.agentId == null ? {} : { id: input.agentId }),
    ...(input.agentKey == null ? {} : { key: input.agentKey }),
  });
  if (agent === null) throw notFound('agent');
  return agent;
}

/** Throws VALIDATION_FAILED: callers outside of the hours would be led to nobody. */
async function requireAgentOutside(em: EntityManager, tenantId: string, hours: BusinessHours | null | undefined) {
  if (hours?.outside.action !== 'agent') return;
  if ((await em.count(Agent, { tenantId, key: hours.outside.target! })) === 0)
    throw invalid({ path: 'businessHours.outside.target', message: 'names no agent of this tenant' });
}

/** A pinned version takes customers, so it must be cleared. Throws NOT_FOUND, NOT_CLEARED. */
async function pinned(em: EntityManager, agent: Agent, versionId: string | null): Promise<string | null> {
  if (versionId === null) return null;
  const version = await em.findOne(AgentVersion, { id: knownId('agent version', versionId), agentId: agent.id });
  if (version === null) throw notFound('agent version');
  if (!isCleared(version))
    throw new AppError('NOT_CLEARED', 'This agent version is not cleared for customers; publish it first');
  return version.id;
}

/** A tenant has one default route. */
async function onlyDefault(em: EntityManager, route: PhoneRoute): Promise<void> {
  if (route.isDefault)
    await em.nativeUpdate(
      PhoneRoute,
      { tenantId: route.tenantId, isDefault: true, id: { $ne: route.id } },
      { isDefault: false },
    );
}

async function routeOf(em: EntityManager, id: string): Promise<PhoneRoute> {
  const route = await em.findOne(PhoneRoute, { id: knownId('phone route', id) });
  if (route === null) throw notFound('phone route');
  return route;
}
