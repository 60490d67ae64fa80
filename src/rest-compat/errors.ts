import { AppError, invalid, type ErrorCode, type FieldIssue } from '../lib/errors.js';
import { snake } from './naming.js';

/** The error body of every REST answer: the documented two fields, and ours beside them. */
export interface ErrorEnvelope {
  ok: false;
  error: string;
  code: ErrorCode;
  request_id: string;
  retryable: boolean;
  details?: FieldIssue[];
  [extra: string]: unknown;
}

export function envelopeOf(error: AppError, requestId: string): ErrorEnvelope {
  const details = error.details?.map(({ path, message }) => ({ path: snake(path), message }));
  return {
    ...error.extra,
    ok: false,
    error: details === undefined || error.code !== 'VALIDATION_FAILED' ? error.message : sentence(details),
    code: error.code,
    request_id: requestId,
    retryable: error.retryable,
    ...(details === undefined ? {} : { details }),
  };
}

const sentence = (details: readonly FieldIssue[]): string =>
  details.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ');

/** What the HTTP layer itself refuses with, by its status. */
const CODES_BY_STATUS: Partial<Record<number, ErrorCode>> = {
  400: 'BAD_REQUEST',
  404: 'NOT_FOUND',
  413: 'PAYLOAD_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  429: 'RATE_LIMITED',
};
const CLEAR_WORDS: Record<string, string> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'The body is larger than this server accepts',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'Send the body as application/json',
  FST_ERR_BAD_URL: 'The URL cannot be decoded',
  FST_ERR_CTP_INVALID_JSON_BODY: 'The body is not valid JSON',
};

/** The expected failure that this error is, or null for a bug. */
export function expectedError(error: unknown): AppError | null {
  if (error instanceof AppError) return error;
  const { statusCode, code, validation, validationContext } = (error ?? {}) as HttpLayerError;
  if (Array.isArray(validation)) return invalid(...issuesOf(validation, validationContext ?? 'body'));
  if (statusCode === undefined || statusCode < 400 || statusCode >= 500) return null;
  const known = CODES_BY_STATUS[statusCode] ?? 'BAD_REQUEST';
  return new AppError(known, CLEAR_WORDS[code ?? ''] ?? 'The request is not valid', { cause: error });
}

interface HttpLayerError {
  statusCode?: number;
  code?: string;
  validation?: SchemaError[];
  validationContext?: string;
}
/** As TypeBox's compiled checks report it. */
interface SchemaError {
  keyword: string;
  instancePath: string;
  params: Record<string, unknown>;
  message: string;
}

type Explain = (error: SchemaError) => FieldIssue[];
const at = ({ instancePath }: SchemaError, message: string): FieldIssue[] => [{ path: pathOf(instancePath), message }];
/** Schema keywords in words that help; the others say what they say. */
const EXPLANATIONS: Record<string, Explain> = {
  required: ({ instancePath, params }) =>
    (params.requiredProperties as string[]).map((name) => ({
      path: pathOf(`${instancePath}/${name}`),
      message: 'is required',
    })),
  additionalProperties: ({ instancePath, params }) =>
    (params.additionalProperties as string[]).map((name) => ({
      path: pathOf(`${instancePath}/${name}`),
      message: 'is no field of this request',
    })),
  // Says the same as additionalProperties, once per field.
  boolean: () => [],
  enum: (error) => at(error, `must be one of ${(error.params.allowedValues as unknown[]).map(String).join(', ')}`),
  minLength: (error) =>
    at(
      error,
      error.params.limit === 1 ? 'must not be empty' : `needs at least ${String(error.params.limit)} characters`,
    ),
  maxLength: (error) => at(error, `must be at most ${String(error.params.limit)} characters`),
  format: (error) => at(error, `must be a ${String(error.params.format)}`),
};

function issuesOf(errors: readonly SchemaError[], context: string): FieldIssue[] {
  const issues = errors.flatMap((error) => EXPLANATIONS[error.keyword]?.(error) ?? at(error, error.message));
  const seen = new Set<string>();
  const once = issues.filter(({ path }) => !seen.has(path) && seen.add(path));
  const named = once.map(({ path, message }) => ({ path, message: path === '' ? `${context} ${message}` : message }));
  return named.length > 0 ? named : [{ path: '', message: `${context} is not valid` }];
}

/** `/tools/0/name` is `tools[0].name`. */
function pathOf(pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce(
      (path, part) => (/^\d+$/.test(part) && path !== '' ? `${path}[${part}]` : path === '' ? part : `${path}.${part}`),
      '',
    );
}
