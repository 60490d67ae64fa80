import { createClient } from 'redis';
import type { Logger } from '../../ports/logger.js';
import type { RateLimiter, RateVerdict } from '../../ports/rate-limiter.js';
import { MemoryRateLimiter, verdictOf } from './memory.js';

const WINDOW_MS = 60_000;
/** A limiter that makes requests wait is worse than one that counts alone. */
const ANSWER_TIMEOUT_MS = 250;
/** Counts and starts the window in one step: two processes cannot start it twice, and none is left without an end. */
const COUNT = `local count = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[1]); left = tonumber(ARGV[1]) end
return {count, left}`;

function makeClient(url: string) {
  return createClient({
    url,
    disableOfflineQueue: true,
    commandsQueueMaxLength: 10_000,
    pingInterval: 5_000,
    socket: {
      connectTimeout: 5_000,
      socketTimeout: 15_000,
      reconnectStrategy: (tries: number) => Math.min(50 * 2 ** tries, 2_000),
    },
  });
}

/** One count for all processes. While Redis is away each process counts for itself. */
export class RedisRateLimiter implements RateLimiter {
  private readonly alone = new MemoryRateLimiter();
  private readonly client: ReturnType<typeof makeClient>;

  /** Connects in the background; until then this process counts alone. */
  constructor(url: string, log: Logger) {
    this.client = makeClient(url);
    this.client.on('error', (err: Error) => log.warn({ err }, 'rate limiter lost its connection to Redis'));
    // Rejects only when closed before it ever connected.
    this.client.connect().catch(() => {});
  }

  async take(key: string, limitPerMinute: number): Promise<RateVerdict> {
    if (!this.client.isReady) return this.alone.take(key, limitPerMinute);
    try {
      const [count, msLeft] = await withinTimeout(
        this.client.eval(COUNT, {
          keys: [`trunkline:rate:${key}`],
          arguments: [String(WINDOW_MS)],
        }) as Promise<unknown>,
      );
      return verdictOf(count, limitPerMinute, msLeft);
    } catch {
      return this.alone.take(key, limitPerMinute);
    }
  }

  close(): void {
    if (this.client.isOpen) this.client.destroy();
  }
}

async function withinTimeout(answer: Promise<unknown>): Promise<[number, number]> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('Redis did not answer in time')), ANSWER_TIMEOUT_MS);
  });
  answer.catch(() => {});
  try {
    return (await Promise.race([answer, tooLate])) as [number, number];
  } finally {
    clearTimeout(timer);
  }
}
