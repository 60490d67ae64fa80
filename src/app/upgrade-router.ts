import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';

/** Takes over one WebSocket upgrade; the path has matched. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/**
 * One listener for every WebSocket path: two WebSocketServers that each listen for upgrades answer 400 into each
 * other's connections (protocols.md, trap 25).
 */
export function routeUpgrades(server: Server, routes: ReadonlyMap<string, UpgradeHandler>): void {
  server.on('upgrade', (request, socket, head) => {
    // A peer that resets between upgrade and handshake must not end the process.
    socket.on('error', () => socket.destroy());
    const handler = routes.get((request.url ?? '').split('?', 1)[0]!);
    if (handler === undefined) socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    else handler(request, socket, head);
  });
}
