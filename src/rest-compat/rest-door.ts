import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { SessionFeeds } from '../live/session-feed.js';
import type { Logger } from '../ports/logger.js';
import type { Metrics } from '../ports/metrics.js';
import type { RateLimiter } from '../ports/rate-limiter.js';
import type { AccessRequests } from '../services/access-requests.js';
import type { Agents } from '../services/agents.js';
import type { AgentVersions } from '../services/agent-versions.js';
import type { ApiKeys } from '../services/api-keys.js';
import type { AuditQuery } from '../services/audit-query.js';
import type { CallServices } from '../services/call-services.js';
import type { CallsQuery } from '../services/calls-query.js';
import type { ServiceContext } from '../services/context.js';
import type { DiagnosticsQuery } from '../services/diagnostics-query.js';
import type { Evaluations } from '../services/evaluations.js';
import type { PhoneRoutes } from '../services/phone-routes.js';
import type { Prompts } from '../services/prompts.js';
import type { RuntimeConfigs } from '../services/runtime-configs.js';
import type { SessionsQuery } from '../services/sessions-query.js';
import type { Tenants } from '../services/tenants.js';
import type { TestNumbers } from '../services/test-numbers.js';
import type { TwilioCredentials } from '../services/twilio-credentials.js';
import type { Viewers } from '../services/viewers.js';
import type { WebhookDeliveries } from '../services/webhook-deliveries.js';
import type { WebhookEndpoints } from '../services/webhook-endpoints.js';
import { adminRoutes } from './admin.routes.js';
import { Access } from './auth.js';
import { callRoutes } from './calls.routes.js';
import { docRoutes, openApi } from './docs.js';
import { healthRoutes, type Readiness } from './health.js';
import { conventions, fromSnake } from './http.js';
import { metricsRoute } from './metrics.js';
import { Open, Optional, answers } from './schemas.js';
import { sessionRoutes } from './sessions.routes.js';

/** The use-cases that this door shows. */
export interface RestServices {
  context: ServiceContext;
  calls: Pick<CallServices, 'makeCall'>;
  viewers: Viewers;
  tenants: Tenants;
  runtimeConfigs: RuntimeConfigs;
  apiKeys: ApiKeys;
  twilioCredentials: TwilioCredentials;
  testNumbers: TestNumbers;
  accessRequests: AccessRequests;
  prompts: Prompts;
  agents: Agents;
  agentVersions: AgentVersions;
  phoneRoutes: PhoneRoutes;
  callsQuery: CallsQuery;
  sessionsQuery: SessionsQuery;
  evaluations: Evaluations;
  auditQuery: AuditQuery;
  diagnosticsQuery: DiagnosticsQuery;
  webhookEndpoints: WebhookEndpoints;
  webhookDeliveries: WebhookDeliveries;
  feeds: SessionFeeds;
}

export interface RestDoorOptions {
  services: RestServices;
  surfaces: ReadonlySet<string>;
  limiter: RateLimiter;
  /** Requests a minute. */
  rateLimitPerTenant: number;
  rateLimitPerIp: number;
  log: Logger;
  metrics: Metrics;
  /** Null: metrics are read on this machine only. */
  metricsToken: string | null;
  readiness: () => Promise<Readiness>;
}

/** Names that old clients still call without `/api/v1`. */
const DEPRECATED_SINCE = '@1767225600';

/** The documented `/api/v1` (api-v1.md), its documents, and health. */
export async function restDoor(app: FastifyInstance, options: RestDoorOptions): Promise<void> {
  const { services, surfaces } = options;
  const access = new Access({
    viewers: services.viewers,
    limiter: options.limiter,
    perTenant: options.rateLimitPerTenant,
    perAddress: options.rateLimitPerIp,
  });
  conventions(app, options.log);
  await openApi(app);
  healthRoutes(app, options.readiness);
  metricsRoute(app, options.metrics, options.metricsToken);
  if (surfaces.has('runtime')) {
    runtimeRoutes(app, services, access, '/api/v1');
    await app.register(async (aliases) => {
      aliases.addHook('onRequest', async (request, reply) => {
        reply
          .header('deprecation', DEPRECATED_SINCE)
          .header('link', `</api/v1${request.url.split('?', 1)[0]}>; rel="successor-version"`);
      });
      // Described once, under the names that stay.
      aliases.addHook('onRoute', (route) => void (route.schema = { ...route.schema, hide: true }));
      runtimeRoutes(aliases, services, access, '');
    });
  }
  if (surfaces.has('admin')) adminRoutes(app, services, access);
  await docRoutes(app);
}

function runtimeRoutes(app: FastifyInstance, services: RestServices, access: Access, prefix: string): void {
  callRoutes(app, services, access, prefix);
  sessionRoutes(app, services, access, prefix);
  app.post(
    `${prefix}/api-access-requests`,
    {
      onRequest: access.open,
      schema: {
        tags: ['public'],
        summary: 'Ask for access',
        security: [],
        body: Type.Object({
          name: Type.String(),
          email: Type.String(),
          company: Optional(Type.String()),
          use_case: Optional(Type.String()),
        }),
        response: answers(Open('Received')),
      },
    },
    async (request) => ({ ok: true, id: (await services.accessRequests.submit(fromSnake(request.body))).id }),
  );
}
