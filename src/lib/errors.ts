/**
 * The one catalogue of expected failures, shared by GraphQL (`extensions.code`) and REST (`code`, status).
 * Anything thrown that is not an {@link AppError} is unexpected: doors mask it and log it with the request id.
 */
export const ERROR_CATALOGUE = {
  BAD_REQUEST: { status: 400, retryable: false },
  VALIDATION_FAILED: { status: 400, retryable: false },
  UNAUTHENTICATED: { status: 401, retryable: false },
  FORBIDDEN: { status: 403, retryable: false },
  TENANT_SUSPENDED: { status: 403, retryable: false },
  INVALID_SIGNATURE: { status: 403, retryable: false },
  NOT_FOUND: { status: 404, retryable: false },
  CONFLICT: { status: 409, retryable: false },
  IDEMPOTENCY_CONFLICT: { status: 409, retryable: false },
  DUPLICATE_CALL: { status: 409, retryable: false },
  CALL_NOT_ACTIVE: { status: 409, retryable: false },
  PAYLOAD_TOO_LARGE: { status: 413, retryable: false },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, retryable: false },
  UNPROCESSABLE: { status: 422, retryable: false },
  DO_NOT_CALL: { status: 422, retryable: false },
  OUTSIDE_CALLING_HOURS: { status: 422, retryable: false },
  NOT_CLEARED: { status: 422, retryable: false },
  LAUNCH_GATES_FAILED: { status: 422, retryable: false },
  CARRIER_REJECTED: { status: 422, retryable: false },
  RATE_LIMITED: { status: 429, retryable: true },
  QUERY_TOO_COMPLEX: { status: 400, retryable: false },
  INTERNAL: { status: 500, retryable: true },
  CARRIER_UNAVAILABLE: { status: 503, retryable: true },
  COMMAND_NOT_ACKNOWLEDGED: { status: 503, retryable: true },
  UNAVAILABLE: { status: 503, retryable: true },
} as const satisfies Record<string, { status: number; retryable: boolean }>;

export type ErrorCode = keyof typeof ERROR_CATALOGUE;

/** One thing wrong with one input field; `path` as the client wrote it (`input.to`, `webhook_url`). */
export interface FieldIssue {
  path: string;
  message: string;
}

/** An expected failure. `message` is written for the client and must hold no secret and no phone number of others. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly details: readonly FieldIssue[] | undefined;
  /** Additive facts for the client (`allowed_at`, `call_id` …), snake_case; both doors pass them on. */
  readonly extra: Readonly<Record<string, unknown>> | undefined;
  /** Seconds after which a retry makes sense; becomes `Retry-After`. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: {
      details?: readonly FieldIssue[];
      extra?: Record<string, unknown>;
      retryAfterSeconds?: number;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.details = options.details;
    this.extra = options.extra;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  /** HTTP status of this code. */
  get status(): number {
    return ERROR_CATALOGUE[this.code].status;
  }

  get retryable(): boolean {
    return ERROR_CATALOGUE[this.code].retryable;
  }
}

/** Invalid input, naming every field that is wrong. */
export function invalid(...details: FieldIssue[]): AppError {
  return new AppError('VALIDATION_FAILED', details.map((d) => `${d.path}: ${d.message}`).join('; '), { details });
}

/** Missing or foreign: both look the same, so that ids of other tenants cannot be probed. */
export function notFound(what: string): AppError {
  return new AppError('NOT_FOUND', `${what} not found`);
}
