import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import helmet from '@fastify/helmet';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';

/** Pages that `npm run build` bundles into `dist/pages` (scripts/pages.ts). */
export type PageName = 'console' | 'graphiql';

/** Where a page's bundle is. */
export const pageFiles = (name: PageName): string => fileURLToPath(new URL(`../pages/${name}/`, import.meta.url));

export interface PageOptions {
  name: PageName;
  /** The bundle; tests bring their own. */
  files?: string;
}

/** What the console's own files may do: nothing from elsewhere, and talk to nobody but this gateway. */
const CONSOLE_POLICY = {
  // Its WebSockets, too: 'self' stands for ws: and wss: of this host (CSP 3).
  defaultSrc: ["'self'"],
  objectSrc: ["'none'"],
  frameAncestors: ["'none'"],
};

/** A page at `/<name>/`, from this machine's own files. Without them (not built) the routes are not there. */
export async function page(app: FastifyInstance, { name, files = pageFiles(name) }: PageOptions): Promise<void> {
  if (!existsSync(files)) return;
  if (name === 'console')
    await app.register(helmet, { contentSecurityPolicy: { useDefaults: false, directives: CONSOLE_POLICY } });
  app.get(`/${name}`, { schema: { hide: true } }, (_request, reply) => reply.redirect(`/${name}/`));
  await app.register(fastifyStatic, { root: files, prefix: `/${name}/`, decorateReply: false, schemaHide: true });
}
