import { FRAME_BYTES, FRAME_MS, MULAW_SILENCE } from '../../lib/mulaw.js';
import type { RealtimeConnection, RealtimeModel, RealtimeServerEvent } from '../../ports/realtime-model.js';
import type { Handset, Tick } from '../carrier/caller.js';
import { callerSession } from './caller-session.js';

/** For the session to be ready before the call is placed. */
const READY_TIMEOUT_MS = 15_000;
/** An agent that does not greet is spoken to after so much silence. */
const FIRST_WORD_MS = 5_000;
/** So much silence on both sides is nobody's turn; the caller asks, and the second time hangs up. */
const LONG_SILENCE_MS = 12_000;
const MAX_NUDGES = 2;
/** Nobody puts the phone down within their own last word: it would not be heard. */
const LEAVE_AFTER_MS = 1_500;
/** Two minutes of speech that was not said yet: no person goes on for longer. */
const MAX_QUEUED_BYTES = 120_000 * 8;
const SILENT_FRAME = Buffer.alloc(FRAME_BYTES, MULAW_SILENCE).toString('base64');

const HANG_UP = {
  type: 'function',
  name: 'hang_up',
  description:
    'Put the phone down. Say goodbye first; use it when you have what you called for, or when it cannot be had.',
  parameters: { type: 'object', properties: {}, required: [], additionalProperties: false },
};

/** A patient listener: the agent may pause for breath, and is never spoken over. */
const TURN_DETECTION = {
  type: 'server_vad',
  threshold: 0.5,
  prefix_padding_ms: 300,
  silence_duration_ms: 900,
  create_response: true,
  interrupt_response: false,
};

function instructionsFor(persona: string): string {
  return [
    'You play a person who calls a company on the telephone and talks to its agent. Stay in this role whatever you hear.',
    'Speak like a caller: one or two short sentences at a time, then wait for the answer. Never speak for the agent.',
    'When you have what you called for, or it cannot be had, say goodbye and use the tool hang_up.',
    `Who you are and what you want:\n${persona}`,
  ].join('\n');
}

/** A person at the telephone, played by a realtime session of its own: what the agent says goes in, its words come out. */
export class ImprovisingCaller implements Handset {
  /** Why the caller had to put the phone down; null: all is well. */
  problem: string | null = null;
  private readonly connection: RealtimeConnection;
  private readonly ready: Promise<void>;
  /** What is being thought of: said as a whole, because a gap in the middle would end the caller's turn. */
  private thought: Buffer[] = [];
  /** Speech that was not said yet. */
  private speech: Buffer[] = [];
  private speechBytes = 0;
  private responding = false;
  private leaving = false;
  /** Nothing more will ever be said. */
  private lost = false;
  private met = false;
  private silentMs = 0;
  private nudges = 0;
  private closed = false;

  constructor(model: RealtimeModel, options: { persona: string; model: string }) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    // Whoever never asks must still not crash the process.
    promise.catch(() => {});
    setTimeout(() => reject(new Error('its session was not ready in time')), READY_TIMEOUT_MS).unref();
    this.connection = callerSession(
      model,
      {
        model: options.model,
        instructions: instructionsFor(options.persona),
        turnDetection: TURN_DETECTION,
        tools: [HANG_UP],
      },
      {
        onReady: resolve,
        onEvent: (event) => this.hear(event),
        onAudio: (audio) => this.thought.push(Buffer.from(audio, 'base64')),
        onLost: (why) => {
          reject(new Error(why));
          if (this.closed) return;
          this.problem ??= `The caller's own session was lost: ${why}.`;
          this.lost = this.leaving = true;
        },
      },
    );
  }

  /** Resolves when the caller can speak; rejects when that takes too long. */
  whenReady(): Promise<void> {
    return this.ready;
  }

  close(): void {
    this.closed = true;
    this.connection.close();
  }

  tick(heard: Buffer | null): Tick {
    // Silence is sent too: without it turn detection never hears the end of a sentence.
    this.connection.appendAudio(heard === null ? SILENT_FRAME : heard.toString('base64'));
    const frame = this.nextFrame();
    // Whoever leaves waits for no more answers.
    const busy = frame !== null || this.responding || (heard !== null && !this.leaving);
    this.silentMs = busy ? 0 : this.silentMs + FRAME_MS;
    this.met ||= heard !== null || frame !== null;
    if (this.leaving) return { frame, hangUp: this.silentMs >= LEAVE_AFTER_MS || this.lost };
    if (this.silentMs >= (this.met ? LONG_SILENCE_MS : FIRST_WORD_MS)) this.breakSilence();
    return { frame };
  }

  private hear(event: RealtimeServerEvent): void {
    if (event.type === 'response.created') this.responding = true;
    if (event.type === 'response.done') {
      this.responding = false;
      this.speak(Buffer.concat(this.thought.splice(0)));
    }
    const item = event['item'] as { type?: unknown; name?: unknown; status?: unknown } | undefined;
    if (event.type === 'response.output_item.done' && item?.type === 'function_call' && item.name === HANG_UP.name)
      this.leaving = true;
  }

  private breakSilence(): void {
    this.silentMs = 0;
    if (this.met && this.nudges++ >= MAX_NUDGES) {
      this.problem ??= 'Nobody spoke any more, and the caller hung up.';
      this.leaving = true;
      return;
    }
    this.met = true;
    this.connection.send({ type: 'response.create' });
  }

  private speak(audio: Buffer): void {
    if (audio.length === 0 || this.speechBytes + audio.length > MAX_QUEUED_BYTES) return;
    this.speech.push(audio);
    this.speechBytes += audio.length;
  }

  /** The next 20 ms of speech; null: the caller is silent. */
  private nextFrame(): Buffer | null {
    if (this.speechBytes === 0) return null;
    const frame = Buffer.alloc(FRAME_BYTES, MULAW_SILENCE);
    for (let filled = 0; filled < FRAME_BYTES && this.speech.length > 0;) {
      const piece = this.speech[0]!;
      const copied = piece.copy(frame, filled);
      filled += copied;
      this.speechBytes -= copied;
      if (copied === piece.length) this.speech.shift();
      else this.speech[0] = piece.subarray(copied);
    }
    return frame;
  }
}
