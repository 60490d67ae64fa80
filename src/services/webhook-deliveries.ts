import { WebhookDelivery, WebhookEndpoint, type DeliveryStatus } from '../entities/index.js';
import { MAX_PAGE, type Page } from '../lib/cursor.js';
import { AppError, notFound } from '../lib/errors.js';
import { isUuid } from '../lib/ids.js';
import { auditAdmin } from './audit-log.js';
import type { ServiceContext } from './context.js';
import { listOffset, listPage, type OffsetRequest, type PageRequest } from './listing.js';
import { DELIVER_QUEUE } from './tenant-outbox.js';
import { emFor, requireScope, type Viewer } from './viewer.js';

export interface DeliveryFilter {
  tenantId?: string | null;
  endpointId?: string | null;
  eventId?: string | null;
  status?: DeliveryStatus | null;
}

/** At once; whoever has more asks again. */
const MAX_RESTARTED = 10_000;
export const UNSETTLED: DeliveryStatus[] = ['PENDING', 'FAILED'];

/** The delivery log: what goes where, how each attempt went, and everything again on demand. */
export class WebhookDeliveries {
  constructor(private readonly context: ServiceContext) {}

  page(viewer: Viewer, filter: DeliveryFilter, request: PageRequest): Promise<Page<WebhookDelivery>> {
    requireScope(viewer, 'webhooks:read');
    return listPage(emFor(this.context.database, viewer, filter.tenantId), WebhookDelivery, where(filter), request);
  }

  list(
    viewer: Viewer,
    filter: DeliveryFilter,
    request: OffsetRequest,
  ): Promise<{ rows: WebhookDelivery[]; total: number }> {
    requireScope(viewer, 'webhooks:read');
    return listOffset(emFor(this.context.database, viewer, filter.tenantId), WebhookDelivery, where(filter), request);
  }

  async find(viewer: Viewer, id: string): Promise<WebhookDelivery | null> {
    requireScope(viewer, 'webhooks:read');
    return isUuid(id) ? emFor(this.context.database, viewer).findOne(WebhookDelivery, { id }) : null;
  }

  /** What is still on its way, newest first; at most 100. */
  async unsettled(viewer: Viewer, tenantId: string | null): Promise<WebhookDelivery[]> {
    requireScope(viewer, 'webhooks:read');
    return emFor(this.context.database, viewer, tenantId).find(
      WebhookDelivery,
      { status: { $in: UNSETTLED } },
      { orderBy: { createdAt: 'desc', id: 'desc' }, limit: MAX_PAGE },
    );
  }

  /**
   * Sends an event again, with the same `webhook-id`. Throws NOT_FOUND when it went nowhere, CONFLICT when it went to
   * endpoints that are disabled only: nothing would be sent until somebody enables them.
   */
  async redeliver(viewer: Viewer, eventId: string, endpointId: string | null): Promise<WebhookDelivery> {
    requireScope(viewer, 'webhooks:write');
    const em = emFor(this.context.database, viewer);
    const found = await em.find(WebhookDelivery, {
      eventId,
      ...(endpointId !== null && isUuid(endpointId) ? { endpointId } : {}),
    });
    if (found.length === 0 || (endpointId !== null && !isUuid(endpointId))) throw notFound('webhook delivery');
    const enabled = await em.find(WebhookEndpoint, { id: { $in: found.map((d) => d.endpointId) }, enabled: true });
    const again = found.filter((delivery) => enabled.some(({ id }) => id === delivery.endpointId));
    if (again.length === 0) throw new AppError('CONFLICT', 'The endpoint is disabled; enable it first');
    await this.restart(viewer, again);
    return again[0]!;
  }

  /** Everything whose last attempt since then failed, to endpoints that are enabled; gives how many. */
  async redeliverFailed(viewer: Viewer, tenantId: string | null | undefined, since: Date): Promise<number> {
    requireScope(viewer, 'webhooks:write');
    const em = emFor(this.context.database, viewer, tenantId);
    const enabled = await em.find(WebhookEndpoint, { enabled: true }, { fields: ['id'] });
    const found = await em.find(
      WebhookDelivery,
      {
        status: { $in: ['DEAD_LETTER', 'FAILED'] },
        updatedAt: { $gte: since },
        endpointId: { $in: enabled.map(({ id }) => id) },
      },
      { limit: MAX_RESTARTED },
    );
    await this.restart(viewer, found);
    return found.length;
  }

  private async restart(viewer: Viewer, found: readonly WebhookDelivery[]): Promise<void> {
    const { database, clock, jobs } = this.context;
    const again = { status: 'PENDING', attemptCount: 0, nextAttemptAt: clock.now() } as const;
    await database.em({ all: true }).transactional(async (em) => {
      const id = { $in: found.map((delivery) => delivery.id) };
      await em.nativeUpdate(WebhookDelivery, { id }, { ...again, leasedUntil: null, updatedAt: again.nextAttemptAt });
      for (const [tenantId, theirs] of Map.groupBy(found, (delivery) => delivery.tenantId as string))
        auditAdmin(em, viewer, {
          tenantId,
          action: 'webhook_delivery.redelivered',
          subjectType: 'tenant',
          subjectId: tenantId,
          after: {
            eventIds: [...new Set(theirs.map(({ eventId }) => eventId))].slice(0, MAX_PAGE),
            deliveries: theirs.length,
          },
        });
      for (const endpointId of new Set(found.map((delivery) => delivery.endpointId as string)))
        await jobs.send(DELIVER_QUEUE, { endpointId }, {}, em);
    });
    for (const delivery of found) {
      Object.assign(delivery, again);
      await this.announce(delivery.tenantId as string, delivery.id);
    }
  }

  /** Watchers may miss one: the bus is no condition for anything. */
  private async announce(tenantId: string, deliveryId: string): Promise<void> {
    await this.context.topics.publish('webhookDeliveryChanged', { tenantId, deliveryId }).catch(() => {});
  }
}

function where({ endpointId, eventId, status }: DeliveryFilter) {
  return {
    ...(endpointId == null
      ? {}
      : { endpointId: isUuid(endpointId) ? endpointId : '00000000-0000-0000-0000-000000000000' }),
    ...(eventId == null ? {} : { eventId }),
    ...(status == null ? {} : { status }),
  };
}
