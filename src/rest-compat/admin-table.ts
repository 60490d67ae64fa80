import type { FastifyRequest } from 'fastify';
import { Type, type TSchema } from 'typebox';
import { envelope, pageOf } from './http.js';

/** What a list's query may hold. */
export type Query = { limit?: string; offset?: string; tenant_id?: string; [name: string]: string | undefined };
export const text = Type.String();
/** A body of an admin route: unknown fields are mistakes. */
export const body = (fields: Record<string, TSchema>) => Type.Object(fields, { additionalProperties: false });

/** One row of the table of admin routes. */
export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  summary: string;
  body?: TSchema;
  list?: boolean;
  handle(request: FastifyRequest, input: never, ids: Record<string, string>): Promise<unknown>;
}

/** A page of rows, as every list answers. */
export const listed = async <T>(
  request: FastifyRequest,
  load: (page: { limit: number; offset: number }, query: Query) => Promise<{ rows: T[]; total: number }>,
  map: (row: T) => unknown,
) => {
  const query = request.query as Query;
  const page = pageOf(query);
  return envelope(page, await load(page, query), map);
};
