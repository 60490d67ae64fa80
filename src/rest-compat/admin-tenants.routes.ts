import { Type } from 'typebox';
import { body, listed, text, type Route } from './admin-table.js';
import * as shape from './admin-shapes.js';
import type { RestServices } from './rest-door.js';
import { Open, Optional } from './schemas.js';

/** Tenants, their defaults and their credentials. */
export function tenantRoutes(s: RestServices): Route[] {
  const settings = {
    model: Optional(text),
    voice: Optional(text),
    system_prompt_key: Optional(text),
    webhook_url: Optional(text),
    telephony: Optional(Open('Telephony defaults')),
    governance: Optional(Open('Launch gates')),
  };
  return [
    {
      method: 'GET',
      path: '/tenants',
      summary: 'Tenants',
      list: true,
      handle: (r) => listed(r, (page) => s.tenants.list(r.viewer, page), shape.tenant),
    },
    {
      method: 'POST',
      path: '/tenants',
      summary: 'Create a tenant',
      body: body({ id: text, name: text, sandbox: Optional(Type.Boolean()), time_zone: Optional(text) }),
      handle: async (r, input) => shape.tenant(await s.tenants.create(r.viewer, input)),
    },
    {
      method: 'GET',
      path: '/tenants/:tenant_id',
      summary: 'One tenant',
      handle: async (r, _, ids) => shape.tenant(await s.tenants.get(r.viewer, ids.tenant_id!)),
    },
    {
      method: 'PATCH',
      path: '/tenants/:tenant_id',
      summary: 'Change a tenant',
      body: body({ name: Optional(text), time_zone: Optional(text) }),
      handle: async (r, input, ids) => shape.tenant(await s.tenants.update(r.viewer, ids.tenant_id!, input)),
    },
    {
      method: 'POST',
      path: '/tenants/:tenant_id/suspend',
      summary: 'Suspend: calls get the fallback, the API answers 403',
      handle: async (r, _, ids) => shape.tenant(await s.tenants.suspend(r.viewer, ids.tenant_id!)),
    },
    {
      method: 'POST',
      path: '/tenants/:tenant_id/resume',
      summary: 'End a suspension',
      handle: async (r, _, ids) => shape.tenant(await s.tenants.resume(r.viewer, ids.tenant_id!)),
    },
    {
      method: 'GET',
      path: '/tenants/:tenant_id/runtime-config',
      summary: 'Defaults of a tenant',
      handle: async (r, _, ids) => shape.runtimeConfig(await s.runtimeConfigs.get(r.viewer, ids.tenant_id!)),
    },
    {
      method: 'PUT',
      path: '/tenants/:tenant_id/runtime-config',
      summary: 'Set defaults of a tenant; what is left out stays',
      body: body(settings),
      handle: async (r, input, ids) => {
        const { config, warnings, webhookSecret } = await s.runtimeConfigs.set(r.viewer, ids.tenant_id!, input);
        return {
          ...shape.runtimeConfig(config),
          warnings: warnings.map((w) => w.message),
          ...(webhookSecret === null ? {} : { webhook_secret: webhookSecret }),
        };
      },
    },
    {
      method: 'GET',
      path: '/tenants/:tenant_id/api-keys',
      summary: 'Keys of a tenant',
      list: true,
      handle: (r, _, ids) => listed(r, (page) => s.apiKeys.list(r.viewer, ids.tenant_id!, page), shape.apiKey),
    },
    {
      method: 'POST',
      path: '/tenants/:tenant_id/api-keys',
      summary: 'Create a key; its secret is shown once',
      body: body({
        name: text,
        environment: Optional(text),
        scopes: Optional(Type.Array(text)),
        expires_at: Optional(Type.String({ format: 'date-time' })),
      }),
      handle: async (r, input: { name: string; expiresAt?: string | null }, ids) => {
        const created = await s.apiKeys.create(r.viewer, ids.tenant_id!, {
          ...input,
          expiresAt: input.expiresAt == null ? null : new Date(input.expiresAt),
        });
        return { ...shape.apiKey(created.apiKey), key: created.secret };
      },
    },
    {
      method: 'DELETE',
      path: '/tenants/:tenant_id/api-keys/:key_id',
      summary: 'Revoke a key, everywhere at once',
      handle: async (r, _, ids) => shape.apiKey(await s.apiKeys.revoke(r.viewer, ids.key_id!, ids.tenant_id!)),
    },
    {
      method: 'GET',
      path: '/tenants/:tenant_id/twilio-credentials',
      summary: 'Twilio accounts of a tenant, without tokens',
      handle: async (r, _, ids) => ({
        data: (await s.twilioCredentials.list(r.viewer, ids.tenant_id!)).map(shape.credential),
      }),
    },
    {
      method: 'POST',
      path: '/tenants/:tenant_id/twilio-credentials',
      summary: 'Set or rotate a Twilio account',
      body: Type.Object({ account_sid: text, auth_token: text }, { additionalProperties: true }),
      handle: async (r, input, ids) => shape.credential(await s.twilioCredentials.set(r.viewer, ids.tenant_id!, input)),
    },
    {
      method: 'GET',
      path: '/tenants/:tenant_id/test-numbers',
      summary: 'Numbers that an uncleared version may call',
      handle: async (r, _, ids) => ({
        data: (await s.testNumbers.list(r.viewer, ids.tenant_id!)).map(shape.testNumber),
      }),
    },
    {
      method: 'POST',
      path: '/tenants/:tenant_id/test-numbers',
      summary: 'Register a test number',
      body: body({ number: text, label: Optional(text) }),
      handle: async (r, input, ids) => shape.testNumber(await s.testNumbers.add(r.viewer, ids.tenant_id!, input)),
    },
    {
      method: 'DELETE',
      path: '/tenants/:tenant_id/test-numbers/:id',
      summary: 'Forget a test number',
      handle: async (r, _, ids) => shape.testNumber(await s.testNumbers.remove(r.viewer, ids.tenant_id!, ids.id!)),
    },
  ];
}
