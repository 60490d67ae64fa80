import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashSecret, newSecret, open, safeEqual, seal } from './crypto.js';
import { maskPhone, parseE164 } from './phone.js';

describe('sealed secrets', () => {
  const key = Buffer.alloc(32, 1);
  it('come back as they went in, and differ every time', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (s) => open(key, seal(key, s)) === s && seal(key, s) !== seal(key, s)),
    );
  });
  it('open with no other key and no changed text', () => {
    const sealed = seal(key, 'token');
    expect(() => open(Buffer.alloc(32, 2), sealed)).toThrow();
    expect(() => open(key, `${sealed.slice(0, -2)}AA`)).toThrow();
    expect(() => open(key, 'plain')).toThrow('not a sealed secret');
  });
  it('are sealed with the current key and opened with the one that sealed them', () => {
    const previous = Buffer.alloc(32, 2);
    const old = seal(previous, 'token');
    expect(open([key, previous], old)).toBe('token');
    expect(open([key], seal([key, previous], 'token'))).toBe('token');
    expect(() => open(key, old)).toThrow('a key that is not configured');
  });
  it('are not opened by a part of their authentication tag', () => {
    const parts = seal(key, 'token').split('.');
    parts[3] = parts[3]!.slice(0, 8);
    expect(() => open(key, parts.join('.'))).toThrow('not a sealed secret');
  });
  it('are long, unlike each other and compared whole', () => {
    expect(newSecret('tl_')).toMatch(/^tl_[\w-]{43}$/);
    expect(hashSecret('a')).not.toBe(hashSecret('b'));
    expect([safeEqual('a', 'a'), safeEqual('a', 'ab')]).toEqual([true, false]);
  });
});

describe('phone numbers', () => {
  it.each(['+15555555678', '+15555551234', '+442071838750', '+4915112345678'])('takes %s', (n) =>
    expect(parseE164(n)).toBe(n),
  );
  it.each([
    '',
    '123',
    '+123',
    '15555555678',
    '+1 555 555 5678',
    '+1555555567a',
    '+٣٣١٢٣٤٥٦٧',
    '+0123456789',
    'client:x',
    '+15555555678\n',
  ])('refuses %j', (n) => expect(parseE164(n)).toBeNull());
  it('are shown without their middle', () => {
    expect(maskPhone('+15555555678')).toBe('+15•••••5678');
    expect(maskPhone('+1234567')).toBe('•••');
  });
  it('never throws', () => fc.assert(fc.property(fc.string(), (s) => (parseE164(s), true))));
});
