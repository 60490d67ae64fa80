import { invalid } from './errors.js';

/** Position in a list that is ordered by a time and an id, newest first: a Relay cursor. */
export interface Cursor {
  at: Date;
  id: string;
}

/** Four-digit years only: PostgreSQL refuses some of the others that JavaScript knows. */
const TIME = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function encodeCursor({ at, id }: Cursor): string {
  return Buffer.from(`${at.toISOString()}|${id}`).toString('base64url');
}

/** Throws VALIDATION_FAILED for anything that {@link encodeCursor} did not make. `uuid` false: the id may be any slug. */
export function decodeCursor(text: string, uuid = true): Cursor {
  const [time, id, ...rest] = Buffer.from(text, 'base64url').toString('utf8').split('|');
  const at = new Date(time ?? '');
  if (
    !TIME.test(time ?? '') ||
    Number.isNaN(at.getTime()) ||
    !id ||
    rest.length > 0 ||
    (uuid ? !UUID.test(id) : !/^[\w-]{1,64}$/.test(id))
  )
    throw invalid({ path: 'after', message: 'is not a cursor of this list' });
  return { at, id };
}

export const MAX_PAGE = 100;

/** `first` within bounds; throws VALIDATION_FAILED. */
export function pageSize(first: number | null | undefined): number {
  const size = first ?? 25;
  if (!Number.isInteger(size) || size < 1 || size > MAX_PAGE)
    throw invalid({ path: 'first', message: `must be a whole number from 1 to ${MAX_PAGE}` });
  return size;
}

/** One page of a list; `hasNextPage` comes from asking for one row more than shown. */
export interface Page<T> {
  rows: T[];
  hasNextPage: boolean;
}
