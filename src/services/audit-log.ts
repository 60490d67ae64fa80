import type { EntityManager } from '@mikro-orm/postgresql';
import { AuditEntry } from '../entities/index.js';
import { actorOf, type Viewer } from './viewer.js';

/** One change, as the audit log keeps it. `before`/`after` hold API-shaped values; secrets are masked here. */
export interface AuditedChange {
  tenantId: string | null;
  /** `agent_version.published`, `api_key.revoked` … */
  action: string;
  subjectType: string;
  subjectId: string;
  before?: Record<string, unknown> | null;
  after?: Record<string, unknown> | null;
  reason?: string | null;
}

/** Writes the entry in the transaction of the change: there is no change without its entry. */
export function audit(em: EntityManager, viewer: Viewer, change: AuditedChange): void {
  em.create(AuditEntry, {
    tenantId: change.tenantId,
    actor: actorOf(viewer),
    address: viewer.request.address,
    requestId: viewer.request.requestId,
    action: change.action,
    subjectType: change.subjectType,
    subjectId: change.subjectId,
    before: maskSecrets(change.before ?? null),
    after: maskSecrets(change.after ?? null),
    reason: change.reason ?? null,
  });
}

/**
 * The same of what tenants do by the thousand and their own rows tell: calls, judgements, repeated deliveries. Of an admin, who
 * acts in a tenant's name, it is on the log.
 */
export function auditAdmin(em: EntityManager, viewer: Viewer, change: AuditedChange): void {
  if (viewer.kind === 'admin') audit(em, viewer, change);
}

const SECRET_NAME = /secret|token|password|sealed|hash|authorization/i;

function maskSecrets<T>(value: T): T {
  if (Array.isArray(value)) return value.map(maskSecrets) as T;
  if (value === null || typeof value !== 'object' || value instanceof Date) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      SECRET_NAME.test(name) && inner != null && typeof inner !== 'boolean' ? '•••' : maskSecrets(inner),
    ]),
  ) as T;
}
