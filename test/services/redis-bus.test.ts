import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/ports/logger.js';
import { RedisBus } from '../../src/pubsub/redis.js';
import { busContract } from '../testkit/bus-contract.js';
import { until } from '../testkit/until.js';

const url = process.env.REDIS_URL!;

busContract('Redis', async () => [
  await RedisBus.connect(url, silentLogger),
  await RedisBus.connect(url, silentLogger),
]);

describe('a Redis that goes away', () => {
  it('fails publishes at once, comes back with its subscriptions, and says that something may be missing', async () => {
    const sockets = new Set<Socket>();
    const target = new URL(url);
    const proxy = createServer((socket) => {
      const upstream = connect(Number(target.port || 6379), target.hostname);
      for (const s of [socket, upstream]) {
        sockets.add(s);
        s.on('error', () => {}).on('close', () => (socket.destroy(), upstream.destroy(), sockets.delete(s)));
      }
      socket.pipe(upstream).pipe(socket);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const { port } = proxy.address() as { port: number };
    const bus = await RedisBus.connect(`redis://127.0.0.1:${port}`, silentLogger);
    const other = await RedisBus.connect(url, silentLogger);
    const got: unknown[] = [];
    let reconnects = 0;
    await bus.subscribe('cut', (m) => got.push(m));
    bus.onReconnect(() => reconnects++);

    await new Promise<void>((resolve) => {
      proxy.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
    await until(
      () =>
        bus.publish('cut', 0).then(
          () => false,
          () => true,
        ),
      'a publish that fails',
    );
    await new Promise<void>((resolve) => proxy.listen(port, '127.0.0.1', resolve));
    await until(() => reconnects > 0, 'the reconnect');
    await until(async () => {
      await other.publish('cut', 'back');
      return got.includes('back');
    }, 'a message after the reconnect');
    await bus.close();
    await other.close();
    await new Promise((resolve) => proxy.close(resolve));
    expect(got).not.toContain(0);
  });
});
