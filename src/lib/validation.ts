import { invalid, type FieldIssue } from './errors.js';
import { parseE164 } from './phone.js';

/**
 * Collects what is wrong with one input and throws it all at once, each issue under the name of its field. Both doors
 * hand over camelCase input; REST renames the paths.
 */
export class Check {
  private readonly issues: FieldIssue[] = [];
  constructor(private readonly prefix = '') {}

  fail(path: string, message: string): void {
    this.issues.push({ path: this.prefix + path, message });
  }
  when(bad: boolean, path: string, message: string): void {
    if (bad) this.fail(path, message);
  }
  /** A text that must be there; trimmed. */
  text(path: string, value: unknown, max: number): string {
    const text = typeof value === 'string' ? value.trim() : '';
    if (text === '') this.fail(path, 'is required');
    else this.length(path, text, max);
    return text;
  }
  optionalText(path: string, value: unknown, max: number): string | null {
    if (value === undefined || value === null || value === '') return null;
    if (typeof value !== 'string') this.fail(path, 'must be a text');
    else this.length(path, value, max);
    return typeof value === 'string' ? value : null;
  }
  private length(path: string, text: string, max: number): void {
    if (text.length > max) this.fail(path, `must be at most ${max} characters`);
    // PostgreSQL cannot store these; better here with a name than there with an error.
    if (text.includes('\u0000') || !text.isWellFormed())
      this.fail(path, 'must be valid Unicode text without NUL characters');
  }
  matching(path: string, value: unknown, pattern: RegExp, needed: string): string {
    if (typeof value !== 'string' || !pattern.test(value)) this.fail(path, `must be ${needed}`);
    return typeof value === 'string' ? value : '';
  }
  number(path: string, value: unknown, min: number, max: number): number {
    const number = Number(value);
    if (typeof value !== 'number' || !Number.isFinite(number) || number < min || number > max)
      this.fail(path, `must be a number from ${min} to ${max}`);
    return number;
  }
  phone(path: string, value: unknown): string {
    const number = typeof value === 'string' ? parseE164(value) : null;
    if (number === null) this.fail(path, 'must be a phone number in E.164 form, like +15551234567');
    return number ?? '';
  }
  oneOf<T extends string>(path: string, value: unknown, allowed: readonly T[]): T {
    if (!allowed.includes(value as T)) this.fail(path, `must be one of ${allowed.join(', ')}`);
    return value as T;
  }
  /** Throws VALIDATION_FAILED with everything that was wrong. */
  done(): void {
    if (this.issues.length > 0) throw invalid(...this.issues);
  }
}

/** Keys of agents, prompts and tools: what people type into a URL or a JSON body. */
export const KEY_PATTERN = /^[a-z][a-z0-9_-]{0,63}$/;
export const KEY_NEEDED = 'lower-case letters, digits, _ and -, starting with a letter, at most 64';
