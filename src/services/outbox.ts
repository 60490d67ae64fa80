import type { EntityManager } from '@mikro-orm/postgresql';

/** Events sent to tenants (api-v1.md). */
export const TENANT_EVENTS = [
  'voice.call.started',
  'voice.call.completed',
  'voice.call.escalated',
  'voice.session.evaluated',
  'voice.webhook.delivery_failed',
] as const;
export type TenantEventName = (typeof TENANT_EVENTS)[number];

/**
 * Enqueues an event for the tenant's webhook endpoints in the transaction of the change (`em` must be transactional):
 * committed together or not at all. Synthetic calls send nothing; their callers do not call this.
 */
export interface Outbox {
  enqueue(em: EntityManager, tenantId: string, event: TenantEventName, data: Record<string, unknown>): Promise<void>;
}

/** Used where no endpoint can exist (tools, some tests). */
export const noOutbox: Outbox = { enqueue: async () => {} };
