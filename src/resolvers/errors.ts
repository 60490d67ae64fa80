import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { AppError, ERROR_CATALOGUE, type ErrorCode } from '../lib/errors.js';
import type { Logger } from '../ports/logger.js';

/** Words of Apollo Server for what the catalogue names otherwise. */
const CODE_OF_APOLLO: Readonly<Record<string, ErrorCode>> = {
  GRAPHQL_PARSE_FAILED: 'BAD_REQUEST',
  GRAPHQL_VALIDATION_FAILED: 'VALIDATION_FAILED',
  BAD_USER_INPUT: 'VALIDATION_FAILED',
  BAD_REQUEST: 'BAD_REQUEST',
  OPERATION_RESOLUTION_FAILURE: 'BAD_REQUEST',
};

/**
 * An error as clients see it: its code from the catalogue, facts and field issues of expected ones; everything else is
 * masked, and logged with the request id that the client is told.
 */
export function publicError(error: GraphQLError, requestId: string | null, log: Logger): GraphQLError {
  const cause = originalOf(error);
  if (cause instanceof AppError) return shown(error, cause.message, cause.code, requestId, factsOf(cause));
  const code = codeOf(error, cause);
  if (code !== 'INTERNAL') return shown(error, error.message, code, requestId, {});
  log.error({ err: cause ?? error, requestId, path: error.path?.join('.') }, 'unexpected error in a GraphQL request');
  return shown(error, 'Something went wrong here; the request id helps to find out what', code, requestId, {});
}

/** The same for what is sent as JSON. */
export function formatted(error: GraphQLError, requestId: string | null, log: Logger): GraphQLFormattedError {
  return publicError(error, requestId, log).toJSON();
}

/** An AppError outside of any field: it keeps its HTTP status. */
export function requestError(error: AppError): GraphQLError {
  const headers = new Map<string, string>();
  if (error.retryAfterSeconds !== undefined) headers.set('retry-after', String(error.retryAfterSeconds));
  return new GraphQLError(error.message, {
    originalError: error,
    extensions: { code: error.code, http: { status: error.status, headers } },
  });
}

function originalOf(error: GraphQLError): Error | undefined {
  let cause: Error | undefined = error.originalError;
  while (cause instanceof GraphQLError && cause.originalError !== undefined) cause = cause.originalError;
  return cause;
}

function codeOf(error: GraphQLError, cause: Error | undefined): ErrorCode {
  const code = error.extensions.code;
  if (/ more tha[nt] \d+ tokens/.test(error.message)) return 'QUERY_TOO_COMPLEX';
  // Apollo gives it a code of its own; over a socket nobody does.
  if (code === undefined && error.message.startsWith('Syntax Error: ')) return 'BAD_REQUEST';
  if (typeof code === 'string' && code in ERROR_CATALOGUE) return code as ErrorCode;
  if (typeof code === 'string' && code in CODE_OF_APOLLO) return CODE_OF_APOLLO[code]!;
  // Made by graphql itself while reading arguments or variables; resolvers throw AppErrors.
  return code === undefined && (cause === undefined || cause instanceof GraphQLError) && error.path === undefined
    ? 'VALIDATION_FAILED'
    : 'INTERNAL';
}

function factsOf({ details, extra, retryAfterSeconds }: AppError): Record<string, unknown> {
  return {
    ...extra,
    ...(details === undefined ? {} : { details }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  };
}

function shown(
  error: GraphQLError,
  message: string,
  code: ErrorCode,
  requestId: string | null,
  facts: Record<string, unknown>,
): GraphQLError {
  const { nodes, source, positions, path } = error;
  const { retryable } = ERROR_CATALOGUE[code];
  return new GraphQLError(message, {
    nodes,
    source,
    positions,
    path,
    extensions: { ...facts, code, retryable, requestId },
  });
}
