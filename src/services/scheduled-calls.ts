import { ScheduledCall, type ScheduledCallState } from '../entities/index.js';
import type { Page } from '../lib/cursor.js';
import { AppError, notFound } from '../lib/errors.js';
import { isUuid } from '../lib/ids.js';
import { audit } from './audit-log.js';
import type { ServiceContext } from './context.js';
import { listOffset, listPage, type OffsetRequest, type PageRequest, type Rows } from './listing.js';
import type { WaitingRequest } from './schedule-call.js';
import { emFor, requireScope, type Viewer } from './viewer.js';
import { inTransaction } from './writes.js';

export interface ScheduledCallFilter {
  tenantId?: string | null;
  state?: ScheduledCallState | null;
}

/** A call that waits for its time (or did), as both doors show it. */
export type ScheduledCallView = Omit<ScheduledCall, 'request'> & Omit<WaitingRequest, 'firstDueAt'>;

export function shownScheduledCall({ request, ...row }: ScheduledCall): ScheduledCallView {
  const { firstDueAt: _, ...asked } = request as unknown as WaitingRequest;
  return { ...row, ...asked };
}

/** Calls that wait for their time. */
export class ScheduledCalls {
  constructor(private readonly context: ServiceContext) {}

  /** After this it is certain not to be dialled. Throws NOT_FOUND, CONFLICT when it is not waiting any more. */
  async cancel(viewer: Viewer, id: string): Promise<ScheduledCallView> {
    requireScope(viewer, 'calls:write');
    return inTransaction(this.context, viewer, async (em) => {
      const row = isUuid(id) ? await em.findOne(ScheduledCall, { id }) : null;
      if (row === null) throw notFound('scheduled call');
      // The dial marks the row in the transaction of its call: one of the two is first.
      const canceled = await em.nativeUpdate(
        ScheduledCall,
        { id, state: 'WAITING' },
        { state: 'CANCELED', updatedAt: this.context.clock.now() },
      );
      await em.refresh(row);
      if (canceled === 0)
        throw new AppError('CONFLICT', `This call is not waiting any more: it is ${row.state.toLowerCase()}`, {
          extra: { state: row.state.toLowerCase(), call_id: row.callId ?? null },
        });
      audit(em, viewer, {
        tenantId: row.tenantId as string,
        action: 'scheduled_call.canceled',
        subjectType: 'scheduled_call',
        subjectId: id,
        before: { state: 'WAITING', dueAt: row.dueAt.toISOString() },
        after: { state: row.state },
      });
      return shownScheduledCall(row);
    });
  }

  /** Throws NOT_FOUND. */
  async get(viewer: Viewer, id: string): Promise<ScheduledCallView> {
    requireScope(viewer, 'calls:read');
    const row = isUuid(id) ? await emFor(this.context.database, viewer).findOne(ScheduledCall, { id }) : null;
    if (row === null) throw notFound('scheduled call');
    return shownScheduledCall(row);
  }
  async page(viewer: Viewer, filter: ScheduledCallFilter, request: PageRequest): Promise<Page<ScheduledCallView>> {
    requireScope(viewer, 'calls:read');
    const em = emFor(this.context.database, viewer, filter.tenantId);
    const page = await listPage(em, ScheduledCall, where(filter), request);
    return { ...page, rows: page.rows.map(shownScheduledCall) };
  }
  async list(viewer: Viewer, filter: ScheduledCallFilter, request: OffsetRequest): Promise<Rows<ScheduledCallView>> {
    requireScope(viewer, 'calls:read');
    const em = emFor(this.context.database, viewer, filter.tenantId);
    const { rows, total } = await listOffset(em, ScheduledCall, where(filter), request);
    return { rows: rows.map(shownScheduledCall), total };
  }
}

const where = ({ state }: ScheduledCallFilter) => (state == null ? {} : { state });
