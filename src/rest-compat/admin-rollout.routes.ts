import { Type } from 'typebox';
import { ROLLOUT_ACTIONS, STOP_METRICS, type RolloutPolicy, type StopMetric } from '../entities/index.js';
import { DEFAULT_MINIMUM_CALLS, DEFAULT_WINDOW_MINUTES } from '../services/rollout.js';
import type { AgentGovernance } from '../services/rollout-governance.js';
import type { ConditionState } from '../services/version-quality.js';
import { GovernanceFields } from './admin-parts.js';
import { AgentRow } from './admin-resources.js';
import { AdminRoutes } from './admin-route.js';
import type { RestApp, RestDoorOptions } from './deps.js';
import { lowerAll, upper } from './naming.js';
import { resource } from './resource.js';
import { Anything, Maybe, Nullable, Strict, tenantQuery, Text, Time, Word } from './schemas.js';

const id = Type.String();
const nullable = Nullable(Type.String());
const Metric = Word(lowerAll(STOP_METRICS));
const condition = {
  metric: Metric,
  threshold: Type.Number({
    description: 'Rates and scores 0-1. Above it the candidate ends (`mean_score`: below it).',
  }),
};
const Condition = resource(
  {
    ...condition,
    window_minutes: Type.Integer(),
    minimum_calls: Type.Integer(),
    value: Nullable(Type.Number({ description: 'Of the running candidate, now; null: nothing to measure yet.' })),
    sample: Type.Integer({ description: 'Calls that the value comes from.' }),
    breached: Type.Boolean(),
  },
  ['metric'],
);
const Conditions = Type.Array(Condition.schema);

const Policy = resource({
  agent_id: id,
  tenant_id: id,
  candidate_version_id: nullable,
  percentage: Type.Integer({ description: 'Share of the callers that the candidate gets; sticky per caller.' }),
  stop_conditions: Conditions,
  started_at: Nullable(Time('Only later calls count for the stop conditions.')),
  updated_by: id,
  created_at: Time(),
  updated_at: Time(),
});
const policyOf = (policy: RolloutPolicy, states: readonly ConditionState[]) =>
  Policy.of(policy, { stop_conditions: states.map((state) => Condition.of(state)) });

const Change = resource(
  {
    id,
    agent_id: id,
    action: Word(lowerAll(ROLLOUT_ACTIONS)),
    from_version_id: nullable,
    to_version_id: nullable,
    percentage: Nullable(Type.Integer()),
    reason: nullable,
    evidence: Anything('The gates that failed, or what a stop condition measured.'),
    by: id,
    created_at: Time(),
  },
  ['action'],
);

const Version = resource({ id, number: Type.Integer() });
const Quality = resource({
  calls: Type.Integer(),
  error_rate: Nullable(Type.Number()),
  escalation_rate: Nullable(Type.Number()),
  evaluated_calls: Type.Integer(),
  mean_score: Nullable(Type.Number()),
  heard_calls: Type.Integer(),
  time_to_first_audio_p95_ms: Nullable(Type.Integer()),
});
const Governance = resource({
  tenant_id: id,
  agent_id: id,
  agent_key: id,
  published_version: Nullable(Version.schema),
  quality: Nullable(Quality.schema),
  evaluation_thresholds: Type.Object(GovernanceFields),
  rollout_policy: Nullable(Policy.schema),
});
/** A row as the list shows it. */
function governanceOf(
  { agent, publishedVersion, quality, thresholds, policy }: AgentGovernance,
  states: readonly ConditionState[],
) {
  return {
    tenantId: agent.tenantId,
    agentId: agent.id,
    agentKey: agent.key,
    publishedVersion: publishedVersion === null ? null : Version.of(publishedVersion),
    quality,
    evaluationThresholds: thresholds,
    rolloutPolicy: policy === null ? null : policyOf(policy, states),
  };
}

/** Canaries, the way back, and what both are decided by. */
export async function rolloutRoutes(
  app: RestApp,
  { services: { rollouts, rolloutGovernance } }: RestDoorOptions,
): Promise<void> {
  const routes = new AdminRoutes(app, 'rollout');
  routes.one(
    'PUT /agents/:id/rollout-policy',
    {
      summary: 'Start or change a canary',
      description:
        'The candidate gets a share of the callers, always the same ones. Refused with 422 while a launch gate fails; ' +
        '`force` needs a reason, which goes on the audit log.',
      body: {
        candidate_version_id: id,
        percentage: Type.Integer({ minimum: 0, maximum: 100 }),
        stop_conditions: Maybe(
          Type.Array(
            Strict({
              ...condition,
              window_minutes: Maybe(Type.Integer({ description: `Default ${DEFAULT_WINDOW_MINUTES}.` })),
              minimum_calls: Maybe(Type.Integer({ description: `Default ${DEFAULT_MINIMUM_CALLS}.` })),
            }),
            { description: 'Left out: as they were, at first an error rate of 10 % over an hour.' },
          ),
        ),
        force: Maybe(Type.Boolean()),
        reason: Maybe(Text(2_000)),
      },
      answer: Policy.schema,
      fails: [409, 422],
    },
    async ({ viewer, ids, input: { stopConditions, ...input } }) => {
      const policy = await rollouts.setPolicy(viewer, ids.id, {
        ...input,
        stopConditions: stopConditions?.map((item) => ({ ...item, metric: upper<StopMetric>(item.metric)! })) ?? null,
      });
      return policyOf(policy, await rollouts.conditions(viewer, policy));
    },
  );
  routes.one(
    'GET /agents/:id/rollout-policy',
    { summary: 'The canary of an agent, with the current values of its stop conditions', answer: Policy.schema },
    async ({ viewer, ids }) => {
      const policy = await rollouts.policy(viewer, ids.id);
      return policyOf(policy, await rollouts.conditions(viewer, policy));
    },
  );
  routes.one(
    'POST /agents/:id/rollback',
    {
      summary: 'Roll back at once',
      description:
        'Ends a running candidate; without one, restores the version that was published before, never one that was ' +
        'itself rolled back. Running calls keep their version.',
      body: { reason: Text(2_000) },
      answer: AgentRow.schema,
      fails: [422],
    },
    async ({ viewer, ids, input }) => AgentRow.of(await rollouts.rollback(viewer, ids.id, input.reason)),
  );
  routes.list(
    'GET /agents/:id/rollout-history',
    { summary: 'Who changed what an agent’s traffic reaches, newest first', row: Change },
    ({ viewer, ids }, page) => rollouts.historyList(viewer, ids.id, page),
  );
  routes.list(
    'GET /rollout-governance',
    {
      summary: 'Agent quality, evaluation thresholds and rollout policies with their current values',
      row: Governance,
      query: tenantQuery,
    },
    async ({ viewer, query }, page) => {
      const { rows, total } = await rolloutGovernance.list(viewer, query.tenant_id, page);
      const shown = rows.map(async (row) =>
        governanceOf(row, row.policy === null ? [] : await rollouts.conditions(viewer, row.policy)),
      );
      return { rows: await Promise.all(shown), total };
    },
  );
}
