import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import type { Access } from './auth.js';

/** The three documents of api-v1.md, each with the routes that its readers may use. */
const DOCUMENTS = [
  {
    name: 'public',
    title: 'Trunkline: runtime API',
    shows: (access: Access, url: string) => access !== 'admin' && !isAdmin(url),
  },
  {
    name: 'admin',
    title: 'Trunkline: admin API',
    shows: (access: Access, url: string) => access === 'admin' || isAdmin(url),
  },
  { name: 'openapi', title: 'Trunkline: the whole REST API', shows: () => true },
] as const;

const isAdmin = (url: string): boolean => url.startsWith('/api/v1/admin/');

const SECURITY = {
  bearer: { type: 'http', scheme: 'bearer', description: 'A tenant API key.' },
  admin_key: { type: 'apiKey', in: 'header', name: 'x-admin-key' },
  admin_session: {
    type: 'apiKey',
    in: 'cookie',
    name: 'trunkline_admin',
    description: 'The console’s session. Changes need an `Origin` of this server or `X-Requested-With`.',
  },
} as const;
const SECURITY_OF: Record<Access, Record<string, string[]>[]> = {
  tenant: [{ bearer: [] }, { admin_key: [] }, { admin_session: [] }],
  admin: [{ admin_key: [] }, { admin_session: [] }],
  public: [],
  health: [],
};

const LOGO =
  '<svg xmlns="http://www.w3.org/2000/svg" width="160" height="30"><text x="0" y="22" font-family="sans-serif" font-size="20" fill="#fff">Trunkline</text></svg>';

/** Generates the documents from the routes registered after it, and serves them and their reader. */
export const documents = fp(
  async (app: FastifyInstance) => {
    for (const { name, title, shows } of DOCUMENTS) {
      await app.register(swagger, {
        openapi: {
          openapi: '3.1.0',
          info: { title, version: '1.0.0' },
          components: { securitySchemes: { ...SECURITY } },
        },
        decorator: `swagger_${name}` as 'swagger',
        transform: ({ schema, url, route }) => {
          const access = route.config?.access ?? 'public';
          const hidden = schema?.tags === undefined || schema.hide === true || !shows(access, url);
          return { schema: { security: SECURITY_OF[access], ...schema, hide: hidden }, url };
        },
      });
      app.get(`/api-docs/${name}.json`, async () =>
        (app as unknown as Record<string, () => object>)[`swagger_${name}`]!(),
      );
    }
    // The reader asks for `swagger()` and knows no other name: it gets a scope where that is the whole document.
    await app.register(async (scope) => {
      scope.decorate('swagger', (scope as unknown as Record<string, FastifyInstance['swagger']>)['swagger_openapi']!);
      await scope.register(swaggerUi, {
        routePrefix: '/swagger-ui',
        theme: { title: 'Trunkline API' },
        logo: { type: 'image/svg+xml', content: Buffer.from(LOGO) },
      });
    });
  },
  { name: 'trunkline-api-documents' },
);
