import { Type } from 'typebox';
import { EVALUATION_SOURCES, type Rubric } from '../entities/index.js';
import { notFound } from '../lib/errors.js';
import type { Viewer } from '../services/viewer.js';
import { AdminRoutes } from './admin-route.js';
import { viewerOf } from './auth.js';
import type { RestApp, RestDoorOptions } from './deps.js';
import { lowerAll } from './naming.js';
import { resource } from './resource.js';
import { errors, Lenient, Nullable, tenantQuery, Text, Time } from './schemas.js';
import { timeOf } from './time-window.js';

const config = { access: 'tenant' as const };
const tags = ['evaluations'];
const score = (description = '0-1.') => Type.Number({ description });

const SourceScore = resource(
  {
    source: Type.Unsafe<string>({ type: 'string', enum: lowerAll(EVALUATION_SOURCES) }),
    evaluations: Type.Integer(),
    mean_score: score(),
  },
  ['source'],
);
const CriterionScore = resource({ key: Type.String(), ...SourceScore.schema.properties }, ['source']);
const SummaryRow = resource({
  agent_version_id: Type.String(),
  version_number: Type.Integer(),
  evaluations: Type.Integer(),
  sessions: Type.Integer(),
  mean_score: score(),
  by_source: Type.Array(SourceScore.schema),
  by_criterion: Type.Array(CriterionScore.schema),
});
const agreement = {
  sessions: Type.Integer({ description: 'Judged by the model and by people.' }),
  agreement: Nullable(score('Share of sessions in which they agree.')),
  mean_difference: Nullable(score('Model minus people: above 0 the model is kinder.')),
  mean_absolute_difference: Nullable(score()),
  correlation: Nullable(score('Pearson’s, -1 to 1; null where one side always gives the same score.')),
};
const CriterionCalibration = resource({ key: Type.String(), ...agreement });
const CalibrationRow = resource({
  ...agreement,
  tolerance: score('How far apart two scores may lie and still agree.'),
  by_criterion: Type.Array(CriterionCalibration.schema, { description: 'Of each criterion that both judged.' }),
});

const agentQuery = {
  ...tenantQuery,
  agent_key: Text(100),
  since: Type.Optional(Text(64, { description: 'Evaluations made at or after this time.' })),
};

/** What evaluations of an agent come to: of each version, and how far the model judges as people do. */
export async function evaluationStatsRoutes(app: RestApp, { services }: RestDoorOptions): Promise<void> {
  const agentOf = async (viewer: Viewer, { agent_key, tenant_id }: { agent_key: string; tenant_id?: string }) => {
    const agent = await services.agents.find(viewer, { key: agent_key, tenantId: tenant_id });
    if (agent === null) throw notFound('agent');
    return agent.id;
  };
  app.get(
    '/evaluations/summary',
    {
      config,
      schema: {
        tags,
        summary: 'How each version of an agent was judged, newest first',
        description: 'Test calls count nowhere.',
        querystring: Lenient(agentQuery),
        response: { 200: Type.Object({ data: Type.Array(SummaryRow.schema) }), ...errors() },
      },
    },
    async (request) => {
      const viewer = viewerOf(request);
      const since = timeOf('since', request.query.since);
      const rows = await services.evaluationStats.summaries(viewer, await agentOf(viewer, request.query), { since });
      return {
        data: rows.map((row) =>
          SummaryRow.of(row, {
            by_source: row.bySource.map((each) => SourceScore.of(each)),
            by_criterion: row.byCriterion.map((each) => CriterionScore.of(each)),
          }),
        ),
      };
    },
  );
  app.get(
    '/evaluations/calibration',
    {
      config,
      schema: {
        tags,
        summary: 'How far the text model judges as people do',
        querystring: Lenient({
          ...agentQuery,
          agent_version_id: Type.Optional(Text(64)),
          tolerance: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
        }),
        response: { 200: CalibrationRow.schema, ...errors() },
      },
    },
    async (request) => {
      const viewer = viewerOf(request);
      const { since, agent_version_id: agentVersionId, tolerance } = request.query;
      const calibration = await services.evaluationStats.calibration(viewer, await agentOf(viewer, request.query), {
        since: timeOf('since', since),
        agentVersionId: agentVersionId ?? null,
        tolerance: tolerance ?? null,
      });
      return CalibrationRow.of(calibration, {
        by_criterion: calibration.byCriterion.map((each) => CriterionCalibration.of(each)),
      });
    },
  );
}

const RubricRow = resource({
  agent_id: Type.String(),
  revision: Type.Integer({ description: 'Rises when the criteria change.' }),
  criteria: Type.Array(Type.Object({ key: Type.String(), description: Type.String(), weight: Type.Number() })),
  sample_rate: score('Share of calls that are judged automatically, 0-1.'),
  updated_at: Time(),
});

const rubricRow = (rubric: Rubric) => RubricRow.of(rubric, { sample_rate: Number(rubric.sampleRate) });

/** How calls of an agent are judged after they ended. */
export async function rubricRoutes(app: RestApp, { services: { rubrics } }: RestDoorOptions): Promise<void> {
  const routes = new AdminRoutes(app, 'evaluations');
  routes.one(
    'GET /agents/:id/rubric',
    { summary: 'How calls of an agent are judged', answer: RubricRow.schema },
    async ({ viewer, ids }) => rubricRow(await rubrics.get(viewer, ids.id)),
  );
  routes.one(
    'PUT /agents/:id/rubric',
    {
      summary: 'Judge calls of this agent automatically after they ended',
      description: 'By rules, and by the text model criterion by criterion. Changed criteria make a new revision.',
      body: {
        criteria: Type.Array(
          Type.Object(
            {
              key: Type.String({ examples: ['politeness'] }),
              description: Type.String({ description: 'What a judge reads.', examples: ['The agent is polite.'] }),
              weight: Type.Number(),
            },
            { additionalProperties: false },
          ),
        ),
        sample_rate: Type.Optional(score('0-1; left out: as it is, at first 1.')),
      },
      answer: RubricRow.schema,
    },
    async ({ viewer, ids, input }) => rubricRow(await rubrics.set(viewer, ids.id, input)),
  );
  routes.one(
    'DELETE /agents/:id/rubric',
    { summary: 'Leave judging to people', answer: RubricRow.schema },
    async ({ viewer, ids }) => rubricRow(await rubrics.remove(viewer, ids.id)),
  );
}
