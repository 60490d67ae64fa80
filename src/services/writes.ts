import { UniqueConstraintViolationException, wrap, type EntityManager } from '@mikro-orm/postgresql';
import { AppError } from '../lib/errors.js';
import type { ServiceContext } from './context.js';
import { emFor, type Viewer } from './viewer.js';

/** Runs `work` in one transaction that sees what the viewer may see. */
export function inTransaction<T>(
  { database }: Pick<ServiceContext, 'database'>,
  viewer: Viewer,
  work: (em: EntityManager) => Promise<T>,
): Promise<T> {
  return emFor(database, viewer).transactional(work);
}

/** A unique value that is taken already becomes CONFLICT with this message; the database decides, not a look beforehand. */
export async function orConflict<T>(message: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UniqueConstraintViolationException) throw new AppError('CONFLICT', message, { cause: error });
    throw error;
  }
}

/** A row as the audit log keeps it. */
export function snapshot(row: object): Record<string, unknown> {
  return JSON.parse(JSON.stringify(wrap(row).toObject())) as Record<string, unknown>;
}
