import { createClient } from 'redis';
import type { Logger } from '../../ports/logger.js';
import type { RateLimiter } from '../../ports/rate-limiter.js';

const WINDOW_MS = 60_000;
/** Counts and sets the window's end in one step: a crash between the two would count for ever. */
const TAKE = `local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return { n, redis.call('PTTL', KEYS[1]) }`;

/** {@link RateLimiter} shared over Redis. */
export class RedisRateLimiter implements RateLimiter {
  private readonly client: ReturnType<typeof createClient>;

  constructor(url: string, log: Logger) {
    this.client = createClient({
      url,
      disableOfflineQueue: true,
      socket: { reconnectStrategy: (tries) => Math.min(50 * 2 ** tries, 2_000) },
    });
    this.client.on('error', (error: Error) => log.warn({ err: error }, 'rate limiter connection lost'));
    void this.client.connect().catch(() => {});
  }

  async take(key: string, limit: number): Promise<{ allowed: boolean; remaining: number; resetSeconds: number }> {
    try {
      const [count, ttl] = (await this.client.eval(TAKE, {
        keys: [`trunkline:rate:${key}`],
        arguments: [String(WINDOW_MS)],
      })) as [number, number];
      return {
        allowed: count <= limit,
        remaining: Math.max(0, limit - count),
        resetSeconds: Math.max(1, Math.ceil(ttl / 1_000)),
      };
    } catch {
      return { allowed: true, remaining: limit, resetSeconds: WINDOW_MS / 1_000 };
    }
  }

  close(): void {
    if (this.client.isOpen) this.client.destroy();
  }
}
