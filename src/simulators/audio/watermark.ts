import { createHash } from 'node:crypto';

/**
 * How a simulator "hears": every piece of simulated speech carries, each 100 ms, ten samples that name its text and how
 * far into it they stand. They survive only if the audio arrives byte for byte as it was sent, which is what the gateway
 * promises; recoded or padded audio is unintelligible.
 */
export const MARK_EVERY_BYTES = 800;
const MAGIC = Buffer.from([0x03, 0x92, 0x05, 0x94]);
const ID_BYTES = 5;
/** Magic, id, position. */
const MARK_BYTES = MAGIC.length + ID_BYTES + 1;

export function idOf(text: string): string {
  return createHash('sha1').update(text).digest().subarray(0, ID_BYTES).toString('hex');
}

/** Stamps `audio` (in place) with `text`. */
export function stamp(audio: Buffer, text: string): Buffer {
  const id = Buffer.from(idOf(text), 'hex');
  for (let at = 0, index = 0; at + MARK_BYTES <= audio.length; at += MARK_EVERY_BYTES, index++) {
    MAGIC.copy(audio, at);
    id.copy(audio, at + MAGIC.length);
    audio[at + MARK_BYTES - 1] = Math.min(index, 254);
  }
  return audio;
}

/** A piece of a text that was heard: `marks` of it, the last at `lastIndex`. */
export interface Heard {
  id: string;
  lastIndex: number;
}

/** Every text in a piece of audio, in the order heard. */
export function read(audio: Buffer): Heard[] {
  const heard: Heard[] = [];
  for (
    let at = audio.indexOf(MAGIC);
    at !== -1 && at + MARK_BYTES <= audio.length;
    at = audio.indexOf(MAGIC, at + MARK_BYTES)
  ) {
    const id = audio.subarray(at + MAGIC.length, at + MAGIC.length + ID_BYTES).toString('hex');
    const lastIndex = audio[at + MARK_BYTES - 1]!;
    const last = heard.at(-1);
    if (last?.id === id) last.lastIndex = Math.max(last.lastIndex, lastIndex);
    else heard.push({ id, lastIndex });
  }
  return heard;
}
