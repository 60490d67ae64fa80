import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { says } from './phrases.js';

describe('phrases', () => {
  it('are found whatever their case and punctuation, as whole words', () => {
    expect(says('Your order, 4271, is on its WAY!', 'order 4271 is on its way')).toBe(true);
    expect(says('We can refund you.', 'fund')).toBe(false);
    expect(says('Größe: zwölf', 'größe zwölf')).toBe(true);
    expect(says('Anything', '…')).toBe(false);
  });

  it('are found in every text that contains them between other words', () => {
    const word = fc.stringMatching(/^[a-z]{1,8}$/);
    const words = fc.array(word, { minLength: 1, maxLength: 5 }).map((list) => list.join(' '));
    fc.assert(
      fc.property(words, words, words, (before, phrase, after) =>
        says(`${before}, ${phrase.toUpperCase()}. ${after}`, phrase),
      ),
    );
  });
});
