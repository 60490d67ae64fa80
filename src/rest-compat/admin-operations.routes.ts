import { Type } from 'typebox';
import { body, listed, text, type Route } from './admin-table.js';
import * as shape from './admin-shapes.js';
import { shown } from './mappers.js';
import type { RestServices } from './rest-door.js';
import { Optional } from './schemas.js';

/** Webhooks, diagnostics, the audit log and alerts. */
export function operationRoutes(s: RestServices): Route[] {
  return [
    {
      method: 'GET',
      path: '/webhook-endpoints',
      summary: 'Webhook endpoints',
      list: true,
      handle: (r) => listed(r, (page, q) => s.webhookEndpoints.list(r.viewer, q.tenant_id, page), shape.endpoint),
    },
    {
      method: 'POST',
      path: '/webhook-endpoints',
      summary: 'Create a webhook endpoint; its secret is shown once',
      body: body({
        tenant_id: text,
        url: text,
        events: Optional(Type.Array(text)),
        enabled: Optional(Type.Boolean()),
        description: Optional(text),
      }),
      handle: async (r, input: { tenantId: string; url: string }) => {
        const { endpoint: row, secret } = await s.webhookEndpoints.create(r.viewer, input.tenantId, input);
        return { ...shape.endpoint(row), secret };
      },
    },
    {
      method: 'PATCH',
      path: '/webhook-endpoints/:id',
      summary: 'Change a webhook endpoint',
      body: body({
        url: Optional(text),
        events: Optional(Type.Array(text)),
        enabled: Optional(Type.Boolean()),
        description: Optional(text),
      }),
      handle: async (r, input, ids) => shape.endpoint(await s.webhookEndpoints.update(r.viewer, ids.id!, input)),
    },
    {
      method: 'POST',
      path: '/webhook-endpoints/:id/rotate-secret',
      summary: 'A new secret; the old one signs along for a day',
      handle: async (r, _, ids) => {
        const { endpoint: row, secret } = await s.webhookEndpoints.rotateSecret(r.viewer, ids.id!);
        return { ...shape.endpoint(row), secret };
      },
    },
    {
      method: 'GET',
      path: '/webhook-deliveries',
      summary: 'Webhook deliveries',
      list: true,
      handle: (r) =>
        listed(r, (page, q) => s.webhookDeliveries.list(r.viewer, { tenantId: q.tenant_id }, page), shape.delivery),
    },
    {
      method: 'POST',
      path: '/webhook-events/:event_id/redeliver',
      summary: 'Send an event again',
      body: Optional(body({ endpoint_id: Optional(text) })),
      handle: async (r, input: { endpointId?: string } | null, ids) =>
        shape.delivery(await s.webhookDeliveries.redeliver(r.viewer, ids.event_id!, input?.endpointId ?? null)),
    },
    {
      method: 'GET',
      path: '/diagnostics',
      summary: 'What an operator should know',
      list: true,
      handle: (r) =>
        listed(
          r,
          (page, q) => s.diagnosticsQuery.list(r.viewer, { tenantId: q.tenant_id }, page),
          (row) =>
            shown(
              row,
              'id',
              'tenantId',
              'code',
              'severity',
              'message',
              'action',
              'detail',
              'count',
              'firstSeenAt',
              'lastSeenAt',
              'resolvedAt',
            ),
        ),
    },
    {
      method: 'GET',
      path: '/audit-log',
      summary: 'Who changed what',
      list: true,
      handle: (r) =>
        listed(
          r,
          (page, q) => s.auditQuery.list(r.viewer, { tenantId: q.tenant_id }, page),
          (row) =>
            shown(
              row,
              'id',
              'tenantId',
              'actor',
              'address',
              'requestId',
              'action',
              'subjectType',
              'subjectId',
              'before',
              'after',
              'reason',
              'createdAt',
            ),
        ),
    },
    {
      method: 'GET',
      path: '/api-access-requests',
      summary: 'Requests for access',
      list: true,
      handle: (r) =>
        listed(
          r,
          (page) => s.accessRequests.list(r.viewer, page),
          (row) => shown(row, 'id', 'name', 'email', 'company', 'useCase', 'status', 'createdAt'),
        ),
    },
    {
      method: 'GET',
      path: '/alerts/auth-transport',
      summary: 'How streams and callers authenticate',
      handle: async () => {
        const { streamTokenSecretPrevious, legacyBearerAuth } = s.context.settings;
        const alerts = legacyBearerAuth
          ? []
          : [
              {
                action: 'none',
                code: 'legacy_bearer_disabled',
                message: 'Legacy bearer tokens are refused',
                severity: 'info',
              },
            ];
        return {
          status: 'ok',
          count: alerts.length,
          alerts,
          diagnostics: {
            legacy_query_auth_enabled: true,
            stream_auth_primary_configured: true,
            stream_auth_previous_configured: streamTokenSecretPrevious !== null,
            stream_auth_secret_count: streamTokenSecretPrevious === null ? 1 : 2,
          },
        };
      },
    },
  ];
}
