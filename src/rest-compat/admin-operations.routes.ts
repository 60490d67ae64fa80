import { Readable } from 'node:stream';
import { Type } from 'typebox';
import {
  DELIVERY_STATUSES,
  DIAGNOSTIC_SEVERITIES,
  type DeliveryStatus,
  type DiagnosticSeverity,
} from '../entities/index.js';
import { ACCESS_REQUEST_STATUSES } from '../services/access-requests.js';
import {
  AccessRequestRow,
  AuditRow,
  DiagnosticRow,
  WebhookDeliveryRow,
  WebhookEndpointRow,
} from './admin-resources.js';
import { AdminRoutes } from './admin-route.js';
import { viewerOf } from './auth.js';
import type { RestApp, RestDoorOptions } from './deps.js';
import { lowerAll, upper } from './naming.js';
import { errors, Maybe, streamOf, Strict, tenantQuery, Text, Word } from './schemas.js';
import { timeOf } from './time-window.js';

const text = Type.String();

/** Where a tenant's events go, and how they got there. */
export async function webhookRoutes(app: RestApp, { services }: RestDoorOptions): Promise<void> {
  const { webhookEndpoints, webhookDeliveries } = services;
  const routes = new AdminRoutes(app, 'webhooks');
  const fields = {
    events: Maybe(Type.Array(text, { description: 'Left out: every event.' })),
    enabled: Maybe(Type.Boolean()),
    description: Maybe(text),
  };
  const withSecret = Type.Object({ ...WebhookEndpointRow.schema.properties, secret: text });
  routes.list(
    'GET /webhook-endpoints',
    { summary: 'Webhook endpoints, newest first', row: WebhookEndpointRow, query: tenantQuery },
    ({ viewer, query }, page) => webhookEndpoints.list(viewer, query.tenant_id, page),
  );
  routes.one(
    'POST /webhook-endpoints',
    {
      summary: 'Create a webhook endpoint',
      description: 'Its signing secret (`whsec_…`, Standard Webhooks) is in this answer only.',
      body: { tenant_id: text, url: text, ...fields },
      answer: withSecret,
    },
    async ({ viewer, input: { tenantId, ...input } }) => {
      const { id } = await services.tenants.get(viewer, tenantId);
      const { endpoint, secret } = await webhookEndpoints.create(viewer, id, input);
      return { ...WebhookEndpointRow.of(endpoint), secret };
    },
  );
  routes.one(
    'PATCH /webhook-endpoints/:id',
    { summary: 'Change a webhook endpoint', body: { url: Maybe(text), ...fields }, answer: WebhookEndpointRow.schema },
    async ({ viewer, ids, input }) => WebhookEndpointRow.of(await webhookEndpoints.update(viewer, ids.id, input)),
  );
  routes.one(
    'DELETE /webhook-endpoints/:id',
    {
      summary: 'Remove a webhook endpoint with its log of deliveries',
      description: 'What still waits for it is not sent. To keep both, disable it.',
      answer: WebhookEndpointRow.schema,
      fails: [409],
    },
    async ({ viewer, ids }) => WebhookEndpointRow.of(await webhookEndpoints.remove(viewer, ids.id)),
  );
  routes.one(
    'POST /webhook-endpoints/:id/rotate-secret',
    {
      summary: 'A new signing secret; the one before signs along for a while',
      body: { overlap_seconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_592_000 })) },
      answer: withSecret,
    },
    async ({ viewer, ids, input }) => {
      const { endpoint, secret } = await webhookEndpoints.rotateSecret(viewer, ids.id, input.overlapSeconds);
      return { ...WebhookEndpointRow.of(endpoint), secret };
    },
  );
  routes.list(
    'GET /webhook-deliveries',
    {
      summary: 'Deliveries, newest first',
      row: WebhookDeliveryRow,
      query: {
        ...tenantQuery,
        endpoint_id: Type.Optional(Text(64)),
        event_id: Type.Optional(Text(64)),
        status: Type.Optional(Word(lowerAll(DELIVERY_STATUSES))),
      },
    },
    ({ viewer, query }, page) =>
      webhookDeliveries.list(
        viewer,
        {
          tenantId: query.tenant_id,
          endpointId: query.endpoint_id,
          eventId: query.event_id,
          status: upper<DeliveryStatus>(query.status),
        },
        page,
      ),
  );
  routes.one(
    'POST /webhook-events/:event_id/redeliver',
    {
      summary: 'Send an event again, with the same id',
      body: { endpoint_id: Maybe(text) },
      answer: WebhookDeliveryRow.schema,
    },
    async ({ viewer, ids, input }) =>
      WebhookDeliveryRow.of(await webhookDeliveries.redeliver(viewer, ids.event_id, input.endpointId ?? null)),
  );
  routes.one(
    'POST /webhook-deliveries/redeliver-failed',
    {
      summary: 'Send everything again whose last attempt since a moment failed',
      description: 'To endpoints that are enabled; at most 10,000 at once.',
      body: { since: Text(64), tenant_id: Maybe(text) },
      answer: Type.Object({ redelivered: Type.Integer() }),
    },
    async ({ viewer, input }) => ({
      redelivered: await webhookDeliveries.redeliverFailed(
        viewer,
        input.tenantId ?? null,
        timeOf('since', input.since)!,
      ),
    }),
  );
}

