import { createClient as createSocket } from 'graphql-ws';
import { cacheExchange, Client, fetchExchange, subscriptionExchange } from 'urql';
import { WhoamiDocument } from './generated/graphql.js';
import { credentials, type Session } from './session.js';

/** `connected`: what is shown is what happens. Otherwise it may be old, and the console says so. */
export type ConnectionState = 'connecting' | 'connected' | 'refused';

export interface ConsoleClient {
  graphql: Client;
  connection: { state: () => ConnectionState; subscribe: (listener: () => void) => () => void };
  dispose: () => void;
}

const PING_EVERY_MS = 10_000;
const PONG_WITHIN_MS = 5_000;
const LONGEST_WAIT_MS = 10_000;
/** The gateway's: not authenticated, and not allowed (any more). */
const REFUSED = new Set([4401, 4403]);

/**
 * Queries over HTTP, subscriptions over one WebSocket. After a break every subscription is asked for again; each begins
 * with the whole state or the whole log, so nothing is missing after it.
 */
export function createConsoleClient(session: Session): ConsoleClient {
  let state: ConnectionState = 'connecting';
  const listeners = new Set<() => void>();
  const become = (next: ConnectionState): void => {
    state = next;
    for (const listener of listeners) listener();
  };
  let lost: ReturnType<typeof setTimeout> | undefined;
  const url = new URL('/graphql', location.href);
  const socketUrl = new URL(url);
  socketUrl.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const socket = createSocket({
    url: socketUrl.href,
    connectionParams: credentials(session),
    lazy: false,
    keepAlive: PING_EVERY_MS,
    retryAttempts: Infinity,
    retryWait: (retries) =>
      new Promise((resolve) =>
        setTimeout(resolve, Math.min(500 * 2 ** retries, LONGEST_WAIT_MS) * (0.5 + Math.random())),
      ),
    shouldRetry: (event) => !(event instanceof CloseEvent && REFUSED.has(event.code)),
    onNonLazyError: () => become('refused'),
    on: {
      connecting: () => become('connecting'),
      connected: () => become('connected'),
      closed: (event) => become(event instanceof CloseEvent && REFUSED.has(event.code) ? 'refused' : 'connecting'),
      // A network that is gone says nothing: without it a dead connection would look like a quiet shift.
      ping: (received) => {
        if (!received) lost = setTimeout(() => socket.terminate(), PONG_WITHIN_MS);
      },
      pong: (received) => {
        if (received) clearTimeout(lost);
      },
    },
  });
  const graphql = new Client({
    url: url.href,
    preferGetMethod: false,
    requestPolicy: 'cache-and-network',
    fetchOptions: () => ({ headers: credentials(session) }),
    exchanges: [
      cacheExchange,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query, variables }) => ({
          subscribe: (sink) => ({
            unsubscribe: socket.subscribe({ query: query!, variables: variables as Record<string, unknown> }, sink),
          }),
        }),
      }),
    ],
  });
  return {
    graphql,
    connection: {
      state: () => state,
      subscribe: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    dispose: () => void socket.dispose(),
  };
}

/** What the gateway says against a credential; null: nothing. */
export async function refusalOf(session: Session): Promise<string | null> {
  const client = new Client({
    url: '/graphql',
    preferGetMethod: false,
    fetchOptions: { headers: credentials(session) },
    exchanges: [fetchExchange],
  });
  const { error } = await client.query(WhoamiDocument, {}).toPromise();
  return error?.message ?? null;
}
