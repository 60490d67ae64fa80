import { describe, expect, it } from 'vitest';
import { MemoryRateLimiter } from './memory.js';

describe('the rate limiter of one process', () => {
  it('lets as many pass as the limit says, each key for itself, and starts anew after a minute', async () => {
    let now = 0;
    const limiter = new MemoryRateLimiter(() => now);
    const verdicts = [];
    for (let i = 0; i < 3; i++) verdicts.push(await limiter.take('a', 2));
    expect(verdicts.map(({ allowed, remaining }) => [allowed, remaining])).toEqual([
      [true, 1],
      [true, 0],
      [false, 0],
    ]);
    expect(verdicts[2]!.resetSeconds).toBe(60);
    expect((await limiter.take('b', 2)).allowed).toBe(true);
    now = 59_999;
    expect(await limiter.take('a', 2)).toMatchObject({ allowed: false, resetSeconds: 1 });
    now = 60_000;
    expect((await limiter.take('a', 2)).allowed).toBe(true);
  });
});
