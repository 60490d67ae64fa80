import { describe, expect, it } from 'vitest';
import { MULAW_SILENCE, MULAW_TO_LINEAR, linearToMulaw, mulawRms } from './mulaw.js';

describe('µ-law', () => {
  it('turns every byte into a sample and back', () => {
    const bytes = Array.from({ length: 256 }, (_, byte) => byte);
    // 0x7f is the negative zero of the format: the same sample as silence.
    expect(bytes.map((byte) => linearToMulaw(MULAW_TO_LINEAR[byte]!))).toEqual(
      bytes.map((byte) => (byte === 0x7f ? MULAW_SILENCE : byte)),
    );
  });

  it('clips what is too loud', () => {
    expect([linearToMulaw(60_000), linearToMulaw(-60_000)]).toEqual([0x80, 0x00]);
  });

  it('knows silence from speech', () => {
    expect([mulawRms(new Uint8Array()), mulawRms(new Uint8Array(160).fill(MULAW_SILENCE))]).toEqual([0, 0]);
    expect(mulawRms(new Uint8Array(160).fill(0x80))).toBeGreaterThan(30_000);
  });
});
