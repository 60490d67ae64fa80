import { describe, expect, it } from 'vitest';
import { mintStreamToken, readStreamToken, STREAM_TOKEN_SECONDS } from './stream-token.js';

const now = new Date('2026-05-14T10:00:00Z');
const claims = { callId: '0197a2f0-0000-7000-8000-000000000001', callSid: 'CA1', kind: 'resume' } as const;

describe('a stream token', () => {
  it('says which call it opens, once, for a minute', () => {
    const token = mintStreamToken('current', claims, now);
    expect(token.length).toBeLessThan(500);
    const read = readStreamToken(['current'], token, now);
    expect(read).toMatchObject(claims);
    expect(read.expiresAt.getTime() - now.getTime()).toBe(STREAM_TOKEN_SECONDS * 1_000);
    expect(readStreamToken(['current'], mintStreamToken('current', claims, now), now).jti).not.toBe(read.jti);
  });

  it('is accepted with the previous secret during a rotation', () => {
    const token = mintStreamToken('old', claims, now);
    expect(readStreamToken(['new', 'old'], token, now).callSid).toBe('CA1');
    expect(() => readStreamToken(['new'], token, now)).toThrow(/not valid/);
  });

  it('is refused when it expired, was changed, or is no token', () => {
    const token = mintStreamToken('current', claims, now);
    expect(() => readStreamToken(['current'], token, new Date(now.getTime() + 61_000))).toThrow(/expired/);
    const [body, signature] = token.split('.');
    const forged = Buffer.from(Buffer.from(body!, 'base64url').toString().replace('CA1', 'CA2')).toString('base64url');
    for (const bad of [`${forged}.${signature}`, '', '.', 'a.b.c', token + 'x', `${token}.x`])
      expect(() => readStreamToken(['current'], bad, now), bad).toThrow(/not valid/);
  });
});
