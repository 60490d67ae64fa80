import { Type, type TSchema } from 'typebox';

/** Pieces of the documented API's schemas: they validate, serialise and make the OpenAPI documents. */
export const Text = (description: string, options: object = {}) => Type.String({ description, ...options });
export const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
export const Optional = <T extends TSchema>(schema: T) => Type.Optional(Nullable(schema));

export const ErrorBody = Type.Object(
  {
    ok: Type.Literal(false),
    error: Type.String(),
    code: Type.String(),
    request_id: Type.String(),
    retryable: Type.Boolean(),
    details: Type.Optional(Type.Array(Type.Object({ path: Type.String(), message: Type.String() }))),
  },
  { additionalProperties: true, description: 'What went wrong; `code` is stable, `error` is for people' },
);

/** An object of ours whose fields are listed elsewhere. */
export const Open = (description: string) => Type.Object({}, { additionalProperties: true, description });

export const ListOf = (row: TSchema) =>
  Type.Object({ data: Type.Array(row), limit: Type.Integer(), offset: Type.Integer(), total: Type.Integer() });

export const Page = {
  limit: Type.Optional(Type.String({ pattern: '^([1-9][0-9]?|100)$', description: '1 to 100, 25 by default' })),
  offset: Type.Optional(Type.String({ pattern: '^[0-9]{1,9}$', description: 'Rows to skip' })),
};

/** Responses of a route: its success and the envelope of everything else. */
export const answers = (schema: TSchema, status = 200) => ({ [status]: schema, '4xx': ErrorBody, '5xx': ErrorBody });

const nullableText = Nullable(Type.String());
export const CallLog = Type.Object(
  {
    id: Type.String(),
    call_sid: nullableText,
    direction: Type.String(),
    status: Type.String(),
    duration_seconds: Nullable(Type.Integer()),
    escalated: Type.Boolean(),
    summary: nullableText,
    from_number: nullableText,
    to_number: nullableText,
    agent_key: nullableText,
    agent_version_id: nullableText,
    voice_session_id: nullableText,
    outcome: nullableText,
    org_id: nullableText,
    created_at: Type.String(),
    answered_at: nullableText,
    ended_at: nullableText,
    evaluation_score: Nullable(Type.Number()),
  },
  { description: 'One call' },
);

export const SessionRow = Type.Object(
  {
    id: Type.String(),
    stream_id: nullableText,
    call_sid: nullableText,
    status: Type.String(),
    transcript: Type.Array(
      Type.Object({
        role: Type.String(),
        content: Type.String(),
        index: Type.Integer(),
        started_at: Type.String(),
        interrupted: Type.Boolean(),
      }),
    ),
    function_calls: Type.Array(
      Type.Object({
        name: Type.String(),
        arguments: Type.Unknown(),
        result: Type.Unknown(),
        status: Type.String(),
        duration_ms: Nullable(Type.Integer()),
      }),
    ),
    summary: nullableText,
    tags: Type.Array(Type.String()),
    agent_key: nullableText,
    agent_version_id: nullableText,
    model: Type.String(),
    voice: nullableText,
    escalated: Type.Boolean(),
    evaluations: Type.Array(Open('An evaluation')),
    metrics: Open('Counts and durations'),
    started_at: Type.String(),
    ended_at: nullableText,
  },
  { description: 'One conversation' },
);
