import { defineEntity, p, type InferEntity } from '@mikro-orm/postgresql';
import { Agent } from './agent.js';
import { Call, VoiceSession } from './call.js';
import { createdAt, identity, timestamps } from './columns.js';
import {
  CALLBACK_ORIGINS,
  CALLBACK_STATES,
  COMMAND_STATES,
  DELIVERY_STATUSES,
  SCHEDULED_CALL_STATES,
} from './enums.js';
import { Tenant } from './tenant.js';

/** Where a tenant's events go. */
export const WebhookEndpoint = defineEntity({
  name: 'WebhookEndpoint',
  tableName: 'webhook_endpoint',
  indexes: [{ properties: ['tenantId', 'createdAt', 'id'] }],
  properties: {
    ...identity(),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id'),
    url: p.text(),
    /** Event names; empty: all of them. */
    events: p.json<string[]>(),
    enabled: p.boolean().default(true),
    /** Why the gateway disabled it (`410 Gone`), else null. */
    disabledReason: p.text().nullable(),
    /** Sealed `whsec_…`. */
    secretSealed: p.text(),
    /** The one before a rotation; both sign until it expires. */
    previousSecretSealed: p.text().nullable(),
    previousSecretExpiresAt: p.datetime().nullable(),
    /** The endpoint of the runtime config's `webhook_url`. */
    fromRuntimeConfig: p.boolean().default(false),
    description: p.text().nullable(),
    ...timestamps(),
  },
});
export type WebhookEndpoint = InferEntity<typeof WebhookEndpoint>;

/** The outbox: one event to a tenant, written in the transaction of the change. Its id is the `webhook-id`. */
export const TenantEvent = defineEntity({
  name: 'TenantEvent',
  tableName: 'tenant_event',
  indexes: [{ properties: ['tenantId', 'createdAt', 'id'] }],
  properties: {
    id: p.string().length(40).primary(),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id'),
    event: p.string().length(60),
    /** The whole envelope as it is sent; the same bytes on every attempt. */
    payload: p.json<Record<string, unknown>>(),
    ...createdAt(),
  },
});
export type TenantEvent = InferEntity<typeof TenantEvent>;

/** One event on its way to one endpoint. */
export const WebhookDelivery = defineEntity({
  name: 'WebhookDelivery',
  tableName: 'webhook_delivery',
  uniques: [{ properties: ['eventId', 'endpointId'] }],
  indexes: [
    { properties: ['tenantId', 'createdAt', 'id'] },
    { properties: ['endpointId', 'status', 'nextAttemptAt'] },
    { properties: ['status', 'nextAttemptAt'] },
    // What operationsMetrics counts: few rows of very many.
    {
      name: 'webhook_delivery_failed_index',
      properties: ['createdAt', 'tenantId'],
      where: `status in ('FAILED', 'DEAD_LETTER')`,
    },
  ],
  properties: {
    ...identity(),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id'),
    eventId: () => p.manyToOne(TenantEvent).mapToPk().fieldName('event_id'),
    endpointId: () => p.manyToOne(WebhookEndpoint).mapToPk().fieldName('endpoint_id'),
    event: p.string().length(60),
    status: p.enum(DELIVERY_STATUSES).$type<(typeof DELIVERY_STATUSES)[number]>().default('PENDING'),
    attemptCount: p.integer().default(0),
    /** Null once it is settled. */
    nextAttemptAt: p.datetime().nullable(),
    /** Set while a worker has it; a worker that died loses it after the lease. */
    leasedUntil: p.datetime().nullable(),
    lastStatusCode: p.integer().nullable(),
    lastError: p.text().nullable(),
    lastLatencyMs: p.integer().nullable(),
    deliveredAt: p.datetime().nullable(),
    /** Newest last, at most 50: `{ at, statusCode, error, latencyMs, responseExcerpt }`. */
    attempts: p.json<WebhookAttempt[]>().onCreate(() => []),
    ...timestamps(),
  },
});
export type WebhookDelivery = InferEntity<typeof WebhookDelivery>;
export interface WebhookAttempt {
  at: string;
  statusCode: number | null;
  error: string | null;
  latencyMs: number;
  responseExcerpt: string | null;
}

/** A task for people: call this customer back. */
export const CallbackTask = defineEntity({
  name: 'CallbackTask',
  tableName: 'callback_task',
  indexes: [
    { properties: ['tenantId', 'state', 'priority', 'dueAt'] },
    { properties: ['tenantId', 'createdAt', 'id'] },
    { properties: ['state', 'autoDial', 'dialAt'] },
    // Promises that may be broken and of which nobody was told: few rows of very many.
    {
      name: 'callback_task_promised_index',
      properties: ['slaDueAt'],
      where: `state in ('OPEN', 'CLAIMED') and breach_told_at is null`,
    },
  ],
  properties: {
    ...identity(),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id'),
    callId: () => p.manyToOne(Call).mapToPk().fieldName('call_id').nullable().index(),
    queue: p.string().length(100).default('default'),
    /** 1 is most urgent, 5 least. */
    priority: p.integer().default(3),
    state: p.enum(CALLBACK_STATES).$type<(typeof CALLBACK_STATES)[number]>().default('OPEN'),
    number: p.string().length(20).nullable(),
    reason: p.text(),
    notes: p.json<{ at: string; by: string; text: string }[]>().onCreate(() => []),
    origin: p.enum(CALLBACK_ORIGINS).$type<(typeof CALLBACK_ORIGINS)[number]>(),
    dueAt: p.datetime(),
    /** The promise: breached when still open then. */
    slaDueAt: p.datetime().nullable(),
    /** When operators were told that this promise is broken. */
    breachToldAt: p.datetime().nullable(),
    assignee: p.string().length(200).nullable(),
    claimedAt: p.datetime().nullable(),
    closedAt: p.datetime().nullable(),
    /** Dials by itself when due, within calling hours. */
    autoDial: p.boolean().default(false),
    /** When it dials next; null: when it is due. Later than that after a refusal or a failed attempt. */
    dialAt: p.datetime().nullable(),
    /** Calls that it has made by itself. */
    dialAttempts: p.integer().default(0),
    agentKey: p.string().length(100).nullable(),
    /** The call that carries it out, or did. */
    resultCallId: p.uuid().nullable(),
    ...timestamps(),
  },
});
export type CallbackTask = InferEntity<typeof CallbackTask>;

