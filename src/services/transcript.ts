import type { Turn } from '../entities/index.js';

/** The end of a conversation is where it is decided. */
const MAX_TRANSCRIPT_CHARACTERS = 40_000;

/** The conversation as a text model reads it: one line a turn, `caller: …`. */
export function transcriptOf(turns: readonly Pick<Turn, 'speaker' | 'text'>[]): string {
  return turns
    .map((turn) => `${turn.speaker.toLowerCase()}: ${turn.text.replaceAll(/\s+/g, ' ')}`)
    .join('\n')
    .slice(-MAX_TRANSCRIPT_CHARACTERS);
}

/** Words as they are compared: case, punctuation and spaces say nothing about whether something was said. */
const words = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();

/** The turn in which `quote` was said word for word; null when nobody said it. */
export function turnOfQuote(
  turns: readonly Pick<Turn, 'index' | 'speaker' | 'text'>[],
  quote: string,
): Pick<Turn, 'index' | 'text'> | null {
  const wanted = words(quote.replace(/^(caller|agent|supervisor|system): /i, ''));
  if (wanted === '') return null;
  return turns.find((turn) => ` ${words(turn.text)} `.includes(` ${wanted} `)) ?? null;
}
