import type { EntityManager } from '@mikro-orm/postgresql';
import { TenantEvent, WebhookDelivery, type WebhookEndpoint } from '../entities/index.js';
import { newEventId, newId } from '../lib/ids.js';
import type { Jobs } from '../ports/jobs.js';
import type { Outbox, TenantEventName } from './outbox.js';

/** Wakes the deliverer of one endpoint. */
export const DELIVER_QUEUE = 'webhook-deliver';
const API_VERSION = '2026-05-14';

/** The outbox: the event and one delivery per interested endpoint, in the transaction of the change. */
export class TenantOutbox implements Outbox {
  /** `firstDelaySeconds`: before the first attempt. */
  constructor(
    private readonly jobs: Jobs,
    private readonly firstDelaySeconds: number,
  ) {}

  async enqueue(
    em: EntityManager,
    tenantId: string,
    event: TenantEventName,
    data: Record<string, unknown>,
  ): Promise<void> {
    const id = newEventId();
    const createdAt = new Date();
    const dueAt = new Date(createdAt.getTime() + this.firstDelaySeconds * 1_000);
    // Locked as the foreign key does it: an endpoint that is removed just now is not written to any more.
    const enabled = await em.execute<Pick<WebhookEndpoint, 'id' | 'events'>[]>(
      'select id, events from webhook_endpoint where tenant_id = ? and enabled for key share',
      [tenantId],
    );
    const endpoints = enabled.filter(
      (endpoint) =>
        (endpoint.events.length === 0 || endpoint.events.includes(event)) && endpoint.id !== data.endpoint_id,
    );
    await em.insert(TenantEvent, {
      id,
      tenantId,
      event,
      createdAt,
      payload: { id, event, created_at: createdAt.toISOString(), tenant_id: tenantId, api_version: API_VERSION, data },
    });
    for (const endpoint of endpoints) {
      await em.insert(WebhookDelivery, {
        id: newId(),
        tenantId,
        eventId: id,
        endpointId: endpoint.id,
        event,
        status: 'PENDING',
        attemptCount: 0,
        attempts: [],
        nextAttemptAt: dueAt,
        createdAt,
        updatedAt: createdAt,
      });
      const due = this.firstDelaySeconds === 0 ? {} : { startAfter: dueAt };
      await this.jobs.send(DELIVER_QUEUE, { endpointId: endpoint.id }, due, em);
    }
  }
}
