import type { Config } from '../config.js';
import { SessionFeeds, type FeedTiming } from '../live/session-feed.js';
import { newId } from '../lib/ids.js';
import type { Clock } from '../ports/clock.js';
import type { SyntheticCaller } from '../ports/synthetic-caller.js';
import { TopicBus } from '../pubsub/topics.js';
import { AccessRequests } from '../services/access-requests.js';
import { SignedAdminSessions } from '../services/admin-sessions.js';
import { Agents } from '../services/agents.js';
import { AgentVersions } from '../services/agent-versions.js';
import { ApiKeys } from '../services/api-keys.js';
import { AuditQuery } from '../services/audit-query.js';
import { AuthTransport } from '../services/auth-transport.js';
import { Approvals } from '../services/approvals.js';
import type { CallGate } from '../services/call-gate.js';
import { createCallServices, type CallServices } from '../services/call-services.js';
import { CallsQuery } from '../services/calls-query.js';
import { Clearance } from '../services/clearance.js';
import { DEFAULT_TIMING, type ServiceContext, type ServiceTiming } from '../services/context.js';
import { DiagnosticsQuery } from '../services/diagnostics-query.js';
import { EvaluationStats } from '../services/evaluation-stats.js';
import { Evaluations } from '../services/evaluations.js';
import { LaunchGates } from '../services/launch-gates.js';
import { MetricsRollup } from '../services/metrics-rollup.js';
import { meteredOutbox } from '../services/metered-outbox.js';
import { OperationsMetrics } from '../services/operations-metrics.js';
import { PhoneRoutes } from '../services/phone-routes.js';
import { Prompts } from '../services/prompts.js';
import { RolloutGovernance } from '../services/rollout-governance.js';
import { RolloutWatch } from '../services/rollout-watch.js';
import { Rollouts } from '../services/rollout.js';
import { ProviderHealth } from '../services/provider-health.js';
import { Rubrics } from '../services/rubrics.js';
import { RuntimeConfigs } from '../services/runtime-configs.js';
import { Scenarios } from '../services/scenarios.js';
import { SessionsQuery } from '../services/sessions-query.js';
import { SyntheticJudge } from '../services/synthetic-judge.js';
import { SyntheticRunner } from '../services/synthetic-runner.js';
import { SyntheticRuns } from '../services/synthetic-runs.js';
import { TenantOutbox } from '../services/tenant-outbox.js';
import { Tenants } from '../services/tenants.js';
import { TestNumbers } from '../services/test-numbers.js';
import { TwilioCredentials } from '../services/twilio-credentials.js';
import type { UseCases } from '../services/use-cases.js';
import { Viewers } from '../services/viewers.js';
import { WebhookDeliveries } from '../services/webhook-deliveries.js';
import { WebhookEndpoints } from '../services/webhook-endpoints.js';
import type { Infrastructure } from './infrastructure.js';

/** The whole product, wired once: what the doors show, and what runs behind them. */
export interface Services extends UseCases {
  context: ServiceContext;
  calls: CallServices;
  /** Null: the console has no password. */
  adminSessions: SignedAdminSessions | null;
  /** Whatever gives a version traffic asks its `requireCleared`. */
  clearance: Clearance;
  rolloutWatch: RolloutWatch;
  /** `work()` before the jobs are started; `stop()` with the process. */
  syntheticRunner: SyntheticRunner;
  /** `start()` and `stop()` with the process. */
  metricsRollup: MetricsRollup;
  /** `start()` and `stop()` with the process. Carrier and models are used through it. */
  providerHealth: ProviderHealth;
  feeds: SessionFeeds;
}

export interface ServiceOptions {
  publicUrl: string;
  clock: Clock;
  gate: Pick<CallGate, 'draining' | 'modelConfigured'>;
  /** Null: this process plays no synthetic calls. */
  syntheticCaller: SyntheticCaller | null;
  timing?: Partial<ServiceTiming>;
  feedTiming?: FeedTiming;
  onRecorderHealth: (healthy: boolean) => void;
}

const DEFAULT_MODEL = 'gpt-realtime';
const DEFAULT_VOICE = 'alloy';

