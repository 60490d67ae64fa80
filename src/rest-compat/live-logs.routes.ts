import type { FastifyReply } from 'fastify';
import { once } from 'node:events';
import { Type } from 'typebox';
import { invalid } from '../lib/errors.js';
import type { FeedItem, FeedIterator } from '../live/feed-reader.js';
import { requireScope, type Viewer } from '../services/viewer.js';
import { viewerOf } from './auth.js';
import type { RestApp, RestDoorOptions } from './deps.js';
import { snake } from './naming.js';
import { errors, Lenient, streamOf, Text, WithDefault } from './schemas.js';

const EVENT_STREAM = 'text/event-stream; charset=utf-8';
const HEARTBEAT_MS = 15_000;
/** A client that reads nothing for so long is gone. */
const STALLED_AFTER_MS = 30_000;

/** Server-sent events over the session log: everything after the last seq seen, then live, until the session has ended. */
export async function liveLogRoutes(
  app: RestApp,
  { services, log, heartbeatMs = HEARTBEAT_MS }: RestDoorOptions,
): Promise<void> {
  app.get(
    '/live-logs',
    {
      config: { access: 'tenant' },
      schema: {
        tags: ['sessions'],
        summary: 'Follow one session as server-sent events',
        description:
          'Each event has the `seq` of the session log as its id, its type as its name, and JSON as data. Resume with `Last-Event-ID` or `after`. The stream ends with the session; resuming after its last event answers 204.',
        querystring: Lenient({
          session_id: Type.String({ minLength: 1, maxLength: 100 }),
          after: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
          partial: WithDefault(
            Type.Boolean({ default: false, description: 'Also the growing text of the current turn.' }),
          ),
        }),
        headers: Type.Object({ 'last-event-id': Type.Optional(Text(20)) }),
        response: {
          200: streamOf('text/event-stream', 'One event per entry of the log, and comments while it is silent.'),
          204: Type.Null({ description: 'The session has ended and everything was seen.' }),
          ...errors(),
        },
      },
    },
    async (request, reply) => {
      const viewer = viewerOf(request);
      requireScope(viewer, 'live:read');
      const session = await services.sessionsQuery.get(viewer, request.query.session_id);
      const after = request.query.after ?? lastEventId(request.headers['last-event-id']);
      if (session.status !== 'ACTIVE' && after >= session.lastSeq) return reply.code(204).send(null);
      // Nobody would ever end a stream whose body is thrown away.
      if (request.method === 'HEAD') return reply.type(EVENT_STREAM).send('');
      const feed = services.feeds.follow(session.id, after, { partials: request.query.partial });
      const stopWatching = await services.context.topics.subscribe('accessRevoked', null, (revoked) => {
        if (concerns(revoked, viewer)) void feed.return();
      });
      await stream(reply, feed, heartbeatMs)
        .catch((err: unknown) =>
          log.warn({ err, requestId: request.id, sessionId: session.id }, 'event stream broke off'),
        )
        .finally(stopWatching);
      return reply;
    },
  );
}

function concerns(revoked: { tenantId: string | null; keyId: string | null }, viewer: Viewer): boolean {
  if (viewer.kind !== 'tenant') return false;
  return revoked.keyId === null ? revoked.tenantId === viewer.tenantId : revoked.keyId === viewer.apiKeyId;
}

function lastEventId(header: string | undefined): number {
  if (header === undefined || header === '') return 0;
  const seq = Number(header);
  if (!/^\d{1,10}$/.test(header) || seq > 2_147_483_647)
    throw invalid({ path: 'Last-Event-ID', message: 'must be the id of an event of this stream' });
  return seq;
}

/** Writes what comes, at the client's pace. */
async function stream(reply: FastifyReply, feed: FeedIterator, heartbeatMs: number): Promise<void> {
  const { raw } = reply;
  const headers = reply.getHeaders();
  reply.hijack();
  const gone = new AbortController();
  const leave = () => {
    gone.abort();
    void feed.return();
  };
  raw.on('close', leave).on('error', leave);
  raw.writeHead(200, {
    ...(headers as Record<string, string>),
    'content-type': EVENT_STREAM,
    'cache-control': 'no-store',
    // Proxies like nginx would keep the events until a buffer is full.
    'x-accel-buffering': 'no',
  });
  raw.write(': follow\n\n');
  const heartbeat = setInterval(() => raw.write(': alive\n\n'), heartbeatMs);
  try {
    for await (const item of feed) {
      if (raw.write(frameOf(item))) continue;
      await once(raw, 'drain', { signal: AbortSignal.any([gone.signal, AbortSignal.timeout(STALLED_AFTER_MS)]) });
    }
    raw.end();
  } catch (error) {
    raw.destroy();
    if (!gone.signal.aborted) throw error;
  } finally {
    clearInterval(heartbeat);
    await feed.return();
  }
}

function frameOf(item: FeedItem): string {
  if ('partial' in item)
    return `event: TurnPartial\ndata: ${JSON.stringify({ type: 'TurnPartial', turn: renamed(item.partial) })}\n\n`;
  const { sessionId, seq, type, at, payload } = item.event;
  const data = { session_id: sessionId, seq, type, at: at.toISOString(), ...payloadOf(payload) };
  return `id: ${seq}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** States inside an event are ours and renamed; what a tool was given and answered is not. */
const STATES = new Set(['turn', 'toolCall', 'escalation']);

function payloadOf(payload: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(payload).map(([name, value]) => [snake(name), STATES.has(name) ? renamed(value as object) : value]),
  );
}

const renamed = (state: object) =>
  Object.fromEntries(Object.entries(state).map(([name, value]) => [snake(name), value]));
