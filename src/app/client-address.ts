import type { IncomingMessage } from 'node:http';
import proxyAddr from '@fastify/proxy-addr';
import type { Config } from '../config.js';

/** True when the peer at `address`, so many hops away (0: it holds our socket), is believed about who is behind it. */
export type ProxyTrust = (address: string, hop: number) => boolean;

/**
 * `TRUST_PROXY` as a rule. Fastify itself takes a number of hops for nothing at all since 5.12, because it cannot know
 * whether the peer is a proxy; here the operator says that only proxies reach this gateway.
 */
export function proxyTrust(trust: Config['trustProxy']): ProxyTrust {
  if (typeof trust === 'boolean') return () => trust;
  if (typeof trust === 'number') return (_address, hop) => hop < trust;
  return proxyAddr.compile(trust);
}

/** Who asks, by the same rule for every door: Fastify sees no WebSocket upgrade. */
export function clientAddress(request: IncomingMessage, trust: ProxyTrust): string | null {
  // A peer that is gone already has no address.
  return request.socket.remoteAddress === undefined ? null : proxyAddr(request, trust);
}
