import { Type } from 'typebox';
import type { FieldIssue } from '../lib/errors.js';
import { Maybe, Text, Time } from './schemas.js';
import { AdminRoutes, Data } from './admin-route.js';
import { GovernanceFields, Telephony } from './admin-parts.js';
import { ApiKeyRow, RuntimeConfigRow, TenantRow, TestNumberRow, TwilioCredentialRow } from './admin-resources.js';
import type { RestApp, RestDoorOptions } from './deps.js';

const text = Type.String();

/** Tenants and what hangs on them: defaults, keys, carrier accounts, test phones. */
export async function tenantRoutes(app: RestApp, { services }: RestDoorOptions): Promise<void> {
  const { tenants } = services;
  const routes = new AdminRoutes(app, 'tenants');
  routes.list('GET /tenants', { summary: 'Tenants, newest first', row: TenantRow }, ({ viewer }, page) =>
    tenants.list(viewer, page),
  );
  routes.one(
    'POST /tenants',
    {
      summary: 'Create a tenant',
      body: {
        id: Type.String({ description: 'A slug; it never changes.', examples: ['acme'] }),
        name: text,
        sandbox: Maybe(Type.Boolean({ description: 'Simulated synthetic runs count as evidence. Fixed at creation.' })),
        time_zone: Maybe(Type.String({ examples: ['Europe/Berlin'] })),
      },
      answer: TenantRow.schema,
      fails: [409],
    },
    async ({ viewer, input }) => TenantRow.of(await tenants.create(viewer, input)),
  );
  routes.one('GET /tenants/:tenant_id', { summary: 'One tenant', answer: TenantRow.schema }, async ({ viewer, ids }) =>
    TenantRow.of(await tenants.get(viewer, ids.tenant_id)),
  );
  routes.one(
    'PATCH /tenants/:tenant_id',
    { summary: 'Change a tenant', body: { name: Maybe(text), time_zone: Maybe(text) }, answer: TenantRow.schema },
    async ({ viewer, ids, input }) => TenantRow.of(await tenants.update(viewer, ids.tenant_id, input)),
  );
  routes.one(
    'POST /tenants/:tenant_id/suspend',
    {
      summary: 'Suspend a tenant',
      description: 'Its API answers 403, its calls get the fallback, its subscriptions end.',
      body: { reason: Maybe(Text(2_000)) },
      answer: TenantRow.schema,
    },
    async ({ viewer, ids, input }) => TenantRow.of(await tenants.suspend(viewer, ids.tenant_id, input.reason)),
  );
  routes.one(
    'POST /tenants/:tenant_id/resume',
    { summary: 'End a suspension', body: {}, answer: TenantRow.schema },
    async ({ viewer, ids }) => TenantRow.of(await tenants.resume(viewer, ids.tenant_id)),
  );
}

export async function runtimeConfigRoutes(app: RestApp, { services }: RestDoorOptions): Promise<void> {
  const { runtimeConfigs } = services;
  const routes = new AdminRoutes(app, 'runtime config');
  routes.one(
    'GET /tenants/:tenant_id/runtime-config',
    { summary: 'Defaults of a tenant', answer: RuntimeConfigRow.schema },
    async ({ viewer, ids }) => RuntimeConfigRow.of(await runtimeConfigs.get(viewer, ids.tenant_id)),
  );
  routes.one(
    'PUT /tenants/:tenant_id/runtime-config',
    {
      summary: 'Set defaults of a tenant',
      description:
        'A field that is left out stays as it is; null clears it. Model, voice and prompt count for versions in draft, whose ' +
        'evidence starts anew; one that has left draft keeps what it was cleared with.',
      body: {
        model: Maybe(Type.String({ examples: ['gpt-realtime'] })),
        voice: Maybe(Type.String({ examples: ['alloy'] })),
        system_prompt_key: Maybe(Type.String({ examples: ['front_desk_v1'] })),
        webhook_url: Maybe(Type.String({ examples: ['https://api.example.com/webhooks/stateset-voice'] })),
        telephony: Maybe(Type.Object(Telephony, { additionalProperties: false })),
        governance: Maybe(Type.Object(GovernanceFields, { additionalProperties: false })),
      },
      answer: Type.Object({
        ...RuntimeConfigRow.schema.properties,
        warnings: Type.Array(text, { description: 'Accepted, but probably not meant.' }),
        webhook_secret: Type.Optional(
          Type.String({ description: 'Shown once, when `webhook_url` is first set: it signs the events.' }),
        ),
      }),
    },
    async ({ viewer, ids, input }) => {
      const { config, warnings, webhookSecret } = await runtimeConfigs.set(viewer, ids.tenant_id, input);
      return {
        ...RuntimeConfigRow.of(config),
        warnings: warnings.map(({ message }: FieldIssue) => message),
        ...(webhookSecret === null ? {} : { webhook_secret: webhookSecret }),
      };
    },
  );
}

export async function credentialRoutes(app: RestApp, deps: RestDoorOptions): Promise<void> {
  apiKeyRoutes(app, deps);
  twilioCredentialRoutes(app, deps);
  testNumberRoutes(app, deps);
}

