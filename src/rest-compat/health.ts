import { Type } from 'typebox';
import type { RestApp, RestDoorOptions } from './deps.js';
import { Word } from './schemas.js';

/** Whether this process should get requests, and what is missing. */
export interface Readiness {
  /** `unavailable` only while draining or without the database: in every other case callers still get their fallback. */
  status: 'ready' | 'degraded' | 'unavailable';
  draining: boolean;
  /** False: away, or not configured. */
  parts: { database: boolean; bus: boolean; carrier: boolean; model: boolean };
}

const ReadinessBody = Type.Object({
  ok: Type.Boolean(),
  status: Word(['ready', 'degraded', 'unavailable']),
  draining: Type.Boolean(),
  parts: Type.Object({
    database: Type.Boolean(),
    bus: Type.Boolean(),
    carrier: Type.Boolean(),
    model: Type.Boolean(),
  }),
});

/** Open to everybody and never rate-limited. */
export async function healthRoutes(app: RestApp, { readiness }: Pick<RestDoorOptions, 'readiness'>): Promise<void> {
  const config = { access: 'health' as const };
  app.get(
    '/health/live',
    {
      config,
      schema: {
        tags: ['health'],
        summary: 'The process answers',
        security: [],
        response: { 200: Type.Object({ ok: Type.Literal(true) }) },
      },
    },
    async () => ({ ok: true as const }),
  );
  app.get(
    '/health/ready',
    {
      config,
      schema: {
        tags: ['health'],
        summary: 'The process may get requests',
        description: '503 only while shutting down or without the database; what else is missing is `degraded`.',
        security: [],
        response: { 200: ReadinessBody, 503: ReadinessBody },
      },
    },
    async (_request, reply) => {
      const ready = await readiness();
      const ok = ready.status !== 'unavailable';
      return reply.code(ok ? 200 : 503).send({ ok, ...ready });
    },
  );
}
