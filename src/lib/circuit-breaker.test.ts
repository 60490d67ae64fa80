import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CircuitBreaker, type CircuitState } from './circuit-breaker.js';

const policy = { failures: 3, coolDownMs: 1_000, maxCoolDownMs: 4_000 };
const step = fc.oneof(
  fc.record({ do: fc.constant('succeed' as const) }),
  fc.record({ do: fc.constant('fail' as const) }),
  fc.record({ do: fc.constant('try' as const) }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.nat({ max: 5_000 }) }),
);

describe('the circuit breaker', () => {
  it('opens, tries and closes as told, whatever happens in whatever order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const breaker = new CircuitBreaker(policy);
        let now = 0;
        let failuresSinceSuccess = 0;
        let openedAt = 0;
        let failedTrials = 0;
        for (const action of steps) {
          const before: CircuitState = breaker.state;
          if (action.do === 'wait') now += action.ms;
          else if (action.do === 'succeed') {
            breaker.succeeded();
            failuresSinceSuccess = 0;
            failedTrials = 0;
            // One success is enough from anywhere.
            expect(breaker.state).toBe('CLOSED');
          } else if (action.do === 'fail') {
            breaker.failed(now);
            failuresSinceSuccess += 1;
            if (before === 'HALF_OPEN') failedTrials += 1;
            if (before !== 'OPEN' && breaker.state === 'OPEN') openedAt = now;
            // Never open before the limit, never closed at it.
            expect(breaker.state === 'CLOSED').toBe(failuresSinceSuccess < policy.failures);
            expect(breaker.state).not.toBe('HALF_OPEN');
          } else {
            const mine = breaker.beginTrial(now);
            const pause = Math.min(policy.coolDownMs * 2 ** failedTrials, policy.maxCoolDownMs);
            expect(mine).toBe(before === 'OPEN' && now >= openedAt + pause);
            // A trial has one owner.
            expect(breaker.beginTrial(now)).toBe(false);
            expect(breaker.state).toBe(mine ? 'HALF_OPEN' : before);
          }
          if (action.do === 'wait') expect(breaker.state).toBe(before);
          expect(breaker.openUntilMs === null).toBe(breaker.state !== 'OPEN');
        }
      }),
      { numRuns: 500 },
    );
  });
});
