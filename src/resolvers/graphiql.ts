import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';

/** Where `npm run build` puts the bundled page. */
export const GRAPHIQL_FILES = fileURLToPath(new URL('./graphiql/bundle/', import.meta.url));

/** GraphiQL at `/graphiql/`, from this machine's own files. Without them (not built) the routes are not there. */
export async function graphiqlPage(
  app: FastifyInstance,
  { files = GRAPHIQL_FILES }: { files?: string },
): Promise<void> {
  if (!existsSync(files)) return;
  app.get('/graphiql', { schema: { hide: true } }, (_request, reply) => reply.redirect('/graphiql/'));
  await app.register(fastifyStatic, { root: files, prefix: '/graphiql/', decorateReply: false, schemaHide: true });
}
