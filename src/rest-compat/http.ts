import { randomUUID } from 'node:crypto';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError, invalid, type FieldIssue } from '../lib/errors.js';
import type { Logger } from '../ports/logger.js';

const SANE_REQUEST_ID = /^[\w.:-]{1,100}$/;

/** Codes of Fastify's own refusals, as ours. */
const FASTIFY_CODES: Readonly<Record<string, { code: ConstructorParameters<typeof AppError>[0]; message: string }>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: { code: 'PAYLOAD_TOO_LARGE', message: 'The body is too large' },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: { code: 'UNSUPPORTED_MEDIA_TYPE', message: 'Send the body as application/json' },
  FST_ERR_CTP_EMPTY_JSON_BODY: { code: 'BAD_REQUEST', message: 'The body is empty' },
  FST_ERR_CTP_INVALID_JSON_BODY: { code: 'BAD_REQUEST', message: 'The body is not valid JSON' },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: { code: 'BAD_REQUEST', message: 'The body does not have the announced length' },
};

/** The request's id: the client's when it is a sane one, so that logs of both sides can be joined. */
export function requestIdOf(header: string | string[] | undefined): string {
  return typeof header === 'string' && SANE_REQUEST_ID.test(header) ? header : randomUUID();
}

/** What every answer of the documented API has (api-v1.md): request id, error envelope, masked surprises. */
export function conventions(app: FastifyInstance, log: Logger): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
  });
  app.addHook('preValidation', async (request) => refuseUnstorable(request.body));
  app.setErrorHandler((error: FastifyError, request, reply) => sendError(log, error, request, reply));
  app.setNotFoundHandler((request, reply) =>
    sendError(log, new AppError('NOT_FOUND', 'There is no such route'), request, reply),
  );
}

function sendError(
  log: Logger,
  thrown: FastifyError | AppError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const error = asAppError(thrown);
  if (error.code === 'INTERNAL')
    log.error({ err: thrown, requestId: request.id, route: request.routeOptions.url }, 'request failed');
  if (error.retryAfterSeconds !== undefined) reply.header('retry-after', String(error.retryAfterSeconds));
  return reply.code(error.status).send({
    ok: false,
    error: error.message.replaceAll(/\b[a-z]+(?:[A-Z][a-z]+)+(?=:)/g, snakeCase),
    code: error.code,
    request_id: request.id,
    retryable: error.retryable,
    ...(error.details === undefined
      ? {}
      : { details: error.details.map(({ path, message }) => ({ path: snakeCase(path), message })) }),
    ...error.extra,
  });
}

function asAppError(thrown: FastifyError | AppError): AppError {
  if (thrown instanceof AppError) return thrown;
  if (thrown.validation !== undefined) return invalid(...thrown.validation.map(issueOf));
  const known = FASTIFY_CODES[thrown.code];
  if (known !== undefined) return new AppError(known.code, known.message);
  if (
    thrown instanceof SyntaxError ||
    (thrown.statusCode !== undefined && thrown.statusCode >= 400 && thrown.statusCode < 500)
  )
    return new AppError('BAD_REQUEST', 'The request is not valid');
  return new AppError('INTERNAL', 'Something went wrong on our side; the request id helps us to find it');
}

function issueOf({
  instancePath,
  keyword,
  params,
  message,
}: {
  instancePath: string;
  keyword: string;
  params: Record<string, unknown>;
  message?: string;
}): FieldIssue {
  const path = instancePath.slice(1).replaceAll('/', '.');
  const child =
    keyword === 'required'
      ? params.missingProperty
      : keyword === 'additionalProperties'
        ? params.additionalProperty
        : null;
  if (typeof child !== 'string') return { path: path || 'body', message: message ?? 'is not valid' };
  return {
    path: path === '' ? child : `${path}.${child}`,
    message: keyword === 'required' ? 'is required' : 'is not a known field',
  };
}

/** PostgreSQL stores no NUL and no lone surrogate: refused here, with the name of the field. */
function refuseUnstorable(value: unknown, path = ''): void {
  if (typeof value === 'string' && (value.includes('\u0000') || !value.isWellFormed()))
    throw invalid({ path: path || 'body', message: 'must be valid Unicode text without NUL characters' });
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    refuseUnstorable(key, path);
    refuseUnstorable(inner, path === '' ? key : `${path}.${key}`);
  }
}

export const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
const camelCase = (name: string): string => name.replace(/_([a-z])/g, (_, c: string) => c.toUpperCase());

/** Values that are the client's own: their keys are left alone. */
const OPAQUE = new Set([
  'parameters',
  'turn_detection',
  'turnDetection',
  'prompt_variables',
  'promptVariables',
  'detail',
  'before',
  'after',
  'errors',
]);

function renamed(value: unknown, rename: (name: string) => string): unknown {
  if (Array.isArray(value)) return value.map((inner) => renamed(inner, rename));
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [rename(key), OPAQUE.has(key) ? inner : renamed(inner, rename)]),
  );
}

/** A documented body as the services take it. */
export const fromSnake = <T>(value: unknown): T => renamed(value, camelCase) as T;
/** Values of ours as the documented API writes them. */
export const toSnake = (value: unknown): Record<string, unknown> =>
  renamed(value, snakeCase) as Record<string, unknown>;

/** `limit` and `offset` of a list, as the query holds them. */
export function pageOf(query: { limit?: string; offset?: string }): { limit: number; offset: number } {
  return {
    limit: query.limit === undefined ? 25 : Number(query.limit),
    offset: query.offset === undefined ? 0 : Number(query.offset),
  };
}

export function envelope<T>(
  page: { limit: number; offset: number },
  { rows, total }: { rows: readonly T[]; total: number },
  map: (row: T) => unknown,
) {
  return { data: rows.map(map), ...page, total };
}
