import { Agent, AgentVersion } from '../entities/index.js';
import type { Page } from '../lib/cursor.js';
import { notFound } from '../lib/errors.js';
import type { WeeklyHours } from '../lib/hours.js';
import { isUuid } from '../lib/ids.js';
import { audit } from './audit-log.js';
import { Checks, knownId } from './checks.js';
import type { ServiceContext } from './context.js';
import {
  given,
  listOffset,
  listPage,
  type NamedByKey,
  type OffsetRequest,
  type PageRequest,
  type Rows,
} from './listing.js';
import { existingTenant } from './tenants.js';
import { emFor, requireAdmin, requireScope, tenantOf, type Viewer } from './viewer.js';
import { inTransaction, orConflict, snapshot } from './writes.js';

export interface NewAgent {
  tenantId?: string | null;
  /** What `make-call` names; unique per tenant, never changes. */
  key: string;
  name?: string | null;
  /** When customers may be dialled; null: the tenant's. */
  callingHours?: WeeklyHours | null;
}
/** Undefined: as it is. */
export interface AgentChange {
  name?: string;
  callingHours?: WeeklyHours | null;
}

export class Agents {
  constructor(private readonly ctx: ServiceContext) {}

  /** Throws VALIDATION_FAILED, NOT_FOUND, CONFLICT when the key is taken. */
  async create(viewer: Viewer, input: NewAgent): Promise<Agent> {
    requireAdmin(viewer);
    const checks = new Checks();
    const key = checks.key('key', input.key);
    const name = checks.optionalText('name', input.name, { max: 200 }) ?? key;
    const callingHours = input.callingHours == null ? null : checks.weeklyHours('callingHours', input.callingHours);
    checks.done();
    const { id: tenantId } = await existingTenant(this.ctx, viewer, input.tenantId);
    return orConflict(`An agent with the key ${key} exists`, () =>
      inTransaction(this.ctx, viewer, async (em) => {
        const agent = em.create(Agent, { tenantId, key, name, callingHours, publishedVersionId: null });
        await em.flush();
        audit(em, viewer, {
          tenantId,
          action: 'agent.created',
          subjectType: 'agent',
          subjectId: agent.id,
          after: snapshot(agent),
        });
        return agent;
      }),
    );
  }

  async update(viewer: Viewer, id: string, change: AgentChange): Promise<Agent> {
    requireAdmin(viewer);
    knownId('agent', id);
    const checks = new Checks();
    const name = change.name === undefined ? undefined : checks.text('name', change.name, { max: 200 });
    const callingHours =
      change.callingHours == null ? change.callingHours : checks.weeklyHours('callingHours', change.callingHours);
    checks.done();
    return inTransaction(this.ctx, viewer, async (em) => {
      const agent = await em.findOne(Agent, { id });
      if (agent === null) throw notFound('agent');
      const before = snapshot(agent);
      if (name !== undefined) agent.name = name;
      if (callingHours !== undefined) agent.callingHours = callingHours;
      await em.flush();
      audit(em, viewer, {
        tenantId: agent.tenantId,
        action: 'agent.updated',
        subjectType: 'agent',
        subjectId: id,
        before,
        after: snapshot(agent),
      });
      return agent;
    });
  }

  /** By id, or by key (an admin names the tenant). Null when missing or foreign. */
  async find(viewer: Viewer, { id, key, tenantId }: NamedByKey): Promise<Agent | null> {
    requireScope(viewer, 'agents:read');
    if (id != null) return isUuid(id) ? emFor(this.ctx.database, viewer).findOne(Agent, { id }) : null;
    if (key == null) return null;
    const tenant = tenantOf(viewer, tenantId);
    return emFor(this.ctx.database, viewer, tenant).findOne(Agent, { tenantId: tenant, key });
  }

  /** Throws NOT_FOUND. */
  async get(viewer: Viewer, id: string): Promise<Agent> {
    requireScope(viewer, 'agents:read');
    const agent = await emFor(this.ctx.database, viewer).findOne(Agent, { id: knownId('agent', id) });
    if (agent === null) throw notFound('agent');
    return agent;
  }

  page(viewer: Viewer, tenantId: string | null | undefined, request: PageRequest): Promise<Page<Agent>> {
    requireScope(viewer, 'agents:read');
    return listPage(emFor(this.ctx.database, viewer, tenantId), Agent, {}, request);
  }
  list(viewer: Viewer, { tenantId, key }: Omit<NamedByKey, 'id'>, request: OffsetRequest): Promise<Rows<Agent>> {
    requireScope(viewer, 'agents:read');
    return listOffset(emFor(this.ctx.database, viewer, tenantId), Agent, given({ key }), request);
  }

  /** For dataloaders: the visible ones of `ids`. */
  async byIds(viewer: Viewer, ids: readonly string[]): Promise<Agent[]> {
    requireScope(viewer, 'agents:read');
    return emFor(this.ctx.database, viewer).find(Agent, { id: { $in: ids.filter(isUuid) } });
  }

  /** Throws NOT_FOUND. */
  async versionPage(viewer: Viewer, agentId: string, request: PageRequest): Promise<Page<AgentVersion>> {
    const { id } = await this.get(viewer, agentId);
    return listPage(emFor(this.ctx.database, viewer), AgentVersion, { agentId: id }, request);
  }
  async versionList(viewer: Viewer, agentId: string, request: OffsetRequest): Promise<Rows<AgentVersion>> {
    const { id } = await this.get(viewer, agentId);
    return listOffset(emFor(this.ctx.database, viewer), AgentVersion, { agentId: id }, request);
  }
}
