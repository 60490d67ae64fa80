import { CloseCode, makeServer, type ServerOptions } from 'graphql-ws';
import type { IncomingMessage } from 'node:http';
import type { RawData, WebSocket, WebSocketServer } from 'ws';

/** What graphql-ws knows of a connection beside its messages. */
export interface ConnectionExtra {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
}

/**
 * graphql-ws over `ws` sockets. Its own adapter prints to the console whatever peers do wrong, and a viewer whose
 * connection dies while it is written to does that every time; here it ends that connection alone.
 * `onFailure` hears of what is not a peer's doing.
 */
export function serveGraphql<Extra>(
  options: ServerOptions<Record<string, unknown>, ConnectionExtra & Extra>,
  server: WebSocketServer,
  { keepAliveMs, onFailure }: { keepAliveMs: number; onFailure: (error: unknown) => void },
): void {
  const protocol = makeServer(options);
  server.on('connection', (socket: WebSocket, request: IncomingMessage) => {
    const stopPinging = keepAlive(socket, keepAliveMs);
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        // Who is gone gets nothing: its `close` event tells graphql-ws.
        send: (text) => new Promise((resolve) => socket.send(text, () => resolve())),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (handle) =>
          socket.on('message', (data: RawData, isBinary: boolean) => {
            if (isBinary) return socket.close(CloseCode.BadRequest, 'Text frames only');
            handle((data as Buffer).toString()).catch((error: unknown) => {
              // An unknown message type is the peer's mistake, and the only thing that graphql-ws throws itself.
              const theirs = error instanceof Error && error.message.startsWith('Unexpected message');
              if (!theirs) onFailure(error);
              socket.close(
                theirs ? CloseCode.BadRequest : CloseCode.InternalServerError,
                theirs ? 'Invalid message received' : 'Internal server error',
              );
            });
          }),
      },
      { socket, request } as ConnectionExtra & Extra,
    );
    // A frame that is too large or malformed ends its own connection; without a listener it would end the process.
    socket.on('error', () => socket.terminate());
    socket.once('close', (code, reason) => {
      stopPinging();
      void closed(code, reason.toString());
    });
  });
}

/** Pings, and drops a connection that answered none of them until the next is due. */
function keepAlive(socket: WebSocket, everyMs: number): () => void {
  let answered = true;
  socket.on('pong', () => (answered = true));
  const timer = setInterval(() => {
    if (!answered) return socket.terminate();
    answered = false;
    if (socket.readyState === socket.OPEN) socket.ping();
  }, everyMs);
  timer.unref();
  return () => clearInterval(timer);
}
