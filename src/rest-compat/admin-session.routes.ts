import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { AppError } from '../lib/errors.js';
import { refuseForgery, SESSION_COOKIE, viewerOf } from './auth.js';
import type { RestApp, RestDoorOptions } from './deps.js';
import { done, errors, Strict, Text, Time } from './schemas.js';

const tags = ['admin session'];
const Session = Type.Object({ ok: Type.Literal(true), name: Type.String(), expires_at: Type.Optional(Time()) });

/** Logging in to the console: a cookie that scripts cannot read and that other sites' requests do not carry. */
export async function adminSessionRoutes(app: RestApp, { services }: RestDoorOptions): Promise<void> {
  const { publicUrl } = services.context.settings;
  const cookie = ({ protocol, host }: FastifyRequest) => ({
    path: '/',
    httpOnly: true,
    sameSite: 'strict' as const,
    // A proxy that ends TLS makes the protocol look plain; the public URL says what the browser sees.
    secure: protocol === 'https' || publicUrl === `https://${host}`,
  });
  const url = '/session';
  app.post(
    url,
    {
      config: { access: 'public' },
      schema: {
        tags,
        summary: 'Log in with user name and password',
        description: 'Counted per address, like everything without a credential.',
        security: [],
        body: Strict({ username: Text(200), password: Text(1_000) }),
        response: { 200: Session, ...errors() },
      },
    },
    async (request, reply) => {
      if (services.adminSessions === null) throw new AppError('NOT_FOUND', 'There is no such route');
      refuseForgery(request, publicUrl, 'login');
      const { username, password } = request.body;
      const passwordSha256 = createHash('sha256').update(password).digest('hex');
      const session = services.adminSessions.login(username, passwordSha256);
      reply.setCookie(SESSION_COOKIE, session.cookie, {
        ...cookie(request),
        expires: session.expiresAt,
      });
      return done({ name: username, expires_at: session.expiresAt.toISOString() });
    },
  );
  app.get(
    url,
    {
      config: { access: 'admin' },
      schema: { tags, summary: 'Who is logged in', response: { 200: Session, ...errors() } },
    },
    async (request) => {
      const viewer = viewerOf(request);
      return done({ name: viewer.kind === 'admin' ? viewer.name : '' });
    },
  );
  app.delete(
    url,
    {
      config: { access: 'public' },
      schema: {
        tags,
        summary: 'Log out',
        security: [],
        response: { 200: Type.Object({ ok: Type.Literal(true) }), ...errors() },
      },
    },
    async (request, reply) => {
      refuseForgery(request, publicUrl);
      reply.clearCookie(SESSION_COOKIE, cookie(request));
      return done({});
    },
  );
}
