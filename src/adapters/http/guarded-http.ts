import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { Agent, request } from 'undici';
import { isPrivateAddress } from '../../lib/private-address.js';
import {
  OutboundHttpError,
  type OutboundHttp,
  type OutboundRequest,
  type OutboundResponse,
} from '../../ports/outbound-http.js';

/** Thrown inside the connect; carries through undici as the cause. */
class ForbiddenAddress extends Error {}

/** The address is judged at the moment of connecting: a name that resolved to a public one earlier proves nothing. */
const guardedLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, '', 0);
    const forbidden = addresses.find((a) => isPrivateAddress(a.address));
    const first = addresses[0];
    if (forbidden || !first) return callback(new ForbiddenAddress('the name leads to a private address'), '', 0);
    if (options.all) return callback(null, addresses as never, 0);
    callback(null, first.address, first.family);
  });
};

/**
 * {@link OutboundHttp} on undici. One pool of connections per origin, closed when idle. It has no limit of its own: many
 * endpoints may share an origin, and those that hang must not hold up the others. Whoever asks bounds what they ask.
 */
export class GuardedHttp implements OutboundHttp {
  private readonly agent: Agent;

  constructor(private readonly allowPrivate: boolean) {
    this.agent = new Agent({
      connect: { timeout: 10_000, ...(allowPrivate ? {} : { lookup: guardedLookup }) },
      keepAliveTimeout: 4_000,
      pipelining: 1,
    });
  }

  async request(wanted: OutboundRequest): Promise<OutboundResponse> {
    const started = performance.now();
    const latency = () => Math.round(performance.now() - started);
    // A literal address never passes through the lookup.
    if (!this.allowPrivate && isPrivateAddress(new URL(wanted.url).hostname))
      throw new OutboundHttpError('forbidden_address', 'private addresses are not allowed', latency());
    const timeout = AbortSignal.timeout(wanted.timeoutMs);
    try {
      const response = await request(wanted.url, {
        dispatcher: this.agent,
        method: wanted.method,
        headers: wanted.headers,
        body: wanted.body ?? null,
        signal: wanted.signal ? AbortSignal.any([wanted.signal, timeout]) : timeout,
      });
      const { text, truncated } = await readAtMost(response.body, wanted.maxResponseBytes);
      return {
        status: response.statusCode,
        headers: flatten(response.headers),
        body: text,
        truncated,
        latencyMs: latency(),
      };
    } catch (error) {
      if (causes(error).some((e) => e instanceof ForbiddenAddress))
        throw new OutboundHttpError('forbidden_address', 'the name leads to a private address', latency(), {
          cause: error,
        });
      if (timeout.aborted)
        throw new OutboundHttpError('timeout', `no answer within ${wanted.timeoutMs} ms`, latency(), { cause: error });
      if (wanted.signal?.aborted) throw new OutboundHttpError('aborted', 'given up', latency(), { cause: error });
      const code = (error as { code?: unknown }).code;
      throw new OutboundHttpError(
        'connect',
        `no connection${typeof code === 'string' ? ` (${code})` : ''}`,
        latency(),
        { cause: error },
      );
    }
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }
}

async function readAtMost(body: AsyncIterable<Buffer> & { destroy(): unknown }, limit: number) {
  const chunks: Buffer[] = [];
  let size = 0;
  let truncated = false;
  for await (const chunk of body) {
    chunks.push(chunk.subarray(0, limit - size));
    size += chunk.length;
    if (size > limit) {
      truncated = true;
      break;
    }
  }
  return { text: Buffer.concat(chunks).toString('utf8'), truncated };
}

function flatten(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}

function causes(error: unknown): unknown[] {
  const chain: unknown[] = [];
  for (let e = error; e !== undefined && e !== null && chain.length < 5; e = (e as { cause?: unknown }).cause)
    chain.push(e);
  return chain;
}
