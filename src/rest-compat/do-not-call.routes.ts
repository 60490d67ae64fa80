import { Type } from 'typebox';
import { invalid } from '../lib/errors.js';
import { MAX_IMPORTED_ENTRIES, type DoNotCallEntryInput, type ListChoice } from '../services/do-not-call.js';
import { viewerOf, type Access } from './auth.js';
import type { RestApp, RestDoorOptions } from './deps.js';
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
  Strict,
  tenantQuery,
  Text,
  Time,
  Word,
} from './schemas.js';
import { timeOf } from './time-window.js';

const text = Type.String();
const DoNotCallRow = resource({
  id: text,
  tenant_id: Nullable(Type.String({ description: 'Null: the global list, which binds every tenant.' })),
  number: text,
  reason: Nullable(text),
  source: Type.String({ description: '`agent`: the caller’s own wish; `api`, `admin`.' }),
  expires_at: Nullable(Time('Null: for good.')),
  created_by: text,
  created_at: Time(),
  updated_at: Time(),
});
const entryFields = {
  number: Text(64, { description: 'International form; kept as E.164.', examples: ['+15555555678'] }),
  reason: Maybe(Text(500)),
  expires_at: Maybe(Text(64, { description: 'Default: for good.' })),
};
const tenantField = { tenant_id: Maybe(Text(64, { description: 'For admins.' })) };
type EntryFields = { number: string; reason?: string | null; expires_at?: string | null };

const inputOf = ({ number, reason, expires_at }: EntryFields, at = ''): DoNotCallEntryInput => ({
  number,
  reason: reason ?? null,
  expiresAt: timeOf(`${at}expires_at`, expires_at),
});

/** Numbers that this tenant must not call. */
export const doNotCallRoutes = (app: RestApp, options: RestDoorOptions): Promise<void> =>
  routes(app, options, { access: 'tenant', shape: Lenient, listed: 'of a tenant', global: false, own: tenantField });

/** Numbers that nobody here must call. */
export const globalDoNotCallRoutes = (app: RestApp, options: RestDoorOptions): Promise<void> =>
  routes(app, options, { access: 'admin', shape: Strict, listed: 'that bind every tenant', global: true, own: {} });

interface Variant {
  access: Access;
  shape: typeof Lenient;
  listed: string;
  global: boolean;
  /** How an admin names the tenant whose list it is. */
  own: Partial<typeof tenantField>;
}

/** One set of routes for either list: they differ in who may use them, and in how strictly requests are read. */
async function routes(
  app: RestApp,
  { services }: RestDoorOptions,
  { access, shape, listed, global, own }: Variant,
): Promise<void> {
  const { doNotCall } = services.calls;
  const config = { access };
  const tags = ['do not call'];
  const listOf = (tenantId: unknown): ListChoice => ({ global, tenantId: (tenantId as string | undefined) ?? null });
  const deleteBy = { id: Type.Optional(Text(100)), number: Type.Optional(Text(64)) };

  app.get(
    '/dnc',
    {
      config,
      schema: {
        tags,
        summary: `Do-not-call entries ${listed}, newest first`,
        querystring: shape({
          ...listQuery,
          ...(global ? {} : tenantQuery),
          number: Type.Optional(Text(64)),
          source: Type.Optional(Word(['api', 'agent', 'admin'])),
          active: Type.Optional(Type.Boolean({ description: 'True: those that bind now; false: the expired ones.' })),
        }),
        response: { 200: ListOf(DoNotCallRow.schema), ...errors() },
      },
    },
    async (request) => {
      const { limit, offset, number, source, active, ...rest } = request.query;
      const filter = { ...listOf((rest as { tenant_id?: string }).tenant_id), number, source, active };
      const { rows, total } = await doNotCall.list(viewerOf(request), filter, { limit, offset });
      return listAnswer(
        rows.map((row) => DoNotCallRow.of(row)),
        total,
        { limit, offset },
      );
    },
  );

  app.post(
    '/dnc',
    {
      config,
      schema: {
        tags,
        summary: 'Never call this number again',
        description: 'A number that is on the list stays at least as long as it was to.',
        body: shape({ ...entryFields, ...own }),
        response: { 200: Done(DoNotCallRow.schema), ...errors(413, 415) },
      },
    },
    async (request) => {
      const body = request.body as EntryFields & { tenant_id?: string | null };
      return done(DoNotCallRow.of(await doNotCall.add(viewerOf(request), listOf(body.tenant_id), inputOf(body))));
    },
  );

  app.post(
    '/dnc/import',
    {
      config,
      schema: {
        tags,
        summary: 'Many numbers at once',
        description: 'What is wrong with one entry stops no other.',
        body: shape({ entries: Type.Array(shape(entryFields), { maxItems: MAX_IMPORTED_ENTRIES }), ...own }),
        response: {
          200: Type.Object({
            ok: Type.Literal(true),
            added: Type.Integer(),
            updated: Type.Integer({ description: 'Numbers that were on the list before.' }),
            rejected: Type.Array(
              Type.Object({
                index: Type.Integer({ description: 'Position in the request, from 0.' }),
                message: text,
              }),
            ),
          }),
          ...errors(413, 415),
        },
      },
    },
    async (request) => {
      const { entries, tenant_id } = request.body as { entries: EntryFields[]; tenant_id?: string | null };
      const inputs = entries.map((entry, i) => inputOf(entry, `entries[${i}].`));
      return done(await doNotCall.import(viewerOf(request), listOf(tenant_id), inputs));
    },
  );

  app.delete(
    '/dnc',
    {
      config,
      schema: {
        tags,
        summary: 'The number may be called again',
        description: 'By `number` or `id`, in the query or in a body.',
        querystring: shape({ ...deleteBy, ...(global ? {} : tenantQuery) }),
        body: shape({ ...deleteBy, ...own }),
        response: { 200: Done(DoNotCallRow.schema), ...errors(413, 415) },
      },
    },
    async (request) => {
      const { id, number, tenant_id } = { ...request.body, ...request.query } as Record<string, string | undefined>;
      if (id === undefined && number === undefined) throw invalid({ path: 'number', message: 'is needed, or an id' });
      return done(DoNotCallRow.of(await doNotCall.remove(viewerOf(request), listOf(tenant_id), { id, number })));
    },
  );

  app.delete(
    '/dnc/:id',
    {
      config,
      schema: {
        tags,
        summary: 'The number of this entry may be called again',
        params: Lenient({ id: Text(100) }),
        response: { 200: Done(DoNotCallRow.schema), ...errors() },
      },
    },
    async (request) =>
      done(DoNotCallRow.of(await doNotCall.remove(viewerOf(request), { global }, { id: request.params.id }))),
  );
}
