import { Type } from 'typebox';
import type { Call } from '../entities/index.js';
import { invalid } from '../lib/errors.js';
import { shownScheduledCall } from '../services/scheduled-calls.js';
import type { Viewer } from '../services/viewer.js';
import { viewerOf } from './auth.js';
import type { RestApp, RestDoorOptions } from './deps.js';
import { camelDeep } from './naming.js';
import {
  done,
  errors,
  Lenient,
  listAnswer,
  ListOf,
  listQuery,
  Maybe,
  Nullable,
  tenantQuery,
  Text,
  Time,
  WithDefault,
  Word,
} from './schemas.js';
import { timeOf, windowOf } from './time-window.js';
import { CALL_STATUS_WORDS, callLog, CallLog, statusesOfWord, statusWord } from './calls.mapper.js';

const config = { access: 'tenant' as const };
const tags = ['calls'];

const MakeCallBody = Lenient(
  {
    to: Type.String({ minLength: 1, maxLength: 64, description: 'E.164.', examples: ['+15555555678'] }),
    from: Maybe(Text(64, { description: 'A number routed to this tenant; default: its phone route.' })),
    agent_key: Maybe(Text(100, { examples: ['front_desk'] })),
    agent_version_id: Maybe(Text(64, { description: 'For tests: one that is not cleared reaches test numbers only.' })),
    greeting: Maybe(Text(2_000)),
    prompt_variables: Maybe(
      Type.Record(Type.String(), Type.String(), {
        description:
          'Texts by name, for `{{name}}` in the prompt and greeting of this call; they win over the version’s.',
        examples: [{ customer_name: 'Ann' }],
      }),
    ),
    org_id: Maybe(Text(200, { description: 'A label of yours, passed on.' })),
    allow_concurrent: Maybe(Type.Boolean({ description: 'Also while another call to this number runs.' })),
    schedule: Maybe(Text(64, { description: 'Dial then instead of now.' })),
    schedule_if_closed: Maybe(
      Type.Boolean({ description: 'When calling hours refuse, wait for their next opening instead.' }),
    ),
    tenant_id: Maybe(Text(64, { description: 'For admins.' })),
  },
  { description: 'Unknown fields are ignored.' },
);
const MakeCallAnswer = Type.Object({
  ok: Type.Literal(true),
  call_sid: Nullable(Type.String()),
  status: Word(CALL_STATUS_WORDS),
  to: Nullable(Type.String()),
  from: Nullable(Type.String()),
  call_id: Type.String(),
  duplicate: Type.Boolean({ description: 'True when an idempotency key replayed: this request dialled nothing.' }),
});
/** The outcome of a dial is not known yet, or the call waits for its time. */
const MakeCallLater = Type.Object({
  ...MakeCallAnswer.properties,
  status: Word([...CALL_STATUS_WORDS, 'scheduled']),
  call_id: Nullable(Type.String()),
  scheduled_call_id: Type.Optional(Type.String()),
  scheduled_at: Type.Optional(Time()),
});
const CallLogQuery = Lenient({
  ...listQuery,
  ...tenantQuery,
  status: Type.Optional(Word(CALL_STATUS_WORDS)),
  direction: Type.Optional(Word(['inbound', 'outbound'])),
  from: Type.Optional(Text(64, { description: 'Created at or after this time.' })),
  to: Type.Optional(Text(64, { description: 'Created before this time.' })),
  agent_key: Type.Optional(Text(100)),
  org_id: Type.Optional(Text(200)),
  synthetic: WithDefault(Type.Boolean({ default: false, description: 'Test calls instead of real ones.' })),
});

