import { AppError } from '../lib/errors.js';
import type { SessionFeeds } from '../live/session-feed.js';
import type { AccessRequests } from '../services/access-requests.js';
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
import type { WebhookDeliveries } from '../services/webhook-deliveries.js';
import type { WebhookEndpoints } from '../services/webhook-endpoints.js';
import type { RequestFacts, Viewer } from '../services/viewer.js';
import type { Viewers } from '../services/viewers.js';
import { createLoaders, type Loaders } from './loaders.js';

/** The use-cases behind the GraphQL door; wired by the composition root. */
export interface GraphqlServices {
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
  calls: Pick<CallServices, 'makeCall' | 'supervisor' | 'callbacks' | 'doNotCall' | 'scheduledCalls'>;
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
  webhookEndpoints: WebhookEndpoints;
  webhookDeliveries: WebhookDeliveries;
  providerHealth: ProviderHealth;
  feeds: SessionFeeds;
  viewers: Viewers;
  context: ServiceContext;
}

/**
 * What a resolver knows of its request. A class, because Apollo copies contexts property by property: a getter of the
 * object itself would be read, and throw, while it is copied.
 */
export class GraphqlContext {
  readonly loaders: Loaders;

  /** `proven` null: nobody proved who they are. `cache` as in {@link createLoaders}. */
  constructor(
    readonly services: GraphqlServices,
    readonly proven: Viewer | null,
    readonly request: RequestFacts,
    cache: boolean,
  ) {
    this.loaders = createLoaders(services, () => this.viewer, cache);
  }

  /** Throws UNAUTHENTICATED when nobody proved who they are (only introspection is open to everybody). */
  get viewer(): Viewer {
    if (this.proven === null) throw unauthenticated();
    return this.proven;
  }
}

const unauthenticated = (): AppError =>
  new AppError('UNAUTHENTICATED', 'Send a tenant key as "Authorization: Bearer …", or an admin key as "x-admin-key"');
