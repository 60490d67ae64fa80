import type { Item } from './conversation.js';
import type { SessionConfig } from './session-config.js';

/** What audio costs: a token for each 100 ms heard, and for each 50 ms spoken. Text: about four characters a token. */
const HEARD_MS_PER_TOKEN = 100;
const SPOKEN_MS_PER_TOKEN = 50;
const CHARACTERS_PER_TOKEN = 4;
/** Only whole blocks of a prompt are cached. */
const CACHE_BLOCK = 64;

interface Tokens {
  text: number;
  audio: number;
}

/** Tokens that some items amount to. */
export function tokensOf(items: readonly Item[]): Tokens {
  let characters = 0;
  let audio = 0;
  for (const item of items) {
    const words = (item.content ?? []).map((part) => part.text ?? part.transcript ?? '').join('');
    // What was heard counts as audio; what is spoken is written as well.
    if (item.role !== 'user' || item.audioMs === undefined) characters += words.length;
    characters += (item.name ?? '').length + (item.arguments ?? '').length + (item.output ?? '').length;
    const perToken = item.role === 'user' ? HEARD_MS_PER_TOKEN : SPOKEN_MS_PER_TOKEN;
    audio += Math.ceil((item.audioMs ?? 0) / perToken);
  }
  return { text: Math.ceil(characters / CHARACTERS_PER_TOKEN), audio };
}

/** The usage numbers of a response; `previousInput` is what the response before it read, in tokens. */
export function usageOf(config: SessionConfig, input: readonly Item[], output: readonly Item[], previousInput: number) {
  const read = tokensOf(input);
  read.text += Math.ceil((config.instructions.length + JSON.stringify(config.tools).length) / CHARACTERS_PER_TOKEN);
  const written = tokensOf(output);
  const total = read.text + read.audio;
  const cached = Math.floor(Math.min(previousInput, total) / CACHE_BLOCK) * CACHE_BLOCK;
  const cachedText = Math.min(cached, read.text);
  return {
    total_tokens: total + written.text + written.audio,
    input_tokens: total,
    output_tokens: written.text + written.audio,
    input_token_details: {
      text_tokens: read.text,
      audio_tokens: read.audio,
      image_tokens: 0,
      cached_tokens: cached,
      cached_tokens_details: { text_tokens: cachedText, audio_tokens: cached - cachedText, image_tokens: 0 },
    },
    output_token_details: { text_tokens: written.text, audio_tokens: written.audio },
  };
}

export type Usage = ReturnType<typeof usageOf>;
