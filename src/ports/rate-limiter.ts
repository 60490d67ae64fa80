/** Counts requests in fixed windows of a minute; shared by the processes of an installation where it can be. */
export interface RateLimiter {
  /** Counts one. Never throws: a limiter that is away lets everybody in. */
  take(key: string, limit: number): Promise<{ allowed: boolean; remaining: number; resetSeconds: number }>;
}
