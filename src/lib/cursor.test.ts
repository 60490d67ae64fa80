import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCursor, encodeCursor } from './cursor.js';
import { AppError } from './errors.js';
import { newId } from './ids.js';

describe('cursors', () => {
  const key = { at: new Date('2026-11-30T05:00:00.123Z'), id: newId() };
  it('come back as they went out', () => {
    expect(decodeCursor(encodeCursor(key))).toEqual(key);
    expect(decodeCursor(encodeCursor({ ...key, id: 'acme' }), false).id).toBe('acme');
  });
  it('made by others are invalid input, never another error', () => {
    const refused = (text: string, uuid = true) => expect(() => decodeCursor(text, uuid)).toThrow(AppError);
    refused(encodeCursor({ ...key, id: 'acme' }));
    refused(Buffer.from(`+275760-09-13T00:00:00.000Z|${key.id}`).toString('base64url'));
    refused(Buffer.from(`1|${key.id}`).toString('base64url'));
    fc.assert(
      fc.property(fc.string(), fc.boolean(), (text, uuid) => {
        refused(text, uuid);
      }),
    );
  });
});
