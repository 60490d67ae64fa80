import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A load balancer: each new connection goes to the first process that takes it. */
export interface Balancer {
  origin: string;
  /** Origins, the preferred one first. */
  upstreams: string[];
  close(): Promise<void>;
}

export async function startBalancer(): Promise<Balancer> {
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    clients.add(client);
    client.on('error', () => client.destroy()).on('close', () => clients.delete(client));
    join(client, balancer.upstreams);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const balancer: Balancer = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    upstreams: [],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const client of clients) client.destroy();
      }),
  };
  return balancer;
}

/** Joins the client to the first upstream that accepts; once joined, the end of one is the end of the other. */
function join(client: Socket, [first, ...others]: readonly string[]): void {
  if (first === undefined || client.destroyed) return void client.destroy();
  const { hostname, port } = new URL(first);
  const upstream = connect(Number(port), hostname);
  const refused = () => join(client, others);
  upstream.once('error', refused).once('connect', () => {
    upstream.off('error', refused).on('error', () => client.destroy());
    upstream.on('close', () => client.destroy());
    client.on('close', () => upstream.destroy());
    client.pipe(upstream).pipe(client);
  });
}
