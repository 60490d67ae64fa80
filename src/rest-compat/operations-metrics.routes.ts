import { Type } from 'typebox';
import { CIRCUIT_STATES } from '../lib/circuit-breaker.js';
import {
  DEFAULT_WINDOW_MINUTES,
  MAX_WINDOW_MINUTES,
  METRICS_DIMENSIONS,
  type MetricsDimension,
} from '../services/operations-metrics.js';
import { PROVIDERS } from '../services/provider-health.js';
import { PROVIDER_COMPONENTS, PROVIDER_STATUSES } from '../services/provider-monitor.js';
import { AdminRoutes, Data } from './admin-route.js';
import { viewerOf } from './auth.js';
import type { RestApp, RestDoorOptions } from './deps.js';
import { lowerAll, upper } from './naming.js';
import { resource } from './resource.js';
import { errors, Lenient, Nullable, tenantQuery, Time, WithDefault, Word } from './schemas.js';

const rate = (of: string) => Nullable(Type.Number({ description: `0-1, of ${of}; null of none.` }));
const count = (description?: string) => Type.Integer({ description });
const FIGURES = {
  calls_created: count(),
  calls_answered: count(),
  calls_ended: count(),
  calls_completed: count('Completed without an error.'),
  calls_transferred: count(),
  calls_escalated: count(),
  calls_failed: count(),
  answer_rate: rate('created'),
  completion_rate: rate('ended'),
  transfer_rate: rate('answered'),
  escalation_rate: rate('answered'),
  error_rate: rate('created'),
  errors: Type.Array(Type.Object({ cause: Type.String(), count: count() })),
  average_handle_seconds: Nullable(Type.Number()),
  time_to_first_audio_p50_ms: Nullable(Type.Integer()),
  time_to_first_audio_p95_ms: Nullable(Type.Integer()),
  interruptions: count('Agent turns that callers spoke over.'),
  mean_score: Nullable(Type.Number({ description: 'Mean of the evaluated calls, 0-1.' })),
};
const Snapshot = resource({
  tenant_id: Nullable(Type.String({ description: 'Null: every tenant.' })),
  window_minutes: count(),
  from: Time(),
  to: Time('The end of the current minute.'),
  concurrent_calls: count('Now.'),
  failed_webhooks: count('Deliveries of the window that failed and were not delivered since.'),
  ...FIGURES,
});
const Group = resource({
  tenant_id: Nullable(Type.String()),
  agent_key: Nullable(Type.String()),
  agent_version_id: Nullable(Type.String()),
  ...FIGURES,
});
const Point = resource({ at: Time(), failed_webhooks: count(), ...FIGURES });

const windowQuery = {
  ...tenantQuery,
  window_minutes: WithDefault(
    Type.Integer({ minimum: 1, maximum: MAX_WINDOW_MINUTES, default: DEFAULT_WINDOW_MINUTES }),
  ),
};
const WithAgents = Type.Object({ ...Snapshot.schema.properties, agents: Type.Array(Group.schema) });

/** How a tenant's calls went. */
export async function callStatsRoutes(app: RestApp, { services }: RestDoorOptions): Promise<void> {
  app.get(
    '/call-logs/stats',
    {
      config: { access: 'tenant' as const },
      schema: {
        tags: ['calls'],
        summary: 'Figures of the calls created in a window, and of each agent',
        description: 'A second or so behind the calls. Synthetic calls count nowhere.',
        querystring: Lenient(windowQuery),
        response: { 200: WithAgents, ...errors() },
      },
    },
    async (request) => {
      const viewer = viewerOf(request);
      const { tenant_id, window_minutes } = request.query;
      const metrics = await services.operationsMetrics.snapshot(viewer, tenant_id, window_minutes);
      const agents = await services.operationsMetrics.groups(viewer, metrics, 'AGENT');
      return { ...Snapshot.of(metrics), agents: agents.map((group) => Group.of(group)) };
    },
  );
}

const HealthRow = resource(
  {
    provider: Word(lowerAll(PROVIDERS)),
    component: Word(lowerAll(PROVIDER_COMPONENTS)),
    status: Word(lowerAll(PROVIDER_STATUSES)),
    circuit: Word(lowerAll(CIRCUIT_STATES)),
    open_until: Nullable(Time('When it is tried again.')),
    requests: count('Of the last five minutes.'),
    failures: count(),
    error_rate: rate('requests'),
    latency_p50_ms: Nullable(Type.Integer()),
    latency_p95_ms: Nullable(Type.Integer()),
    last_success_at: Nullable(Time()),
    last_failure_at: Nullable(Time()),
    last_error: Nullable(Type.String({ examples: ['no_answer', 'http_503'] })),
  },
  ['provider', 'component', 'status', 'circuit'],
);

/** The same for operators: by tenant, agent or version, and minute by minute. */
export async function adminMetricsRoutes(
  app: RestApp,
  { services: { operationsMetrics, providerHealth } }: RestDoorOptions,
): Promise<void> {
  const routes = new AdminRoutes(app, 'metrics');
  routes.one(
    'GET /provider-health',
    {
      summary: 'How Twilio and OpenAI do, as the process that answers sees it',
      description: 'From real traffic, and from light probes where there is none.',
      answer: Data(HealthRow),
    },
    async ({ viewer }) => ({ data: providerHealth.list(viewer).map((row) => HealthRow.of(row)) }),
  );
  routes.one(
    'GET /metrics',
    {
      summary: 'Figures of the calls created in a window, apart and minute by minute',
      query: {
        ...windowQuery,
        by: WithDefault(Word(lowerAll(METRICS_DIMENSIONS), { default: 'tenant' })),
      },
      answer: Type.Object({
        ...Snapshot.schema.properties,
        groups: Type.Array(Group.schema),
        minutes: Type.Array(Point.schema, { description: 'Those in which something happened, oldest first.' }),
      }),
    },
    async ({ viewer, query }) => {
      const metrics = await operationsMetrics.snapshot(viewer, query.tenant_id, query.window_minutes);
      const groups = await operationsMetrics.groups(viewer, metrics, upper<MetricsDimension>(query.by)!);
      const minutes = await operationsMetrics.minutes(viewer, metrics);
      return {
        ...Snapshot.of(metrics),
        groups: groups.map((group) => Group.of(group)),
        minutes: minutes.map((point) => Point.of(point)),
      };
    },
  );
}
