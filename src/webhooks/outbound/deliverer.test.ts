import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_RETRY_SCHEDULE } from '../../config.js';
import { OutboundHttpError, type OutboundResponse } from '../../ports/outbound-http.js';
import { settle } from './deliverer.js';

const AT = new Date('2026-11-03T10:00:00Z');
const answered = (status: number, headers: Record<string, string> = {}): OutboundResponse => ({
  status,
  headers,
  body: '',
  truncated: false,
  latencyMs: 5,
});
const secondsUntil = (at: Date | null) => (at!.getTime() - AT.getTime()) / 1_000;

describe('what comes of an attempt', () => {
  it('is the next one after the pause of the schedule and up to a fifth more, then the dead letter', () => {
    const failures = fc.constantFrom(
      answered(302),
      answered(404),
      answered(500),
      answered(503),
      new OutboundHttpError('timeout', 'no answer', 15_000),
    );
    fc.assert(
      fc.property(failures, fc.nat(DEFAULT_RETRY_SCHEDULE.length - 1), (outcome, before) => {
        const { status, retryAt } = settle(outcome, before, DEFAULT_RETRY_SCHEDULE, AT);
        const pause = DEFAULT_RETRY_SCHEDULE[before + 1];
        expect(status).toBe(pause === undefined ? 'DEAD_LETTER' : 'FAILED');
        if (pause === undefined) expect(retryAt).toBeNull();
        else {
          expect(secondsUntil(retryAt)).toBeGreaterThanOrEqual(pause);
          expect(secondsUntil(retryAt)).toBeLessThanOrEqual(pause * 1.2);
        }
      }),
    );
  });

  it('comes at another moment for each of many that failed together', () => {
    const moments = Array.from({ length: 20 }, () => settle(answered(500), 3, DEFAULT_RETRY_SCHEDULE, AT).retryAt);
    expect(new Set(moments.map((at) => at!.getTime())).size).toBeGreaterThan(10);
  });

  it('never comes earlier than the endpoint asked, nor later than the schedule for what it cannot mean', () => {
    const retryAt = (status: number, after: string) =>
      secondsUntil(settle(answered(status, { 'retry-after': after }), 0, [0, 5], AT).retryAt);
    for (const status of [429, 503]) {
      expect(retryAt(status, '120')).toBe(120);
      expect(retryAt(status, 'Tue, 03 Nov 2026 10:01:00 GMT')).toBe(60);
      for (const nonsense of ['soon', '-7', '', 'Mon, 02 Nov 2026 10:00:00 GMT'])
        expect(retryAt(status, nonsense)).toBeLessThanOrEqual(6);
      expect(retryAt(status, '999999999')).toBe(86_400);
    }
    expect(retryAt(500, '120')).toBeLessThanOrEqual(6);
  });
});
