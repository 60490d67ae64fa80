import type { FilterQuery } from '@mikro-orm/postgresql';
import { AuditEntry } from '../entities/index.js';
import type { Page } from '../lib/cursor.js';
import type { ServiceContext } from './context.js';
import { listOffset, listPage, type OffsetRequest, type PageRequest, type Rows } from './listing.js';
import { emFor, requireAdmin, type Viewer } from './viewer.js';

export interface AuditFilter {
  tenantId?: string | null;
  actor?: string | null;
  /** `agent_version.published`; or a subject with a dot at the end (`agent_version.`) for all its actions. */
  action?: string | null;
  subjectType?: string | null;
  subjectId?: string | null;
  since?: Date | null;
  until?: Date | null;
}

const EXPORT_PAGE = 100;

/** The audit log, for admins. */
export class AuditQuery {
  constructor(private readonly ctx: ServiceContext) {}

  page(viewer: Viewer, filter: AuditFilter, request: PageRequest): Promise<Page<AuditEntry>> {
    requireAdmin(viewer);
    return listPage(emFor(this.ctx.database, viewer, filter.tenantId), AuditEntry, whereEntry(filter), request);
  }
  list(viewer: Viewer, filter: AuditFilter, request: OffsetRequest): Promise<Rows<AuditEntry>> {
    requireAdmin(viewer);
    return listOffset(emFor(this.ctx.database, viewer, filter.tenantId), AuditEntry, whereEntry(filter), request);
  }

  /** Every matching entry, newest first, page by page: an export never holds the whole log in memory. */
  async *export(viewer: Viewer, filter: AuditFilter): AsyncGenerator<AuditEntry> {
    requireAdmin(viewer);
    let after: { at: Date; id: string } | null = null;
    for (;;) {
      const beyond: FilterQuery<AuditEntry>[] =
        after === null
          ? []
          : [{ $or: [{ createdAt: { $lt: after.at } }, { createdAt: after.at, id: { $lt: after.id } }] }];
      const rows: AuditEntry[] = await emFor(this.ctx.database, viewer, filter.tenantId).find(
        AuditEntry,
        { $and: [whereEntry(filter), ...beyond] } as FilterQuery<AuditEntry>,
        { orderBy: { createdAt: 'desc', id: 'desc' }, limit: EXPORT_PAGE },
      );
      yield* rows;
      const last = rows.at(-1);
      if (rows.length < EXPORT_PAGE || last === undefined) return;
      after = { at: last.createdAt, id: last.id };
    }
  }
}

function whereEntry(filter: AuditFilter): FilterQuery<AuditEntry> {
  const { action, since, until } = filter;
  const equal = (['actor', 'subjectType', 'subjectId'] as const).flatMap((name) =>
    filter[name] == null ? [] : [[name, filter[name]] as const],
  );
  return {
    ...Object.fromEntries(equal),
    ...(action == null ? {} : { action: action.endsWith('.') ? { $like: `${likeLiteral(action)}%` } : action }),
    ...(since == null && until == null
      ? {}
      : { createdAt: { ...(since == null ? {} : { $gte: since }), ...(until == null ? {} : { $lt: until }) } }),
  } as FilterQuery<AuditEntry>;
}

const likeLiteral = (text: string) => text.replace(/[\\%_]/g, '\\$&');
