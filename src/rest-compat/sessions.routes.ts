import type { FastifyInstance, FastifyReply } from 'fastify';
import { Type } from 'typebox';
import { SESSION_STATUSES, type VoiceSession } from '../entities/index.js';
import { AppError, invalid } from '../lib/errors.js';
import type { FeedIterator } from '../live/feed-reader.js';
import { SlowReader } from '../live/feed-reader.js';
import type { Viewer } from '../services/viewer.js';
import type { Access } from './auth.js';
import { envelope, fromSnake, pageOf, toSnake } from './http.js';
import { evaluationRow, sessionRow } from './mappers.js';
import type { RestServices } from './rest-door.js';
import { ListOf, Open, Optional, Page, SessionRow, Text, answers } from './schemas.js';

/** A comment line keeps proxies from closing a quiet stream. */
const HEARTBEAT_MS = 15_000;

/** Sessions with their conversations, evaluations, and the live log. */
export function sessionRoutes(app: FastifyInstance, services: RestServices, access: Access, prefix: string): void {
  const mapped = async (viewer: Viewer, sessions: readonly VoiceSession[]) => {
    const ids = sessions.map((session) => session.id);
    const { sessionsQuery } = services;
    const [turns, tools, evaluations] = await Promise.all([
      sessionsQuery.turnsOf(viewer, ids),
      sessionsQuery.toolCallsOf(viewer, ids),
      sessionsQuery.evaluationsOf(viewer, ids),
    ]);
    const of = <T extends { sessionId: unknown }>(rows: readonly T[], id: string) =>
      rows.filter((row) => row.sessionId === id);
    return (session: VoiceSession) =>
      sessionRow(session, of(turns, session.id), of(tools, session.id), of(evaluations, session.id));
  };
  const params = Type.Object({ id: Type.String() });
  const idOf = (request: { params: unknown }) => (request.params as { id: string }).id;

  app.get(
    `${prefix}/voice-sessions`,
    {
      onRequest: access.runtime,
      schema: {
        tags: ['public'],
        summary: 'Conversations, newest first',
        querystring: Type.Object({
          ...Page,
          status: Type.Optional(Type.Union(SESSION_STATUSES.map((status) => Type.Literal(status.toLowerCase())))),
          stream_id: Type.Optional(Type.String()),
          agent_key: Type.Optional(Type.String()),
          tenant_id: Type.Optional(Text("An admin's choice")),
        }),
        response: answers(ListOf(SessionRow)),
      },
    },
    async (request) => {
      const query = request.query as {
        limit?: string;
        offset?: string;
        status?: string;
        stream_id?: string;
        agent_key?: string;
        tenant_id?: string;
      };
      const page = pageOf(query);
      const rows = await services.sessionsQuery.list(
        request.viewer,
        {
          tenantId: query.tenant_id,
          status: query.status === undefined ? null : [query.status.toUpperCase() as VoiceSession['status']],
          streamSid: query.stream_id,
          agentKey: query.agent_key,
        },
        page,
      );
      return envelope(page, rows, await mapped(request.viewer, rows.rows));
    },
  );

  app.get(
    `${prefix}/voice-sessions/:id`,
    {
      onRequest: access.runtime,
      schema: { tags: ['public'], summary: 'One conversation', params, response: answers(SessionRow) },
    },
    async (request) => {
      const session = await services.sessionsQuery.get(request.viewer, idOf(request));
      return (await mapped(request.viewer, [session]))(session);
    },
  );

  app.get(
    `${prefix}/active-sessions`,
    {
      onRequest: access.runtime,
      schema: {
        tags: ['public'],
        summary: 'Conversations that are going on',
        querystring: Type.Object({ tenant_id: Type.Optional(Type.String()) }),
        response: answers(Type.Object({ data: Type.Array(SessionRow) })),
      },
    },
    async (request) => {
      const sessions = await services.sessionsQuery.active(
        request.viewer,
        (request.query as { tenant_id?: string }).tenant_id,
      );
      return { data: sessions.map(await mapped(request.viewer, sessions)) };
    },
  );

  const EvaluationRow = Open('An evaluation');
  const evaluations = async (viewer: Viewer, query: { limit?: string; offset?: string }, sessionId: string | null) => {
    const page = pageOf(query);
    return envelope(
      page,
      await services.evaluations.list(viewer, sessionId === null ? {} : { sessionId }, page),
      evaluationRow,
    );
  };
  app.get(
    `${prefix}/evaluations`,
    {
      onRequest: access.runtime,
      schema: {
        tags: ['public'],
        summary: 'Evaluations, newest first',
        querystring: Type.Object(Page),
        response: answers(ListOf(EvaluationRow)),
      },
    },
    async (request) => evaluations(request.viewer, request.query as object, null),
  );
  app.get(
    `${prefix}/voice-sessions/:id/evaluations`,
    {
      onRequest: access.runtime,
      schema: {
        tags: ['public'],
        summary: 'Evaluations of a conversation',
        params,
        querystring: Type.Object(Page),
        response: answers(ListOf(EvaluationRow)),
      },
    },
    async (request) => {
      await services.sessionsQuery.get(request.viewer, idOf(request));
      return evaluations(request.viewer, request.query as object, idOf(request));
    },
  );
  app.post(
    `${prefix}/voice-sessions/:id/evaluations`,
    {
      onRequest: access.runtime,
      schema: {
        tags: ['public'],
        summary: 'Record an evaluation',
        params,
        body: Type.Object({
          score: Type.Number({ minimum: 0, maximum: 1 }),
          tags: Optional(Type.Array(Type.String())),
          notes: Optional(Type.String()),
        }),
        response: answers(EvaluationRow),
      },
    },
    async (request) => {
      const input = fromSnake<{ score: number; tags?: string[]; notes?: string }>(request.body);
      return {
        ok: true,
        ...evaluationRow(await services.evaluations.record(request.viewer, { ...input, sessionId: idOf(request) })),
      };
    },
  );

  app.get(
    `${prefix}/live-logs`,
    {
      onRequest: access.runtime,
      schema: {
        tags: ['public'],
        summary: 'The session log as server-sent events; `Last-Event-ID` or `after` resumes without a gap',
        querystring: Type.Object({
          session_id: Type.String(),
          after: Type.Optional(Type.String({ pattern: '^[0-9]{1,9}$' })),
        }),
        produces: ['text/event-stream'],
      },
    },
    async (request, reply) => {
      const query = request.query as { session_id: string; after?: string };
      if (request.viewer.kind === 'tenant' && !request.viewer.scopes.has('live:read'))
        throw new AppError('FORBIDDEN', 'This key lacks the scope live:read');
      const session = await services.sessionsQuery.get(request.viewer, query.session_id);
      const last = request.headers['last-event-id'] ?? query.after ?? '0';
      if (typeof last !== 'string' || !/^\d{1,9}$/.test(last))
        throw invalid({ path: 'Last-Event-ID', message: 'must be the id of an event of this log' });
      await stream(reply, services.feeds.follow(session.id, Number(last)));
      return reply;
    },
  );
}

/** Writes events until the session ends or the client leaves; one that stops reading is closed and may resume. */
async function stream(reply: FastifyReply, feed: FeedIterator): Promise<void> {
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    'x-request-id': reply.request.id,
  });
  raw.write(': connected\n\n');
  const heartbeat = setInterval(() => raw.write(': still here\n\n'), HEARTBEAT_MS);
  raw.on('close', () => void feed.return());
  try {
    for await (const item of feed) {
      if (!('event' in item)) continue;
      const { seq, type, at, payload } = item.event;
      const data = JSON.stringify({ seq, type, at, ...toSnake(payload) });
      // Waiting here makes the feed's own bounded queue fill up: it drops the reader, never the call.
      if (!raw.write(`id: ${seq}\nevent: ${type}\ndata: ${data}\n\n`)) await drained(raw);
    }
  } catch (error) {
    if (!(error instanceof SlowReader)) reply.log.warn({ err: error }, 'live log broke off');
  } finally {
    clearInterval(heartbeat);
    raw.end();
  }
}

const drained = (raw: FastifyReply['raw']): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      raw.off('drain', done).off('close', done);
      resolve();
    };
    raw.once('drain', done).once('close', done);
  });
