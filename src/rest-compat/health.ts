import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';

export interface Readiness {
  status: 'ready' | 'degraded' | 'unavailable';
  draining: boolean;
  parts: Record<string, boolean>;
}

/** `/health/live` and `/health/ready`: open, and exempt from rate limits. */
export function healthRoutes(app: FastifyInstance, readiness: () => Promise<Readiness>): void {
  app.get(
    '/health/live',
    {
      schema: { tags: ['public'], summary: 'The process runs', response: { 200: Type.Object({ ok: Type.Boolean() }) } },
    },
    async () => ({ ok: true }),
  );
  const Body = Type.Object({
    ok: Type.Boolean(),
    status: Type.String(),
    draining: Type.Boolean(),
    parts: Type.Record(Type.String(), Type.Boolean()),
  });
  app.get(
    '/health/ready',
    {
      schema: {
        tags: ['public'],
        summary: 'May take calls: 503 while draining or without the database; `degraded` when a part is missing',
        response: { 200: Body, 503: Body },
      },
    },
    async (_request, reply) => {
      const ready = await readiness();
      const ok = ready.status !== 'unavailable';
      return reply.code(ok ? 200 : 503).send({ ok, ...ready });
    },
  );
}
