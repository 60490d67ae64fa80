import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normalizeE164, parseE164 } from './phone.js';

describe('a number as people write it', () => {
  it.each([
    ['+1 (555) 555-0100', '+15555550100'],
    ['tel:+1-555-555-0100', '+15555550100'],
    [' +44 20 7946 0958 ', '+442079460958'],
    // The plus sign of a URL that nobody escaped.
    [' 15555550100', '+15555550100'],
    ['15555550100', null],
    ['0049 30 12345678', null],
    ['+1555', null],
    ['anonymous', null],
    ['client:anna', null],
    ['+1 555 555 0100 ext. 7', '+15555550100'],
    ['', null],
    ['+'.repeat(500), null],
  ])('%j is %j', (written, number) => expect(normalizeE164(written)).toBe(number));

  it('is the same number however it is punctuated', () => {
    const punctuation = fc.constantFrom('', ' ', '-', '.', ' (', ') ');
    fc.assert(
      fc.property(
        fc.integer({ min: 2_000_000_000, max: 9_999_999_999 }),
        fc.array(punctuation, { minLength: 10, maxLength: 10 }),
        (national, between) => {
          const digits = String(national);
          const written = between.map((mark, i) => mark + digits[i]!).join('');
          expect(normalizeE164(`+1${written}`)).toBe(parseE164(`+1${digits}`));
        },
      ),
    );
  });

  it('is E.164 or nothing, whatever was written', () =>
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.stringMatching(/^\+[0-9 ()-]{0,25}$/)),
        (text) => {
          const number = normalizeE164(text);
          if (number !== null) expect(parseE164(number)).toBe(number);
        },
      ),
    ));
});
