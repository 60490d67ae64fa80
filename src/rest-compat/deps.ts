import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { SessionFeeds } from '../live/session-feed.js';
import type { Logger } from '../ports/logger.js';
import type { Metrics } from '../ports/metrics.js';
import type { RateLimiter } from '../ports/rate-limiter.js';
import type { AccessRequests } from '../services/access-requests.js';
import type { SignedAdminSessions } from '../services/admin-sessions.js';
import type { AgentVersions } from '../services/agent-versions.js';
import type { Agents } from '../services/agents.js';
import type { ApiKeys } from '../services/api-keys.js';
import type { Approvals } from '../services/approvals.js';
import type { AuditQuery } from '../services/audit-query.js';
import type { CallServices } from '../services/call-services.js';
import type { CallsQuery } from '../services/calls-query.js';
import type { ServiceContext } from '../services/context.js';
import type { DiagnosticsQuery } from '../services/diagnostics-query.js';
import type { EvaluationStats } from '../services/evaluation-stats.js';
import type { Evaluations } from '../services/evaluations.js';
import type { LaunchGates } from '../services/launch-gates.js';
import type { OperationsMetrics } from '../services/operations-metrics.js';
import type { PhoneRoutes } from '../services/phone-routes.js';
import type { Prompts } from '../services/prompts.js';
import type { RolloutGovernance } from '../services/rollout-governance.js';
import type { Rollouts } from '../services/rollout.js';
import type { ProviderHealth } from '../services/provider-health.js';
import type { Rubrics } from '../services/rubrics.js';
import type { RuntimeConfigs } from '../services/runtime-configs.js';
import type { Scenarios } from '../services/scenarios.js';
import type { SessionsQuery } from '../services/sessions-query.js';
import type { SyntheticRuns } from '../services/synthetic-runs.js';
import type { Tenants } from '../services/tenants.js';
import type { TestNumbers } from '../services/test-numbers.js';
import type { TwilioCredentials } from '../services/twilio-credentials.js';
import type { Viewers } from '../services/viewers.js';
import type { WebhookDeliveries } from '../services/webhook-deliveries.js';
import type { WebhookEndpoints } from '../services/webhook-endpoints.js';
import type { Readiness } from './health.js';

/** The use-cases that this door shows. */
export interface RestServices {
  context: Pick<ServiceContext, 'topics' | 'settings'>;
  calls: Pick<CallServices, 'makeCall' | 'supervisor' | 'callbacks' | 'doNotCall' | 'scheduledCalls'>;
  viewers: Viewers;
  /** Null: the console has no password, and nobody can log in. */
  adminSessions: SignedAdminSessions | null;
  tenants: Tenants;
  runtimeConfigs: RuntimeConfigs;
  apiKeys: ApiKeys;
  twilioCredentials: TwilioCredentials;
  testNumbers: TestNumbers;
  accessRequests: AccessRequests;
  prompts: Prompts;
  agents: Agents;
  agentVersions: AgentVersions;
  launchGates: LaunchGates;
  approvals: Approvals;
  phoneRoutes: PhoneRoutes;
  rollouts: Rollouts;
  rolloutGovernance: RolloutGovernance;
  callsQuery: CallsQuery;
  sessionsQuery: SessionsQuery;
  evaluations: Evaluations;
  evaluationStats: EvaluationStats;
  rubrics: Rubrics;
  scenarios: Scenarios;
  syntheticRuns: SyntheticRuns;
  auditQuery: AuditQuery;
  diagnosticsQuery: DiagnosticsQuery;
  operationsMetrics: OperationsMetrics;
  providerHealth: ProviderHealth;
  webhookEndpoints: WebhookEndpoints;
  webhookDeliveries: WebhookDeliveries;
  feeds: SessionFeeds;
}

export interface RestDoorOptions {
  services: RestServices;
  surfaces: { has(surface: 'admin' | 'runtime' | 'telephony'): boolean };
  limiter: RateLimiter;
  /** Requests a minute. */
  rateLimitPerTenant: number;
  rateLimitPerIp: number;
  log: Logger;
  metrics: Metrics;
  /** Null: metrics are read on this machine only. */
  metricsToken: string | null;
  readiness: () => Promise<Readiness>;
  /** Milliseconds between two comments on a silent event stream. */
  heartbeatMs?: number;
}

/** Fastify whose handlers know the types of their schemas. */
export type RestApp = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;
