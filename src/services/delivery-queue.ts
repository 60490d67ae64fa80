import { WebhookEndpoint, type DeliveryStatus, type WebhookAttempt } from '../entities/index.js';
import type { ServiceContext } from './context.js';

/** One delivery that a worker holds until its lease ends. */
export interface LeasedDelivery {
  id: string;
  tenantId: string;
  eventId: string;
  endpointId: string;
  event: string;
  /** Before this attempt. */
  attemptCount: number;
  payload: Record<string, unknown>;
}

/** What came of one attempt. `retryAt` null: settled, for better or worse. */
export interface Settlement {
  status: DeliveryStatus;
  retryAt: Date | null;
  attempt: WebhookAttempt;
  /** Why the endpoint must not be asked again (`410 Gone`). */
  disable?: string;
  /** The endpoint wants nothing before this (`Retry-After`): whatever waits for it waits, too. */
  pauseUntil?: Date;
}

interface Waiting {
  delivery: LeasedDelivery;
  settlement: Settlement;
  done: PromiseWithResolvers<void>;
}

const KEPT_ATTEMPTS = 50;
/** A worker that died loses its deliveries to another after this; longer than two requests that time out. */
const LEASE_MS = 60_000;
const AT_ONCE = 200;

/**
 * The deliverer's side of the outbox. Attempts that end while others are being written down are written together: a busy
 * gateway pays for a transaction per batch, an idle one waits for nothing.
 */
export class DeliveryQueue {
  private waiting: Waiting[] = [];
  private writing: Promise<void> | null = null;

  constructor(private readonly context: ServiceContext) {}

  /** Takes due deliveries of one endpoint for this worker, oldest first. Two workers never hold the same one. */
  async lease(endpointId: string, limit: number): Promise<LeasedDelivery[]> {
    const now = this.context.clock.now();
    const rows = await this.context.database
      .em({ all: true })
      .execute<(Omit<LeasedDelivery, 'payload'> & { payload: unknown })[]>(
        `with due as (
           select id from webhook_delivery
            where endpoint_id = ? and status in ('PENDING', 'FAILED') and next_attempt_at <= ?
              and (leased_until is null or leased_until < ?)
            order by next_attempt_at, id limit ? for update skip locked)
         update webhook_delivery d set leased_until = ? from due, tenant_event e
          where d.id = due.id and e.id = d.event_id
         returning d.id, d.tenant_id as "tenantId", d.event_id as "eventId", d.endpoint_id as "endpointId", d.event,
           d.attempt_count as "attemptCount", e.payload`,
        [endpointId, now, now, limit, new Date(now.getTime() + LEASE_MS)],
      );
    // Ids are ULIDs: their order is that of the events.
    return (rows as LeasedDelivery[]).toSorted((a, b) => (a.eventId < b.eventId ? -1 : 1));
  }

  /** Writes down an attempt. A delivery that is given up becomes a dead letter and tells the tenant's other endpoints. */
  async settle(delivery: LeasedDelivery, settlement: Settlement): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.waiting.push({ delivery, settlement, done });
    this.writing ??= this.writeAll().finally(() => (this.writing = null));
    await done.promise;
    const { tenantId, id } = delivery;
    // Watchers may miss one: the bus is no condition for anything.
    await this.context.topics.publish('webhookDeliveryChanged', { tenantId, deliveryId: id }).catch(() => {});
  }

  /** Endpoints that have something due: the net below the queue's wake-ups. */
  async endpointsWithWork(): Promise<string[]> {
    const now = this.context.clock.now();
    const rows = await this.context.database.em({ all: true }).execute<{ endpoint_id: string }[]>(
      `select distinct d.endpoint_id from webhook_delivery d join webhook_endpoint e on e.id = d.endpoint_id
        where d.status in ('PENDING', 'FAILED') and d.next_attempt_at <= ? and (d.leased_until is null or d.leased_until < ?) and e.enabled limit 1000`,
      [now, now],
    );
    return rows.map((row) => row.endpoint_id);
  }

  private async writeAll(): Promise<void> {
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, AT_ONCE);
      try {
        await this.write(batch);
        for (const { done } of batch) done.resolve();
      } catch (error) {
        // Their leases end, and they are sent again with the same ids.
        for (const { done } of batch) done.reject(error as Error);
      }
    }
  }

  private write(batch: readonly Waiting[]): Promise<void> {
    const now = this.context.clock.now();
    return this.context.database.em({ all: true }).transactional(async (em) => {
      const rows = batch.map(({ delivery, settlement: { status, retryAt, attempt } }) => ({
        id: delivery.id,
        status,
        retry_at: retryAt,
        status_code: attempt.statusCode,
        error: attempt.error,
        latency_ms: attempt.latencyMs,
        attempt,
      }));
      await em.execute(
        `update webhook_delivery d set status = v.status, next_attempt_at = v.retry_at, leased_until = null,
           attempt_count = d.attempt_count + 1, last_status_code = v.status_code, last_error = v.error,
           last_latency_ms = v.latency_ms, delivered_at = case when v.status = 'DELIVERED' then ?::timestamptz end,
           updated_at = ?::timestamptz,
           attempts = case when jsonb_array_length(d.attempts) >= ${KEPT_ATTEMPTS} then d.attempts - 0 else d.attempts end || v.attempt
         from jsonb_to_recordset(?::jsonb) as v(id uuid, status text, retry_at timestamptz, status_code int, error text,
           latency_ms int, attempt jsonb)
         where d.id = v.id`,
        [now, now, JSON.stringify(rows)],
      );
      for (const { delivery, settlement } of batch) {
        if (settlement.disable !== undefined)
          await em.nativeUpdate(
            WebhookEndpoint,
            { id: delivery.endpointId },
            { enabled: false, disabledReason: settlement.disable, updatedAt: now },
          );
        if (settlement.pauseUntil !== undefined)
          await em.execute(
            `update webhook_delivery set next_attempt_at = ?, updated_at = ?
              where endpoint_id = ? and status in ('PENDING', 'FAILED') and next_attempt_at < ?`,
            [settlement.pauseUntil, now, delivery.endpointId, settlement.pauseUntil],
          );
        // About a failed event, but never about itself: that would never end.
        if (settlement.status === 'DEAD_LETTER' && delivery.event !== 'voice.webhook.delivery_failed')
          await this.context.outbox.enqueue(em, delivery.tenantId, 'voice.webhook.delivery_failed', {
            event_id: delivery.eventId,
            endpoint_id: delivery.endpointId,
            attempt_count: delivery.attemptCount + 1,
          });
      }
    });
  }
}
