import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { agentRoutes } from './admin-agents.routes.js';
import { operationRoutes } from './admin-operations.routes.js';
import { text } from './admin-table.js';
import { tenantRoutes } from './admin-tenants.routes.js';
import type { Access } from './auth.js';
import { fromSnake } from './http.js';
import type { RestServices } from './rest-door.js';
import { ListOf, Open, Page, answers } from './schemas.js';

/** The control plane over REST: a table of routes on the same services as GraphQL. */
export function adminRoutes(app: FastifyInstance, services: RestServices, access: Access): void {
  for (const route of [...tenantRoutes(services), ...agentRoutes(services), ...operationRoutes(services)])
    app.route({
      method: route.method,
      url: `/api/v1/admin${route.path}`,
      onRequest: access.admin,
      schema: {
        tags: ['admin'],
        summary: route.summary,
        ...(route.path.includes(':')
          ? { params: Type.Object(Object.fromEntries([...route.path.matchAll(/:(\w+)/g)].map((m) => [m[1]!, text]))) }
          : {}),
        ...(route.body === undefined ? {} : { body: route.body }),
        ...(route.list
          ? {
              querystring: Type.Object(
                { ...Page, tenant_id: Type.Optional(text), status: Type.Optional(text) },
                { additionalProperties: false },
              ),
            }
          : {}),
        response: answers(route.list ? ListOf(Open('A row')) : Open(route.summary)),
      },
      handler: async (request) => {
        const result = await route.handle(
          request,
          fromSnake(request.body) as never,
          request.params as Record<string, string>,
        );
        return route.list ? result : { ok: true, ...(result as object) };
      },
    });
}
