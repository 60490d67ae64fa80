import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import type { Target } from './caller.js';

/**
 * The limit: two `ws` sockets and nothing between them but the base64, sliced out of one JSON and written into another.
 * No session, no token, no playback, no second thought.
 */
export async function startProxy({ modelUrl }: { modelUrl: string }) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  server.on('connection', (caller) => {
    const model = new WebSocket(`${modelUrl}/plain`, { perMessageDeflate: false });
    let streamSid = '';
    caller.on('message', (data: Buffer) => {
      const text = data.toString('latin1');
      const audio = between(text, '"payload":"');
      if (audio === null) streamSid ||= between(text, '"streamSid":"') ?? '';
      else if (model.readyState === WebSocket.OPEN)
        model.send(`{"type":"input_audio_buffer.append","audio":"${audio}"}`);
    });
    model.on('message', (data: Buffer) => {
      const text = data.toString('latin1');
      const audio = text.startsWith('{"type":"response.output_audio.delta"') ? between(text, '"delta":"') : null;
      if (audio !== null) caller.send(`{"event":"media","streamSid":"${streamSid}","media":{"payload":"${audio}"}}`);
    });
    caller.on('close', () => model.close());
    model.on('close', () => caller.close());
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    target: async (): Promise<Target> => ({ kind: 'proxy', url: `ws://127.0.0.1:${port}` }),
    close: async (): Promise<void> => {
      for (const socket of server.clients) socket.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function between(text: string, key: string): string | null {
  const at = text.indexOf(key);
  return at < 0 ? null : text.slice(at + key.length, text.indexOf('"', at + key.length));
}
