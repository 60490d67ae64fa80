import { createHash } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/postgresql';
import { IdempotencyKey } from '../entities/index.js';
import { AppError, invalid } from '../lib/errors.js';

/** Longest key that a client may choose. */
const MAX_KEY_CHARACTERS = 255;

/** A client's key together with what it was used for. */
export interface Idempotency {
  tenantId: string;
  key: string;
  /** Hash of the request: the same key with another request is a mistake of the client. */
  requestHash: string;
}

/** Checks the key and hashes the request; null without a key. Fields that are absent and fields that are null are the same. */
export function idempotencyOf(tenantId: string, key: string | null, request: object): Idempotency | null {
  if (key === null) return null;
  if (key.trim() === '' || key.length > MAX_KEY_CHARACTERS || key.includes('\u0000') || !key.isWellFormed())
    throw invalid({ path: 'idempotencyKey', message: `must be a text of 1 to ${MAX_KEY_CHARACTERS} characters` });
  const given = Object.entries(request)
    .filter(([, value]) => value !== null && value !== undefined && value !== false)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return { tenantId, key, requestHash: createHash('sha256').update(JSON.stringify(given, sorted)).digest('hex') };
}

/** The same object says the same, in whatever order its fields come. */
const sorted = (_: string, value: unknown): unknown =>
  value === null || typeof value !== 'object' || Array.isArray(value)
    ? value
    : Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));

/**
 * Takes the key in the transaction that makes the call. A request that arrives together waits here until the first one
 * commits (then it lost: false) or rolls back because a check refused it (then the key is free again: true).
 */
export async function takeKey(
  em: EntityManager,
  idempotency: Idempotency,
  callId: string,
  now: Date,
): Promise<boolean> {
  const rows = await em.execute<unknown[]>(
    `insert into idempotency_key (tenant_id, key, request_hash, call_id, created_at, updated_at)
     values (?, ?, ?, ?, ?, ?) on conflict do nothing returning key`,
    [idempotency.tenantId, idempotency.key, idempotency.requestHash, callId, now, now],
  );
  return rows.length > 0;
}

/** The call that the key made, null when the key is free. Throws IDEMPOTENCY_CONFLICT when it was another request. */
export async function callOfKey(em: EntityManager, idempotency: Idempotency): Promise<string | null> {
  const { tenantId, key, requestHash } = idempotency;
  const row = await em.findOne(IdempotencyKey, { tenantId, key });
  if (row === null) return null;
  if (row.requestHash !== requestHash)
    throw new AppError('IDEMPOTENCY_CONFLICT', 'This idempotency key was used for a different request');
  return row.callId ?? null;
}

/** Frees the key of a call that certainly never came about, so that the client may try again. */
export async function releaseKey(em: EntityManager, tenantId: string, callId: string): Promise<void> {
  await em.nativeDelete(IdempotencyKey, { tenantId, callId });
}
