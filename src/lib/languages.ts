/**
 * What a language tag of ours (`en`, `de-DE`, `es-419`) is called by those who speak and listen. Both vendors take certain
 * words only: OpenAI refuses the whole session for another one, Twilio may not speak at all.
 */

/** Languages of OpenAI's transcription, as its error message for any other one lists them. */
export const TRANSCRIBED_LANGUAGES: readonly string[] = (
  'af ar az be bg bs ca cs cy da de el en es et fa fi fr gl he hi hr hu hy id is it ja kk kn ko lt lv mi mk mr ms ne nl no ' +
  'pl pt ro ru sk sl sr sv sw ta th tl tr uk ur vi zh'
).split(' ');

/**
 * Values of `language` of Twilio's `<Say>` (`SayLanguage` of its package). Of several with one language the first is for a
 * tag that names no region, or one that nobody speaks for.
 */
export const SPOKEN_LOCALES: readonly string[] = (
  'af-ZA am-ET ar-XA ar-AE arb bg-BG bn-IN ca-ES cmn-CN cmn-TW cs-CZ cy-GB da-DK de-DE de-AT el-GR en-US en-AU en-CA en-GB ' +
  'en-GB-WLS en-IE en-IN en-NZ en-ZA es-ES es-MX es-US fi-FI fil-PH fr-FR fr-BE fr-CA gu-IN he-IL hi-IN hu-HU id-ID is-IS ' +
  'it-IT ja-JP kn-IN ko-KR lv-LV ml-IN mr-IN ms-MY nb-NO nl-NL nl-BE pa-IN pl-PL pt-BR pt-PT ro-RO ru-RU sk-SK sr-RS sv-SE ' +
  'ta-IN te-IN th-TH tr-TR uk-UA vi-VN yue-HK zh-CN zh-HK zh-TW'
).split(' ');

/** Other names of the same languages, by the lower-case tag. */
const TRANSCRIBED_AS: Readonly<Record<string, string>> = { nb: 'no', nn: 'no', fil: 'tl', cmn: 'zh', arb: 'ar' };
const SPOKEN_AS: Readonly<Record<string, string>> = {
  no: 'nb',
  nn: 'nb',
  tl: 'fil',
  'es-419': 'es-MX',
  'zh-hant': 'zh-TW',
};

/** A language tag: language, script, region. */
export const LANGUAGE_TAG = /^[a-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|\d{3}))?$/;

const languageOf = (tag: string): string => tag.split('-', 1)[0]!.toLowerCase();

/** For the transcription of what callers say; null: it finds out by itself. */
export function transcribedLanguage(tag: string | null): string | null {
  if (tag === null) return null;
  const language = TRANSCRIBED_AS[languageOf(tag)] ?? languageOf(tag);
  return TRANSCRIBED_LANGUAGES.includes(language) ? language : null;
}

/** For sentences that the carrier speaks; null: it has no voice for the language. */
export function spokenLocale(tag: string | null): string | null {
  if (tag === null) return null;
  const wanted = SPOKEN_AS[tag.toLowerCase()] ?? tag;
  const exact = SPOKEN_LOCALES.find((locale) => locale.toLowerCase() === wanted.toLowerCase());
  const language = SPOKEN_AS[languageOf(wanted)] ?? languageOf(wanted);
  return exact ?? SPOKEN_LOCALES.find((locale) => languageOf(locale) === language) ?? null;
}

/** `German (Germany)`, for a model that reads English. */
export function languageName(tag: string): string {
  return new Intl.DisplayNames(['en'], { type: 'language' }).of(tag) ?? tag;
}
