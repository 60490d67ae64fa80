import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPrivateAddress, targetUrlProblem } from './private-address.js';

describe('private addresses', () => {
  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    'ff02::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '64:ff9b::a00:1',
    '64:ff9b:1::a00:1',
    '2001:0:1::',
    'fec0::1',
    '2002:7f00:1::',
    '[::1]',
    'fe80::1%eth0',
  ])('refuses %s', (address) => expect(isPrivateAddress(address)).toBe(true));

  it.each(['8.8.8.8', '172.32.0.1', '192.169.0.1', '1.1.1.1', '2606:4700::1111', '::ffff:8.8.8.8'])(
    'lets %s pass',
    (address) => expect(isPrivateAddress(address)).toBe(false),
  );

  it.each([
    'http://example.com/',
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://[::1]/',
    'https://localhost/x',
    'https://u:p@example.com/',
    'ftp://example.com',
    'nonsense',
    'https://192.168.0.1.:8443/',
  ])('does not save %s', (url) => expect(targetUrlProblem(url, false)).not.toBeNull());

  it('saves a public name that need not resolve yet', () => {
    expect(targetUrlProblem('https://hooks.not-yet.example/path?x=1', false)).toBeNull();
    expect(targetUrlProblem('http://127.0.0.1:9/x', true)).toBeNull();
  });

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), (s) => (isPrivateAddress(s), targetUrlProblem(s, false), true)));
  });
});
