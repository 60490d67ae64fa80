/** G.711 µ-law, as Twilio and OpenAI's `audio/pcmu` use it: 8 kHz mono, one byte a sample, 8 bytes a millisecond. */
export const MULAW_SILENCE = 0xff;
export const MULAW_BYTES_PER_MS = 8;
/** Twilio sends one frame of 20 ms at a time. */
export const FRAME_MS = 20;
export const FRAME_BYTES = FRAME_MS * MULAW_BYTES_PER_MS;

const BIAS = 0x84;

/** µ-law byte -> 16-bit linear sample. */
export const MULAW_TO_LINEAR: Int16Array = Int16Array.from({ length: 256 }, (_, byte) => {
  const inverted = ~byte & 0xff;
  const magnitude = (((inverted & 0x0f) << 3) + BIAS) << ((inverted & 0x70) >> 4);
  return inverted & 0x80 ? BIAS - magnitude : magnitude - BIAS;
});

/** The loudest sample that the format holds with its bias added. */
const CLIP = 32_635;

/** 16-bit linear sample -> µ-law byte; what is too loud for the format is clipped. */
export function linearToMulaw(sample: number): number {
  const magnitude = Math.min(Math.abs(sample), CLIP) + BIAS;
  const exponent = 31 - Math.clz32(magnitude >> 7);
  const mantissa = (magnitude >> (exponent + 3)) & 0x0f;
  return ~((sample < 0 ? 0x80 : 0) | (exponent << 4) | mantissa) & 0xff;
}

/** Root mean square of a piece of µ-law audio, 0 (silence) to about 32,000; 0 for nothing. */
export function mulawRms(audio: Uint8Array): number {
  if (audio.length === 0) return 0;
  let sum = 0;
  for (const byte of audio) {
    const sample = MULAW_TO_LINEAR[byte]!;
    sum += sample * sample;
  }
  return Math.sqrt(sum / audio.length);
}
