import { createClient, type Client, type ClientOptions } from 'graphql-ws';
import { WebSocket } from 'ws';
import type { TypedDocumentString } from '../generated/graphql.js';
import { ADMIN_KEY, type TestGateway } from './gateway.js';

export interface GraphqlAnswer<T = any> {
  status: number;
  data: T;
  errors?: { message: string; path?: (string | number)[]; extensions: Record<string, any> }[];
}

/** GraphQL over HTTP. `key` null: without a credential; missing: the admin key. */
export async function graphql<T = any>(
  gateway: Pick<TestGateway, 'origin'>,
  query: string,
  variables: Record<string, unknown> = {},
  key?: string | null,
): Promise<GraphqlAnswer<T>> {
  const credential: Record<string, string> =
    key === null ? {} : key === undefined ? { 'x-admin-key': ADMIN_KEY } : { authorization: `Bearer ${key}` };
  const response = await fetch(`${gateway.origin}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...credential },
    body: JSON.stringify({ query, variables }),
  });
  return { status: response.status, ...((await response.json()) as Omit<GraphqlAnswer<T>, 'status'>) };
}

/** The data; throws when there are errors. */
export async function must<T = any>(...args: Parameters<typeof graphql>): Promise<T> {
  const { data, errors } = await graphql<T>(...args);
  if (errors !== undefined) throw new Error(JSON.stringify(errors));
  return data;
}

/** A graphql-ws client. Its `closed` resolves to the close code. */
export function socketClient(
  gateway: Pick<TestGateway, 'origin'>,
  connectionParams: Record<string, unknown> | undefined,
  options: Partial<ClientOptions> = {},
): { client: Client; closed: Promise<number> } {
  const { promise: closed, resolve } = Promise.withResolvers<number>();
  const client = createClient({
    url: `${gateway.origin.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    lazy: false,
    retryAttempts: 0,
    connectionParams,
    onNonLazyError: () => {},
    ...options,
    on: { closed: (event) => resolve((event as { code: number }).code) },
  });
  return { client, closed };
}

/** A generated operation over HTTP, typed; throws when there are errors. */
export function run<T, V extends Record<string, unknown>>(
  gateway: Pick<TestGateway, 'origin'>,
  operation: TypedDocumentString<T, V>,
  variables: V,
  key?: string,
): Promise<T> {
  return must<T>(gateway, operation.toString(), variables, key);
}

/** A generated subscription, typed: each result's data; throws when there are errors. */
export async function* follow<T, V extends Record<string, unknown>>(
  client: Client,
  operation: TypedDocumentString<T, V>,
  variables: V,
): AsyncGenerator<T> {
  for await (const { data, errors } of client.iterate<Record<string, unknown>>({
    query: operation.toString(),
    variables,
  })) {
    if (errors !== undefined) throw new Error(JSON.stringify(errors));
    yield data as T;
  }
}
