/** Words alone: without case, punctuation and spacing, so that a transcript's commas decide nothing. */
export function spokenForm(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}

/** Does the text hold the phrase, as whole words in this order? A phrase without words is never said. */
export function says(text: string, phrase: string): boolean {
  const wanted = spokenForm(phrase);
  return wanted !== '' && ` ${spokenForm(text)} `.includes(` ${wanted} `);
}
