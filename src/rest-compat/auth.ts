import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../lib/errors.js';
import type { RateLimiter } from '../ports/rate-limiter.js';
import { requireAdmin, type Viewer } from '../services/viewer.js';
import type { Viewers } from '../services/viewers.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the door's authentication; never read before it. */
    viewer: Viewer;
  }
}

export interface AccessOptions {
  viewers: Viewers;
  limiter: RateLimiter;
  perTenant: number;
  perAddress: number;
}

type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

/** Who may come in, and how often: per tenant with a valid credential, per address without one (design.md §6). */
export class Access {
  constructor(private readonly options: AccessOptions) {}

  /** A tenant key, or an admin. */
  readonly runtime: Hook = async (request, reply) => {
    request.viewer = await this.identify(request, reply);
  };

  /** An admin only. Where no admin credential is configured these routes are not there. */
  readonly admin: Hook = async (request, reply) => {
    if (!this.options.viewers.adminConfigured) throw new AppError('NOT_FOUND', 'There is no such route');
    request.viewer = await this.identify(request, reply);
    requireAdmin(request.viewer);
  };

  /** Anybody, within the limit of an address. */
  readonly open: Hook = async (request, reply) => this.count(`ip:${request.ip}`, this.options.perAddress, reply);

  private async identify(request: FastifyRequest, reply: FastifyReply): Promise<Viewer> {
    const header = (name: string): string | null => {
      const value = request.headers[name];
      return typeof value === 'string' ? value : null;
    };
    let viewer: Viewer;
    try {
      viewer = await this.options.viewers.authenticate(
        { authorization: header('authorization'), adminKey: header('x-admin-key') },
        { requestId: request.id, address: request.ip },
      );
    } catch (error) {
      await this.open(request, reply);
      throw error;
    }
    if (viewer.kind === 'tenant') await this.count(`tenant:${viewer.tenantId}`, this.options.perTenant, reply);
    return viewer;
  }

  private async count(key: string, limit: number, reply: FastifyReply): Promise<void> {
    const { allowed, remaining, resetSeconds } = await this.options.limiter.take(key, limit);
    reply.header('x-ratelimit-limit', String(limit)).header('x-ratelimit-remaining', String(remaining));
    if (!allowed)
      throw new AppError('RATE_LIMITED', 'Too many requests; slow down', { retryAfterSeconds: resetSeconds });
  }
}
