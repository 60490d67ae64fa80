import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import type { TurnState } from '../../src/ports/session-events.js';
import { asciiJson, frameHeader } from '../../src/resolvers/frame-outbox.js';
import type { FeedAddress } from './gateway.js';
import { publishAll, type Publication } from './turns.js';

/**
 * The limit: each turn is encoded once, and what a turn of the event loop brings is one write of header and text to each
 * TCP socket. No GraphQL, no permissions, no store, no eye on slow readers.
 */
export async function startLimitFeed(_options: object) {
  const viewers = new Map<string, Set<Socket>>();
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  server.on('connection', (client, request) => {
    client.on('message', (data: Buffer) => {
      const { type, payload } = JSON.parse(data.toString()) as { type: string; payload?: any };
      if (type === 'connection_init') return client.send('{"type":"connection_ack"}');
      const { sessionId } = payload.variables as { sessionId: string };
      const watching = viewers.get(sessionId) ?? new Set();
      viewers.set(sessionId, watching.add(request.socket));
      client.on('close', () => watching.delete(request.socket));
    });
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  const waiting = new Map<string, string>();
  const flush = (): void => {
    for (const [sessionId, frames] of waiting)
      for (const socket of viewers.get(sessionId) ?? []) socket.write(frames, 'latin1');
    waiting.clear();
  };
  const publish = (sessionId: string, { id, index, speaker, text, final, interrupted }: TurnState): void => {
    const data = { transcriptTurns: { id, index, speaker, text, final, interrupted, seq: 1 } };
    const message = `{"id":"1","type":"next","payload":${asciiJson({ data })}}`;
    if (waiting.size === 0) setImmediate(flush);
    waiting.set(sessionId, (waiting.get(sessionId) ?? '') + frameHeader(message.length) + message);
  };
  return {
    address: async (): Promise<FeedAddress> => ({ url: `ws://127.0.0.1:${port}`, connectionParams: {} }),
    sessions: async ({ count }: { count: number }): Promise<string[]> =>
      Array.from({ length: count }, (_, i) => `session-${i}`),
    publish: (publication: Publication): Promise<void> => publishAll(publication, publish),
    close: async (): Promise<void> => {
      for (const client of server.clients) client.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
