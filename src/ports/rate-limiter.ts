/** Counts requests in windows of a minute; shared by the processes of an installation where it can be. */
export interface RateLimiter {
  /** Counts one. Never rejects and never waits long: a limiter that is away lets requests pass. */
  take(key: string, limitPerMinute: number): Promise<RateVerdict>;
}

export interface RateVerdict {
  allowed: boolean;
  /** Requests left in the running window. */
  remaining: number;
  /** Seconds until the count starts anew, at least 1. */
  resetSeconds: number;
}
