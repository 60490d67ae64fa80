import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/ports/logger.js';
import { RedisBus } from '../../src/pubsub/redis.js';
import { busContract } from '../testkit/bus-contract.js';
import { startTcpProxy, type TcpProxy } from '../testkit/tcp-proxy.js';
import { until } from '../testkit/until.js';

const url = process.env.REDIS_URL!;
const open = (to = url) => RedisBus.connect(to, silentLogger);

busContract('Redis', async () => [await open(), await open()]);

describe('a Redis that goes away', () => {
  let proxy: TcpProxy;
  let bus: RedisBus;
  let steady: RedisBus;
  beforeEach(async () => {
    const { hostname, port } = new URL(url);
    proxy = await startTcpProxy(hostname, Number(port || 6379));
    steady = await open();
  });
  afterEach(async () => {
    await bus.close();
    await steady.close();
    await proxy.close();
  });
  const through = () => open(`redis://127.0.0.1:${proxy.port}`);
  const failsToPublish = () =>
    bus.publish('cut', 'lost').then(
      () => false,
      () => true,
    );

  it('fails publishes, comes back with its subscriptions, and then says that something may be missing', async () => {
    bus = await through();
    const got: unknown[] = [];
    await bus.subscribe('cut', (m) => got.push(m));
    const left = await bus.subscribe('left', () => got.push('of a channel that was left'));
    let afterReconnect: Promise<void> | undefined;
    bus.onReconnect(() => (afterReconnect = steady.publish('cut', 'back')));

    await proxy.cut();
    await until(failsToPublish, 'a publish that fails');
    await expect(bus.ping()).rejects.toThrow();
    const late = await bus.subscribe('late', (m) => got.push(m));
    left();
    await proxy.mend();
    // Published by the listener itself: it must be called when the subscriptions are in force again, not before.
    await until(() => got.includes('back'), 'the message published on the reconnect');
    await afterReconnect;
    await steady.publish('left', 1);
    await steady.publish('late', 'late');
    await until(() => got.includes('late'), 'a message to the subscription made meanwhile');
    expect(got).toEqual(['back', 'late']);
    await until(
      () =>
        bus.publish('cut', 'own').then(
          () => true,
          () => false,
        ),
      'a publish that works',
    );
    late();
  });

  it('is no reason not to start: the bus comes up when Redis does', async () => {
    await proxy.cut();
    bus = await through();
    const got: unknown[] = [];
    let reconnects = 0;
    bus.onReconnect(() => reconnects++);
    await bus.subscribe('cut', (m) => got.push(m));
    await expect(bus.ping()).rejects.toThrow();
    expect(await failsToPublish()).toBe(true);
    await proxy.mend();
    await until(() => reconnects > 0, 'the first connection');
    await steady.publish('cut', 'hello');
    await until(() => got.length > 0, 'the message');
    expect(got).toEqual(['hello']);
  });

  it('is noticed when it only falls silent', async () => {
    bus = await through();
    proxy.freeze();
    await expect(bus.publish('cut', 1)).rejects.toThrow('does not answer');
    await expect(bus.ping()).rejects.toThrow('does not answer');
  });
});
