import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Reader } from './reader.js';
import type { Variable } from './variables.js';

const HEX_KEY = /^[0-9a-f]{64}$/i;
const BASE64_KEY = /^[\w+/-]{43}=?$/;

/** Secrets that production must set, and that development makes once and keeps, so that a restart reads its own data. */
export class Secrets {
  /** What was made or found under DATA_DIR because nobody set it. */
  readonly fromDataDir: Variable[] = [];

  constructor(
    private readonly read: Reader,
    private readonly production: boolean,
    private readonly dataDir: string,
  ) {}

  /** At least 32 characters in production. Where `needed` is false and nothing is set: one that this process alone knows. */
  text(name: 'STREAM_TOKEN_SECRET', needed: boolean): string {
    const value = this.read.text(name);
    if (value === null && !needed) return randomBytes(32).toString('hex');
    const secret = value ?? this.kept(name);
    if (this.production && secret !== null && secret.length < 32)
      this.read.problem(name, 'needs at least 32 characters; make one with: openssl rand -hex 32');
    return secret ?? '';
  }

  /** Keys of 32 bytes, the current one first. */
  keys(name: 'ENCRYPTION_KEY'): Buffer[] {
    const listed = this.read.list(name);
    const kept = listed.length === 0 ? this.kept(name) : null;
    const keys = kept === null ? listed : [kept];
    if (keys.some((key) => !HEX_KEY.test(key) && !BASE64_KEY.test(key)))
      this.read.problem(name, 'must be 32 bytes, as 64 hex digits or base64; make one with: openssl rand -hex 32');
    return keys.map((key) => Buffer.from(key, HEX_KEY.test(key) ? 'hex' : 'base64'));
  }

  /** The development secret; null, and a problem, in production or where it cannot be kept. */
  private kept(name: Variable): string | null {
    if (this.production) {
      this.read.problem(name, 'is needed in production; make one with: openssl rand -hex 32');
      return null;
    }
    const file = join(this.dataDir, `${name.toLowerCase()}.dev`);
    try {
      if (!existsSync(file)) keepNew(file);
      this.fromDataDir.push(name);
      return readFileSync(file, 'utf8').trim();
    } catch (error) {
      this.read.problem(name, `is not set, and no development secret can be kept in DATA_DIR: ${String(error)}`);
      return null;
    }
  }
}

/** Two processes that start together must end up with one secret: written aside, whole, and linked only if none is there. */
function keepNew(file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  const own = `${file}.${process.pid}`;
  writeFileSync(own, randomBytes(32).toString('hex'), { mode: 0o600 });
  try {
    linkSync(own, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(own);
  }
}
