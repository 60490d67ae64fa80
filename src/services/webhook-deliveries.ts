import { LockMode } from '@mikro-orm/postgresql';
import {
  TenantEvent,
  WebhookDelivery,
  WebhookEndpoint,
  type DeliveryStatus,
  type WebhookAttempt,
} from '../entities/index.js';
import { MAX_PAGE, type Page } from '../lib/cursor.js';
import { notFound } from '../lib/errors.js';
import { isUuid } from '../lib/ids.js';
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

/** One delivery that a worker holds until its lease ends. */
export interface LeasedDelivery {
  delivery: WebhookDelivery;
  payload: Record<string, unknown>;
}

/** What came of one attempt. `retryAt` null: settled, for better or worse. */
export interface Settlement {
  status: DeliveryStatus;
  retryAt: Date | null;
  attempt: WebhookAttempt;
  /** Why the endpoint must not be asked again (`410 Gone`). */
  disable?: string;
}

const UNSETTLED: DeliveryStatus[] = ['PENDING', 'FAILED'];
const KEPT_ATTEMPTS = 50;
/** A worker that died loses its deliveries to another after this. */
const LEASE_MS = 60_000;

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

  /** Sends an event again, with the same `webhook-id`. Throws NOT_FOUND when it went nowhere. */
  async redeliver(viewer: Viewer, eventId: string, endpointId: string | null): Promise<WebhookDelivery> {
    requireScope(viewer, 'webhooks:write');
    const em = emFor(this.context.database, viewer);
    const found = await em.find(WebhookDelivery, {
      eventId,
      ...(endpointId !== null && isUuid(endpointId) ? { endpointId } : {}),
    });
    if (found.length === 0 || (endpointId !== null && !isUuid(endpointId))) throw notFound('webhook delivery');
    await this.restart(found);
    return found[0]!;
  }

  /** Everything that failed for good since a moment; gives how many. */
  async redeliverFailed(viewer: Viewer, tenantId: string | null | undefined, since: Date): Promise<number> {
    requireScope(viewer, 'webhooks:write');
    const em = emFor(this.context.database, viewer, tenantId);
    const found = await em.find(
      WebhookDelivery,
      { status: { $in: ['DEAD_LETTER', 'FAILED'] }, createdAt: { $gte: since } },
      { limit: 10_000 },
    );
    await this.restart(found);
    return found.length;
  }

  private async restart(found: readonly WebhookDelivery[]): Promise<void> {
    const now = this.context.clock.now();
    const em = this.context.database.em({ all: true });
    await em.nativeUpdate(
      WebhookDelivery,
      { id: { $in: found.map((d) => d.id) } },
      { status: 'PENDING', attemptCount: 0, nextAttemptAt: now, leasedUntil: null, updatedAt: now },
    );
    for (const delivery of found) Object.assign(delivery, { status: 'PENDING', attemptCount: 0, nextAttemptAt: now });
    for (const { id, tenantId } of found) await this.announce(tenantId as string, id);
    for (const endpointId of new Set(found.map((d) => d.endpointId as string)))
      await this.context.jobs.send(DELIVER_QUEUE, { endpointId });
  }

  /** Takes due deliveries of one endpoint for this worker. Two workers never hold the same one. */
  async lease(endpointId: string, limit: number): Promise<LeasedDelivery[]> {
    const now = this.context.clock.now();
    return this.context.database.em({ all: true }).transactional(async (em) => {
      const due = await em.find(
        WebhookDelivery,
        {
          endpointId,
          status: { $in: UNSETTLED },
          nextAttemptAt: { $lte: now },
          $or: [{ leasedUntil: null }, { leasedUntil: { $lt: now } }],
        },
        { orderBy: { nextAttemptAt: 'asc', id: 'asc' }, limit, lockMode: LockMode.PESSIMISTIC_PARTIAL_WRITE },
      );
      if (due.length === 0) return [];
      const leasedUntil = new Date(now.getTime() + LEASE_MS);
      await em.nativeUpdate(WebhookDelivery, { id: { $in: due.map((d) => d.id) } }, { leasedUntil });
      const events = await em.find(TenantEvent, { id: { $in: due.map((d) => d.eventId as string) } });
      const payloads = new Map(events.map((event) => [event.id, event.payload]));
      return due.map((delivery) => ({ delivery, payload: payloads.get(delivery.eventId as string)! }));
    });
  }

  /** Writes down an attempt. A delivery that is given up becomes a dead letter and tells the tenant's other endpoints. */
  async settle({ delivery }: LeasedDelivery, { status, retryAt, attempt, disable }: Settlement): Promise<void> {
    const now = this.context.clock.now();
    const tenantId = delivery.tenantId as string;
    await this.context.database.em({ all: true }).transactional(async (em) => {
      await em.nativeUpdate(
        WebhookDelivery,
        { id: delivery.id },
        {
          status,
          nextAttemptAt: retryAt,
          leasedUntil: null,
          attemptCount: delivery.attemptCount + 1,
          lastStatusCode: attempt.statusCode,
          lastError: attempt.error,
          lastLatencyMs: attempt.latencyMs,
          deliveredAt: status === 'DELIVERED' ? now : null,
          updatedAt: now,
          attempts: [...delivery.attempts, attempt].slice(-KEPT_ATTEMPTS),
        },
      );
      if (disable !== undefined)
        await em.nativeUpdate(
          WebhookEndpoint,
          { id: delivery.endpointId },
          { enabled: false, disabledReason: disable, updatedAt: now },
        );
      // About a failed event, but never about itself: that would never end.
      if (status === 'DEAD_LETTER' && delivery.event !== 'voice.webhook.delivery_failed')
        await this.context.outbox.enqueue(em, tenantId, 'voice.webhook.delivery_failed', {
          event_id: delivery.eventId,
          endpoint_id: delivery.endpointId,
          attempt_count: delivery.attemptCount + 1,
        });
    });
    await this.announce(tenantId, delivery.id);
  }

  /** Watchers may miss one: the bus is no condition for anything. */
  private async announce(tenantId: string, deliveryId: string): Promise<void> {
    await this.context.topics.publish('webhookDeliveryChanged', { tenantId, deliveryId }).catch(() => {});
  }

  /** Endpoints that have something due: the net below the queue's wake-ups. */
  async endpointsWithWork(): Promise<string[]> {
    const rows = await this.context.database.em({ all: true }).execute<{ endpoint_id: string }[]>(
      `select distinct d.endpoint_id from webhook_delivery d join webhook_endpoint e on e.id = d.endpoint_id
        where d.status in ('PENDING', 'FAILED') and d.next_attempt_at <= ? and (d.leased_until is null or d.leased_until < ?) and e.enabled limit 1000`,
      [this.context.clock.now(), this.context.clock.now()],
    );
    return rows.map((row) => row.endpoint_id);
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
