import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { Compile } from 'typebox/compile';
import { Value } from 'typebox/value';
import type { TSchema } from 'typebox';
import { newId } from '../lib/ids.js';
import { AppError } from '../lib/errors.js';
import { refuseUnstorable } from '../lib/storable.js';
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
    app.addHook('preValidation', async ({ body, query, params }) => {
      for (const part of [body, query, params]) refuseUnstorable(part);
    });
    onlyJson(app);
    app.setErrorHandler((error, request, reply) => answerError(error, request, reply, log));
    app.setNotFoundHandler(() => {
      throw new AppError('NOT_FOUND', 'There is no such route');
    });
  },
  { name: 'trunkline-http-manners', dependencies: ['trunkline-request-ids'] },
);

/** Everything but JSON is refused with 415. A client that names the type and sends nothing sent no body. */
function onlyJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser(['application/json', 'text/plain']);
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) =>
    body === '' ? done(null, undefined) : parse(request, body as string, done),
  );
}

/**
 * For fastify's `frameworkErrors`: what it refuses before it looks for a route (a URL that cannot be decoded) is answered
 * like everything else.
 */
export function frameworkErrors(log: Logger) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    reply.header('x-request-id', request.id);
    void answerError(error, request, reply, log);
  };
}

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
