import { BlockList, isIP } from 'node:net';

/**
 * Addresses that a tenant's URL must not reach: loopback, private, link-local (cloud metadata among them), carrier NAT,
 * multicast, reserved, and the IPv6 forms that hold an IPv4 address inside (RFC 6890, RFC 4291).
 */
const FORBIDDEN = new BlockList();
const RANGES: readonly (readonly [string, number, 'ipv4' | 'ipv6'])[] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['224.0.0.0', 4, 'ipv4'],
  ['240.0.0.0', 4, 'ipv4'],
  ['::', 96, 'ipv6'],
  ['64:ff9b::', 96, 'ipv6'],
  ['64:ff9b:1::', 48, 'ipv6'],
  ['100::', 64, 'ipv6'],
  ['2001::', 32, 'ipv6'],
  ['2002::', 16, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
  ['fec0::', 10, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
];
for (const [net, prefix, family] of RANGES) FORBIDDEN.addSubnet(net, prefix, family);

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** True when `address` (a literal IPv4 or IPv6 address) is not one on the public internet. */
export function isPrivateAddress(address: string): boolean {
  const bare = address.replace(/^\[|\]$/g, '').replace(/%.*$/, '');
  const mapped = MAPPED.exec(bare);
  if (mapped) return isPrivateAddress(mapped[1]!);
  switch (isIP(bare)) {
    case 4:
      return FORBIDDEN.check(bare, 'ipv4');
    case 6:
      return FORBIDDEN.check(bare, 'ipv6') || /^::ffff:/i.test(bare);
    default:
      return false;
  }
}

/**
 * Why this URL may not be saved as a target, or null. Names are checked when they are connected to, not here: one that
 * does not resolve yet may be saved. The URL parser has already turned `0x7f.1` and `2130706433` into dotted form.
 */
export function targetUrlProblem(url: string, allowPrivate: boolean): string | null {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    return 'must be an absolute URL';
  }
  if (parsed.protocol !== 'https:' && !(allowPrivate && parsed.protocol === 'http:')) return 'must start with https://';
  if (parsed.username || parsed.password) return 'must not hold a user name or password';
  if (url.length > 2_000) return 'must be at most 2000 characters';
  if (!allowPrivate && (isPrivateAddress(parsed.hostname) || /(^|\.)localhost\.?$/i.test(parsed.hostname)))
    return 'must not point to a private or local address';
  return null;
}
