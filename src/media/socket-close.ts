import { AppError, type ErrorCode } from '../lib/errors.js';

/**
 * Close codes of the audio doors (the carrier's media stream and listening in), shaped like HTTP statuses so that logs and
 * counters can be read. Twilio goes on with the verb behind `<Connect>` whatever the code is.
 */
export const CLOSE = {
  ended: { code: 1000, reason: 'the call is over' },
  failed: { code: 1011, reason: 'internal error' },
  /** The gateway is shutting down. */
  goingAway: { code: 1012, reason: 'restarting' },
  /** A listener that does not keep up. */
  slow: { code: 1013, reason: 'takes nothing' },
  badRequest: { code: 4400, reason: 'name a call_id' },
  /** Bad, used or expired token or key, or a signature that does not fit. */
  unauthenticated: { code: 4401, reason: 'credential refused' },
  forbidden: { code: 4403, reason: 'forbidden' },
  notFound: { code: 4404, reason: 'unknown call' },
  /** No `start` in time. */
  startTimeout: { code: 4408, reason: 'no start in time' },
  /** This call has a live stream already. */
  conflict: { code: 4409, reason: 'call has a stream' },
  notActive: { code: 4410, reason: 'the call is over' },
  /** More messages than a telephone call makes, or more listeners or attempts than there may be. */
  tooMany: { code: 4429, reason: 'too many' },
} as const satisfies Record<string, { code: number; reason: string }>;

export type Close = (typeof CLOSE)[keyof typeof CLOSE];

const BY_ERROR: Partial<Record<ErrorCode, Close>> = {
  UNAUTHENTICATED: CLOSE.unauthenticated,
  INVALID_SIGNATURE: CLOSE.unauthenticated,
  FORBIDDEN: CLOSE.forbidden,
  TENANT_SUSPENDED: CLOSE.forbidden,
  NOT_FOUND: CLOSE.notFound,
  CONFLICT: CLOSE.conflict,
  CALL_NOT_ACTIVE: CLOSE.notActive,
};

/** What an error that refuses somebody means for the socket. */
export function closeFor(error: unknown): Close {
  return (error instanceof AppError ? BY_ERROR[error.code] : undefined) ?? CLOSE.failed;
}
