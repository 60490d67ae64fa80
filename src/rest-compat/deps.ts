import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { SessionFeeds } from '../live/session-feed.js';
import type { Logger } from '../ports/logger.js';
import type { Metrics } from '../ports/metrics.js';
import type { RateLimiter } from '../ports/rate-limiter.js';
import type { SignedAdminSessions } from '../services/admin-sessions.js';
import type { ServiceContext } from '../services/context.js';
import type { UseCases } from '../services/use-cases.js';
import type { Readiness } from './health.js';

/** What this door shows. */
export interface RestServices extends UseCases {
  context: Pick<ServiceContext, 'topics' | 'settings'>;
  /** Null: the console has no password, and nobody can log in. */
  adminSessions: SignedAdminSessions | null;
  feeds: SessionFeeds;
}

export interface RestDoorOptions {
  services: RestServices;
  surfaces: { has(surface: 'admin' | 'runtime' | 'telephony'): boolean };
  limiter: RateLimiter;
  /** Requests a minute. */
  rateLimitPerTenant: number;
  rateLimitPerIp: number;
  log: Logger;
  metrics: Metrics;
  /** Null: metrics are read on this machine only. */
  metricsToken: string | null;
  readiness: () => Promise<Readiness>;
  /** Milliseconds between two comments on a silent event stream. */
  heartbeatMs?: number;
}

/** Fastify whose handlers know the types of their schemas. */
export type RestApp = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;
