import { describe, expect, it } from 'vitest';
import {
  LANGUAGE_TAG,
  languageName,
  SPOKEN_LOCALES,
  spokenLocale,
  TRANSCRIBED_LANGUAGES,
  transcribedLanguage,
} from './languages.js';

describe('a language tag', () => {
  it.each([
    ['en', 'en', 'en-US'],
    ['de-DE', 'de', 'de-DE'],
    ['de-CH', 'de', 'de-DE'],
    ['en-gb', 'en', 'en-GB'],
    ['es-419', 'es', 'es-MX'],
    ['pt', 'pt', 'pt-BR'],
    ['no', 'no', 'nb-NO'],
    ['nb-NO', 'no', 'nb-NO'],
    ['zh-Hant-HK', 'zh', 'zh-CN'],
    ['zh-Hant', 'zh', 'zh-TW'],
    ['fil', 'tl', 'fil-PH'],
    // Nobody speaks it: better no word than one that the vendor refuses.
    ['eo', null, null],
  ])('%s is transcribed as %s and spoken as %s', (tag, transcribed, spoken) => {
    expect(tag).toMatch(LANGUAGE_TAG);
    expect([transcribedLanguage(tag), spokenLocale(tag)]).toEqual([transcribed, spoken]);
  });

  it('is a word of the vendors for whatever tag there is', () => {
    const letters = 'a b c d e f g h i j k l m n o p q r s t u v w x y z'.split(' ');
    for (const tag of letters.flatMap((a) => letters.map((b) => a + b))) {
      expect([...TRANSCRIBED_LANGUAGES, null]).toContain(transcribedLanguage(`${tag}-XX`));
      expect([...SPOKEN_LOCALES, null]).toContain(spokenLocale(tag));
    }
    expect([transcribedLanguage(null), spokenLocale(null)]).toEqual([null, null]);
  });

  it('has a form', () => {
    for (const wrong of ['English', 'e', 'en_US', 'de-DE-DE', 'en-USA', '']) expect(wrong).not.toMatch(LANGUAGE_TAG);
    expect(languageName('de-DE')).toBe('German (Germany)');
  });
});
