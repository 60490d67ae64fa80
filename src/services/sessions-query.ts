import type { EntityManager, FilterQuery } from '@mikro-orm/postgresql';
import { Evaluation, ToolCall, Turn, VoiceSession, type SessionStatus } from '../entities/index.js';
import type { Page } from '../lib/cursor.js';
import { notFound } from '../lib/errors.js';
import { isUuid } from '../lib/ids.js';
import type { ServiceContext } from './context.js';
import { listOffset, listPage, type OffsetRequest, type PageRequest, type Rows } from './listing.js';
import { emFor, requireScope, type Viewer } from './viewer.js';

export interface VoiceSessionFilter {
  /** An admin's choice; a tenant key sees its own whatever it says. */
  tenantId?: string | null;
  status?: readonly SessionStatus[] | null;
  agentKey?: string | null;
  agentVersionId?: string | null;
  streamSid?: string | null;
  escalated?: boolean | null;
  /** Whether a person judged it. */
  reviewed?: boolean | null;
  /** Missing: synthetic calls' too. */
  synthetic?: boolean | null;
  startedAfter?: Date | null;
  startedBefore?: Date | null;
}

/** Sessions with their conversations. */
export class SessionsQuery {
  constructor(private readonly ctx: ServiceContext) {}

  /** Null when missing or foreign. */
  async find(viewer: Viewer, id: string): Promise<VoiceSession | null> {
    requireScope(viewer, 'sessions:read');
    return isUuid(id) ? emFor(this.ctx.database, viewer).findOne(VoiceSession, { id }) : null;
  }
  /** Throws NOT_FOUND. */
  async get(viewer: Viewer, id: string): Promise<VoiceSession> {
    const session = await this.find(viewer, id);
    if (session === null) throw notFound('voice session');
    return session;
  }

  page(viewer: Viewer, filter: VoiceSessionFilter, request: PageRequest): Promise<Page<VoiceSession>> {
    requireScope(viewer, 'sessions:read');
    return listPage(this.em(viewer, filter), VoiceSession, whereSession(filter), request, 'startedAt');
  }
  list(viewer: Viewer, filter: VoiceSessionFilter, request: OffsetRequest): Promise<Rows<VoiceSession>> {
    requireScope(viewer, 'sessions:read');
    return listOffset(this.em(viewer, filter), VoiceSession, whereSession(filter), request, 'startedAt');
  }

  /** The live ones, newest first; at most 500. */
  async active(
    viewer: Viewer,
    { tenantId, synthetic }: Pick<VoiceSessionFilter, 'tenantId' | 'synthetic'>,
  ): Promise<VoiceSession[]> {
    requireScope(viewer, 'sessions:read');
    return emFor(this.ctx.database, viewer, tenantId).find(
      VoiceSession,
      { status: 'ACTIVE', ...(synthetic == null ? {} : { synthetic }) },
      { orderBy: { startedAt: 'desc', id: 'desc' }, limit: 500 },
    );
  }

  /** For dataloaders, each in its natural order, of many sessions at once. */
  async byIds(viewer: Viewer, ids: readonly string[]): Promise<VoiceSession[]> {
    requireScope(viewer, 'sessions:read');
    return emFor(this.ctx.database, viewer).find(VoiceSession, { id: { $in: ids.filter(isUuid) } });
  }
  async turnsOf(viewer: Viewer, sessionIds: readonly string[]): Promise<Turn[]> {
    requireScope(viewer, 'sessions:read');
    const em = emFor(this.ctx.database, viewer);
    return em.find(Turn, { sessionId: { $in: [...sessionIds] } }, { orderBy: { sessionId: 'asc', index: 'asc' } });
  }
  async toolCallsOf(viewer: Viewer, sessionIds: readonly string[]): Promise<ToolCall[]> {
    requireScope(viewer, 'sessions:read');
    const em = emFor(this.ctx.database, viewer);
    return em.find(ToolCall, { sessionId: { $in: [...sessionIds] } }, { orderBy: { startedAtMs: 'asc', id: 'asc' } });
  }
  async evaluationsOf(viewer: Viewer, sessionIds: readonly string[]): Promise<Evaluation[]> {
    requireScope(viewer, 'evaluations:read');
    const em = emFor(this.ctx.database, viewer);
    return em.find(Evaluation, { sessionId: { $in: [...sessionIds] } }, { orderBy: { createdAt: 'desc', id: 'desc' } });
  }

  private em(viewer: Viewer, filter: VoiceSessionFilter): EntityManager {
    return emFor(this.ctx.database, viewer, filter.tenantId);
  }
}

function whereSession(filter: VoiceSessionFilter): FilterQuery<VoiceSession> {
  const { status, reviewed, startedAfter, startedBefore } = filter;
  if (filter.agentVersionId != null && !isUuid(filter.agentVersionId)) return { id: { $in: [] } };
  const equal = (['agentKey', 'agentVersionId', 'streamSid', 'escalated', 'synthetic'] as const).flatMap((name) =>
    filter[name] == null ? [] : [[name, filter[name]] as const],
  );
  return {
    ...Object.fromEntries(equal),
    ...(reviewed == null ? {} : { reviewedAt: reviewed ? { $ne: null } : null }),
    ...(status == null || status.length === 0 ? {} : { status: { $in: [...status] } }),
    ...(startedAfter == null && startedBefore == null
      ? {}
      : {
          startedAt: {
            ...(startedAfter == null ? {} : { $gte: startedAfter }),
            ...(startedBefore == null ? {} : { $lt: startedBefore }),
          },
        }),
  } as FilterQuery<VoiceSession>;
}
