import { p, type TriggerDef } from '@mikro-orm/postgresql';
import { newId } from '../lib/ids.js';

/** Columns of every table that has its own UUIDv7 id. */
export const identity = () => ({ id: p.uuid().primary().onCreate(newId) });

/** `created_at` and `updated_at`, kept by the ORM. */
export const timestamps = () => ({
  createdAt: p.datetime().onCreate(() => new Date()),
  updatedAt: p
    .datetime()
    .onCreate(() => new Date())
    .onUpdate(() => new Date()),
});

/** `created_at` alone, for rows that never change. */
export const createdAt = () => ({ createdAt: p.datetime().onCreate(() => new Date()) });

/**
 * Triggers of a table whose rows are never changed, and of which none goes. TRUNCATE is refused by one of the migrations alone:
 * the ORM does not see such triggers, and would make them again and again.
 */
export function appendOnly(table: string): TriggerDef[] {
  const body = `begin raise exception '${table} is append-only'; end`;
  return [{ name: `${table}_append_only`, timing: 'before', events: ['update', 'delete'], forEach: 'row', body }];
}
