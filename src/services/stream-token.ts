import { createHmac, randomBytes } from 'node:crypto';
import { safeEqual } from '../lib/crypto.js';
import { AppError } from '../lib/errors.js';

/** `initial` opens a session's first stream; `resume` takes a live session over; `phone` is a supervisor's. */
export type StreamTokenKind = 'initial' | 'resume' | 'phone';

export interface StreamTokenClaims {
  /** Unique: a token opens one stream. */
  jti: string;
  callId: string;
  /** The call that the signed webhook announced; Twilio's `start` must name the same (trap 29). */
  callSid: string;
  kind: StreamTokenKind;
  expiresAt: Date;
  /** Of a phone: the command that brought it. */
  phoneId: string | null;
}

/** Time to open the stream with it. */
export const STREAM_TOKEN_SECONDS = 60;

const KIND_LETTER = { initial: 'i', resume: 'r', phone: 'p' } as const;
const KINDS = Object.keys(KIND_LETTER) as StreamTokenKind[];

/**
 * Makes a token `<payload>.<HMAC-SHA256>`, both base64url; far below the 500 characters that a `<Parameter>` holds.
 */
export function mintStreamToken(
  secret: string,
  claims: { callId: string; callSid: string; kind: StreamTokenKind; phoneId?: string },
  now: Date,
): string {
  const payload = [
    randomBytes(12).toString('base64url'),
    claims.callId,
    claims.callSid,
    KIND_LETTER[claims.kind],
    Math.floor(now.getTime() / 1_000) + STREAM_TOKEN_SECONDS,
    ...(claims.phoneId === undefined ? [] : [claims.phoneId]),
  ].join('|');
  const body = Buffer.from(payload).toString('base64url');
  return `${body}.${sign(secret, body)}`;
}

/**
 * What the token says, when it was signed with one of `secrets` (current, previous) and is in time. Whether it was used
 * before only the database knows. Throws UNAUTHENTICATED.
 */
export function readStreamToken(secrets: readonly string[], token: string, now: Date): StreamTokenClaims {
  const [body, signature, ...rest] = token.split('.');
  if (!body || !signature || rest.length > 0 || !secrets.some((secret) => safeEqual(sign(secret, body), signature)))
    throw new AppError('UNAUTHENTICATED', 'The stream token is not valid');
  const [jti, callId, callSid, letter, expires, phoneId = null] = Buffer.from(body, 'base64url')
    .toString('utf8')
    .split('|');
  const expiresAt = new Date(Number(expires) * 1_000);
  if (expiresAt.getTime() < now.getTime()) throw new AppError('UNAUTHENTICATED', 'The stream token has expired');
  return {
    jti: jti!,
    callId: callId!,
    callSid: callSid!,
    kind: KINDS.find((kind) => KIND_LETTER[kind] === letter) ?? 'initial',
    expiresAt,
    phoneId,
  };
}

function sign(secret: string, body: string): string {
  return createHmac('sha256', secret).update(`stream-token:${body}`).digest('base64url');
}
