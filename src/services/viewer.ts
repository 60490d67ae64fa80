import type { EntityManager } from '@mikro-orm/postgresql';
import type { Database } from '../entities/database.js';
import { AppError, invalid, notFound } from '../lib/errors.js';

/** What a tenant key may be allowed to do; listed in docs and offered by `createApiKey`. */
export const SCOPES = [
  'calls:read',
  'calls:write',
  'sessions:read',
  'live:read',
  'evaluations:read',
  'evaluations:write',
  'operations:read',
  'operations:write',
  'agents:read',
  'webhooks:read',
  'webhooks:write',
] as const;
export type Scope = (typeof SCOPES)[number];

/**
 * Who asks. Doors make one from the credential; every service method takes it first and authorises in its first line.
 * `system` is the gateway itself (Twilio's verified webhooks, jobs).
 */
export type Viewer = TenantViewer | AdminViewer | SystemViewer;

export interface TenantViewer {
  kind: 'tenant';
  tenantId: string;
  apiKeyId: string;
  scopes: ReadonlySet<Scope>;
  request: RequestFacts;
}
export interface AdminViewer {
  kind: 'admin';
  /** Shown in the audit log: `admin-key:<first 6 of hash>` or the user name. */
  name: string;
  request: RequestFacts;
}
export interface SystemViewer {
  kind: 'system';
  /** Part of the gateway: `twilio`, `reaper`, `rollout` … */
  name: string;
  request: RequestFacts;
}
/** Where the request came from, for the audit log. */
export interface RequestFacts {
  requestId: string | null;
  address: string | null;
}

export const systemViewer = (name: string): SystemViewer => ({
  kind: 'system',
  name,
  request: { requestId: null, address: null },
});

/** Name of the viewer in `by`, `actor` and the like. */
export function actorOf(viewer: Viewer): string {
  return viewer.kind === 'tenant'
    ? `key:${viewer.apiKeyId}`
    : viewer.kind === 'admin'
      ? viewer.name
      : `system:${viewer.name}`;
}

/** The viewer must be an admin (or the gateway itself). */
export function requireAdmin(viewer: Viewer): void {
  if (viewer.kind === 'tenant') throw new AppError('FORBIDDEN', 'This needs an admin credential');
}

/** The viewer must be an admin, or a tenant key with `scope`. */
export function requireScope(viewer: Viewer, scope: Scope): void {
  if (viewer.kind === 'tenant' && !viewer.scopes.has(scope))
    throw new AppError('FORBIDDEN', `This key lacks the scope ${scope}`, { extra: { required_scope: scope } });
}

/**
 * The tenant that a request is about: a tenant key's own (naming a foreign one looks like a missing one),
 * for an admin the named one. Throws VALIDATION_FAILED when an admin names none.
 */
export function tenantOf(viewer: Viewer, tenantId: string | null | undefined): string {
  if (viewer.kind === 'tenant') {
    if (tenantId != null && tenantId !== viewer.tenantId) throw notFound('tenant');
    return viewer.tenantId;
  }
  if (tenantId == null) throw invalid({ path: 'tenantId', message: 'an admin names the tenant' });
  return tenantId;
}

/** An EntityManager that sees what this viewer may: a tenant's rows, or every tenant's (optionally narrowed). */
export function emFor(database: Database, viewer: Viewer, tenantId?: string | null): EntityManager {
  if (viewer.kind === 'tenant') return database.em({ tenantId: tenantOf(viewer, tenantId) });
  return database.em(tenantId == null ? { all: true } : { tenantId });
}
