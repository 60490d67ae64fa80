/** Time as the product sees it. Tests move it; nothing else may. */
export interface Clock {
  /** Wall clock. */
  now(): Date;
  /** Monotonic milliseconds, for durations. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
};
