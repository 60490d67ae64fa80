import { AppError, invalid, type FieldIssue } from '../lib/errors.js';
import { isTimeZone, type WeeklyHours } from '../lib/hours.js';
import { isUuid } from '../lib/ids.js';
import { parseE164 } from '../lib/phone.js';
import { targetUrlProblem } from '../lib/private-address.js';

/**
 * Collects what is wrong with one input, so that the client hears of every mistake at once. Each method gives the value
 * back, trimmed where people type it; call {@link done} before using any of them.
 */
export class Checks {
  private readonly issues: FieldIssue[] = [];

  fail(path: string, message: string): void {
    // One mistake, one line: the first thing wrong with a field explains the others.
    if (!this.issues.some((issue) => issue.path === path)) this.issues.push({ path, message });
  }

  /** Throws VALIDATION_FAILED with every issue. */
  done(): void {
    if (this.issues.length > 0) throw invalid(...this.issues);
  }

  text(path: string, value: unknown, { max, min = 1 }: { max: number; min?: number }): string {
    if (typeof value !== 'string') return (this.fail(path, 'must be a text'), '');
    const text = value.trim();
    // PostgreSQL stores no NUL.
    if (text.includes('\0')) this.fail(path, 'must not contain NUL characters');
    if (text.length < min) this.fail(path, min === 1 ? 'must not be empty' : `needs at least ${min} characters`);
    if (text.length > max) this.fail(path, `must be at most ${max} characters`);
    return text;
  }

  /** Null stays null; an empty text becomes null. */
  optionalText(path: string, value: unknown, limits: { max: number }): string | null {
    return value == null || (typeof value === 'string' && value.trim() === '') ? null : this.text(path, value, limits);
  }

  /** `front_desk`, `front_desk_v1`: what people name things by in URLs and prompts. */
  key(path: string, value: unknown, max = 100): string {
    const key = this.text(path, value, { max });
    if (key !== '' && !/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(key))
      this.fail(path, 'may hold letters, digits, underscore, dot and dash, and begins with a letter or digit');
    return key;
  }

  phone(path: string, value: unknown): string {
    const number = typeof value === 'string' ? parseE164(value) : null;
    if (number === null) this.fail(path, 'must be a phone number in E.164 form, like +15555550100');
    return number ?? '';
  }
  optionalPhone(path: string, value: unknown): string | null {
    return value == null || value === '' ? null : this.phone(path, value);
  }

  url(path: string, value: unknown, allowPrivate: boolean): string {
    const url = this.text(path, value, { max: 2_000 });
    const problem = url === '' ? null : targetUrlProblem(url, allowPrivate);
    if (problem !== null) this.fail(path, problem);
    return url;
  }

  integer(path: string, value: unknown, min: number, max: number): number {
    if (!Number.isInteger(value) || (value as number) < min || (value as number) > max)
      this.fail(path, `must be a whole number between ${min} and ${max}`);
    return value as number;
  }
  optionalInteger(path: string, value: unknown, min: number, max: number): number | null {
    return value == null ? null : this.integer(path, value, min, max);
  }
  optionalNumber(path: string, value: unknown, min: number, max: number): number | null {
    if (value == null) return null;
    if (typeof value !== 'number' || !(value >= min && value <= max))
      this.fail(path, `must be a number between ${min} and ${max}`);
    return value as number;
  }

  oneOf<const T extends string>(path: string, value: unknown, values: readonly T[]): T {
    if (!values.includes(value as T)) this.fail(path, `must be one of ${values.join(', ')}`);
    return value as T;
  }

  timeZone(path: string, value: unknown): string {
    const zone = this.text(path, value, { max: 64 });
    if (zone !== '' && !isTimeZone(zone)) this.fail(path, 'must be an IANA time zone, like Europe/Berlin');
    return zone;
  }

  futureTime(path: string, value: Date | null | undefined, now: Date): Date | null {
    if (value == null) return null;
    if (Number.isNaN(value.getTime()) || value <= now) this.fail(path, 'must lie in the future');
    return value;
  }

  list<T>(path: string, value: unknown, max: number, each: (item: unknown, path: string) => T): T[] {
    if (!Array.isArray(value)) return (this.fail(path, 'must be a list'), []);
    if (value.length > max) return (this.fail(path, `must hold at most ${max} entries`), []);
    return value.map((item, index) => each(item, `${path}[${index}]`));
  }

  unique(path: string, names: readonly string[]): void {
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) this.fail(path, `names ${twice} twice`);
  }

  weeklyHours(path: string, hours: WeeklyHours): WeeklyHours {
    return {
      timeZone: hours.timeZone == null ? null : this.timeZone(`${path}.timeZone`, hours.timeZone),
      windows: this.list(`${path}.windows`, hours.windows, 50, (item, at) => {
        const window = (item ?? {}) as WeeklyHours['windows'][number];
        return {
          days: this.list(`${at}.days`, window.days, 7, (day, dayAt) => this.integer(dayAt, day, 1, 7)),
          start: this.timeOfDay(`${at}.start`, window.start),
          end: this.timeOfDay(`${at}.end`, window.end),
        };
      }),
    };
  }

  private timeOfDay(path: string, value: unknown): string {
    if (typeof value !== 'string' || !/^([01]\d|2[0-3]):[0-5]\d$/.test(value))
      this.fail(path, 'must be a time like 09:00');
    return value as string;
  }
}

/** Ids from outside: anything that is no UUID cannot exist, and must not reach the database. Throws NOT_FOUND. */
export function knownId(what: string, id: string): string {
  if (!isUuid(id)) throw new AppError('NOT_FOUND', `${what} not found`);
  return id;
}
