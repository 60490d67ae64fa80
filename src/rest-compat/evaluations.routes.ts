import { Type } from 'typebox';
import type { EvaluationSource } from '../entities/index.js';
import { MAX_CRITERIA } from '../services/rubrics.js';
import { viewerOf } from './auth.js';
import type { RestApp, RestDoorOptions } from './deps.js';
import {
  Done,
  done,
  errors,
  Lenient,
  listAnswer,
  ListOf,
  listQuery,
  Maybe,
  tenantQuery,
  Text,
  Word,
} from './schemas.js';
import { EvaluationRow, evaluationRow } from './sessions.mapper.js';

const config = { access: 'tenant' as const };
const tags = ['evaluations'];
const params = Lenient({ id: Text(100) });

/** Judgements of sessions, by people and programs. */
export async function evaluationRoutes(app: RestApp, { services }: RestDoorOptions): Promise<void> {
  app.get(
    '/voice-sessions/:id/evaluations',
    {
      config,
      schema: {
        tags,
        summary: 'How one session was judged',
        params,
        querystring: Lenient(listQuery),
        response: { 200: ListOf(EvaluationRow), ...errors() },
      },
    },
    async (request) => {
      const viewer = viewerOf(request);
      const session = await services.sessionsQuery.get(viewer, request.params.id);
      const { rows, total } = await services.evaluations.list(viewer, { sessionId: session.id }, request.query);
      return listAnswer(rows.map(evaluationRow), total, request.query);
    },
  );

  app.post(
    '/voice-sessions/:id/evaluations',
    {
      config,
      schema: {
        tags,
        summary: 'Judge a session that is over',
        params,
        body: Lenient({
          score: Maybe(
            Type.Number({ minimum: 0, maximum: 1, description: 'Left out: made of the criteria by their weights.' }),
          ),
          criteria: Maybe(
            Type.Array(
              Lenient({
                key: Text(60),
                score: Type.Number({ minimum: 0, maximum: 1 }),
                comment: Maybe(Text(1_000)),
              }),
              { maxItems: MAX_CRITERIA, description: 'Some or all of the agent’s rubric.' },
            ),
          ),
          tags: Maybe(Type.Array(Text(100), { maxItems: 50 })),
          notes: Maybe(Text(10_000)),
          source: Maybe(Word(['human', 'api'])),
          evaluated_by: Maybe(Text(100, { description: 'Who judged; kept beside the credential.' })),
        }),
        response: { 200: Done(EvaluationRow), ...errors(409, 413, 415) },
      },
    },
    async (request) => {
      const { score, criteria, tags: given, notes, source, evaluated_by: evaluatedBy } = request.body;
      const row = await services.evaluations.record(viewerOf(request), {
        sessionId: request.params.id,
        score: score ?? null,
        criteria: criteria ?? null,
        evaluatedBy: evaluatedBy ?? null,
        tags: given ?? null,
        notes: notes ?? null,
        source: source == null ? null : (source.toUpperCase() as EvaluationSource),
      });
      return done(evaluationRow(row));
    },
  );

  app.get(
    '/evaluations',
    {
      config,
      schema: {
        tags,
        summary: 'Evaluations, newest first',
        querystring: Lenient({
          ...listQuery,
          ...tenantQuery,
          voice_session_id: Type.Optional(Text(64)),
          agent_version_id: Type.Optional(Text(64)),
          source: Type.Optional(Word(['human', 'api', 'rules', 'model'])),
        }),
        response: { 200: ListOf(EvaluationRow), ...errors() },
      },
    },
    async (request) => {
      const { limit, offset, tenant_id, voice_session_id, agent_version_id, source } = request.query;
      const filter = {
        tenantId: tenant_id ?? null,
        sessionId: voice_session_id ?? null,
        agentVersionId: agent_version_id ?? null,
        source: source === undefined ? null : (source.toUpperCase() as EvaluationSource),
      };
      const { rows, total } = await services.evaluations.list(viewerOf(request), filter, { limit, offset });
      return listAnswer(rows.map(evaluationRow), total, { limit, offset });
    },
  );
}
