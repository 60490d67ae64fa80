import { describe, expect, it } from 'vitest';
import { isOpenAt, isTimeZone, nextOpening, type WeeklyHours } from './hours.js';

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
    const next = (at: string) => nextOpening(office, 'UTC', new Date(at))?.toISOString();
    expect(next('2026-11-07T12:00:30Z')).toBe('2026-11-09T14:00:00.000Z');
    expect(next('2026-11-02T14:00:30Z')).toBe('2026-11-02T14:00:30.000Z');
    // Across the change of clocks on 1 November.
    expect(next('2026-10-30T22:00:00Z')).toBe('2026-11-02T14:00:00.000Z');
    expect(nextOpening({ timeZone: null, windows: [] }, 'UTC', new Date())).toBeNull();
  });

  it('know real time zones', () =>
    expect(['UTC', 'Europe/Berlin', 'Mars/Base', '', '+01:00'].map(isTimeZone)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]));
});
