import { Type } from 'typebox';
import { SCHEDULED_CALL_STATES, type ScheduledCallState } from '../entities/index.js';
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
  Nullable,
  tenantQuery,
  Text,
  Time,
  Word,
} from './schemas.js';

const config = { access: 'tenant' as const };
const tags = ['calls'];
const text = Type.String();
const nullable = Nullable(text);
const params = Lenient({ id: Text(100) });
const STATE = Word(lowerAll(SCHEDULED_CALL_STATES));

const ScheduledCallRow = resource(
  {
    id: text,
    tenant_id: text,
    state: STATE,
    due_at: Time('Later than asked for when calling hours refused it then.'),
    to: text,
    from: nullable,
    agent_key: nullable,
    agent_version_id: nullable,
    greeting: nullable,
    org_id: nullable,
    call_id: nullable,
    error: Nullable(Type.String({ description: 'Why it was refused, or not dialled the last time.' })),
    requested_by: text,
    created_at: Time(),
    updated_at: Time(),
  },
  ['state'],
);

/** Calls that wait for their time (`schedule` and `schedule_if_closed` of make-call). */
export async function scheduledCallRoutes(app: RestApp, { services }: RestDoorOptions): Promise<void> {
  const { scheduledCalls } = services.calls;
  app.get(
    '/scheduled-calls',
    {
      config,
      schema: {
        tags,
        summary: 'Calls that wait for their time, or did, newest first',
        querystring: Lenient({ ...listQuery, ...tenantQuery, state: Type.Optional(STATE) }),
        response: { 200: ListOf(ScheduledCallRow.schema), ...errors() },
      },
    },
    async (request) => {
      const { limit, offset, tenant_id, state } = request.query;
      const filter = { tenantId: tenant_id ?? null, state: upper<ScheduledCallState>(state) };
      const { rows, total } = await scheduledCalls.list(viewerOf(request), filter, { limit, offset });
      return listAnswer(
        rows.map((row) => ScheduledCallRow.of(row)),
        total,
        { limit, offset },
      );
    },
  );
  app.get(
    '/scheduled-calls/:id',
    {
      config,
      schema: { tags, summary: 'One of them', params, response: { 200: ScheduledCallRow.schema, ...errors() } },
    },
    async (request) => ScheduledCallRow.of(await scheduledCalls.get(viewerOf(request), request.params.id)),
  );
  app.delete(
    '/scheduled-calls/:id',
    {
      config,
      schema: {
        tags,
        summary: 'Do not make this call',
        description: 'After this answer it is certain not to be dialled; 409 when it was faster.',
        params,
        response: { 200: Done(ScheduledCallRow.schema), ...errors(409) },
      },
    },
    async (request) => done(ScheduledCallRow.of(await scheduledCalls.cancel(viewerOf(request), request.params.id))),
  );
}
