import { EventEmitter, once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { buildSchema, printSchema, type GraphQLSchema } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import type { TurnState } from '../../src/ports/session-events.js';
import { schema } from '../../src/resolvers/schema.js';
import type { FeedAddress } from './gateway.js';
import { publishAll, type Publication } from './turns.js';

/** The reference: graphql-ws as its documentation shows it, over the same schema, with a pub/sub in memory. */
export async function startStockFeed(_options: object) {
  const bus = new EventEmitter().setMaxListeners(0);
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, path: '/graphql', perMessageDeflate: false });
  const transport = useServer({ schema: stockSchema(bus) }, server);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    address: async (): Promise<FeedAddress> => ({ url: `ws://127.0.0.1:${port}/graphql`, connectionParams: {} }),

    sessions: async ({ count }: { count: number }): Promise<string[]> =>
      Array.from({ length: count }, (_, i) => `session-${i}`),

    publish: (publication: Publication): Promise<void> =>
      publishAll(publication, (sessionId, turn) => bus.emit(sessionId, { ...turn, sessionId, seq: 1 })),

    close: async (): Promise<void> => transport.dispose(),
  };
}

/** The gateway's schema with plain resolvers, and a subscription that listens to `bus`. */
function stockSchema(bus: EventEmitter): GraphQLSchema {
  const stock = buildSchema(printSchema(schema()));
  const field = stock.getSubscriptionType()!.getFields()['transcriptTurns']!;
  field.subscribe = (_source, { sessionId }: { sessionId: string }) => turnsOf(bus, sessionId);
  return stock;
}

/** An iterator over what is emitted, with a queue in between, as pub/sub packages make them. */
function turnsOf(bus: EventEmitter, sessionId: string): AsyncIterableIterator<{ transcriptTurns: TurnState }> {
  type Item = { transcriptTurns: TurnState };
  const queue: Item[] = [];
  let waiting: ((result: IteratorResult<Item>) => void) | null = null;
  const listener = (turn: TurnState): void => {
    const item = { transcriptTurns: turn };
    if (waiting === null) queue.push(item);
    else waiting({ value: item, done: false });
    waiting = null;
  };
  bus.on(sessionId, listener);
  return {
    next: () => {
      const item = queue.shift();
      return item === undefined
        ? new Promise((resolve) => (waiting = resolve))
        : Promise.resolve({ value: item, done: false });
    },
    return: async () => {
      bus.off(sessionId, listener);
      waiting?.({ value: undefined, done: true });
      return { value: undefined, done: true };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
