import type { Variable } from './variables.js';

/** Reads single variables and collects what is wrong with them. An empty value is an unset one. */
export class Reader {
  readonly problems: string[] = [];

  constructor(private readonly env: Record<string, string | undefined>) {}

  /** `message` continues the variable's name: "PORT must be …". */
  problem(name: Variable, message: string): void {
    this.problems.push(`${name} ${message}`);
  }

  text(name: Variable): string | null {
    return this.env[name]?.trim() || null;
  }

  list(name: Variable): string[] {
    return (this.text(name) ?? '')
      .split(',')
      .map((item) => item.trim())
      .filter(Boolean);
  }

  /** A list whose every item is one of `allowed`. */
  listOf<T extends string>(name: Variable, allowed: readonly T[]): T[] {
    const items = this.list(name);
    if (items.some((item) => !(allowed as readonly string[]).includes(item)))
      this.problem(name, `must be a comma-separated list of ${allowed.join(', ')}`);
    return items as T[];
  }

  matching(name: Variable, pattern: RegExp, needed: string): string | null {
    const value = this.text(name);
    if (value !== null && !pattern.test(value)) this.problem(name, `must be ${needed}`);
    return value;
  }

  oneOf<T extends string>(name: Variable, allowed: readonly T[]): T | null {
    const value = this.text(name);
    if (value !== null && !(allowed as readonly string[]).includes(value))
      this.problem(name, `must be one of ${allowed.join(', ')}`);
    return value as T | null;
  }

  integer(name: Variable, fallback: number, min: number, max: number): number {
    const value = this.text(name);
    if (value === null) return fallback;
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < min || number > max)
      this.problem(name, `must be a whole number from ${min} to ${max}`);
    return number;
  }

  flag(name: Variable, fallback: boolean): boolean {
    const value = this.oneOf(name, ['true', 'false']);
    return value === null ? fallback : value === 'true';
  }

  url(name: Variable, protocols: readonly string[]): string | null {
    const value = this.text(name);
    if (value === null) return null;
    if (!URL.canParse(value) || !protocols.includes(new URL(value).protocol))
      this.problem(name, `must be a URL that starts with ${protocols.map((p) => `${p}//`).join(' or ')}`);
    return value;
  }

  /** Scheme, host and port, without a trailing slash. */
  origin(name: Variable): string | null {
    const value = this.url(name, ['http:', 'https:']);
    if (value === null || !URL.canParse(value)) return null;
    const url = new URL(value);
    if (url.pathname !== '/' || url.search || url.hash)
      this.problem(name, 'must be an origin without a path, like https://voice.example.com');
    return url.origin;
  }
}
