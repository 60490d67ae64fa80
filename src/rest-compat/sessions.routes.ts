import { Type } from 'typebox';
import type { SessionStatus, VoiceSession } from '../entities/index.js';
import type { Viewer } from '../services/viewer.js';
import { viewerOf } from './auth.js';
import type { RestApp, RestDoorOptions } from './deps.js';
import { camelDeep } from './naming.js';
import { errors, Lenient, listAnswer, ListOf, listQuery, tenantQuery, Text, WithDefault, Word } from './schemas.js';
import { SESSION_STATUS_WORDS, sessionRow, SessionRow } from './sessions.mapper.js';

const config = { access: 'tenant' as const };
const tags = ['sessions'];
/** Who reads about customers does not mean test calls. */
const synthetic = WithDefault(Type.Boolean({ default: false, description: 'Test calls instead of real ones.' }));

/** Conversations: what was said, what the agent did, how it was judged. */
export async function sessionRoutes(app: RestApp, { services }: RestDoorOptions): Promise<void> {
  app.get(
    '/voice-sessions',
    {
      config,
      schema: {
        tags,
        summary: 'Sessions with their transcripts, newest first',
        querystring: Lenient({
          ...listQuery,
          ...tenantQuery,
          status: Type.Optional(Word(SESSION_STATUS_WORDS)),
          stream_id: Type.Optional(Text(64)),
          agent_key: Type.Optional(Text(100)),
          reviewed: Type.Optional(Type.Boolean({ description: 'Whether a person judged it.' })),
          synthetic,
        }),
        response: { 200: ListOf(SessionRow), ...errors() },
      },
    },
    async (request) => {
      const { limit, offset, status, stream_id: streamSid, ...equal } = request.query;
      const viewer = viewerOf(request);
      const { rows, total } = await services.sessionsQuery.list(
        viewer,
        {
          ...camelDeep(equal),
          streamSid: streamSid ?? null,
          status: status === undefined ? null : [status.toUpperCase() as SessionStatus],
        },
        { limit, offset },
      );
      return listAnswer(await sessionRows(services, viewer, rows), total, { limit, offset });
    },
  );

  app.get(
    '/voice-sessions/:id',
    {
      config,
      schema: {
        tags,
        summary: 'One session',
        params: Lenient({ id: Text(100) }),
        response: { 200: SessionRow, ...errors() },
      },
    },
    async (request) => {
      const viewer = viewerOf(request);
      const session = await services.sessionsQuery.get(viewer, request.params.id);
      return (await sessionRows(services, viewer, [session]))[0]!;
    },
  );

  app.get(
    '/active-sessions',
    {
      config,
      schema: {
        tags,
        summary: 'Calls on the air, newest first',
        description: 'At most 500.',
        querystring: Lenient({ ...tenantQuery, synthetic }),
        response: { 200: Type.Object({ data: Type.Array(SessionRow), total: Type.Integer() }), ...errors() },
      },
    },
    async (request) => {
      const viewer = viewerOf(request);
      const { tenant_id: tenantId, synthetic: tests } = request.query;
      const rows = await services.sessionsQuery.active(viewer, { tenantId: tenantId ?? null, synthetic: tests });
      return { data: await sessionRows(services, viewer, rows), total: rows.length };
    },
  );
}

/** Three queries for all of them; evaluations only for a key that may read them. */
async function sessionRows({ sessionsQuery }: RestDoorOptions['services'], viewer: Viewer, sessions: VoiceSession[]) {
  if (sessions.length === 0) return [];
  const ids = sessions.map(({ id }) => id);
  const judges = viewer.kind !== 'tenant' || viewer.scopes.has('evaluations:read');
  const [turns, toolCalls, evaluations] = await Promise.all([
    sessionsQuery.turnsOf(viewer, ids),
    sessionsQuery.toolCallsOf(viewer, ids),
    judges ? sessionsQuery.evaluationsOf(viewer, ids) : [],
  ]);
  const [turnsBy, toolCallsBy, evaluationsBy] = [bySession(turns), bySession(toolCalls), bySession(evaluations)];
  return sessions.map((session) =>
    sessionRow(session, {
      turns: turnsBy.get(session.id) ?? [],
      toolCalls: toolCallsBy.get(session.id) ?? [],
      evaluations: evaluationsBy.get(session.id) ?? [],
    }),
  );
}

const bySession = <T extends { sessionId: string }>(rows: T[]): Map<string, T[]> =>
  Map.groupBy(rows, ({ sessionId }) => sessionId);
