import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { Compile } from 'typebox/compile';
import { Value } from 'typebox/value';
import type { TSchema } from 'typebox';
import { newId } from '../lib/ids.js';
import { AppError, invalid } from '../lib/errors.js';
import type { Logger } from '../ports/logger.js';
import { envelopeOf, expectedError } from './errors.js';

const SANE_REQUEST_ID = /^[\w.:+/=@-]{1,128}$/;

/** The client's own id when it is harmless in logs and headers, else a new one. For fastify's `genReqId`. */
export function requestIdOf(given: string | string[] | undefined): string {
  return typeof given === 'string' && SANE_REQUEST_ID.test(given) ? given : newId();
}

/** Gives every request an id that its answer shows; also for the doors beside this one. */
export const requestIds = fp(
  async (app: FastifyInstance) => {
    app.setGenReqId(({ headers }) => requestIdOf(headers['x-request-id']));
    app.addHook('onRequest', async (request, reply) => {
      reply.header('x-request-id', request.id);
    });
  },
  { name: 'trunkline-request-ids' },
);

/**
 * The manners of every REST answer: request id, the error envelope, validation by TypeBox that names the field, and texts
 * that the database can store.
 */
export const httpManners = fp(
  async (app: FastifyInstance, { log }: { log: Logger }) => {
    app.setValidatorCompiler(validatorOf);
    app.addHook('preValidation', async (request) => refuseUnstorable(request));
    app.setErrorHandler((error, request, reply) => answerError(error, request, reply, log));
    app.setNotFoundHandler(() => {
      throw new AppError('NOT_FOUND', 'There is no such route');
    });
  },
  { name: 'trunkline-http-manners', dependencies: ['trunkline-request-ids'] },
);

/** Bodies keep their JSON types; what comes as text (query, path) is read as what the schema says. */
function validatorOf({ schema, httpPart }: { schema: unknown; httpPart?: string }) {
  const typed = schema as TSchema;
  const check = Compile(typed);
  return (value: unknown) => {
    // No body is a body without fields: what is required is then named.
    const input = httpPart === 'body' ? (value ?? {}) : Value.Convert(typed, value);
    const complete = Value.Default(typed, input);
    return check.Check(complete) ? { value: complete } : { error: [...check.Errors(complete)] as never };
  };
}

function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply, log: Logger): FastifyReply {
  const expected = expectedError(error);
  if (expected === null)
    log.error(
      { err: error, requestId: request.id, method: request.method, route: request.routeOptions.url },
      'request failed unexpectedly',
    );
  const shown =
    expected ?? new AppError('INTERNAL', 'Something went wrong here; the request id helps to find out what');
  if (shown.retryAfterSeconds !== undefined) reply.header('retry-after', Math.ceil(shown.retryAfterSeconds));
  return reply
    .code(shown.status)
    .type('application/json; charset=utf-8')
    .serializer(JSON.stringify)
    .send(envelopeOf(shown, request.id));
}

/** Deeper bodies are nobody's contract, and walking them costs. */
const MAX_DEPTH = 32;

/** PostgreSQL cannot store NUL characters and lone surrogates: better a named field here than its error there. */
function refuseUnstorable({ body, query, params }: FastifyRequest): void {
  for (const part of [body, query, params]) walk(part, '', 0);
}

function walk(value: unknown, path: string, depth: number): void {
  if (typeof value === 'string') return storable(value, path);
  if (typeof value !== 'object' || value === null) return;
  if (depth > MAX_DEPTH) throw invalid({ path, message: `is nested deeper than ${MAX_DEPTH} levels` });
  for (const [name, inner] of Object.entries(value)) {
    const at = Array.isArray(value) ? `${path}[${name}]` : path === '' ? name : `${path}.${name}`;
    storable(name, path);
    walk(inner, at, depth + 1);
  }
}

function storable(text: string, path: string): void {
  if (text.includes('\0') || !text.isWellFormed())
    throw invalid({ path: path.replaceAll('\0', ''), message: 'must be valid Unicode text without NUL characters' });
}
