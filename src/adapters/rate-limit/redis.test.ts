import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../ports/logger.js';
import { RedisRateLimiter } from './redis.js';

describe('the shared rate limiter', () => {
  it('counts in its own process while Redis is away, without making anybody wait', async () => {
    const limiter = new RedisRateLimiter('redis://127.0.0.1:1', silentLogger);
    const verdicts = [await limiter.take('a', 1), await limiter.take('a', 1)];
    limiter.close();
    expect(verdicts.map(({ allowed }) => allowed)).toEqual([true, false]);
  });
});
