import { createHmac, hkdfSync } from 'node:crypto';
import { safeEqual } from '../lib/crypto.js';
import { AppError } from '../lib/errors.js';
import type { Clock } from '../ports/clock.js';
import type { AdminSessions } from './viewers.js';

export interface ConsoleAccount {
  username: string;
  /** SHA-256 of the password, hex. */
  passwordSha256: string;
}
export interface ConsoleSession {
  /** Value of the cookie. */
  cookie: string;
  expiresAt: Date;
}

/** How long the console stays open without a new login. */
const LIFETIME_MS = 12 * 3_600_000;

/**
 * Sessions of the operator console: a signed name and expiry in the cookie, readable by every replica. The signature's
 * key hangs on the password, so that changing it ends every session.
 */
export class SignedAdminSessions implements AdminSessions {
  private readonly key: Buffer;

  constructor(
    private readonly account: ConsoleAccount,
    /** Secret shared by the replicas, 32 bytes. */
    secret: Buffer,
    private readonly clock: Clock,
  ) {
    this.key = Buffer.from(hkdfSync('sha256', secret, account.passwordSha256, 'console session', 32));
  }

  /** Throws UNAUTHENTICATED; the answer does not tell which of the two was wrong. `passwordSha256` in hex. */
  login(username: string, passwordSha256: string): ConsoleSession {
    const right = [safeEqual(username, this.account.username), safeEqual(passwordSha256, this.account.passwordSha256)];
    if (right.includes(false)) throw new AppError('UNAUTHENTICATED', 'The user name or the password is wrong');
    const expiresAt = new Date(this.clock.now().getTime() + LIFETIME_MS);
    const body = Buffer.from(JSON.stringify({ name: username, until: expiresAt.getTime() })).toString('base64url');
    return { cookie: `${body}.${this.sign(body)}`, expiresAt };
  }

  async verify(cookie: string): Promise<{ name: string } | null> {
    const [body = '', signature = ''] = cookie.split('.', 2);
    if (!safeEqual(signature, this.sign(body))) return null;
    const { name, until } = JSON.parse(Buffer.from(body, 'base64url').toString()) as { name: string; until: number };
    return until > this.clock.now().getTime() ? { name } : null;
  }

  private sign(body: string): string {
    return createHmac('sha256', this.key).update(body).digest('base64url');
  }
}
