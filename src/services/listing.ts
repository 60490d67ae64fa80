import type { EntityManager, EntityName, FilterQuery } from '@mikro-orm/postgresql';
import { decodeCursor, MAX_PAGE, pageSize, type Page } from '../lib/cursor.js';
import { invalid } from '../lib/errors.js';

export interface PageRequest {
  first?: number | null;
  after?: string | null;
}
export interface OffsetRequest {
  limit: number;
  offset: number;
}

/** What people call by a key that is unique within its tenant. */
export interface NamedByKey {
  id?: string | null | undefined;
  key?: string | null | undefined;
  tenantId?: string | null | undefined;
}

/** Only the fields that narrow a list. */
export function given<T extends object>(filter: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value != null)) as never;
}

/** A window of a list, with the length of the whole. */
export interface Rows<T> {
  rows: T[];
  total: number;
}

/** Newest first after a keyset cursor over (`timeKey`, id): stable while rows are added, and never a scan. */
export async function listPage<T extends object>(
  em: EntityManager,
  entity: EntityName<T>,
  where: FilterQuery<T>,
  request: PageRequest,
  timeKey: string = 'createdAt',
  uuid = true,
): Promise<Page<T>> {
  const size = pageSize(request.first);
  const cursor = request.after == null ? null : decodeCursor(request.after, uuid);
  const beyond = cursor && {
    $or: [{ [timeKey]: { $lt: cursor.at } }, { [timeKey]: cursor.at, id: { $lt: cursor.id } }],
  };
  const rows = await em.find(entity, { $and: [where, ...(beyond ? [beyond] : [])] } as never, {
    orderBy: { [timeKey]: 'desc', id: 'desc' } as never,
    limit: size + 1,
  });
  return { rows: rows.slice(0, size) as T[], hasNextPage: rows.length > size };
}

/** The REST form: `limit`, `offset`, `total` (of the whole list). Throws VALIDATION_FAILED. */
export async function listOffset<T extends object>(
  em: EntityManager,
  entity: EntityName<T>,
  where: FilterQuery<T>,
  { limit, offset }: OffsetRequest,
  timeKey: string = 'createdAt',
): Promise<Rows<T>> {
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE)
    throw invalid({ path: 'limit', message: `must be a whole number from 1 to ${MAX_PAGE}` });
  if (!Number.isInteger(offset) || offset < 0 || offset > 1_000_000)
    throw invalid({ path: 'offset', message: 'must be a whole number from 0 to 1000000' });
  const [rows, total] = await em.findAndCount(entity, where as never, {
    orderBy: { [timeKey]: 'desc', id: 'desc' } as never,
    limit,
    offset,
  });
  return { rows: rows as T[], total };
}
