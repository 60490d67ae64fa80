import { LockMode, type EntityManager } from '@mikro-orm/postgresql';
import { RuntimeConfig, WebhookDelivery, WebhookEndpoint } from '../entities/index.js';
import type { Page } from '../lib/cursor.js';
import { open, seal } from '../lib/crypto.js';
import { AppError, notFound } from '../lib/errors.js';
import { isUuid } from '../lib/ids.js';
import { targetUrlProblem } from '../lib/private-address.js';
import { Check } from '../lib/validation.js';
import { randomBytes } from 'node:crypto';
import { audit } from './audit-log.js';
import type { ServiceContext } from './context.js';
import { listOffset, listPage, type OffsetRequest, type PageRequest } from './listing.js';
import { TENANT_EVENTS } from './outbox.js';
import type { RuntimeWebhook } from './runtime-configs.js';
import { DELIVER_QUEUE } from './tenant-outbox.js';
import { emFor, requireScope, tenantOf, type Viewer } from './viewer.js';

export interface WebhookEndpointInput {
  url?: string | null;
  /** Empty or null: every event. */
  events?: readonly string[] | null;
  enabled?: boolean | null;
  description?: string | null;
}

/** Both signatures are sent for this long after a rotation, unless it says otherwise. */
const OVERLAP_SECONDS = 86_400;
const MAX_OVERLAP_SECONDS = 2_592_000;
/** Enabled at once; one that was given up must not stand in the way of its successor. */
const MAX_ENDPOINTS = 50;

/** Where a tenant's events go. The secret (`whsec_…`, Standard Webhooks) is shown once and sealed at rest. */
export class WebhookEndpoints implements RuntimeWebhook {
  constructor(private readonly context: ServiceContext) {}

  async create(
    viewer: Viewer,
    tenantId: string | null | undefined,
    input: WebhookEndpointInput,
  ): Promise<{ endpoint: WebhookEndpoint; secret: string }> {
    requireScope(viewer, 'webhooks:write');
    const tenant = tenantOf(viewer, tenantId);
    const fields = this.check(input, true);
    return this.context.database.em({ tenantId: tenant }).transactional(async (em) => {
      if (fields.enabled) await requireRoom(em, tenant, 'url');
      return this.insert(em, viewer, tenant, { ...fields, url: fields.url!, fromRuntimeConfig: false });
    });
  }

  async update(viewer: Viewer, id: string, input: WebhookEndpointInput): Promise<WebhookEndpoint> {
    requireScope(viewer, 'webhooks:write');
    const fields = this.check(input, false);
    const changed = await this.change(viewer, id, 'webhook_endpoint.updated', async (endpoint, em) => {
      if (input.enabled === true && !endpoint.enabled) await requireRoom(em, endpoint.tenantId as string, 'enabled');
      if (input.url != null) endpoint.url = fields.url!;
      if (input.url != null && endpoint.fromRuntimeConfig)
        await em.nativeUpdate(RuntimeConfig, { tenantId: endpoint.tenantId }, { webhookUrl: fields.url });
      if (input.events !== undefined) endpoint.events = fields.events;
      if (input.description !== undefined) endpoint.description = fields.description;
      if (input.enabled != null) Object.assign(endpoint, { enabled: input.enabled, disabledReason: null });
    });
    // What waited for it while it was disabled.
    if (input.enabled === true) await this.context.jobs.send(DELIVER_QUEUE, { endpointId: id });
    return changed;
  }

  /**
   * Removes it with its log of deliveries; what still waits for it is not sent. Throws NOT_FOUND, and CONFLICT for the
   * `webhook_url` of the runtime config, which is cleared there.
   */
  async remove(viewer: Viewer, id: string): Promise<WebhookEndpoint> {
    requireScope(viewer, 'webhooks:write');
    const { tenantId } = await this.get(viewer, id);
    return this.context.database.em({ tenantId: tenantId as string }).transactional(async (em) => {
      // Waits for events that are just being written for it, and they for this.
      const endpoint = await em.findOne(WebhookEndpoint, { id }, { lockMode: LockMode.PESSIMISTIC_WRITE });
      if (endpoint === null) throw notFound('webhook endpoint');
      if (endpoint.fromRuntimeConfig)
        throw new AppError('CONFLICT', 'This is the webhook_url of the runtime config; clear it there');
      await em.nativeDelete(WebhookDelivery, { endpointId: id });
      await em.remove(endpoint).flush();
      audit(em, viewer, {
        tenantId: tenantId as string,
        action: 'webhook_endpoint.deleted',
        subjectType: 'WebhookEndpoint',
        subjectId: id,
        before: { url: endpoint.url, events: endpoint.events, enabled: endpoint.enabled },
      });
      return endpoint;
    });
  }

  /** A new secret; the one before also signs for `overlapSeconds`, so that receivers can change at their own pace. */
  async rotateSecret(
    viewer: Viewer,
    id: string,
    overlapSeconds = OVERLAP_SECONDS,
  ): Promise<{ endpoint: WebhookEndpoint; secret: string }> {
    requireScope(viewer, 'webhooks:write');
    const check = new Check();
    check.when(
      !(overlapSeconds >= 0 && overlapSeconds <= MAX_OVERLAP_SECONDS),
      'overlapSeconds',
      `must be from 0 to ${MAX_OVERLAP_SECONDS}`,
    );
    check.done();
    const secret = newWebhookSecret();
    const endpoint = await this.change(viewer, id, 'webhook_endpoint.secret_rotated', (row) => {
      row.previousSecretSealed = row.secretSealed;
      row.previousSecretExpiresAt = new Date(this.context.clock.now().getTime() + overlapSeconds * 1_000);
      row.secretSealed = seal(this.context.settings.encryptionKey, secret);
    });
    return { endpoint, secret };
  }

