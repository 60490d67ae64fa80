import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';

/** The three documents of api-v1.md, each with the routes whose tags it names. */
const DOCUMENTS = [
  { name: 'public', title: 'Trunkline: runtime API', tags: ['public'] },
  { name: 'admin', title: 'Trunkline: admin API', tags: ['admin'] },
  { name: 'openapi', title: 'Trunkline: the whole REST API', tags: ['public', 'admin'] },
] as const;

const SECURITY = {
  bearer: { type: 'http', scheme: 'bearer', description: 'A tenant API key' },
  admin_key: { type: 'apiKey', in: 'header', name: 'x-admin-key' },
  admin_session: { type: 'apiKey', in: 'cookie', name: 'trunkline_admin' },
} as const;

type Documented = FastifyInstance & Record<string, () => object>;

/** Registers the generators; before the routes that they describe. */
export async function openApi(app: FastifyInstance): Promise<void> {
  for (const { name, title, tags } of DOCUMENTS)
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: { title, version: '1.0.0' },
        components: { securitySchemes: { ...SECURITY } },
        security: [{ bearer: [] }, { admin_key: [] }, { admin_session: [] }],
      },
      decorator: `swagger_${name}` as 'swagger',
      transform: ({ schema, url }) => {
        const wanted = (schema?.tags ?? []).some((tag) => (tags as readonly string[]).includes(tag));
        return { schema: wanted ? schema : { ...schema, hide: true }, url };
      },
    });
}

/** The documents and their reader; after the routes. */
export async function docRoutes(app: FastifyInstance): Promise<void> {
  for (const { name } of DOCUMENTS)
    app.get(`/api-docs/${name}.json`, { schema: { hide: true } }, async () =>
      (app as unknown as Documented)[`swagger_${name}`]!(),
    );
  await app.register(swaggerUi, {
    routePrefix: '/swagger-ui',
    ...({ decorator: 'swagger_openapi' } as object),
    theme: { title: 'Trunkline API' },
    logo: {
      type: 'image/svg+xml',
      content: Buffer.from(
        '<svg xmlns="http://www.w3.org/2000/svg" width="160" height="30"><text x="0" y="22" font-family="sans-serif" font-size="20" fill="#fff">Trunkline</text></svg>',
      ),
    },
  });
}
