import type { Clock } from '../../src/ports/clock.js';

/** The wall clock, moved by hand; it runs on from where it was set. */
export class MovableClock implements Clock {
  private ahead = 0;

  set(at: string): void {
    this.ahead = Date.parse(at) - Date.now();
  }
  now = (): Date => new Date(Date.now() + this.ahead);
  monotonicMs = (): number => performance.now();
}
