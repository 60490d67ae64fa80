/**
 * The wire of both ends, as far as the load plays it, and the time of sending inside of the audio itself: every payload
 * starts with six base64 characters that hold its birth, so that whoever receives it knows how long it took.
 */
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const STAMP_LENGTH = 6;
const UNITS_PER_MS = 100;

/** Milliseconds of this process's clock, up to 190 hours, in base64 digits. */
export function stamp(ms: number): string {
  let rest = Math.floor(ms * UNITS_PER_MS);
  let text = '';
  for (let i = 0; i < STAMP_LENGTH; i++) {
    text = DIGITS[rest % 64]! + text;
    rest = Math.floor(rest / 64);
  }
  return text;
}

const VALUES = new Uint8Array(128);
for (let i = 0; i < DIGITS.length; i++) VALUES[DIGITS.charCodeAt(i)] = i;

/** The stamp behind `key` (a JSON key with its colon and quote), or null where there is no audio. */
export function stampBehind(text: string, key: string): number | null {
  const found = text.indexOf(key);
  if (found < 0) return null;
  let value = 0;
  const start = found + key.length;
  for (let i = start; i < start + STAMP_LENGTH; i++) value = value * 64 + VALUES[text.charCodeAt(i) & 127]!;
  return value / UNITS_PER_MS;
}

const audio = (bytes: number): string => Buffer.alloc(bytes, 0x7f).toString('base64').slice(STAMP_LENGTH);
/** 20 ms up, 50 ms down, of µ-law at 8 kHz. */
export const FRAME_MS = 20;
export const DELTA_MS = 50;
const FRAME = audio(FRAME_MS * 8);
const DELTA = audio(DELTA_MS * 8);

/** A frame as Twilio writes it on the wire, keys in its order. `n` counts from 1. */
export function frame(streamSid: string, n: number, nowMs: number): string {
  return `{"event":"media","sequenceNumber":"${n + 1}","media":{"track":"inbound","chunk":"${n}","timestamp":"${n * FRAME_MS}","payload":"${stamp(nowMs)}${FRAME}"},"streamSid":"${streamSid}"}`;
}

/** An audio delta as the model writes it. */
export function delta(responseId: string, itemId: string, n: number, nowMs: number): string {
  return `{"type":"response.output_audio.delta","event_id":"event_${itemId}_${n}","response_id":"${responseId}","item_id":"${itemId}","output_index":0,"content_index":0,"delta":"${stamp(nowMs)}${DELTA}"}`;
}