/** What the gateway noticed, who changed what, and who asked for access. */
export async function operationRoutes(app: RestApp, { services }: RestDoorOptions): Promise<void> {
  const { diagnosticsQuery, accessRequests } = services;
  const diagnostics = new AdminRoutes(app, 'diagnostics');
  diagnostics.list(
    'GET /diagnostics',
    {
      summary: 'What an operator should know, last seen first',
      row: DiagnosticRow,
      query: {
        ...tenantQuery,
        severity: Type.Optional(Word(lowerAll(DIAGNOSTIC_SEVERITIES))),
        code: Type.Optional(Text(100)),
        resolved: Type.Optional(Type.Boolean({ description: 'False: the open ones.' })),
      },
    },
    ({ viewer, query: { tenant_id: tenantId, severity, code, resolved } }, page) =>
      diagnosticsQuery.list(viewer, { tenantId, code, resolved, severity: upper<DiagnosticSeverity>(severity) }, page),
  );
  diagnostics.one(
    'POST /diagnostics/:id/resolve',
    { summary: 'Seen and dealt with', body: {}, answer: DiagnosticRow.schema },
    async ({ viewer, ids }) => DiagnosticRow.of(await diagnosticsQuery.resolve(viewer, ids.id)),
  );

  const access = new AdminRoutes(app, 'access requests');
  access.list(
    'GET /api-access-requests',
    { summary: 'Who asked for access, newest first', row: AccessRequestRow },
    ({ viewer }, page) => accessRequests.list(viewer, page),
  );
  access.one(
    'PATCH /api-access-requests/:id',
    { summary: 'Accept or decline', body: { status: Word(ACCESS_REQUEST_STATUSES) }, answer: AccessRequestRow.schema },
    async ({ viewer, ids, input }) => AccessRequestRow.of(await accessRequests.decide(viewer, ids.id, input.status)),
  );
}

/** The append-only record of admin changes. */
export async function auditRoutes(app: RestApp, { services: { auditQuery } }: RestDoorOptions): Promise<void> {
  const filter = {
    ...tenantQuery,
    actor: Type.Optional(Text(200)),
    action: Type.Optional(
      Text(100, { description: 'An action, or a subject with a dot: `agent_version.` for all of its.' }),
    ),
    subject_type: Type.Optional(Text(60)),
    subject_id: Type.Optional(Text(100)),
    from: Type.Optional(Text(64)),
    to: Type.Optional(Text(64)),
  };
  const filterOf = (query: { [K in keyof typeof filter]?: string | undefined }) => ({
    tenantId: query.tenant_id,
    actor: query.actor,
    action: query.action,
    subjectType: query.subject_type,
    subjectId: query.subject_id,
    since: timeOf('from', query.from),
    until: timeOf('to', query.to),
  });
  new AdminRoutes(app, 'audit log').list(
    'GET /audit-log',
    { summary: 'Who changed what, newest first', row: AuditRow, query: filter },
    ({ viewer, query }, page) => auditQuery.list(viewer, filterOf(query), page),
  );
  app.get(
    '/audit-log/export',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['audit log'],
        summary: 'Every matching entry as NDJSON, newest first',
        querystring: Strict(filter),
        response: { 200: streamOf('application/x-ndjson', 'One entry a line.'), ...errors() },
      },
    },
    async (request, reply) => {
      const entries = auditQuery.export(viewerOf(request), filterOf(request.query));
      const lines = async function* () {
        for await (const entry of entries) yield `${JSON.stringify(AuditRow.of(entry))}\n`;
      };
      reply.header('content-disposition', 'attachment; filename="audit-log.ndjson"').type('application/x-ndjson');
      return reply.send(Readable.from(lines()) as never);
    },
  );
}
