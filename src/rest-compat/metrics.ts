import type { FastifyInstance, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { safeEqual } from '../lib/crypto.js';
import { AppError } from '../lib/errors.js';
import type { Metrics } from '../ports/metrics.js';

const LOOPBACK = new Set(['127.0.0.1', '::1', '::ffff:127.0.0.1']);

/** Counts every request of this server and how long its answer took, whichever door it came through. */
export const requestMetrics = fp(
  async (app: FastifyInstance, { metrics }: { metrics: Metrics }) => {
    app.addHook('onResponse', async (request, reply) => {
      const route = request.routeOptions.url ?? 'unknown';
      metrics.httpRequest(request.method, route, reply.statusCode, reply.elapsedTime / 1_000);
    });
  },
  { name: 'trunkline-request-metrics' },
);

/** `/metrics` for Prometheus: with `METRICS_TOKEN` as a bearer, or without one from this machine only. */
export function metricsRoute(app: FastifyInstance, metrics: Metrics, token: string | null): void {
  app.get('/metrics', { schema: { hide: true } }, async (request, reply) => {
    if (token === null ? !isLocal(request) : !carries(request, token))
      throw new AppError('FORBIDDEN', 'The metrics are read with METRICS_TOKEN as a bearer token, or on this machine');
    const { contentType, text } = await metrics.expose();
    return reply.type(contentType).send(text);
  });
}

function carries({ headers }: FastifyRequest, token: string): boolean {
  return safeEqual(headers.authorization ?? '', `Bearer ${token}`);
}

/** A proxy on this machine makes everybody look local, so a forwarded request never is. */
function isLocal({ socket, headers }: FastifyRequest): boolean {
  const forwarded = headers['x-forwarded-for'] ?? headers.forwarded;
  return LOOPBACK.has(socket.remoteAddress ?? '') && forwarded === undefined;
}
