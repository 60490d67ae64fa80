/**
 * The part of a transcript that was heard, when only `playedMs` of `sentMs` were played: the voice speaks at an even
 * pace, so the text is cut at the same proportion, back to the last whole word.
 */
export function heardText(text: string, playedMs: number, sentMs: number): string {
  if (playedMs <= 0 || sentMs <= 0) return '';
  if (playedMs >= sentMs) return text;
  const cut = Math.floor((text.length * playedMs) / sentMs);
  if (!/\s/.test(text)) return /^[\p{ASCII}]*$/u.test(text) ? '' : wholeCharacters(text, cut);
  if (/\s/.test(text.charAt(cut))) return text.slice(0, cut).trimEnd();
  return text.slice(0, text.slice(0, cut).search(/\S*$/)).trimEnd();
}

/** Scripts without spaces: to the character, never through a surrogate pair. */
function wholeCharacters(text: string, cut: number): string {
  const last = text.charCodeAt(cut - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? cut - 1 : cut);
}