  async get(viewer: Viewer, id: string): Promise<WebhookEndpoint> {
    requireScope(viewer, 'webhooks:read');
    const endpoint = isUuid(id) ? await emFor(this.context.database, viewer).findOne(WebhookEndpoint, { id }) : null;
    if (endpoint === null) throw notFound('webhook endpoint');
    return endpoint;
  }

  page(viewer: Viewer, tenantId: string | null | undefined, request: PageRequest): Promise<Page<WebhookEndpoint>> {
    requireScope(viewer, 'webhooks:read');
    return listPage(emFor(this.context.database, viewer, tenantId), WebhookEndpoint, {}, request);
  }

  list(
    viewer: Viewer,
    tenantId: string | null | undefined,
    request: OffsetRequest,
  ): Promise<{ rows: WebhookEndpoint[]; total: number }> {
    requireScope(viewer, 'webhooks:read');
    return listOffset(emFor(this.context.database, viewer, tenantId), WebhookEndpoint, {}, request);
  }

  /** The runtime config's `webhook_url` is the first endpoint; taking the URL away disables it. */
  async setUrl(em: EntityManager, viewer: Viewer, tenantId: string, url: string | null): Promise<string | null> {
    const existing = await em.findOne(WebhookEndpoint, { tenantId, fromRuntimeConfig: true });
    if (existing !== null) {
      Object.assign(existing, url === null ? { enabled: false } : { url, enabled: true, disabledReason: null });
      return null;
    }
    if (url === null) return null;
    const { secret } = await this.insert(em, viewer, tenantId, {
      url,
      events: [],
      description: 'webhook_url of the runtime config',
      enabled: true,
      fromRuntimeConfig: true,
    });
    return secret;
  }

  /** Secrets that sign now, newest first. */
  secretsOf(endpoint: WebhookEndpoint, now: Date): string[] {
    const key = this.context.settings.encryptionKey;
    const previous =
      endpoint.previousSecretExpiresAt != null && endpoint.previousSecretExpiresAt > now
        ? endpoint.previousSecretSealed
        : null;
    return [endpoint.secretSealed, ...(previous == null ? [] : [previous])].map((sealed) => open(key, sealed));
  }

  private async insert(
    em: EntityManager,
    viewer: Viewer,
    tenantId: string,
    fields: { url: string; events: string[]; description: string | null; enabled: boolean; fromRuntimeConfig: boolean },
  ): Promise<{ endpoint: WebhookEndpoint; secret: string }> {
    const secret = newWebhookSecret();
    const endpoint = em.create(WebhookEndpoint, {
      ...fields,
      tenantId,
      secretSealed: seal(this.context.settings.encryptionKey, secret),
    });
    await em.flush();
    audit(em, viewer, {
      tenantId,
      action: 'webhook_endpoint.created',
      subjectType: 'WebhookEndpoint',
      subjectId: endpoint.id,
      after: { url: fields.url, events: fields.events },
    });
    return { endpoint, secret };
  }

  private async change(
    viewer: Viewer,
    id: string,
    action: string,
    apply: (endpoint: WebhookEndpoint, em: EntityManager) => void | Promise<void>,
  ): Promise<WebhookEndpoint> {
    const { tenantId } = await this.get(viewer, id);
    return this.context.database.em({ tenantId: tenantId as string }).transactional(async (em) => {
      const endpoint = await em.findOneOrFail(WebhookEndpoint, { id });
      const shown = () => ({ url: endpoint.url, events: endpoint.events, enabled: endpoint.enabled });
      const before = shown();
      await apply(endpoint, em);
      audit(em, viewer, {
        tenantId: tenantId as string,
        action,
        subjectType: 'WebhookEndpoint',
        subjectId: id,
        before,
        after: shown(),
      });
      return endpoint;
    });
  }

  private check(input: WebhookEndpointInput, needsUrl: boolean) {
    const check = new Check();
    const url = needsUrl || input.url != null ? check.text('url', input.url, 2_000) : null;
    const problem =
      url === null || url === '' ? null : targetUrlProblem(url, this.context.settings.allowPrivateAddresses);
    if (problem !== null) check.fail('url', problem);
    const events = [...new Set(input.events ?? [])];
    const unknown = events.filter((event) => !(TENANT_EVENTS as readonly string[]).includes(event));
    check.when(unknown.length > 0, 'events', `knows no ${unknown.join(', ')}; known: ${TENANT_EVENTS.join(', ')}`);
    const description = check.optionalText('description', input.description, 500);
    check.done();
    return { url, events, description, enabled: input.enabled ?? true };
  }
}

/** Throws VALIDATION_FAILED when a tenant has as many endpoints as there may be. */
async function requireRoom(em: EntityManager, tenantId: string, field: string): Promise<void> {
  if ((await em.count(WebhookEndpoint, { tenantId, enabled: true })) < MAX_ENDPOINTS) return;
  const check = new Check();
  check.fail(field, `a tenant has at most ${MAX_ENDPOINTS} enabled endpoints`);
  check.done();
}

const newWebhookSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`;
