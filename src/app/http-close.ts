import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Ends an HTTP server without dropping what it has accepted: no new connections, requests in hand are answered, and what
 * is still open after `patienceMs` is cut (event streams, sockets whose peer never closes). Call it before the server
 * listens; the result takes the server's own way to close.
 */
export function closerOf(server: Server): (close: () => Promise<unknown>, patienceMs: number) => Promise<void> {
  // The server itself forgets connections once they are upgraded, and yet waits for their end.
  const open = new Set<Socket>();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  return async (close, patienceMs) => {
    const late = setTimeout(() => {
      for (const socket of open) socket.destroy();
    }, patienceMs);
    await close();
    clearTimeout(late);
  };
}
