import { Type } from 'typebox';
import type { RestApp, RestDoorOptions } from './deps.js';
import { done, errors, Lenient, Maybe, Text } from './schemas.js';

const tags = ['access requests'];

/** The public form by which somebody asks for a key. */
export async function accessRequestRoutes(app: RestApp, { services }: RestDoorOptions): Promise<void> {
  app.post(
    '/api-access-requests',
    {
      config: { access: 'public' },
      schema: {
        tags,
        summary: 'Ask for access',
        security: [],
        body: Lenient({
          name: Type.String({ minLength: 1, maxLength: 200 }),
          email: Type.String({ minLength: 3, maxLength: 320 }),
          company: Maybe(Text(200)),
          use_case: Maybe(Text(5_000)),
        }),
        response: {
          200: Type.Object({ ok: Type.Literal(true), id: Type.String(), status: Type.String() }),
          ...errors(413, 415),
        },
      },
    },
    async (request) => {
      const { name, email, company, use_case: useCase } = request.body;
      const row = await services.accessRequests.submit({ name, email, company, useCase });
      return done({ id: row.id, status: row.status });
    },
  );
}
