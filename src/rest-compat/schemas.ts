import {
  Type,
  type Static,
  type TObject,
  type TProperties,
  type TSchema,
  type TSchemaOptions,
  type TUnsafe,
} from 'typebox';

/** Schemas of which most routes are made. They validate, serialise and document; nothing is described twice. */

/** A value of this schema, or null. */
export const Nullable = <T extends TSchema>(schema: T): TUnsafe<Static<T> | null> => {
  const { type, ...rest } = schema as unknown as { type?: string; enum?: unknown[] };
  if (type === undefined) return Type.Unsafe<Static<T> | null>(Type.Union([schema, Type.Null()]));
  const list = rest.enum === undefined ? {} : { enum: [...rest.enum, null] };
  return Type.Unsafe<Static<T> | null>({ ...rest, ...list, type: [type, 'null'] });
};
/** May be left out or null. */
export const Maybe = <T extends TSchema>(schema: T) => Type.Optional(Nullable(schema));

export const Word = <const T extends string>(values: readonly T[], options: TSchemaOptions = {}) =>
  Type.Unsafe<T>({ type: 'string', enum: [...values], ...options });
export const Text = (max: number, options: TSchemaOptions = {}) => Type.String({ maxLength: max, ...options });
export const Time = (description?: string) =>
  Type.String({ format: 'date-time', description, examples: ['2026-05-14T09:30:00.000Z'] });
/** Any JSON object whose inside is not ours. */
export const Free = (description?: string) =>
  Type.Unsafe<Record<string, unknown>>({ type: 'object', additionalProperties: true, description });
/** Any JSON value. */
export const Anything = (description?: string) => Type.Unsafe<unknown>({ description });

/** A request of an admin route: unknown fields are errors. */
export const Strict = <P extends TProperties>(properties: P, options: TSchemaOptions = {}) =>
  Type.Object(properties, { ...options, additionalProperties: false });
/** A request of a runtime route: unknown fields are ignored. */
export const Lenient = <P extends TProperties>(properties: P, options: TSchemaOptions = {}) =>
  Type.Object(properties, options);

/** May be left out; handlers then see the default. Not listed as required, unlike what the type says. */
export const WithDefault = <T extends TSchema>(schema: T): T => Type.Optional(schema) as unknown as T;

export const listQuery = {
  limit: WithDefault(Type.Integer({ minimum: 1, maximum: 100, default: 25, description: 'Rows to return.' })),
  offset: WithDefault(Type.Integer({ minimum: 0, maximum: 1_000_000, default: 0, description: 'Rows to skip.' })),
};
export const tenantQuery = {
  tenant_id: Type.Optional(
    Text(64, { description: 'For admins: only this tenant. A tenant key always sees its own.' }),
  ),
};

/** `{"data": [...], "limit", "offset", "total"}` */
export const ListOf = <T extends TSchema>(item: T) =>
  Type.Object({
    data: Type.Array(item),
    limit: Type.Integer(),
    offset: Type.Integer(),
    total: Type.Integer({ description: 'Length of the whole list.' }),
  });
export function listAnswer<T>(data: T[], total: number, { limit, offset }: { limit: number; offset: number }) {
  return { data, limit, offset, total };
}

/** A single action's answer: the resource's own fields beside `"ok": true`. */
export const Done = <P extends TProperties>(schema: TObject<P>) =>
  Type.Object({ ok: Type.Literal(true), ...schema.properties }) as TObject<
    P & { ok: ReturnType<typeof Type.Literal<true>> }
  >;
export const done = <T extends object>(body: T) => ({ ok: true as const, ...body });

export const Issue = Type.Object({ path: Type.String(), message: Type.String() });
const ErrorBody = Type.Object(
  {
    ok: Type.Literal(false),
    error: Type.String({ description: 'What went wrong, for people.' }),
    code: Type.String({ description: 'What went wrong, for programs: a word of the error catalogue.' }),
    request_id: Type.String(),
    retryable: Type.Boolean({ description: 'Whether the same request may succeed later.' }),
    details: Type.Optional(Type.Array(Issue)),
  },
  { additionalProperties: true },
);

const MEANINGS: Record<number, string> = {
  400: 'The request is not valid; do not retry it.',
  401: 'No credential, or one that is unknown, expired or revoked.',
  403: 'The credential may not do this, or the tenant is suspended.',
  404: 'Missing, or another tenant’s.',
  409: 'It conflicts with what is there.',
  413: 'The body is too large.',
  415: 'The body is not JSON.',
  422: 'Understood, and impossible as things stand.',
  429: 'Too many requests; `Retry-After` says when to come back.',
  500: 'Something went wrong here; the request id helps to find out what.',
  503: 'Something this needs is away; retry later.',
};

/** Error responses for the documents, beside those that every route may give. */
export function errors(...statuses: number[]) {
  return Object.fromEntries(
    [400, 401, 403, 404, 429, 500, ...statuses].map((status) => [
      status,
      { ...ErrorBody, description: MEANINGS[status] },
    ]),
  );
}

/** An answer that is no JSON, and is written as it comes. */
export const streamOf = (type: string, description: string) => ({
  description,
  content: { [type]: { schema: Type.String({ description }) } },
});