/** Placing calls and reading about them. */
export async function callRoutes(app: RestApp, { services }: RestDoorOptions): Promise<void> {
  app.post(
    '/make-call',
    {
      config,
      schema: {
        tags,
        summary: 'Call somebody',
        description:
          'Dials once. With an `Idempotency-Key` the request can be repeated: the same one gets its call in its current state, a different one 409.',
        headers: Type.Object({
          'idempotency-key': Type.Optional(
            Type.String({ minLength: 1, maxLength: 255, description: 'Makes retries safe.' }),
          ),
        }),
        body: MakeCallBody,
        response: { 200: MakeCallAnswer, 202: MakeCallLater, ...errors(409, 413, 415, 422, 503) },
      },
    },
    async (request, reply) => {
      const key = request.headers['idempotency-key'] ?? null;
      if (key !== null && !/^[\x20-\x7e]+$/.test(key))
        throw invalid({ path: 'Idempotency-Key', message: 'must be visible ASCII characters' });
      const input = callInput(request.body);
      const made = await services.calls.makeCall.callOrSchedule(viewerOf(request), input, key);
      if (made.call === null) {
        const { id, dueAt, to, from } = shownScheduledCall(made.scheduled);
        return reply.code(202).send(
          done({
            call_sid: null,
            status: 'scheduled' as const,
            to,
            from,
            call_id: null,
            duplicate: made.duplicate,
            scheduled_call_id: id,
            scheduled_at: dueAt.toISOString(),
          }),
        );
      }
      const { call, duplicate } = made;
      return reply.code(made.unknown ? 202 : 200).send(
        done({
          call_sid: call.callSid ?? null,
          status: statusWord(call.status),
          to: call.toNumber ?? null,
          from: call.fromNumber ?? null,
          call_id: call.id,
          duplicate,
        }),
      );
    },
  );

  app.get(
    '/call-logs',
    {
      config,
      schema: {
        tags,
        summary: 'Calls, newest first',
        querystring: CallLogQuery,
        response: { 200: ListOf(CallLog), ...errors() },
      },
    },
    async (request) => {
      const { limit, offset, status, direction, from, to, ...equal } = request.query;
      const viewer = viewerOf(request);
      const { after, before } = windowOf({ from, to });
      const { rows, total } = await services.callsQuery.list(
        viewer,
        {
          ...camelDeep(equal),
          status: status === undefined ? null : statusesOfWord(status),
          direction: direction === undefined ? null : direction === 'inbound' ? 'INBOUND' : 'OUTBOUND',
          createdAfter: after,
          createdBefore: before,
        },
        { limit, offset },
      );
      return listAnswer(await callLogs(services, viewer, rows), total, { limit, offset });
    },
  );

  app.get(
    '/call-logs/:id',
    {
      config,
      schema: {
        tags,
        summary: 'One call, by id or call_sid',
        params: Lenient({ id: Text(100) }),
        response: { 200: CallLog, ...errors() },
      },
    },
    async (request) => {
      const viewer = viewerOf(request);
      const call = await services.callsQuery.get(viewer, request.params.id);
      return (await callLogs(services, viewer, [call]))[0]!;
    },
  );
}

/** Fields of make-call that are the services' own but for the spelling. */
const PASSED_ON =
  'agent_key agent_version_id prompt_variables org_id allow_concurrent schedule_if_closed tenant_id'.split(' ');

type MakeCallFields = Parameters<RestDoorOptions['services']['calls']['makeCall']['callOrSchedule']>[1];

function callInput({
  to,
  from,
  greeting,
  schedule,
  ...rest
}: { to: string } & Record<string, unknown>): MakeCallFields {
  const chosen = Object.fromEntries(PASSED_ON.map((name) => [name, rest[name]]).filter(([, value]) => value != null));
  return {
    to,
    ...(from == null ? {} : { from }),
    ...(greeting == null ? {} : { greeting }),
    ...(schedule == null ? {} : { schedule: timeOf('schedule', schedule as string) }),
    ...camelDeep(chosen),
  } as MakeCallFields;
}

/** With the ids of their sessions, when the key may know of sessions. */
async function callLogs({ callsQuery }: RestDoorOptions['services'], viewer: Viewer, calls: Call[]) {
  const knowsSessions = viewer.kind !== 'tenant' || viewer.scopes.has('sessions:read');
  const sessions =
    !knowsSessions || calls.length === 0
      ? []
      : await callsQuery.sessionsOf(
          viewer,
          calls.map(({ id }) => id),
        );
  const ids = new Map(sessions.map((session) => [session.callId, session.id]));
  return calls.map((call) => callLog(call, ids.get(call.id) ?? null));
}
