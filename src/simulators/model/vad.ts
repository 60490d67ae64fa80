import { MULAW_BYTES_PER_MS, mulawRms } from '../../lib/mulaw.js';
import type { TurnDetection } from './session-config.js';

export type VadEvent = { type: 'started'; audioMs: number } | { type: 'stopped'; audioMs: number };

const STEP_MS = 20;
const STEP_BYTES = STEP_MS * MULAW_BYTES_PER_MS;
/** RMS that counts as speech at threshold 0.5; line noise is far below, speech far above. */
const SPEECH_RMS = 600;
/** Semantic detection waits for the end of a thought; by energy that is a longer or shorter pause. */
const EAGERNESS_MS = { low: 800, medium: 500, auto: 500, high: 300 };

/** Voice activity by energy over decoded µ-law, in steps of 20 ms of received audio (not of time: a gap is no silence). */
export class EnergyVad {
  private rest = Buffer.alloc(0);
  private totalMs = 0;
  private loudMs = 0;
  private quietMs = 0;
  private settings: TurnDetection | null = null;
  speaking = false;

  /** Null: nobody listens for turns, audio is only counted. */
  configure(settings: TurnDetection | null): void {
    this.settings = settings;
    if (settings === null) this.speaking = false;
  }

  /** Milliseconds of audio received so far. */
  get receivedMs(): number {
    return this.totalMs;
  }

  /** Feeds audio; gives what it showed. */
  push(audio: Buffer): VadEvent[] {
    const events: VadEvent[] = [];
    let data = this.rest.length > 0 ? Buffer.concat([this.rest, audio]) : audio;
    for (; data.length >= STEP_BYTES; data = data.subarray(STEP_BYTES)) {
      this.totalMs += STEP_MS;
      const event = this.settings === null ? null : this.step(data.subarray(0, STEP_BYTES), this.settings);
      if (event !== null) events.push(event);
    }
    this.rest = Buffer.from(data);
    return events;
  }

  private step(audio: Buffer, settings: TurnDetection): VadEvent | null {
    const loud = isLoud(audio, settings.threshold);
    this.loudMs = loud ? this.loudMs + STEP_MS : 0;
    this.quietMs = loud ? 0 : this.quietMs + STEP_MS;
    // A single loud frame is a click.
    if (!this.speaking && this.loudMs >= 2 * STEP_MS) {
      this.speaking = true;
      return {
        type: 'started',
        audioMs: Math.max(0, this.totalMs - this.loudMs - (settings.prefix_padding_ms ?? 300)),
      };
    }
    if (this.speaking && this.quietMs >= silenceMs(settings)) {
      this.speaking = false;
      return { type: 'stopped', audioMs: this.totalMs };
    }
    return null;
  }
}

function silenceMs(settings: TurnDetection): number {
  return settings.type === 'semantic_vad'
    ? EAGERNESS_MS[settings.eagerness ?? 'auto']
    : (settings.silence_duration_ms ?? 500);
}

function isLoud(audio: Buffer, threshold = 0.5): boolean {
  return mulawRms(audio) > SPEECH_RMS * 2 * threshold;
}

/** Is there any sound in it that could be speech? */
export function hasSpeech(audio: Buffer): boolean {
  for (let at = 0; at < audio.length; at += STEP_BYTES) if (isLoud(audio.subarray(at, at + STEP_BYTES))) return true;
  return false;
}
