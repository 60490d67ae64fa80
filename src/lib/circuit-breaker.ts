/**
 * - `CLOSED`: everything passes.
 * - `OPEN`: it failed too often in a row: nothing passes until the cool-down is over.
 * - `HALF_OPEN`: one trial is under way and decides.
 */
export const CIRCUIT_STATES = ['CLOSED', 'OPEN', 'HALF_OPEN'] as const;
export type CircuitState = (typeof CIRCUIT_STATES)[number];

export interface CircuitPolicy {
  /** Failures in a row that open it. */
  failures: number;
  /** First pause before a trial, ms; doubles with each trial that fails. */
  coolDownMs: number;
  maxCoolDownMs: number;
}

/**
 * Stops asking something that does not work, and finds out when it works again. Pure: the time is told, in milliseconds
 * of any clock that does not run backwards.
 */
export class CircuitBreaker {
  private current: CircuitState = 'CLOSED';
  private failuresInARow = 0;
  private coolDownMs: number;
  private untilMs = 0;

  constructor(private readonly policy: CircuitPolicy) {
    this.coolDownMs = policy.coolDownMs;
  }

  get state(): CircuitState {
    return this.current;
  }

  /** When a trial may begin, or null: it is closed, or one is under way. */
  get openUntilMs(): number | null {
    return this.current === 'OPEN' ? this.untilMs : null;
  }

  /** Asks for the one trial. True: it is yours, and its outcome must be told. */
  beginTrial(nowMs: number): boolean {
    if (this.current !== 'OPEN' || nowMs < this.untilMs) return false;
    this.current = 'HALF_OPEN';
    return true;
  }

  /** Whatever worked, trial or not, proves that it works. */
  succeeded(): void {
    this.current = 'CLOSED';
    this.failuresInARow = 0;
    this.coolDownMs = this.policy.coolDownMs;
  }

  /** What was begun before it opened and fails only now says nothing new. */
  failed(nowMs: number): void {
    this.failuresInARow += 1;
    if (this.current === 'OPEN' || (this.current === 'CLOSED' && this.failuresInARow < this.policy.failures)) return;
    if (this.current === 'HALF_OPEN') this.coolDownMs = Math.min(this.coolDownMs * 2, this.policy.maxCoolDownMs);
    this.current = 'OPEN';
    this.untilMs = nowMs + this.coolDownMs;
  }
}
