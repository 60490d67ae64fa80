import type { EntityManager, FilterQuery } from '@mikro-orm/postgresql';
import { Call, VoiceSession, type CallDirection, type CallStatus } from '../entities/index.js';
import type { Page } from '../lib/cursor.js';
import { notFound } from '../lib/errors.js';
import { isUuid } from '../lib/ids.js';
import type { ServiceContext } from './context.js';
import { listOffset, listPage, type OffsetRequest, type PageRequest, type Rows } from './listing.js';
import { emFor, requireScope, type Viewer } from './viewer.js';

export interface CallFilter {
  /** An admin's choice; a tenant key sees its own whatever it says. */
  tenantId?: string | null;
  status?: readonly CallStatus[] | null;
  direction?: CallDirection | null;
  agentKey?: string | null;
  agentVersionId?: string | null;
  orgId?: string | null;
  fromNumber?: string | null;
  toNumber?: string | null;
  escalated?: boolean | null;
  outcome?: string | null;
  /** Missing: synthetic calls too. */
  synthetic?: boolean | null;
  /** Created at or after. */
  createdAfter?: Date | null;
  /** Created before. */
  createdBefore?: Date | null;
}

/** States of a call that is not over. */
export const UNFINISHED_CALL_STATUSES = ['DIALING', 'QUEUED', 'RINGING', 'IN_PROGRESS', 'UNKNOWN'] as const;

export class CallsQuery {
  constructor(private readonly ctx: ServiceContext) {}

  /** By id or Twilio's sid. Null when missing or foreign. */
  async find(viewer: Viewer, by: { id?: string | null; callSid?: string | null }): Promise<Call | null> {
    requireScope(viewer, 'calls:read');
    const em = emFor(this.ctx.database, viewer);
    if (by.id != null) return isUuid(by.id) ? em.findOne(Call, { id: by.id }) : null;
    return by.callSid == null ? null : em.findOne(Call, { callSid: by.callSid });
  }

  /** The same with an id or a sid in one text, as REST paths have it. Throws NOT_FOUND. */
  async get(viewer: Viewer, idOrSid: string): Promise<Call> {
    const call = await this.find(viewer, isUuid(idOrSid) ? { id: idOrSid } : { callSid: idOrSid });
    if (call === null) throw notFound('call');
    return call;
  }

  page(viewer: Viewer, filter: CallFilter, request: PageRequest): Promise<Page<Call>> {
    requireScope(viewer, 'calls:read');
    return listPage(this.em(viewer, filter), Call, whereCall(filter), request);
  }
  list(viewer: Viewer, filter: CallFilter, request: OffsetRequest): Promise<Rows<Call>> {
    requireScope(viewer, 'calls:read');
    return listOffset(this.em(viewer, filter), Call, whereCall(filter), request);
  }

  /** Calls that are not over, newest first: the snapshot of `callUpdated`. At most 500. */
  async unfinished(viewer: Viewer, filter: CallFilter): Promise<Call[]> {
    requireScope(viewer, 'calls:read');
    const where = {
      $and: [whereCall(filter), { status: { $in: [...UNFINISHED_CALL_STATUSES] } }],
    } as FilterQuery<Call>;
    return this.em(viewer, filter).find(Call, where, { orderBy: { createdAt: 'desc', id: 'desc' }, limit: 500 });
  }

  /** The call when it is visible and matches, else null: what a change means to one subscriber. */
  async matching(viewer: Viewer, filter: CallFilter, id: string): Promise<Call | null> {
    requireScope(viewer, 'calls:read');
    return this.em(viewer, filter).findOne(Call, { $and: [{ id }, whereCall(filter)] } as FilterQuery<Call>);
  }

  /** For dataloaders: the visible ones of `ids`. */
  async byIds(viewer: Viewer, ids: readonly string[]): Promise<Call[]> {
    requireScope(viewer, 'calls:read');
    return emFor(this.ctx.database, viewer).find(Call, { id: { $in: ids.filter(isUuid) } });
  }

  /** For dataloaders: the sessions of these calls. */
  async sessionsOf(viewer: Viewer, callIds: readonly string[]): Promise<VoiceSession[]> {
    requireScope(viewer, 'sessions:read');
    return emFor(this.ctx.database, viewer).find(VoiceSession, { callId: { $in: [...callIds] } });
  }

  private em(viewer: Viewer, filter: CallFilter): EntityManager {
    return emFor(this.ctx.database, viewer, filter.tenantId);
  }
}

/** Only what is set narrows; `tenantId` is the EntityManager's business. */
function whereCall(filter: CallFilter): FilterQuery<Call> {
  const { status, createdAfter, createdBefore } = filter;
  const equal = (
    [
      'direction',
      'agentKey',
      'agentVersionId',
      'orgId',
      'fromNumber',
      'toNumber',
      'escalated',
      'outcome',
      'synthetic',
    ] as const
  ).flatMap((name) => (filter[name] == null ? [] : [[name, filter[name]] as const]));
  // A version id that is no UUID matches nothing, and must not reach the database.
  if (filter.agentVersionId != null && !isUuid(filter.agentVersionId)) return { id: { $in: [] } };
  return {
    ...Object.fromEntries(equal),
    ...(status == null || status.length === 0 ? {} : { status: { $in: [...status] } }),
    ...(createdAfter == null && createdBefore == null
      ? {}
      : {
          createdAt: {
            ...(createdAfter == null ? {} : { $gte: createdAfter }),
            ...(createdBefore == null ? {} : { $lt: createdBefore }),
          },
        }),
  } as FilterQuery<Call>;
}
