/** µ-law silence is 0xFF; 0x00 would be a full-scale click (protocols.md, trap 20). */
const MULAW_SILENCE = 0xff;

/** Without a frame for this long, while speech is open, the line is taken to be quiet. */
const QUIET_AFTER_MS = 750;

/** Added at once: longer than any sensible `silence_duration_ms`. */
const INJECTED_MS = 1_000;

/** Per stretch of speech. A model that does not notice this much silence has another trouble. */
const MAX_INJECTED_MS = 10_000;

/** One second of silence, as the model takes it. */
export const SILENCE_BASE64 = Buffer.alloc(INJECTED_MS * 8, MULAW_SILENCE).toString('base64');

/**
 * Notices that the caller's frames stopped in the middle of speech (a carrier that sends nothing for silence, a hole in
 * the network): the model's voice detection would wait for ever for the end of the utterance. Driven by the shared
 * ticker; a frame costs one addition.
 */
export class SilenceGuard {
  private frames = 0;
  private seenFrames = 0;
  private quietSinceMs = 0;
  private injectedMs = 0;
  private speechOpen = false;

  /** A frame came from the caller. */
  frame(): void {
    this.frames += 1;
  }

  /** `input_audio_buffer.speech_started` and `speech_stopped`. */
  speech(open: boolean, nowMs: number): void {
    this.speechOpen = open;
    this.quietSinceMs = nowMs;
    this.injectedMs = 0;
  }

  /** True: one second of silence ({@link SILENCE_BASE64}) is to be appended now. */
  tick(nowMs: number): boolean {
    if (!this.speechOpen) return false;
    if (this.frames !== this.seenFrames) {
      this.seenFrames = this.frames;
      this.quietSinceMs = nowMs;
      return false;
    }
    if (nowMs - this.quietSinceMs < QUIET_AFTER_MS || this.injectedMs >= MAX_INJECTED_MS) return false;
    this.quietSinceMs = nowMs;
    this.injectedMs += INJECTED_MS;
    return true;
  }
}
