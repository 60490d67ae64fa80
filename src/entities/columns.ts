import { p } from '@mikro-orm/postgresql';
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
