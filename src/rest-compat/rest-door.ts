import cookie from '@fastify/cookie';
import type { FastifyInstance } from 'fastify';
import { accessRequestRoutes } from './access-requests.routes.js';
import { agentRoutes, phoneRouteRoutes, promptRoutes } from './admin-agents.routes.js';
import { alertRoutes } from './admin-alerts.routes.js';
import { launchRoutes } from './admin-launch.routes.js';
import { auditRoutes, operationRoutes, webhookRoutes } from './admin-operations.routes.js';
import { rolloutRoutes } from './admin-rollout.routes.js';
import { adminSessionRoutes } from './admin-session.routes.js';
import { credentialRoutes, runtimeConfigRoutes, tenantRoutes } from './admin-tenants.routes.js';
import { scenarioRoutes, syntheticRunRoutes } from './admin-synthetic.routes.js';
import { authentication } from './auth.js';
import { callbackRoutes } from './callbacks.routes.js';
import { callRoutes } from './calls.routes.js';
import type { RestApp, RestDoorOptions } from './deps.js';
import { doNotCallRoutes, globalDoNotCallRoutes } from './do-not-call.routes.js';
import { documents } from './docs.js';
import { evaluationRoutes } from './evaluations.routes.js';
import { healthRoutes } from './health.js';
import { httpManners } from './http.js';
import { liveLogRoutes } from './live-logs.routes.js';
import { metricsRoute } from './metrics.js';
import { adminMetricsRoutes, callStatsRoutes } from './operations-metrics.routes.js';
import { scheduledCallRoutes } from './scheduled-calls.routes.js';
import { evaluationStatsRoutes, rubricRoutes } from './quality.routes.js';
import { sessionRoutes } from './sessions.routes.js';
import { adminSupervisorRoutes, supervisorRoutes } from './supervisor.routes.js';

/** When the paths without a version became deprecated (RFC 9745). */
const DEPRECATED_SINCE = '@1767225600';

const RUNTIME_ROUTES = [
  callRoutes,
  callStatsRoutes,
  supervisorRoutes,
  scheduledCallRoutes,
  callbackRoutes,
  doNotCallRoutes,
  sessionRoutes,
  evaluationRoutes,
  evaluationStatsRoutes,
  liveLogRoutes,
  accessRequestRoutes,
];
const ADMIN_ROUTES = [
  adminSessionRoutes,
  tenantRoutes,
  runtimeConfigRoutes,
  credentialRoutes,
  agentRoutes,
  rolloutRoutes,
  promptRoutes,
  launchRoutes,
  phoneRouteRoutes,
  scenarioRoutes,
  adminSupervisorRoutes,
  syntheticRunRoutes,
  webhookRoutes,
  operationRoutes,
  auditRoutes,
  alertRoutes,
  adminMetricsRoutes,
  globalDoNotCallRoutes,
  rubricRoutes,
];

/** The REST door: `/api/v1` as old clients know it, the admin routes beside it, documents, health and metrics. */
export async function restDoor(fastify: FastifyInstance, options: RestDoorOptions): Promise<void> {
  const app = fastify as unknown as RestApp;
  await app.register(cookie);
  await app.register(httpManners, { log: options.log });
  await app.register(authentication, options);
  await app.register(documents);
  metricsRoute(fastify, options.metrics, options.metricsToken);
  await app.register(healthRoutes, options);
  if (options.surfaces.has('runtime')) {
    await app.register(runtimeRoutes, { ...options, prefix: '/api/v1' });
    await app.register(deprecatedAliases, options);
  }
  if (options.surfaces.has('admin'))
    await app.register(
      async (admin) => {
        for (const routes of ADMIN_ROUTES) await admin.register(routes, options);
      },
      { prefix: '/api/v1/admin' },
    );
}

/** What a tenant's application uses. */
async function runtimeRoutes(app: RestApp, options: RestDoorOptions): Promise<void> {
  // A prefix in the options of this plugin must not be added a second time.
  const { prefix: _, ...rest } = options as RestDoorOptions & { prefix?: string };
  for (const routes of RUNTIME_ROUTES) await app.register(routes, rest);
}

/** The same without `/api/v1`, for the oldest clients; described once, under the names that stay. */
async function deprecatedAliases(app: RestApp, options: RestDoorOptions): Promise<void> {
  app.addHook('onRoute', (route) => void (route.schema = { ...route.schema, hide: true }));
  app.addHook('onRequest', async (request, reply) => {
    const path = request.url.split('?', 1)[0]!;
    reply.header('deprecation', DEPRECATED_SINCE).header('link', `</api/v1${path}>; rel="successor-version"`);
  });
  await runtimeRoutes(app, options);
}
