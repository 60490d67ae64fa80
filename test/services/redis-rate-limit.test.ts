import { randomUUID } from 'node:crypto';
import { afterAll, describe, expect, it } from 'vitest';
import { RedisRateLimiter } from '../../src/adapters/rate-limit/redis.js';
import { silentLogger } from '../../src/ports/logger.js';
import { until } from '../testkit/until.js';

const limiters = [1, 2].map(() => new RedisRateLimiter(process.env.REDIS_URL!, silentLogger));
afterAll(() => limiters.forEach((limiter) => limiter.close()));

describe('the rate limiter over Redis', () => {
  it('is one count for all processes', async () => {
    const [a, b] = limiters as [RedisRateLimiter, RedisRateLimiter];
    // Until both are connected each counts alone.
    await until(async () => {
      const key = randomUUID();
      await a.take(key, 10);
      return (await b.take(key, 10)).remaining === 8;
    }, 'both to be connected');
    const key = randomUUID();
    const verdicts = [];
    for (const limiter of [a, b, a, b]) verdicts.push(await limiter.take(key, 3));
    expect(verdicts.map(({ allowed, remaining }) => [allowed, remaining])).toEqual([
      [true, 2],
      [true, 1],
      [true, 0],
      [false, 0],
    ]);
    expect(verdicts[3]!.resetSeconds).toBeGreaterThan(0);
    expect(verdicts[3]!.resetSeconds).toBeLessThanOrEqual(60);
  });
});
