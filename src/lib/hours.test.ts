import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isOpenAt, isOpenEverywhere, isTimeZone, nextOpening, type WeeklyHours } from './hours.js';

const office: WeeklyHours = {
  timeZone: 'America/New_York',
  windows: [{ days: [1, 2, 3, 4, 5], start: '09:00', end: '17:30' }],
};
const night: WeeklyHours = { timeZone: null, windows: [{ days: [5], start: '22:00', end: '02:00' }] };

describe('opening hours', () => {
  it.each([
    ['2026-11-02T14:00:00Z', true],
    ['2026-11-02T13:59:59Z', false],
    ['2026-11-02T22:29:59Z', true],
    ['2026-11-02T22:30:00Z', false],
    ['2026-11-01T15:00:00Z', false],
    ['2026-07-06T13:00:00Z', true],
  ])('at %s the office is open: %s', (at, open) => expect(isOpenAt(office, 'UTC', new Date(at))).toBe(open));

  it('go past midnight into the next day, in the zone of whoever asks', () => {
    expect(isOpenAt(night, 'Europe/Berlin', new Date('2026-11-06T21:30:00Z'))).toBe(true);
    expect(isOpenAt(night, 'Europe/Berlin', new Date('2026-11-07T00:30:00Z'))).toBe(true);
    expect(isOpenAt(night, 'Europe/Berlin', new Date('2026-11-07T01:00:00Z'))).toBe(false);
    expect(isOpenAt(night, 'Europe/Berlin', new Date('2026-11-07T21:30:00Z'))).toBe(false);
  });

  it('say when they open next', () => {
    const next = (at: string) => nextOpening(office, ['UTC'], new Date(at))?.toISOString();
    expect(next('2026-11-07T12:00:30Z')).toBe('2026-11-09T14:00:00.000Z');
    expect(next('2026-11-02T14:00:30Z')).toBe('2026-11-02T14:00:30.000Z');
    // Across the change of clocks on 1 November.
    expect(next('2026-10-30T22:00:00Z')).toBe('2026-11-02T14:00:00.000Z');
    expect(nextOpening({ timeZone: null, windows: [] }, ['UTC'], new Date())).toBeNull();
  });

  it('know real time zones', () =>
    expect(['UTC', 'Europe/Berlin', 'Mars/Base', '', '+01:00'].map(isTimeZone)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]));

  it('are open together only where every zone is', () => {
    const day: WeeklyHours = { timeZone: null, windows: [{ days: [1, 2, 3, 4, 5], start: '09:00', end: '18:00' }] };
    const next = (zones: string[], at: string, hours = day) => nextOpening(hours, zones, new Date(at))?.toISOString();
    // New York has opened at 14:00 UTC; Los Angeles opens at 17:00.
    expect(next(['America/New_York', 'America/Los_Angeles'], '2026-11-02T15:00:00Z')).toBe('2026-11-02T17:00:00.000Z');
    // At 23:30 UTC New York has closed: both again on the next day.
    expect(next(['America/New_York', 'America/Los_Angeles'], '2026-11-02T23:30:00Z')).toBe('2026-11-03T17:00:00.000Z');
    // Berlin and Auckland are twelve hours apart and never open together.
    expect(next(['Europe/Berlin', 'Pacific/Auckland'], '2026-11-02T15:00:00Z')).toBeUndefined();
    // Hours with a zone of their own ask nobody else.
    expect(next(['Pacific/Auckland'], '2026-11-02T05:00:00Z', { ...day, timeZone: 'Europe/Berlin' })).toBe(
      '2026-11-02T08:00:00.000Z',
    );
  });

  it('open where the clock stands, also over an hour that is skipped or repeated', () => {
    const early: WeeklyHours = { timeZone: 'Europe/Berlin', windows: [{ days: [7], start: '02:30', end: '04:00' }] };
    const next = (at: string) => nextOpening(early, [], new Date(at))?.toISOString();
    // 29 March 2026: 02:00 becomes 03:00, so half past two never comes and the window begins at three.
    expect(next('2026-03-29T00:10:00Z')).toBe('2026-03-29T01:00:00.000Z');
    // 25 October 2026: 03:00 becomes 02:00, so half past two comes twice.
    expect(next('2026-10-25T00:10:00Z')).toBe('2026-10-25T00:30:00.000Z');
    expect(isOpenAt(early, '', new Date('2026-10-25T01:10:00Z'))).toBe(false);
    expect(next('2026-10-25T01:10:00Z')).toBe('2026-10-25T01:30:00.000Z');
  });

  it('open at the first minute at which every clock agrees: checked minute by minute', () => {
    const zones = fc.uniqueArray(
      fc.constantFrom(
        'Asia/Kathmandu',
        'Australia/Lord_Howe',
        'America/St_Johns',
        'Pacific/Chatham',
        'America/New_York',
        'Europe/Berlin',
        'Africa/Casablanca',
        'Pacific/Apia',
        'Asia/Kolkata',
      ),
      { minLength: 1, maxLength: 3 },
    );
    const pad = (n: number) => String(n).padStart(2, '0');
    const time = fc.integer({ min: 0, max: 1_439 }).map((m) => `${pad(Math.floor(m / 60))}:${pad(m % 60)}`);
    const window = fc.record({
      days: fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 7 }),
      start: time,
      end: time,
    });
    const hours = fc.record({ timeZone: fc.constant(null), windows: fc.array(window, { minLength: 1, maxLength: 3 }) });
    // Around the changes of clocks of both hemispheres, and anywhere.
    const at = fc
      .tuple(
        fc.constantFrom(
          '2026-03-08',
          '2026-03-29',
          '2026-04-05',
          '2026-09-27',
          '2026-10-04',
          '2026-10-25',
          '2026-06-15',
        ),
        fc.integer({ min: -2 * 1_440, max: 1_440 }),
        fc.integer({ min: 0, max: 59_999 }),
      )
      .map(([day, minutes, ms]) => new Date(Date.parse(`${day}T00:00:00Z`) + minutes * 60_000 + ms));
    const SEEN_MS = 2 * 86_400_000;
    fc.assert(
      fc.property(hours, zones, at, (weekly, among, from) => {
        const next = nextOpening(weekly, among, from);
        if (next !== null) expect(isOpenEverywhere(weekly, among, next)).toBe(true);
        const end = Math.min(next?.getTime() ?? Infinity, from.getTime() + SEEN_MS);
        for (let t = from.getTime(); t < end; t = (Math.floor(t / 60_000) + 1) * 60_000)
          if (isOpenEverywhere(weekly, among, new Date(t)))
            throw new Error(`open at ${new Date(t).toISOString()}, said ${next?.toISOString()}`);
      }),
      { numRuns: 60 },
    );
  });
});
