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

const DAY_MINUTES = 24 * 60;
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

/** The first moment at or after `at` that is open, to the minute; null when no window ever opens. */
export function nextOpening(hours: WeeklyHours, zone: string, at: Date): Date | null {
  if (isOpenAt(hours, zone, at)) return at;
  // Minute by minute through local time would be slow; a window can only open at one of its own starts.
  const starts = new Set(hours.windows.map((window) => minutesOf(window.start)));
  const first = Math.ceil(at.getTime() / 60_000) * 60_000;
  for (let step = 0; step <= 8 * DAY_MINUTES; step += 1) {
    const candidate = new Date(first + step * 60_000);
    const { minute } = localTime(hours.timeZone ?? zone, candidate);
    if (!starts.has(minute)) {
      step += minutesToNext(starts, minute) - 1;
      continue;
    }
    if (isOpenAt(hours, zone, candidate)) return candidate;
  }
  return null;
}

/** Whether the runtime knows this IANA zone. */
export function isTimeZone(zone: string): boolean {
  try {
    formatter(zone);
    return /^[A-Za-z]/.test(zone);
  } catch {
    return false;
  }
}

function minutesToNext(starts: ReadonlySet<number>, minute: number): number {
  let least = DAY_MINUTES;
  for (const start of starts) least = Math.min(least, (start - minute + DAY_MINUTES) % DAY_MINUTES || DAY_MINUTES);
  // A clock change in between would make one long jump miss the start: an hour at most at once.
  return Math.min(least, 60);
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
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
    formatters.set(zone, found);
  }
  return found;
}

function localTime(zone: string, at: Date): { day: number; minute: number } {
  const parts = Object.fromEntries(
    formatter(zone)
      .formatToParts(at)
      .map((part) => [part.type, part.value]),
  );
  return { day: WEEKDAYS.indexOf(parts.weekday!) + 1, minute: Number(parts.hour) * 60 + Number(parts.minute) };
}
