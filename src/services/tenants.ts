import { Tenant } from '../entities/index.js';
import type { Page } from '../lib/cursor.js';
import { invalid, notFound } from '../lib/errors.js';
import { audit } from './audit-log.js';
import { Checks } from './checks.js';
import type { ServiceContext } from './context.js';
import { listOffset, listPage, type OffsetRequest, type PageRequest, type Rows } from './listing.js';
import { emFor, requireAdmin, tenantOf, type Viewer } from './viewer.js';
import { inTransaction, orConflict, snapshot } from './writes.js';

export interface NewTenant {
  /** Slug: lower case letters, digits, dash and underscore; appears in URLs and events and never changes. */
  id: string;
  name: string;
  /** Fixed at creation: see {@link Tenant}. */
  sandbox?: boolean | null;
  /** IANA; default UTC. */
  timeZone?: string | null;
}
export interface TenantChange {
  name?: string | null;
  timeZone?: string | null;
}

const SLUG = /^[a-z0-9][a-z0-9_-]{0,63}$/;

export class Tenants {
  constructor(private readonly ctx: ServiceContext) {}

  /** Throws VALIDATION_FAILED, CONFLICT when the id is taken. */
  async create(viewer: Viewer, input: NewTenant): Promise<Tenant> {
    requireAdmin(viewer);
    const checks = new Checks();
    const id = checks.text('id', input.id, { max: 64 });
    if (id !== '' && !SLUG.test(id))
      checks.fail('id', 'may hold lower case letters, digits, dash and underscore, and begins with a letter or digit');
    const name = checks.text('name', input.name, { max: 200 });
    const timeZone = input.timeZone == null ? 'UTC' : checks.timeZone('timeZone', input.timeZone);
    checks.done();
    return orConflict(`A tenant with the id ${id} exists`, () =>
      inTransaction(this.ctx, viewer, async (em) => {
        const tenant = em.create(Tenant, { id, name, timeZone, sandbox: input.sandbox ?? false });
        await em.flush();
        audit(em, viewer, {
          tenantId: id,
          action: 'tenant.created',
          subjectType: 'tenant',
          subjectId: id,
          after: snapshot(tenant),
        });
        return tenant;
      }),
    );
  }

  async update(viewer: Viewer, id: string, change: TenantChange): Promise<Tenant> {
    requireAdmin(viewer);
    const checks = new Checks();
    const name = change.name == null ? undefined : checks.text('name', change.name, { max: 200 });
    const timeZone = change.timeZone == null ? undefined : checks.timeZone('timeZone', change.timeZone);
    checks.done();
    return this.change(viewer, id, 'tenant.updated', (tenant) => {
      if (name !== undefined) tenant.name = name;
      if (timeZone !== undefined) tenant.timeZone = timeZone;
    });
  }

  /** From now on its API answers 403, its calls get the fallback, and its subscriptions end. */
  async suspend(viewer: Viewer, id: string, reason?: string | null): Promise<Tenant> {
    requireAdmin(viewer);
    const tenant = await this.change(viewer, id, 'tenant.suspended', (row) => void (row.status = 'SUSPENDED'), reason);
    await this.ctx.topics.publish('accessRevoked', { tenantId: id, keyId: null });
    return tenant;
  }

  async resume(viewer: Viewer, id: string): Promise<Tenant> {
    requireAdmin(viewer);
    const tenant = await this.change(viewer, id, 'tenant.resumed', (row) => void (row.status = 'ACTIVE'));
    // Not a revocation, but the same caches hold the old status.
    await this.ctx.topics.publish('accessRevoked', { tenantId: id, keyId: null });
    return tenant;
  }

  /** Null when missing or foreign. */
  async find(viewer: Viewer, id: string): Promise<Tenant | null> {
    if (viewer.kind === 'tenant' && viewer.tenantId !== id) return null;
    return emFor(this.ctx.database, viewer).findOne(Tenant, { id });
  }

  /** Throws NOT_FOUND. */
  async get(viewer: Viewer, id: string): Promise<Tenant> {
    const tenant = await this.find(viewer, id);
    if (tenant === null) throw notFound('tenant');
    return tenant;
  }

  page(viewer: Viewer, request: PageRequest): Promise<Page<Tenant>> {
    return listPage(emFor(this.ctx.database, viewer), Tenant, visibleTo(viewer), request, 'createdAt', false);
  }
  list(viewer: Viewer, request: OffsetRequest): Promise<Rows<Tenant>> {
    return listOffset(emFor(this.ctx.database, viewer), Tenant, visibleTo(viewer), request);
  }

  private change(
    viewer: Viewer,
    id: string,
    action: string,
    apply: (tenant: Tenant) => void,
    reason?: string | null,
  ): Promise<Tenant> {
    return inTransaction(this.ctx, viewer, async (em) => {
      const tenant = await em.findOne(Tenant, { id });
      if (tenant === null) throw notFound('tenant');
      const before = snapshot(tenant);
      apply(tenant);
      await em.flush();
      audit(em, viewer, {
        tenantId: id,
        action,
        subjectType: 'tenant',
        subjectId: id,
        before,
        after: snapshot(tenant),
        reason: reason ?? null,
      });
      return tenant;
    });
  }
}

const visibleTo = (viewer: Viewer) => (viewer.kind === 'tenant' ? { id: viewer.tenantId } : {});

/**
 * The tenant that an admin's write is about: it must exist (a foreign key error would say less).
 * Throws VALIDATION_FAILED when none is named, NOT_FOUND.
 */
export async function existingTenant(ctx: ServiceContext, viewer: Viewer, tenantId: string | null | undefined) {
  const id = tenantOf(viewer, tenantId);
  if (id === '') throw invalid({ path: 'tenantId', message: 'must not be empty' });
  const tenant = await emFor(ctx.database, viewer).findOne(Tenant, { id });
  if (tenant === null) throw notFound('tenant');
  return tenant;
}
