import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../lib/errors.js';
import type { Metrics } from '../ports/metrics.js';
import type { RateLimiter } from '../ports/rate-limiter.js';
import type { Viewer } from '../services/viewer.js';

/**
 * How often somebody may ask: a tenant by its key, everybody else by address. Health checks never get here, and Twilio's
 * signed requests have their own door.
 */
export class RateLimits {
  constructor(
    private readonly limiter: RateLimiter,
    private readonly limits: { rateLimitPerIp: number; rateLimitPerTenant: number },
    private readonly metrics: Pick<Metrics, 'rateLimited'>,
  ) {}

  /** Counts a request with a valid credential. Throws RATE_LIMITED. */
  async ofViewer(viewer: Viewer, reply: FastifyReply): Promise<void> {
    const key = viewer.kind === 'tenant' ? `tenant:${viewer.tenantId}` : `admin:${viewer.name}`;
    if (!(await this.count(key, this.limits.rateLimitPerTenant, reply))) this.metrics.rateLimited('tenant');
  }

  /** Counts a request without one. Throws RATE_LIMITED. */
  async ofAddress(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (!(await this.count(`ip:${request.ip}`, this.limits.rateLimitPerIp, reply))) this.metrics.rateLimited('address');
  }

  private async count(key: string, limit: number, reply: FastifyReply): Promise<boolean> {
    const { allowed, remaining, resetSeconds } = await this.limiter.take(key, limit);
    reply.header('x-ratelimit-limit', limit).header('x-ratelimit-remaining', remaining);
    if (!allowed) {
      throw new AppError('RATE_LIMITED', `More than ${limit} requests a minute; wait ${resetSeconds} s`, {
        retryAfterSeconds: resetSeconds,
      });
    }
    return allowed;
  }
}
