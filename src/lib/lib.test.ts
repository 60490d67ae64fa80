import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashSecret, newSecret, open, safeEqual, seal } from './crypto.js';
import { parseE164 } from './phone.js';

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
  it('never throws', () => fc.assert(fc.property(fc.string(), (s) => (parseE164(s), true))));
});
