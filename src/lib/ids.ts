import { ulid } from 'ulid';
import { v5, v7, validate } from 'uuid';

/** A new row id: UUIDv7, so that ids sort by creation time. */
export function newId(): string {
  return v7();
}

/** The id of what follows from something that has an id: always the same, so that it happens once. */
export function derivedId(id: string, what: string): string {
  return v5(what, id);
}

/** A new id of an event sent to tenants: `evt_` + ULID; it is the `webhook-id` on every attempt. */
export function newEventId(): string {
  return `evt_${ulid()}`;
}

/** True for a UUID of any version. Anything else must not reach a `uuid` column: PostgreSQL would answer with an error. */
export function isUuid(value: string): boolean {
  return validate(value);
}
