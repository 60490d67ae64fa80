import '@fastify/cookie';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { AppError } from '../lib/errors.js';
import { isOurOrigin } from '../services/credentials.js';
import type { Viewer } from '../services/viewer.js';
import type { Credentials } from '../services/viewers.js';
import type { RestDoorOptions } from './deps.js';
import { RateLimits } from './rate-limit.js';

/**
 * Who may use a route. `tenant`: a tenant key (an admin may, too, and sees every tenant). `admin`: an admin credential.
 * `public`: everybody, counted by address. `health`: everybody, never counted.
 */
export type Access = 'tenant' | 'admin' | 'public' | 'health';

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access;
  }
  interface FastifyRequest {
    /** Set before the handler of a `tenant` or `admin` route; null elsewhere. */
    viewer: Viewer | null;
  }
}

export const SESSION_COOKIE = 'trunkline_admin';
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** The viewer of a route that needs one. */
export function viewerOf(request: FastifyRequest): Viewer {
  if (request.viewer === null) throw new Error('this route asks for no credential and has no viewer');
  return request.viewer;
}

/** Credentials become viewers, and everybody is counted, before anything of the body is read. */
export const authentication = fp(
  async (app: FastifyInstance, { services, metrics, limiter, ...limits }: RestDoorOptions) => {
    const counter = new RateLimits(limiter, limits, metrics);
    app.decorateRequest('viewer', null);
    app.addHook('onRequest', async (request, reply) => {
      const access: Access = request.routeOptions.config?.access ?? 'public';
      if (access === 'health') return;
      if (access === 'public') return counter.ofAddress(request, reply);
      request.viewer = await identified(services, counter, access, request, reply);
    });
  },
  { name: 'trunkline-rest-authentication' },
);

async function identified(
  services: Pick<RestDoorOptions['services'], 'viewers' | 'context'>,
  limits: RateLimits,
  access: 'tenant' | 'admin',
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Viewer> {
  let viewer: Viewer;
  try {
    if (access === 'admin' && !services.viewers.adminConfigured)
      throw new AppError('NOT_FOUND', 'There is no such route');
    const credentials = credentialsOf(request);
    viewer = await services.viewers.authenticate(credentials, { requestId: request.id, address: request.ip });
    if (credentials.adminKey == null && credentials.authorization == null)
      refuseForgery(request, services.context.settings.publicUrl);
  } catch (error) {
    await limits.ofAddress(request, reply);
    throw error;
  }
  await limits.ofViewer(viewer, reply);
  if (access === 'admin' && viewer.kind === 'tenant') throw new AppError('FORBIDDEN', 'This needs an admin credential');
  return viewer;
}

function credentialsOf({ headers, cookies }: FastifyRequest): Credentials {
  const adminKey = headers['x-admin-key'];
  return {
    authorization: headers.authorization,
    adminKey: Array.isArray(adminKey) ? adminKey.join(',') : adminKey,
    adminSession: cookies[SESSION_COOKIE],
  };
}

/**
 * A cookie travels with requests that another site made; they must prove that they come from the console. A login sets
 * one, so another site must not be able to make it: there only a foreign `Origin` is refused, since scripts and cURL send
 * none. Throws FORBIDDEN.
 */
export function refuseForgery(
  { method, headers, host }: FastifyRequest,
  publicUrl: string,
  kind: 'change' | 'login' = 'change',
): void {
  if (SAFE_METHODS.has(method)) return;
  const { origin } = headers;
  const ours =
    origin === undefined
      ? kind === 'login' || headers['x-requested-with'] !== undefined
      : isOurOrigin(origin, host, publicUrl);
  if (!ours)
    throw new AppError(
      'FORBIDDEN',
      'With the session cookie, changes need an Origin of this server or X-Requested-With',
    );
}
