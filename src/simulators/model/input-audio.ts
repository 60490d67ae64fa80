import { MULAW_BYTES_PER_MS } from '../../lib/mulaw.js';
import { wire, type Item } from './conversation.js';
import { ProtocolError } from './parameters.js';
import type { SimulatedSession } from './session.js';
import { EnergyVad, hasSpeech, type VadEvent } from './vad.js';

const STEP_BYTES = 20 * MULAW_BYTES_PER_MS;
const MIN_COMMIT_MS = 100;
/** What the transcription makes of sounds that are no words. */
export const UNINTELLIGIBLE = '(unintelligible)';
/** A transcript that waits for a later one does not wait for ever. */
const REORDER_MS = 2_000;

/** The input audio buffer of a session: turns found in it, the items made of it, and their transcripts. */
export class InputAudio {
  private readonly vad = new EnergyVad();
  private buffer: Buffer[] = [];
  private bufferedBytes = 0;
  private speechItemId: string | null = null;
  /** Audio before `session.updated` would be read as 24 kHz PCM: noise (trap 17). */
  private open = false;
  private complainedAboutFormat = false;
  private heldTranscript: (() => void) | null = null;
  private cancelIdle: () => void = () => {};

  constructor(private readonly session: SimulatedSession) {}

  /** The session's settings are in force from here on. */
  configure(): void {
    this.open = true;
    this.vad.configure(this.session.config.audio.input.turn_detection);
  }

  /** `input_audio_buffer.append`. */
  append(base64: string): void {
    if (!this.open) return this.session.violation('audio appended before session.updated');
    const format = this.session.config.audio.input.format.type;
    if (format !== 'audio/pcmu' && !this.complainedAboutFormat) {
      this.complainedAboutFormat = true;
      this.session.violation(`audio appended as ${format}; this simulator hears µ-law only`);
    }
    const audio = Buffer.from(base64, 'base64');
    for (let at = 0; at < audio.length; at += STEP_BYTES) {
      const step = audio.subarray(at, at + STEP_BYTES);
      this.buffer.push(step);
      this.bufferedBytes += step.length;
      for (const event of this.vad.push(step)) this.turn(event);
    }
    this.forgetSilence();
  }

  /** `input_audio_buffer.commit`. Throws {@link ProtocolError} for less than 100 ms. */
  commit(): void {
    const ms = this.bufferedBytes / MULAW_BYTES_PER_MS;
    if (ms < MIN_COMMIT_MS)
      throw new ProtocolError(
        'input_audio_buffer_commit_empty',
        `Error committing input audio buffer: buffer too small. Expected at least ${MIN_COMMIT_MS}ms of audio, but buffer only has ${ms.toFixed(2)}ms of audio.`,
      );
    this.take(this.speechItemId ?? this.session.newId('item'));
  }

  /** `input_audio_buffer.clear`. */
  clear(): void {
    this.forget();
    this.session.emit('input_audio_buffer.cleared', {});
  }

  /** A response is over whose audio plays for so long; then begins the caller's time to speak (`idle_timeout_ms`). */
  awaitCaller(playsForMs: number): void {
    this.cancelIdle();
    const idleMs = this.session.config.audio.input.turn_detection?.idle_timeout_ms;
    if (idleMs == null) return;
    this.cancelIdle = this.session.after(idleMs + playsForMs, () => this.idle(idleMs));
  }

  /** Somebody speaks: nobody is idle. */
  notIdle(): void {
    this.cancelIdle();
  }

  private idle(idleMs: number): void {
    const audioEnd = this.vad.receivedMs;
    const itemId = this.session.newId('item');
    this.session.emit('input_audio_buffer.timeout_triggered', {
      audio_start_ms: Math.max(0, audioEnd - idleMs),
      audio_end_ms: audioEnd,
      item_id: itemId,
    });
    this.take(itemId);
    this.session.turnEnded();
  }

