/** Opening hours of a week. */
export interface WeeklyHours {
  /** IANA zone of the times below; null: the zone of whoever asks (the tenant's, or the recipient's). */
  timeZone: string | null;
  windows: HoursWindow[];
}
/** `start` and `end` are `HH:MM`; an `end` at or before `start` is on the next day. Days: 1 Monday … 7 Sunday. */
export interface HoursWindow {
  days: number[];
  start: string;
  end: string;
}

const MINUTE_MS = 60_000;
const DAY_MINUTES = 24 * 60;
const DAY_MS = DAY_MINUTES * MINUTE_MS;
/** A week shows every window; the second one those that a change of clocks swallows in the first. */
const HORIZON_DAYS = 14;
const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

/** True when `at` lies inside one of the windows, by the clock of `hours.timeZone`, else of `zone`. */
export function isOpenAt(hours: WeeklyHours, zone: string, at: Date): boolean {
  const { day, minute } = localTime(hours.timeZone ?? zone, at);
  const yesterday = day === 1 ? 7 : day - 1;
  return hours.windows.some((window) => {
    const start = minutesOf(window.start);
    const end = minutesOf(window.end);
    if (end > start) return window.days.includes(day) && minute >= start && minute < end;
    return (window.days.includes(day) && minute >= start) || (window.days.includes(yesterday) && minute < end);
  });
}

/** True when `at` is inside by the clock of each of these zones: for somebody who may be in any of them. */
export function isOpenEverywhere(hours: WeeklyHours, zones: readonly string[], at: Date): boolean {
  return zones.every((zone) => isOpenAt(hours, zone, at));
}

/** True when all these zones show the same time at that moment. */
export function keepOneTime(zones: readonly string[], at: Date): boolean {
  const minute = Math.floor(at.getTime() / MINUTE_MS) * MINUTE_MS;
  return new Set(zones.map((zone) => offsetAt(zone, minute))).size <= 1;
}

/**
 * The first moment at or after `at` that is open in every zone, to the minute; null when none comes within two weeks:
 * there are no windows, or the zones lie too far apart to be open together.
 */
export function nextOpening(hours: WeeklyHours, zones: readonly string[], at: Date): Date | null {
  const from = Math.floor(at.getTime() / MINUTE_MS) * MINUTE_MS;
  const until = from + HORIZON_DAYS * DAY_MS;
  const clocks = (hours.timeZone === null ? [...new Set(zones)] : [hours.timeZone]).map((zone) =>
    offsetsOf(zone, from, until),
  );
  // Zones that keep the same time from here on are one.
  const different = new Map(clocks.map((clock) => [JSON.stringify(clock), clock]));
  let open: Span[] = [{ from, to: until }];
  for (const clock of different.values()) open = intersection(open, openSpans(hours.windows, clock));
  return open.length === 0 ? null : new Date(Math.max(open[0]!.from, at.getTime()));
}

/** Half-open, in milliseconds since the epoch. */
interface Span {
  from: number;
  to: number;
}
/** A time during which a zone's clock differs from UTC by `offset` milliseconds. */
interface ClockSpan extends Span {
  offset: number;
}

/** The zone's clock between two minutes. Its changes are found to the minute; two within one day do not happen. */
function offsetsOf(zone: string, from: number, until: number): ClockSpan[] {
  const spans: ClockSpan[] = [{ from, to: until, offset: offsetAt(zone, from) }];
  for (let at = from; at < until; at += DAY_MS) {
    const next = Math.min(at + DAY_MS, until);
    const offset = offsetAt(zone, next);
    const last = spans.at(-1)!;
    if (offset === last.offset) continue;
    let [before, after] = [at, next];
    while (after - before > MINUTE_MS) {
      const middle = before + Math.floor((after - before) / MINUTE_MS / 2) * MINUTE_MS;
      if (offsetAt(zone, middle) === last.offset) before = middle;
      else after = middle;
    }
    last.to = after;
    spans.push({ from: after, to: until, offset });
  }
  return spans.filter(({ from: begin, to }) => begin < to);
}

/** When the windows are open by this clock, in order and without overlaps. An hour that the clock repeats counts twice. */
function openSpans(windows: readonly HoursWindow[], clock: readonly ClockSpan[]): Span[] {
  const spans = clock.flatMap(({ from, to, offset }) => {
    const [wallFrom, wallTo] = [from + offset, to + offset];
    const [first, last] = [Math.floor(wallFrom / DAY_MS) - 1, Math.floor(wallTo / DAY_MS)];
    return Array.from({ length: last - first + 1 }, (_, i) => first + i).flatMap((day) =>
      windows
        .filter(({ days }) => days.includes(weekdayOf(day)))
        .map((window) => {
          const [start, end] = [minutesOf(window.start), minutesOf(window.end)];
          const begin = day * DAY_MS + start * MINUTE_MS;
          const finish = day * DAY_MS + (end > start ? end : end + DAY_MINUTES) * MINUTE_MS;
          return { from: Math.max(begin, wallFrom) - offset, to: Math.min(finish, wallTo) - offset };
        })
        .filter((span) => span.from < span.to),
    );
  });
  const merged: Span[] = [];
  for (const span of spans.toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== undefined && span.from <= last.to) last.to = Math.max(last.to, span.to);
    else merged.push({ ...span });
  }
  return merged;
}

/** Both lists are in order and without overlaps. */
function intersection(a: readonly Span[], b: readonly Span[]): Span[] {
  return a.flatMap((x) =>
    b.map((y) => ({ from: Math.max(x.from, y.from), to: Math.min(x.to, y.to) })).filter((both) => both.from < both.to),
  );
}

/** 1 Monday … 7 Sunday; day 0 is 1 January 1970, a Thursday. */
const weekdayOf = (day: number): number => ((((day + 3) % 7) + 7) % 7) + 1;

/** Whether the runtime knows this IANA zone. */
export function isTimeZone(zone: string): boolean {
  try {
    formatter(zone);
    return /^[A-Za-z]/.test(zone);
  } catch {
    return false;
  }
}

function minutesOf(time: string): number {
  const [hour, minute] = time.split(':');
  return Number(hour) * 60 + Number(minute);
}

const formatters = new Map<string, Intl.DateTimeFormat>();

function formatter(zone: string): Intl.DateTimeFormat {
  let found = formatters.get(zone);
  if (found === undefined) {
    found = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      weekday: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
    formatters.set(zone, found);
  }
  return found;
}

function partsOf(zone: string, at: number | Date): Record<string, string> {
  return Object.fromEntries(
    formatter(zone)
      .formatToParts(at)
      .map((part) => [part.type, part.value]),
  );
}

function localTime(zone: string, at: Date): { day: number; minute: number } {
  const parts = partsOf(zone, at);
  return { day: WEEKDAYS.indexOf(parts.weekday!) + 1, minute: Number(parts.hour) * 60 + Number(parts.minute) };
}

/** Milliseconds that the zone's clock is ahead of UTC at a full minute. */
function offsetAt(zone: string, at: number): number {
  const { year, month, day, hour, minute } = partsOf(zone, at);
  return Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute)) - at;
}
