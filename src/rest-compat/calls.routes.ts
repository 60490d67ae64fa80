import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { Call, CallStatus } from '../entities/index.js';
import { invalid } from '../lib/errors.js';
import { documentedStatus } from '../services/call-states.js';
import { CALL_STATUSES } from '../entities/index.js';
import type { Viewer } from '../services/viewer.js';
import { envelope, fromSnake, pageOf } from './http.js';
import { callLog } from './mappers.js';
import type { RestServices } from './rest-door.js';
import { CallLog, ListOf, Nullable, Optional, Page, Text, answers } from './schemas.js';
import type { Access } from './auth.js';

const MakeCallBody = Type.Object(
  {
    to: Text('E.164', { examples: ['+15555555678'] }),
    from: Optional(Text("E.164; default: the tenant's phone route")),
    agent_key: Optional(Type.String()),
    agent_version_id: Optional(
      Text('An explicit version: one that is not cleared reaches only registered test numbers'),
    ),
    greeting: Optional(Type.String()),
    org_id: Optional(Type.String()),
    allow_concurrent: Optional(Type.Boolean()),
    tenant_id: Optional(Text('Named by admins')),
  },
  { additionalProperties: true },
);

const MadeCall = Type.Object({
  ok: Type.Literal(true),
  call_sid: Nullable(Type.String()),
  status: Type.String(),
  to: Nullable(Type.String()),
  from: Nullable(Type.String()),
  call_id: Type.String(),
  duplicate: Type.Boolean(),
});

const DOCUMENTED = [...new Set(CALL_STATUSES.map(documentedStatus))];
/** A documented word stands for every state that reads like it: a call being dialled reads queued. */
const statusesOf = (word: string): CallStatus[] => CALL_STATUSES.filter((status) => documentedStatus(status) === word);

/** `POST /make-call`, and the log of calls. */
export function callRoutes(app: FastifyInstance, services: RestServices, access: Access, prefix: string): void {
  app.post(
    `${prefix}/make-call`,
    {
      onRequest: access.runtime,
      schema: {
        tags: ['public'],
        summary: 'Place an outbound call',
        body: MakeCallBody,
        headers: Type.Object({
          'idempotency-key': Type.Optional(Type.String({ description: 'The same key never dials twice' })),
        }),
        response: { ...answers(MadeCall), 202: MadeCall },
      },
    },
    async (request, reply) => {
      const key = request.headers['idempotency-key'];
      const made = await services.calls.makeCall.makeCall(
        request.viewer,
        fromSnake(request.body),
        typeof key === 'string' ? key : null,
      );
      const { call, duplicate, unknown } = made;
      return reply.code(unknown ? 202 : 200).send({
        ok: true,
        call_sid: call.callSid ?? null,
        status: unknown ? 'unknown' : documentedStatus(call.status),
        to: call.toNumber ?? null,
        from: call.fromNumber ?? null,
        call_id: call.id,
        duplicate,
      });
    },
  );

  const withSessions = async (viewer: Viewer, calls: readonly Call[]) => {
    const sessions = await services.callsQuery.sessionsOf(
      viewer,
      calls.map((call) => call.id),
    );
    const byCall = new Map(sessions.map((session) => [session.callId as string, session.id]));
    return (call: Call) => callLog(call, byCall.get(call.id) ?? null);
  };

  app.get(
    `${prefix}/call-logs`,
    {
      onRequest: access.runtime,
      schema: {
        tags: ['public'],
        summary: 'Calls, newest first',
        querystring: Type.Object({
          ...Page,
          status: Type.Optional(Type.Union(DOCUMENTED.map((word) => Type.Literal(word)))),
          direction: Type.Optional(Type.Union([Type.Literal('inbound'), Type.Literal('outbound')])),
          from: Type.Optional(Text('Created at or after, RFC 3339')),
          to: Type.Optional(Text('Created before, RFC 3339')),
          tenant_id: Type.Optional(Text("An admin's choice")),
        }),
        response: answers(ListOf(CallLog)),
      },
    },
    async (request) => {
      const query = request.query as {
        limit?: string;
        offset?: string;
        status?: string;
        direction?: string;
        from?: string;
        to?: string;
        tenant_id?: string;
      };
      const page = pageOf(query);
      const rows = await services.callsQuery.list(
        request.viewer,
        {
          tenantId: query.tenant_id,
          status: query.status === undefined ? null : statusesOf(query.status),
          direction: query.direction === undefined ? null : (query.direction.toUpperCase() as 'INBOUND' | 'OUTBOUND'),
          createdAfter: timeOf('from', query.from),
          createdBefore: timeOf('to', query.to),
        },
        page,
      );
      return envelope(page, rows, await withSessions(request.viewer, rows.rows));
    },
  );

  app.get(
    `${prefix}/call-logs/:id`,
    {
      onRequest: access.runtime,
      schema: {
        tags: ['public'],
        summary: 'One call, by id or call_sid',
        params: Type.Object({ id: Type.String() }),
        response: answers(CallLog),
      },
    },
    async (request) => {
      const call = await services.callsQuery.get(request.viewer, (request.params as { id: string }).id);
      return (await withSessions(request.viewer, [call]))(call);
    },
  );
}

function timeOf(path: string, text: string | undefined): Date | null {
  if (text === undefined) return null;
  const time = new Date(text);
  if (Number.isNaN(time.getTime()) || !/^\d{4}-\d{2}-\d{2}/.test(text))
    throw invalid({ path, message: 'must be an RFC 3339 time, like 2026-01-31T12:00:00Z' });
  return time;
}