/** A number that may not be called: by one tenant, or (tenant null) by nobody here. */
export const DoNotCallEntry = defineEntity({
  name: 'DoNotCallEntry',
  tableName: 'do_not_call_entry',
  indexes: [{ properties: ['number'] }, { properties: ['tenantId', 'createdAt', 'id'] }],
  uniques: [{ properties: ['tenantId', 'number'] }],
  properties: {
    ...identity(),
    tenantId: p.string().length(64).nullable(),
    number: p.string().length(20),
    reason: p.text().nullable(),
    /** `api`, `agent` (the caller's own wish), `admin`. */
    source: p.string().length(20),
    expiresAt: p.datetime().nullable(),
    createdBy: p.string().length(200),
    ...timestamps(),
  },
});
export type DoNotCallEntry = InferEntity<typeof DoNotCallEntry>;

/** A dial that waits for its time; every check runs again when it fires. */
export const ScheduledCall = defineEntity({
  name: 'ScheduledCall',
  tableName: 'scheduled_call',
  indexes: [{ properties: ['state', 'dueAt'] }, { properties: ['tenantId', 'createdAt', 'id'] }],
  properties: {
    ...identity(),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id'),
    dueAt: p.datetime(),
    state: p.enum(SCHEDULED_CALL_STATES).$type<(typeof SCHEDULED_CALL_STATES)[number]>().default('WAITING'),
    /** The make-call request, as it was. */
    request: p.json<Record<string, unknown>>(),
    requestedBy: p.string().length(200),
    callId: p.uuid().nullable(),
    error: p.text().nullable(),
    ...timestamps(),
  },
});
export type ScheduledCall = InferEntity<typeof ScheduledCall>;

/** How calls of one agent are judged. One row per agent; a change makes a new revision number. */
export const Rubric = defineEntity({
  name: 'Rubric',
  tableName: 'rubric',
  properties: {
    agentId: () => p.manyToOne(Agent).mapToPk().primary().fieldName('agent_id'),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id').index(),
    revision: p.integer().default(1),
    criteria: p.json<RubricCriterion[]>(),
    /** Share of calls that are judged automatically, 0-1. */
    sampleRate: p.double().default(1),
    ...timestamps(),
  },
});
export type Rubric = InferEntity<typeof Rubric>;
export interface RubricCriterion {
  key: string;
  description: string;
  weight: number;
}

/** A supervisor's command on its way to the process that owns the call. */
export const CallCommand = defineEntity({
  name: 'CallCommand',
  tableName: 'call_command',
  indexes: [{ properties: ['sessionId', 'state'] }],
  properties: {
    ...identity(),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id'),
    sessionId: () => p.manyToOne(VoiceSession).mapToPk().fieldName('session_id'),
    action: p.string().length(20),
    text: p.text().nullable(),
    target: p.string().length(255).nullable(),
    by: p.string().length(200),
    state: p.enum(COMMAND_STATES).$type<(typeof COMMAND_STATES)[number]>().default('PENDING'),
    error: p.text().nullable(),
    /** After this it does nothing. */
    expiresAt: p.datetime(),
    ...timestamps(),
  },
});
export type CallCommand = InferEntity<typeof CallCommand>;

/** What is counted of the calls of a tenant and version that were created in one bucket of time. */
const callCounts = () => ({
  /** Empty string: every tenant together (a primary key holds no null). */
  tenantId: p.string().length(64).primary(),
  bucket: p.datetime().primary(),
  /** Empty string: none, or every version together. */
  agentVersionId: p.string().length(36).primary(),
  agentKey: p.string().length(100).nullable(),
  created: p.integer().default(0),
  answered: p.integer().default(0),
  ended: p.integer().default(0),
  completed: p.integer().default(0),
  transferred: p.integer().default(0),
  escalated: p.integer().default(0),
  failed: p.integer().default(0),
  /** Answered and ended: those whose seconds are in `handleSeconds`. */
  handled: p.integer().default(0),
  handleSeconds: p.integer().default(0),
  interruptions: p.integer().default(0),
  scoreSum: p.double().default(0),
  scoreCount: p.integer().default(0),
  /** cause -> count */
  errors: p.json<Record<string, number>>().onCreate(() => ({})),
  /** Upper bound of the bin in ms -> count */
  firstAudioBins: p.json<Record<string, number>>().onCreate(() => ({})),
});

/**
 * Calls counted by minute, tenant and agent version: what operationsMetrics adds up, so that a million calls cost no more
 * than a thousand. `bucket` is the minute in which the call was created. Times go into fixed histogram bins.
 */
export const MetricsMinute = defineEntity({
  name: 'MetricsMinute',
  tableName: 'metrics_minute',
  indexes: [{ properties: ['bucket'] }],
  properties: callCounts(),
});
export type MetricsMinute = InferEntity<typeof MetricsMinute>;

/** Hours (UTC) that are over, added up from their minutes. */
export const MetricsHour = defineEntity({
  name: 'MetricsHour',
  tableName: 'metrics_hour',
  indexes: [{ properties: ['bucket'] }],
  properties: callCounts(),
});
export type MetricsHour = InferEntity<typeof MetricsHour>;