function apiKeyRoutes(app: RestApp, { services: { apiKeys } }: RestDoorOptions): void {
  const routes = new AdminRoutes(app, 'API keys');
  const fields = {
    name: text,
    environment: Maybe(
      Type.String({ description: 'A label, part of the key: `tl_<environment>_…`.', examples: ['live'] }),
    ),
    scopes: Maybe(Type.Array(text, { description: 'Left out: all of them.' })),
    expires_at: Maybe(Time('Left out: never.')),
  };
  const expiring = (expiresAt: string | null | undefined) => (expiresAt == null ? null : new Date(expiresAt));
  routes.list(
    'GET /tenants/:tenant_id/api-keys',
    { summary: 'Keys of a tenant, newest first, revoked ones too', row: ApiKeyRow },
    ({ viewer, ids }, page) => apiKeys.list(viewer, ids.tenant_id, page),
  );
  routes.one(
    'POST /tenants/:tenant_id/api-keys',
    {
      summary: 'Create a key',
      description: 'The key itself is in this answer only.',
      body: fields,
      answer: Type.Object({ ...ApiKeyRow.schema.properties, key: text }),
    },
    async ({ viewer, ids, input: { expiresAt, ...input } }) => {
      const { apiKey, secret } = await apiKeys.create(viewer, ids.tenant_id, {
        ...input,
        expiresAt: expiring(expiresAt),
      });
      return { ...ApiKeyRow.of(apiKey), key: secret };
    },
  );
  routes.one(
    'POST /tenants/:tenant_id/api-keys/import',
    {
      summary: 'Take over a raw bearer token of old clients',
      body: {
        ...fields,
        token: Type.String({ description: 'At least 16 visible characters; stored hashed, like a key.' }),
      },
      answer: ApiKeyRow.schema,
      fails: [409],
    },
    async ({ viewer, ids, input: { expiresAt, ...input } }) =>
      ApiKeyRow.of(await apiKeys.importLegacy(viewer, ids.tenant_id, { ...input, expiresAt: expiring(expiresAt) })),
  );
  routes.one(
    'DELETE /tenants/:tenant_id/api-keys/:key_id',
    { summary: 'Revoke a key, everywhere at once', answer: ApiKeyRow.schema },
    async ({ viewer, ids }) => ApiKeyRow.of(await apiKeys.revoke(viewer, ids.key_id, ids.tenant_id)),
  );
}

function twilioCredentialRoutes(app: RestApp, { services: { twilioCredentials } }: RestDoorOptions): void {
  const routes = new AdminRoutes(app, 'Twilio credentials');
  routes.one(
    'GET /tenants/:tenant_id/twilio-credentials',
    { summary: 'Twilio accounts of a tenant, without tokens', answer: Data(TwilioCredentialRow) },
    async ({ viewer, ids }) => ({
      data: (await twilioCredentials.list(viewer, ids.tenant_id)).map((row) => TwilioCredentialRow.of(row)),
    }),
  );
  routes.one(
    'POST /tenants/:tenant_id/twilio-credentials',
    {
      summary: 'Set or rotate a Twilio account',
      body: {
        account_sid: text,
        auth_token: text,
        overlap_seconds: Maybe(
          Type.Integer({ description: 'How long the token before stays valid for signatures; a day by default.' }),
        ),
      },
      answer: TwilioCredentialRow.schema,
    },
    async ({ viewer, ids, input }) => TwilioCredentialRow.of(await twilioCredentials.set(viewer, ids.tenant_id, input)),
  );
  routes.one(
    'DELETE /tenants/:tenant_id/twilio-credentials/:id',
    { summary: 'End a Twilio account at once, also for signatures', answer: TwilioCredentialRow.schema },
    async ({ viewer, ids }) => TwilioCredentialRow.of(await twilioCredentials.remove(viewer, ids.tenant_id, ids.id)),
  );
}

function testNumberRoutes(app: RestApp, { services: { testNumbers } }: RestDoorOptions): void {
  const routes = new AdminRoutes(app, 'test numbers');
  routes.one(
    'GET /tenants/:tenant_id/test-numbers',
    { summary: 'Phones that an uncleared version may call', answer: Data(TestNumberRow) },
    async ({ viewer, ids }) => ({
      data: (await testNumbers.list(viewer, ids.tenant_id)).map((row) => TestNumberRow.of(row)),
    }),
  );
  routes.one(
    'POST /tenants/:tenant_id/test-numbers',
    {
      summary: 'Register a test phone',
      body: { number: text, label: Maybe(text) },
      answer: TestNumberRow.schema,
      fails: [409],
    },
    async ({ viewer, ids, input }) => TestNumberRow.of(await testNumbers.add(viewer, ids.tenant_id, input)),
  );
  routes.one(
    'DELETE /tenants/:tenant_id/test-numbers/:id',
    { summary: 'Forget a test phone', answer: TestNumberRow.schema },
    async ({ viewer, ids }) => TestNumberRow.of(await testNumbers.remove(viewer, ids.tenant_id, ids.id)),
  );
}
