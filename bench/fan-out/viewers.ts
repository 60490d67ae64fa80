import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { Durations, type Percentiles } from '../figures.js';
import type { FeedAddress } from './gateway.js';
import { ageMs, SUBSCRIPTION } from './turns.js';

/** Connections that are being made at the same time. */
const OPENING = 50;
/** Nothing for this long means that nothing more comes. */
const QUIET_MS = 1_000;

/** Viewers of calls: sockets that speak graphql-transport-ws and read only what they need to know. */
export async function startViewers(_options: object) {
  const received = new Durations();
  const sockets: WebSocket[] = [];
  return {
    /** One viewer for each id; resolves when all have subscribed. */
    open: async ({ address, sessionIds }: { address: FeedAddress; sessionIds: readonly string[] }): Promise<void> => {
      for (let at = 0; at < sessionIds.length; at += OPENING)
        sockets.push(
          ...(await Promise.all(sessionIds.slice(at, at + OPENING).map((id) => openViewer(address, id, received)))),
        );
    },

    /** Counts from nothing again. */
    clear: async (): Promise<void> => received.clear(),

    /** Resolves when so many turns have come, or when no more come. */
    settled: async ({ expected }: { expected: number }): Promise<Percentiles & { count: number }> => {
      let seen = -1;
      while (received.count < expected && received.count > seen) {
        seen = received.count;
        for (let ms = 0; ms < QUIET_MS && received.count < expected; ms += 10) await sleep(10);
      }
      return { ...received.percentiles(), count: received.count };
    },

    leave: async (): Promise<void> => {
      await Promise.all(
        sockets.splice(0).map(async (socket) => {
          socket.close();
          await once(socket, 'close');
        }),
      );
    },

    close: async (): Promise<void> => {
      for (const socket of sockets) socket.terminate();
    },
  };
}

async function openViewer(address: FeedAddress, sessionId: string, received: Durations): Promise<WebSocket> {
  const socket = new WebSocket(address.url, 'graphql-transport-ws', { perMessageDeflate: false });
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'connection_init', payload: address.connectionParams }));
  const [ack] = (await once(socket, 'message')) as [Buffer];
  if (!ack.includes('connection_ack')) throw new Error(`expected connection_ack, got ${ack.toString()}`);
  socket.on('message', (data: Buffer) => {
    const age = ageMs(data);
    if (age !== null) received.add(age);
    else if (data.includes('"type":"ping"')) socket.send('{"type":"pong"}');
    else if (!data.includes('"type":"next"')) throw new Error(`unexpected message: ${data.toString()}`);
  });
  const payload = { query: SUBSCRIPTION, variables: { sessionId } };
  socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload }));
  return socket;
}
