import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { SignedAdminSessions } from './admin-sessions.js';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const SECRET = Buffer.alloc(32, 7);

describe('sessions of the console', () => {
  let now = 0;
  const clock = { now: () => new Date(now), monotonicMs: () => now };
  const sessions = new SignedAdminSessions({ username: 'ada', passwordSha256: sha256('right') }, SECRET, clock);

  it('begin with the right name and password only', () => {
    expect(() => sessions.login('ada', sha256('wrong'))).toThrow('user name or the password');
    expect(() => sessions.login('eve', sha256('right'))).toThrow('user name or the password');
    expect(sessions.login('ada', sha256('right')).cookie).toMatch(/^[\w.-]+$/);
  });

  it('are known to every replica until they expire', async () => {
    const { cookie, expiresAt } = sessions.login('ada', sha256('right'));
    const replica = new SignedAdminSessions({ username: 'ada', passwordSha256: sha256('right') }, SECRET, clock);
    expect(await replica.verify(cookie)).toEqual({ name: 'ada' });
    now = expiresAt.getTime();
    expect(await replica.verify(cookie)).toBeNull();
    now = 0;
  });

  it('end when the password changes, and cannot be forged', async () => {
    const { cookie } = sessions.login('ada', sha256('right'));
    const changed = new SignedAdminSessions({ username: 'ada', passwordSha256: sha256('new') }, SECRET, clock);
    expect(await changed.verify(cookie)).toBeNull();
    const [body, signature] = cookie.split('.');
    const forged = Buffer.from(JSON.stringify({ name: 'root', until: 9e15 })).toString('base64url');
    for (const attempt of [`${forged}.${signature}`, body!, `${body}.`, '', '.', 'x.y.z'])
      expect(await sessions.verify(attempt)).toBeNull();
  });
});
