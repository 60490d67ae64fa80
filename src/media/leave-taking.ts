import type { Deadlines } from './deadlines.js';
import type { ResponseGate } from './response-gate.js';

/** How the agent leaves a call: it says its line, the caller hears it, then the act. */
export interface Farewell {
  /** `response.create` instructions, used when the agent has not spoken by itself. */
  instructions: string;
  act: () => void;
  /** The caller may talk his way out of it by interrupting. */
  revocable: boolean;
}

/** For the line to be spoken and heard; once more as long when it is still audible then. */
const FAREWELL_MS = 15_000;
/** After an interrupted goodbye: so much silence means that the caller is gone after all. */
const QUIET_MS = 20_000;

/** Sees to it that a goodbye is heard before the line goes dead: by marks, not by guessing. */
export class LeaveTaking {
  private farewell: Farewell | null = null;
  private speaking = false;
  /** What an interruption put off. */
  private withdrawn: (() => void) | null = null;

  constructor(
    private readonly parts: {
      gate: ResponseGate;
      deadlines: Deadlines;
      /** The caller has heard everything. */
      quiet: () => boolean;
      /** Tells the model something that the caller does not hear. */
      tell: (text: string) => void;
    },
  ) {}

  /** `toolsRunning`: the agent's own tool call asked for it, and may have come with a spoken goodbye. */
  begin(farewell: Farewell, toolsRunning: boolean): void {
    if (this.farewell !== null && !this.farewell.revocable) return;
    this.farewell = farewell;
    this.parts.deadlines.cancel('end-anyway');
    if (this.speaking || !toolsRunning) this.speak(false);
  }

  /** The tools of a response are done. True: the agent is leaving, and needs no answer to them. */
  answered(hasSpoken: boolean): boolean {
    if (this.farewell === null) return false;
    if (!this.speaking) this.speak(hasSpoken);
    return true;
  }

  /** Somebody took the word from the agent: it leaves no more, and nobody is sent away in the middle of their talk. */
  abandon(): void {
    this.farewell = null;
    this.speaking = false;
    this.withdrawn = null;
    this.parts.deadlines.cancel('farewell');
    this.parts.deadlines.cancel('end-anyway');
  }

  /** Something was heard or finished. */
  check(): void {
    if (this.speaking && this.parts.gate.idle && this.parts.quiet()) this.act();
  }

  /** The caller spoke into the agent's words. */
  interrupted(): void {
    const { farewell } = this;
    if (farewell === null || !this.speaking || !farewell.revocable) return;
    this.farewell = null;
    this.speaking = false;
    this.parts.deadlines.cancel('farewell');
    this.withdrawn = farewell.act;
    this.parts.deadlines.after('end-anyway', QUIET_MS, farewell.act);
    this.parts.tell('The caller interrupted your goodbye, so the call goes on. Use end_call again when it is over.');
  }

  /** Somebody speaks. */
  activity(): void {
    const { deadlines } = this.parts;
    if (this.withdrawn !== null && deadlines.has('end-anyway')) deadlines.after('end-anyway', QUIET_MS, this.withdrawn);
  }

  private speak(hasSpoken: boolean): void {
    this.speaking = true;
    this.parts.gate.cancelWaiting();
    if (!hasSpoken)
      this.parts.gate.request({ purpose: 'goodbye', instructions: this.farewell!.instructions, speechOnly: true });
    this.parts.deadlines.after('farewell', FAREWELL_MS, () => {
      if (this.parts.quiet()) this.act();
      else this.parts.deadlines.after('farewell', FAREWELL_MS, () => this.act());
    });
    this.check();
  }

  private act(): void {
    const { farewell } = this;
    this.speaking = false;
    this.farewell = null;
    this.parts.deadlines.cancel('farewell');
    farewell?.act();
  }
}
