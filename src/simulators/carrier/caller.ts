import { FRAME_BYTES, FRAME_MS, MULAW_SILENCE } from '../../lib/mulaw.js';

/** What a person on the line does in one tick of 20 ms. */
export interface Tick {
  /** 160 bytes of µ-law; null: silence. */
  frame: Buffer | null;
  dtmf?: string;
  hangUp?: boolean;
  /** The media socket dies without a close frame, or stays open and silent; the call lives on. */
  socket?: 'dies' | 'freezes';
  /** The frame never reaches the gateway. */
  lost?: boolean;
}

/**
 * Somebody at a telephone: speaks and hears, 20 ms at a time. A script is one; a second speech session is another: it
 * takes `heard` as its input and gives what it has to say, frame by frame.
 */
export interface Handset {
  /** `heard`: what is played to the person in this tick, null for silence. */
  tick(heard: Buffer | null): Tick;
  /** What was being said to them was cut off; so many bytes will never be heard. */
  cut?(unheardBytes: number): void;
}

/** A step of a scripted caller. Times are milliseconds of media. */
export type Step =
  | { say: Buffer }
  | { pause: number }
  /** Until the agent has spoken and then been quiet for so long; gives up after `orAfter`. */
  | { waitForAgent: number; orAfter?: number }
  /** Until the agent has been speaking for so long: what follows interrupts it. */
  | { whileAgentSpeaks: number }
  | { dtmf: string }
  /** So much of the line's audio is lost on its way. */
  | { dropFrames: number }
  | { breakSocket: true }
  | { freezeSocket: true }
  | { hangUp: true };

const DEFAULT_PATIENCE_MS = 60_000;

/** Plays a script, then stays silent on the line. */
export class ScriptedCaller implements Handset {
  private readonly steps: Step[];
  private offset = 0;
  private waited = 0;
  private quiet = 0;
  private speaking = 0;
  private heardAgent = false;
  /** Everything that was played to this person. */
  readonly heard: Buffer[] = [];
  /** Where they were cut off: bytes heard until then. */
  readonly cuts: number[] = [];

  constructor(steps: readonly Step[]) {
    this.steps = [...steps];
  }

  get done(): boolean {
    return this.steps.length === 0;
  }

  cut(): void {
    this.cuts.push(this.heard.reduce((bytes, frame) => bytes + frame.length, 0));
  }

  tick(heard: Buffer | null): Tick {
    const audible = heard !== null && heard.some((byte) => byte !== MULAW_SILENCE);
    if (heard !== null) this.heard.push(heard);
    this.speaking = audible ? this.speaking + FRAME_MS : 0;
    this.quiet = audible ? 0 : this.quiet + FRAME_MS;
    this.heardAgent ||= audible;
    const step = this.steps[0];
    if (step === undefined) return { frame: null };
    if ('say' in step) return this.say(step.say);
    this.waited += FRAME_MS;
    if ('pause' in step) return this.waited >= step.pause ? this.advance() : { frame: null };
    if ('dropFrames' in step)
      return this.waited >= step.dropFrames ? { ...this.advance(), lost: true } : { frame: null, lost: true };
    if ('waitForAgent' in step) {
      const over = this.heardAgent && this.quiet >= step.waitForAgent;
      return over || this.waited >= (step.orAfter ?? DEFAULT_PATIENCE_MS) ? this.advance() : { frame: null };
    }
    if ('whileAgentSpeaks' in step) return this.speaking >= step.whileAgentSpeaks ? this.advance() : { frame: null };
    this.advance();
    if ('dtmf' in step) return { frame: null, dtmf: step.dtmf };
    if ('hangUp' in step) return { frame: null, hangUp: true };
    return { frame: null, socket: 'breakSocket' in step ? 'dies' : 'freezes' };
  }

  private say(audio: Buffer): Tick {
    const frame = Buffer.alloc(FRAME_BYTES, MULAW_SILENCE);
    audio.copy(frame, 0, this.offset, this.offset + FRAME_BYTES);
    this.offset += FRAME_BYTES;
    if (this.offset >= audio.length) this.advance();
    return { frame };
  }

  private advance(): Tick {
    this.steps.shift();
    this.offset = 0;
    this.waited = 0;
    this.heardAgent = false;
    return { frame: null };
  }
}
