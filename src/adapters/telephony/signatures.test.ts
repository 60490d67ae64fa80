import { createHash } from 'node:crypto';
import { getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js';
import { describe, expect, it } from 'vitest';
import { twilioSignatures } from './signatures.js';

const url = 'https://gateway.example/api/v1/incoming-call?route=a%20b';
const params = { CallSid: 'CA1', Empty: '', From: '+15555550100', Digits: ['2', '1', '1'] };
const signed = (token: string, target = url, fields: Record<string, string | string[]> = params) =>
  getExpectedTwilioSignature(token, target, fields);
const verify = (over: Partial<Parameters<typeof twilioSignatures.verify>[0]>) =>
  twilioSignatures.verify({ authTokens: ['token'], signature: signed('token'), url, params, ...over });

describe('Twilio signatures', () => {
  it('accept what was signed: queries as they came, empty values and repeated names included', () => {
    expect(verify({})).toBe(true);
  });

  it('hold with any of several tokens', () => {
    expect(verify({ authTokens: ['old', 'token'] })).toBe(true);
    expect(verify({ authTokens: ['old', 'other'] })).toBe(false);
    expect(verify({ authTokens: [] })).toBe(false);
  });

  it.each([
    ['a changed value', { params: { ...params, From: '+15555550101' } }],
    ['a dropped empty value', { params: { CallSid: 'CA1', From: '+15555550100', Digits: ['2', '1'] } }],
    ['an added field', { params: { ...params, Extra: '1' } }],
    ['another scheme', { url: url.replace('https', 'http') }],
    ['another path', { url: url.replace('incoming-call', 'call-status') }],
    ['another query', { url: url.replace('a%20b', 'ab') }],
    ['a kept fragment', { url: `${url}#rc=2` }],
  ])('refuse %s', (_, over) => expect(verify(over)).toBe(false));

  it('cover the raw body of JSON by the hash in the URL', () => {
    const rawBody = '{"a": 1}';
    const target = `https://gateway.example/x?bodySHA256=${createHash('sha256').update(rawBody).digest('hex')}`;
    const request = { url: target, params: {}, signature: signed('token', target, {}), rawBody };
    expect(verify(request)).toBe(true);
    expect(verify({ ...request, rawBody: '{"a":1}' })).toBe(false);
  });

  it('of a media stream are over its wss URL, not https', () => {
    const target = 'wss://gateway.example/media-stream';
    const upgrade = { signature: signed('token', target, {}), params: {} };
    expect(verify({ ...upgrade, url: target })).toBe(true);
    expect(verify({ ...upgrade, url: target.replace('wss', 'https') })).toBe(false);
  });

  it('never throw, and refuse what nobody signed', () => {
    for (const target of ['https://x.example/y', '/relative', 'nonsense', ''])
      for (const signature of [undefined, '', 'abc'])
        for (const rawBody of [null, '{'])
          expect(twilioSignatures.verify({ authTokens: ['t'], signature, url: target, params: {}, rawBody })).toBe(
            false,
          );
  });
});
