import type { RateLimiter, RateVerdict } from '../../ports/rate-limiter.js';

const WINDOW_MS = 60_000;
/** Addresses remembered at once; when more come, counts that are over are forgotten, then the oldest. */
const MAX_KEYS = 100_000;

/** Counts in this process, in windows of a minute that begin with a key's first request. */
export class MemoryRateLimiter implements RateLimiter {
  private readonly windows = new Map<string, { endsAt: number; count: number }>();

  /** `monotonicMs` is for tests that do not want to wait a minute. */
  constructor(private readonly monotonicMs: () => number = () => performance.now()) {}

  async take(key: string, limitPerMinute: number): Promise<RateVerdict> {
    const now = this.monotonicMs();
    let window = this.windows.get(key);
    if (window === undefined || window.endsAt <= now) {
      this.windows.delete(key);
      if (this.windows.size >= MAX_KEYS) this.makeRoom(now);
      window = { endsAt: now + WINDOW_MS, count: 0 };
      this.windows.set(key, window);
    }
    window.count += 1;
    return verdictOf(window.count, limitPerMinute, window.endsAt - now);
  }

  private makeRoom(now: number): void {
    // Keys stand in the order of their windows' beginnings, so what is over stands in front.
    for (const [key, { endsAt }] of this.windows) {
      if (endsAt > now && this.windows.size < MAX_KEYS) return;
      this.windows.delete(key);
    }
  }
}

export function verdictOf(count: number, limit: number, msLeft: number): RateVerdict {
  return {
    allowed: count <= limit,
    remaining: Math.max(0, limit - count),
    resetSeconds: Math.max(1, Math.ceil(msLeft / 1_000)),
  };
}
