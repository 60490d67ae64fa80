import { Type } from 'typebox';
import { CALLBACK_ORIGINS, CALLBACK_STATES, type CallbackOrigin, type CallbackState } from '../entities/index.js';
import type { CallbackFields } from '../services/callback-fields.js';
import { viewerOf } from './auth.js';
import type { RestApp, RestDoorOptions } from './deps.js';
import { lowerAll, upper } from './naming.js';
import { resource } from './resource.js';
import {
  Done,
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
  Word,
} from './schemas.js';
import { timeOf } from './time-window.js';

const config = { access: 'tenant' as const };
const tags = ['callbacks'];
const params = Lenient({ id: Text(100) });
const text = Type.String();
const nullable = Nullable(text);
const STATE = Word(lowerAll(CALLBACK_STATES));

export const CallbackRow = resource(
  {
    id: text,
    tenant_id: text,
    call_id: nullable,
    queue: text,
    priority: Type.Integer({ description: '1 is most urgent, 5 least.' }),
    state: STATE,
    number: nullable,
    do_not_call: Type.Boolean({ description: 'The number is on a do-not-call list now: nobody should dial it.' }),
    reason: text,
    notes: Type.Array(Type.Object({ at: text, by: text, text })),
    origin: Word(lowerAll(CALLBACK_ORIGINS)),
    due_at: Time(),
    sla_due_at: Nullable(Time('The promise.')),
    sla_breached: Type.Boolean({ description: 'It was, or is, not done by `sla_due_at`.' }),
    assignee: nullable,
    claimed_at: Nullable(Time()),
    closed_at: Nullable(Time()),
    auto_dial: Type.Boolean({ description: 'Dials by itself when due, within calling hours.' }),
    dial_at: Nullable(Time('When it dials next, if that is later than `due_at`.')),
    dial_attempts: Type.Integer(),
    agent_key: nullable,
    result_call_id: Nullable(Type.String({ description: 'The call that carries it out, or did.' })),
    created_at: Time(),
    updated_at: Time(),
  },
  ['state', 'origin'],
);

const fields = {
  number: Maybe(Text(64, { description: 'E.164. Default: the customer of the call.' })),
  queue: Maybe(Text(100)),
  priority: Maybe(Type.Integer({ description: '1 is most urgent, 5 least; default 3.' })),
  due_at: Maybe(Text(64, { description: 'Default: now.' })),
  sla_due_at: Maybe(Text(64, { description: 'The promise.' })),
  assignee: Maybe(Text(200)),
  auto_dial: Maybe(Type.Boolean({ description: 'Dials by itself when due, within calling hours.' })),
  agent_key: Maybe(Text(100, { description: 'Who talks when it dials.' })),
  note: Maybe(Text(2_000, { description: 'Added to the others.' })),
};
type Fields = { [K in keyof typeof fields]?: unknown };

