import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { hangUp } from '../lib/hang-up.js';
import { CLOSE } from './socket-close.js';
import { StreamConnection, type StreamServices, type UpgradeFacts } from './stream-connection.js';

export interface StreamRouteOptions extends StreamServices {
  /** An upgrade without `X-Twilio-Signature` is refused with 403. One that is there is always verified. */
  signatureRequired: boolean;
  /** Milliseconds from the upgrade to `start`. */
  startTimeoutMs?: number;
}

/** A frame of Twilio's is 400 bytes; `start` carries a few parameters of at most 500. */
const MAX_MESSAGE_BYTES = 64 * 1024;
const START_TIMEOUT_MS = 10_000;
/** A peer that answers no ping for this long is gone, whatever TCP believes. */
const PING_EVERY_MS = 15_000;
/** A peer that does not answer our close is cut off. */
const CLOSE_TIMEOUT_MS = 2_000;

/**
 * The door of `/media-stream`. It has no server of its own: an upgrade router hands over what is meant for it, because
 * two WebSocket servers on one HTTP server destroy each other's handshakes (protocols.md, trap 25).
 */
export class StreamRoute {
  private readonly sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    // Costs 3 to 11 times the CPU, and audio does not compress.
    perMessageDeflate: false,
    // Garbage is tolerated message by message; the check would close the call instead.
    skipUTF8Validation: true,
  });
  private readonly answered = new WeakSet<WebSocket>();
  private readonly pinger: NodeJS.Timeout;
  private draining = false;

  constructor(private readonly options: StreamRouteOptions) {
    this.pinger = setInterval(() => this.ping(), PING_EVERY_MS).unref();
  }

  /** Open media sockets, bridged or not. */
  get size(): number {
    return this.sockets.clients.size;
  }

  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const header = request.headers['x-twilio-signature'];
    const signature = typeof header === 'string' ? header : null;
    if (this.draining) return refuseUpgrade(socket, 503);
    if (signature === null && this.options.signatureRequired) return refuseUpgrade(socket, 403);
    const target = request.url ?? '/';
    const queryToken = new URLSearchParams(target.split('?')[1]).get('stream_token');
    this.sockets.handleUpgrade(request, socket, head, (ws) => this.connected(ws, { target, queryToken, signature }));
  }

  /** New streams are refused from here on: Twilio then runs the verb behind `<Connect>`, at another process. */
  drain(): void {
    this.draining = true;
  }

  /** Ends every stream that is left. The bridges' own end is the registry's `drain`. */
  async close(): Promise<void> {
    this.drain();
    clearInterval(this.pinger);
    for (const socket of this.sockets.clients) hangUp(socket, CLOSE.goingAway, CLOSE_TIMEOUT_MS);
    await new Promise<void>((resolve) => this.sockets.close(() => resolve()));
  }

  private connected(ws: WebSocket, facts: UpgradeFacts): void {
    const socket = {
      send: (text: string) => ws.send(text),
      close: (code: number, reason: string) => hangUp(ws, { code, reason }, CLOSE_TIMEOUT_MS),
      get bufferedAmount() {
        return ws.bufferedAmount;
      },
    };
    const connection = new StreamConnection(socket, facts, this.options);
    const timeout = setTimeout(() => connection.expire(), this.options.startTimeoutMs ?? START_TIMEOUT_MS).unref();
    this.answered.add(ws);
    ws.on('message', (data, isBinary) => connection.receive(data as Buffer, isBinary));
    ws.on('pong', () => this.answered.add(ws));
    // Oversized or malformed WebSocket frames: ws closes with the right code by itself, and `close` follows.
    ws.on('error', () => this.options.context.metrics.malformedMessage());
    ws.on('close', () => {
      clearTimeout(timeout);
      connection.closed();
    });
  }

  private ping(): void {
    for (const ws of this.sockets.clients) {
      if (!this.answered.delete(ws)) ws.terminate();
      else ws.ping();
    }
  }
}

const STATUS_TEXT = { 403: 'Forbidden', 503: 'Service Unavailable' } as const;

function refuseUpgrade(socket: Duplex, status: keyof typeof STATUS_TEXT): void {
  socket.on('error', () => {});
  socket.end(`HTTP/1.1 ${status} ${STATUS_TEXT[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