export function createServices(config: Config, infrastructure: Infrastructure, options: ServiceOptions): Services {
  const context: ServiceContext = {
    database: infrastructure.database,
    topics: new TopicBus(infrastructure.bus),
    jobs: infrastructure.jobs,
    outbox: meteredOutbox(
      new TenantOutbox(infrastructure.jobs, config.webhookRetrySchedule[0] ?? 0),
      infrastructure.metrics,
    ),
    clock: options.clock,
    log: infrastructure.log,
    settings: {
      publicUrl: options.publicUrl,
      streamTokenSecret: config.streamTokenSecret,
      streamTokenSecretPrevious: config.streamTokenSecretPrevious,
      encryptionKey: config.encryptionKey,
      defaultCarrierAccount: infrastructure.defaultAccount,
      legacyBearerAuth: config.legacyBearerAuth,
      allowPrivateAddresses: config.allowPrivateAddresses,
      webhookRetrySchedule: config.webhookRetrySchedule,
      defaultModel: DEFAULT_MODEL,
      defaultVoice: DEFAULT_VOICE,
      processId: newId(),
      timing: { ...DEFAULT_TIMING, ...options.timing },
    },
  };
  const providerHealth = new ProviderHealth(context, infrastructure);
  const { carrier, textModel } = providerHealth;
  const calls = createCallServices(context, {
    carrier,
    http: infrastructure.http,
    textModel,
    gate: providerHealth.gate(options.gate),
    syntheticCaller: options.syntheticCaller,
    modelProvider: infrastructure.realtime?.provider ?? null,
    onRecorderHealth: options.onRecorderHealth,
  });
  const launchGates = new LaunchGates(context);
  const clearance = new Clearance(context, launchGates, calls.diagnostics);
  const webhookEndpoints = new WebhookEndpoints(context);
  const agents = new Agents(context);
  const diagnosticsQuery = new DiagnosticsQuery(context);
  const { diagnostics } = calls;
  const rollouts = new Rollouts(context, { clearance, diagnostics, agents });
  const adminSessions =
    config.adminPasswordSha256 === null
      ? null
      : new SignedAdminSessions(
          { username: config.adminUsername, passwordSha256: config.adminPasswordSha256 },
          config.encryptionKey[0]!,
          options.clock,
        );
  const feeds = new SessionFeeds(infrastructure.database, context.topics, options.feedTiming);
  infrastructure.metrics.gauge(
    'trunkline_sessions_followed',
    'Sessions that somebody watches in this process.',
    () => feeds.followed,
  );
  return {
    context,
    calls,
    adminSessions,
    viewers: new Viewers(
      context,
      { keys: config.adminApiKeys, sessions: adminSessions },
      config.surfaces.has('runtime'),
    ),
    tenants: new Tenants(context),
    runtimeConfigs: new RuntimeConfigs(context, webhookEndpoints),
    apiKeys: new ApiKeys(context),
    twilioCredentials: new TwilioCredentials(context),
    testNumbers: new TestNumbers(context),
    accessRequests: new AccessRequests(context),
    prompts: new Prompts(context),
    agents,
    agentVersions: new AgentVersions(context, clearance),
    clearance,
    launchGates,
    approvals: new Approvals(context),
    rollouts,
    rolloutGovernance: new RolloutGovernance(context, agents, rollouts),
    rolloutWatch: new RolloutWatch(context, diagnostics),
    phoneRoutes: new PhoneRoutes(context, carrier, calls.accounts, clearance),
    callsQuery: new CallsQuery(context),
    sessionsQuery: new SessionsQuery(context),
    evaluations: new Evaluations(context),
    evaluationStats: new EvaluationStats(context),
    rubrics: new Rubrics(context),
    scenarios: new Scenarios(context),
    syntheticRuns: new SyntheticRuns(context, {
      unplayable: () =>
        config.surfaces.has('telephony') && !options.gate.modelConfigured()
          ? 'No speech model is configured; set OPENAI_API_KEY'
          : null,
      provider: infrastructure.realtime?.provider ?? null,
    }),
    syntheticRunner: new SyntheticRunner(context, {
      caller: options.syntheticCaller,
      judge: new SyntheticJudge(context, textModel),
      progress: calls.progress,
    }),
    auditQuery: new AuditQuery(context),
    diagnosticsQuery,
    authTransport: new AuthTransport(context, diagnosticsQuery),
    operationsMetrics: new OperationsMetrics(context),
    metricsRollup: new MetricsRollup(context),
    providerHealth,
    webhookEndpoints,
    webhookDeliveries: new WebhookDeliveries(context),
    feeds,
  };
}