/** A field that was not sent stays as it is. */
function fieldsOf(body: Fields): CallbackFields {
  const { due_at, sla_due_at, auto_dial, agent_key, number, queue, priority, assignee, note } = body;
  const given = {
    number,
    queue,
    priority,
    assignee,
    note,
    autoDial: auto_dial,
    agentKey: agent_key,
    dueAt: due_at === undefined ? undefined : timeOf('due_at', due_at as string | null),
    slaDueAt: sla_due_at === undefined ? undefined : timeOf('sla_due_at', sla_due_at as string | null),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** Tasks for people: call this customer back. */
export async function callbackRoutes(app: RestApp, { services }: RestDoorOptions): Promise<void> {
  const { callbacks } = services.calls;
  app.get(
    '/callbacks',
    {
      config,
      schema: {
        tags,
        summary: 'Callback tasks, newest first',
        querystring: Lenient({
          ...listQuery,
          ...tenantQuery,
          state: Type.Optional(STATE),
          queue: Type.Optional(Text(100)),
          assignee: Type.Optional(Text(200)),
          call_id: Type.Optional(Text(64)),
          sla_breached: Type.Optional(
            Type.Boolean({ description: 'True: the promise is broken and it is still to be done.' }),
          ),
          due_before: Type.Optional(Text(64)),
        }),
        response: { 200: ListOf(CallbackRow.schema), ...errors() },
      },
    },
    async (request) => {
      const { limit, offset, tenant_id, state, queue, assignee, call_id, sla_breached, due_before } = request.query;
      const filter = {
        tenantId: tenant_id ?? null,
        state: state === undefined ? null : [upper<CallbackState>(state)!],
        queue: queue ?? null,
        assignee: assignee ?? null,
        callId: call_id ?? null,
        slaBreached: sla_breached ?? null,
        dueBefore: timeOf('due_before', due_before),
      };
      const { rows, total } = await callbacks.list(viewerOf(request), filter, { limit, offset });
      return listAnswer(
        rows.map((row) => CallbackRow.of(row)),
        total,
        { limit, offset },
      );
    },
  );

  app.post(
    '/callbacks',
    {
      config,
      schema: {
        tags,
        summary: 'Ask people (or the gateway itself) to call somebody back',
        body: Lenient({
          reason: Type.String({ minLength: 1, maxLength: 2_000 }),
          call_id: Maybe(Text(64, { description: 'The call that it is about.' })),
          origin: Maybe(Word(['api', 'supervisor'])),
          tenant_id: Maybe(Text(64, { description: 'For admins.' })),
          ...fields,
        }),
        response: { 200: Done(CallbackRow.schema), ...errors(413, 415) },
      },
    },
    async (request) => {
      const { reason, call_id, origin, tenant_id, ...rest } = request.body;
      const task = await callbacks.create(viewerOf(request), {
        ...fieldsOf(rest),
        reason,
        callId: call_id ?? null,
        tenantId: tenant_id ?? null,
        origin: upper<CallbackOrigin>(origin),
      });
      return done(CallbackRow.of(task));
    },
  );

  app.post(
    '/callbacks/claim',
    {
      config,
      schema: {
        tags,
        summary: 'Take the most urgent open task that is due and assigned to nobody else',
        description: 'Two askers never get the same one. `callback` is null when there is none.',
        body: Lenient({ queue: Maybe(Text(100)), assignee: Maybe(Text(200)), tenant_id: Maybe(Text(64)) }),
        response: {
          200: Type.Object({ ok: Type.Literal(true), callback: Nullable(CallbackRow.schema) }),
          ...errors(413, 415),
        },
      },
    },
    async (request) => {
      const { queue, assignee, tenant_id } = request.body;
      const task = await callbacks.claimNext(viewerOf(request), { tenantId: tenant_id ?? null, queue, assignee });
      return done({ callback: task === null ? null : CallbackRow.of(task) });
    },
  );

  app.get(
    '/callbacks/:id',
    {
      config,
      schema: { tags, summary: 'One callback task', params, response: { 200: CallbackRow.schema, ...errors() } },
    },
    async (request) => CallbackRow.of(await callbacks.get(viewerOf(request), request.params.id)),
  );

  app.patch(
    '/callbacks/:id',
    {
      config,
      schema: {
        tags,
        summary: 'Change, claim, release, finish or cancel a task',
        description:
          '`state`: `claimed` takes it (of claims at the same moment one wins, the others are a 409), `open` lets it go, `done` and `canceled` close it. A field that is left out stays as it is.',
        params,
        body: Lenient({ state: Maybe(STATE), reason: Maybe(Text(2_000)), ...fields }),
        response: { 200: Done(CallbackRow.schema), ...errors(409, 413, 415) },
      },
    },
    async (request) => {
      const { state, reason, ...rest } = request.body;
      const change = { ...fieldsOf(rest), state: upper<CallbackState>(state), reason: reason ?? null };
      return done(CallbackRow.of(await callbacks.update(viewerOf(request), request.params.id, change)));
    },
  );
}
