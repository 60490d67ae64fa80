import type { FilterQuery } from '@mikro-orm/postgresql';
import { Diagnostic, type DiagnosticSeverity } from '../entities/index.js';
import type { Page } from '../lib/cursor.js';
import { notFound } from '../lib/errors.js';
import { audit } from './audit-log.js';
import { knownId } from './checks.js';
import type { ServiceContext } from './context.js';
import { listOffset, listPage, type OffsetRequest, type PageRequest, type Rows } from './listing.js';
import { emFor, requireAdmin, requireScope, type Viewer } from './viewer.js';
import { inTransaction, snapshot } from './writes.js';

export interface DiagnosticFilter {
  tenantId?: string | null;
  severity?: DiagnosticSeverity | null;
  code?: string | null;
  /** False: the open ones. */
  resolved?: boolean | null;
}

/** What the gateway noticed, for people: a tenant's own, an admin's everything. */
export class DiagnosticsQuery {
  constructor(private readonly ctx: ServiceContext) {}

  page(viewer: Viewer, filter: DiagnosticFilter, request: PageRequest): Promise<Page<Diagnostic>> {
    requireScope(viewer, 'operations:read');
    const em = emFor(this.ctx.database, viewer, filter.tenantId);
    return listPage(em, Diagnostic, whereDiagnostic(filter), request, 'lastSeenAt');
  }
  list(viewer: Viewer, filter: DiagnosticFilter, request: OffsetRequest): Promise<Rows<Diagnostic>> {
    requireScope(viewer, 'operations:read');
    const em = emFor(this.ctx.database, viewer, filter.tenantId);
    return listOffset(em, Diagnostic, whereDiagnostic(filter), request, 'lastSeenAt');
  }

  /** Null when missing or foreign. */
  async find(viewer: Viewer, id: string, tenantId?: string | null): Promise<Diagnostic | null> {
    requireScope(viewer, 'operations:read');
    return emFor(this.ctx.database, viewer, tenantId).findOne(Diagnostic, { id: knownId('diagnostic', id) });
  }

  /** Seen and dealt with; it opens again by itself when it happens again. Safe to repeat. */
  async resolve(viewer: Viewer, id: string): Promise<Diagnostic> {
    requireAdmin(viewer);
    return inTransaction(this.ctx, viewer, async (em) => {
      const row = await em.findOne(Diagnostic, { id: knownId('diagnostic', id) });
      if (row === null) throw notFound('diagnostic');
      if (row.resolvedAt !== null) return row;
      const before = snapshot(row);
      row.resolvedAt = this.ctx.clock.now();
      await em.flush();
      audit(em, viewer, {
        tenantId: row.tenantId ?? null,
        action: 'diagnostic.resolved',
        subjectType: 'diagnostic',
        subjectId: id,
        before,
        after: snapshot(row),
      });
      return row;
    });
  }
}

function whereDiagnostic({ severity, code, resolved }: DiagnosticFilter): FilterQuery<Diagnostic> {
  return {
    ...(severity == null ? {} : { severity }),
    ...(code == null ? {} : { code }),
    ...(resolved == null ? {} : { resolvedAt: resolved ? { $ne: null } : null }),
  } as FilterQuery<Diagnostic>;
}
