import { MULAW_BYTES_PER_MS, mulawRms } from '../../lib/mulaw.js';
import type { TurnDetection } from './session-config.js';

export type VadEvent = { type: 'started'; audioMs: number } | { type: 'stopped'; audioMs: number };

const STEP_MS = 20;
/** RMS that counts as speech at threshold 0.5; line noise is far below, speech far above. */
const SPEECH_RMS = 600;

/** Voice activity by energy over decoded µ-law, in steps of 20 ms of received audio (not of time: a gap is no silence). */
export class EnergyVad {
  private rest = Buffer.alloc(0);
  private totalMs = 0;
  private loudMs = 0;
  private quietMs = 0;
  speaking = false;

  constructor(private settings: TurnDetection) {}

  configure(settings: TurnDetection): void {
    this.settings = settings;
  }

  /** Milliseconds of audio received so far. */
  get receivedMs(): number {
    return this.totalMs;
  }

  /** Feeds audio; gives what it showed. */
  push(audio: Buffer): VadEvent[] {
    const events: VadEvent[] = [];
    let data = this.rest.length > 0 ? Buffer.concat([this.rest, audio]) : audio;
    const step = STEP_MS * MULAW_BYTES_PER_MS;
    for (; data.length >= step; data = data.subarray(step)) {
      this.totalMs += STEP_MS;
      const event = this.step(mulawRms(data.subarray(0, step)));
      if (event !== null) events.push(event);
    }
    this.rest = Buffer.from(data);
    return events;
  }

  private step(rms: number): VadEvent | null {
    const loud = rms > SPEECH_RMS * 2 * (this.settings.threshold ?? 0.5);
    this.loudMs = loud ? this.loudMs + STEP_MS : 0;
    this.quietMs = loud ? 0 : this.quietMs + STEP_MS;
    // A single loud frame is a click.
    if (!this.speaking && this.loudMs >= 2 * STEP_MS) {
      this.speaking = true;
      return {
        type: 'started',
        audioMs: Math.max(0, this.totalMs - this.loudMs - (this.settings.prefix_padding_ms ?? 300)),
      };
    }
    if (this.speaking && this.quietMs >= (this.settings.silence_duration_ms ?? 500)) {
      this.speaking = false;
      return { type: 'stopped', audioMs: this.totalMs };
    }
    return null;
  }
}
