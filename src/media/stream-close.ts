import { AppError, type ErrorCode } from '../lib/errors.js';

/**
 * Close codes of the media stream, shaped like HTTP statuses so that logs and counters can be read. Twilio goes on with
 * the verb behind `<Connect>` whatever the code is.
 */
export const STREAM_CLOSE = {
  /** Bad, used or expired token, or a signature that does not fit. */
  unauthenticated: { code: 4401, reason: 'stream token refused' },
  notFound: { code: 4404, reason: 'unknown call' },
  /** No `start` in time. */
  startTimeout: { code: 4408, reason: 'no start in time' },
  /** This call has a live stream already. */
  conflict: { code: 4409, reason: 'call has a stream' },
  notActive: { code: 4410, reason: 'call is over' },
  /** More messages than a telephone call makes. */
  tooMany: { code: 4429, reason: 'too many messages' },
  /** The gateway is shutting down. */
  goingAway: { code: 1012, reason: 'restarting' },
  failed: { code: 1011, reason: 'internal error' },
} as const satisfies Record<string, { code: number; reason: string }>;

export type StreamClose = (typeof STREAM_CLOSE)[keyof typeof STREAM_CLOSE];

const BY_ERROR: Partial<Record<ErrorCode, StreamClose>> = {
  UNAUTHENTICATED: STREAM_CLOSE.unauthenticated,
  INVALID_SIGNATURE: STREAM_CLOSE.unauthenticated,
  NOT_FOUND: STREAM_CLOSE.notFound,
  CONFLICT: STREAM_CLOSE.conflict,
  CALL_NOT_ACTIVE: STREAM_CLOSE.notActive,
};

/** What a refused claim means for the socket. */
export function closeFor(error: unknown): StreamClose {
  return (error instanceof AppError ? BY_ERROR[error.code] : undefined) ?? STREAM_CLOSE.failed;
}