  private turn(event: VadEvent): void {
    if (event.type === 'started') {
      this.cancelIdle();
      this.speechItemId = this.session.newId('item');
      this.session.emit('input_audio_buffer.speech_started', {
        audio_start_ms: event.audioMs,
        item_id: this.speechItemId,
      });
      this.session.turnBegan();
      return;
    }
    const itemId = this.speechItemId ?? this.session.newId('item');
    this.session.emit('input_audio_buffer.speech_stopped', { audio_end_ms: event.audioMs, item_id: itemId });
    this.take(itemId);
    this.session.turnEnded();
  }

  /** Between turns only the padding before the next one is worth keeping. */
  private forgetSilence(): void {
    const detection = this.session.config.audio.input.turn_detection;
    if (detection === null || this.vad.speaking) return;
    const keep = (detection.prefix_padding_ms ?? 300) * MULAW_BYTES_PER_MS;
    while (this.buffer.length > 0 && this.bufferedBytes - this.buffer[0]!.length >= keep)
      this.bufferedBytes -= this.buffer.shift()!.length;
  }

  private forget(): void {
    this.buffer = [];
    this.bufferedBytes = 0;
    this.speechItemId = null;
  }

  /** Makes an item of the buffer. */
  private take(itemId: string): void {
    const audio = Buffer.concat(this.buffer);
    this.forget();
    const transcript = this.session.library.transcribe(audio) || (hasSpeech(audio) ? UNINTELLIGIBLE : '');
    // The model hears the audio itself; the written transcript is another model's and comes when it comes.
    const item: Item = {
      id: itemId,
      object: 'realtime.item',
      type: 'message',
      status: 'completed',
      role: 'user',
      content: [{ type: 'input_audio', transcript }],
      audioMs: audio.length / MULAW_BYTES_PER_MS,
    };
    const previous = this.session.conversation.lastId;
    this.session.emit('input_audio_buffer.committed', { item_id: itemId, previous_item_id: previous });
    this.session.conversation.insert(item);
    const shown = { ...wire(item), content: [{ type: 'input_audio', transcript: null }] };
    this.session.emit('conversation.item.added', { item: shown, previous_item_id: previous });
    this.session.emit('conversation.item.done', { item: shown, previous_item_id: previous });
    const { faults } = this.session;
    if (this.session.config.audio.input.transcription === null || faults.transcripts === 'never') return;
    this.session.after(faults.transcriptDelayMs, () => this.transcribed(item, transcript));
  }

  private transcribed(item: Item, transcript: string): void {
    if (this.session.faults.transcripts === 'reordered' && this.heldTranscript === null) {
      const release = () => {
        this.heldTranscript = null;
        this.showTranscript(item, transcript);
      };
      this.heldTranscript = release;
      this.session.after(REORDER_MS, () => this.heldTranscript === release && release());
      return;
    }
    this.showTranscript(item, transcript);
    this.heldTranscript?.();
  }

  private showTranscript(item: Item, transcript: string): void {
    const at = { item_id: item.id, content_index: 0 };
    if (this.session.faults.transcripts === 'failed')
      return this.session.emit('conversation.item.input_audio_transcription.failed', {
        ...at,
        error: {
          type: 'transcription_error',
          code: 'audio_unintelligible',
          message: 'The audio could not be transcribed.',
          param: null,
        },
      });
    for (const word of transcript.match(/\S+\s*/g) ?? [])
      this.session.emit('conversation.item.input_audio_transcription.delta', { ...at, delta: word });
    this.session.emit('conversation.item.input_audio_transcription.completed', {
      ...at,
      transcript,
      usage: this.transcriptionUsage(item.audioMs ?? 0, transcript),
    });
  }

  /** Whisper is paid by the second, its successors by the token. */
  private transcriptionUsage(audioMs: number, transcript: string): object {
    if (this.session.config.audio.input.transcription?.model === 'whisper-1')
      return { type: 'duration', seconds: Math.ceil(audioMs / 1_000) };
    const input = Math.ceil(audioMs / 100);
    const output = Math.ceil(transcript.length / 4);
    return {
      type: 'tokens',
      total_tokens: input + output,
      input_tokens: input,
      output_tokens: output,
      input_token_details: { text_tokens: 0, audio_tokens: input },
    };
  }
}
