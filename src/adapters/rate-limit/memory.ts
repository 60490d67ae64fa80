import type { RateLimiter } from '../../ports/rate-limiter.js';

const WINDOW_MS = 60_000;
/** Keys kept at once; beyond it the oldest windows are forgotten, so that a flood of addresses costs no memory. */
const MAX_KEYS = 100_000;

/** {@link RateLimiter} of one process. */
export class MemoryRateLimiter implements RateLimiter {
  private windows = new Map<string, { count: number; endsAt: number }>();

  async take(key: string, limit: number): Promise<{ allowed: boolean; remaining: number; resetSeconds: number }> {
    const now = performance.now();
    let window = this.windows.get(key);
    if (window === undefined || window.endsAt <= now) {
      if (this.windows.size >= MAX_KEYS) this.windows.delete(this.windows.keys().next().value!);
      window = { count: 0, endsAt: now + WINDOW_MS };
      this.windows.delete(key);
      this.windows.set(key, window);
    }
    window.count++;
    return {
      allowed: window.count <= limit,
      remaining: Math.max(0, limit - window.count),
      resetSeconds: Math.ceil((window.endsAt - now) / 1_000),
    };
  }
}
