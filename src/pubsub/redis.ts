import { createClient } from 'redis';
import type { Bus, Unsubscribe } from '../ports/bus.js';
import type { Logger } from '../ports/logger.js';

const PING_TIMEOUT_MS = 2_000;

type Client = ReturnType<typeof makeClient>;

function makeClient(url: string, disableOfflineQueue: boolean) {
  return createClient({
    url,
    disableOfflineQueue,
    socket: { connectTimeout: 5_000, reconnectStrategy: (tries: number) => Math.min(50 * 2 ** tries, 2_000) },
  });
}

/**
 * The bus of several processes: Redis pub/sub, one connection to publish and one to listen. A lost connection is
 * restored by the client, subscriptions included; what was published meanwhile is gone, and `onReconnect` says so.
 */
export class RedisBus implements Bus {
  private readonly reconnected = new Set<() => void>();
  private readonly channels = new Map<string, Set<(payload: unknown) => void>>();

  private constructor(
    private readonly publisher: Client,
    private readonly subscriber: Client,
    private readonly log: Logger,
  ) {}

  /** Connects; rejects when Redis cannot be reached at all. */
  static async connect(url: string, log: Logger): Promise<RedisBus> {
    // A publish must fail at once while Redis is away: the bus is a wake-up, and callers have the database.
    const publisher = makeClient(url, true);
    const subscriber = makeClient(url, false);
    const bus = new RedisBus(publisher, subscriber, log);
    let ready = false;
    for (const client of [publisher, subscriber])
      client.on('error', (error: Error) => log.warn({ err: error }, 'bus connection lost'));
    subscriber.on('ready', () => {
      if (ready) for (const listener of bus.reconnected) listener();
      ready = true;
    });
    await Promise.all([publisher.connect(), subscriber.connect()]);
    return bus;
  }

  async publish(channel: string, payload: unknown): Promise<void> {
    await this.publisher.publish(channel, JSON.stringify(payload));
  }

  async subscribe(channel: string, handler: (payload: unknown) => void): Promise<Unsubscribe> {
    let handlers = this.channels.get(channel);
    const own = (payload: unknown) => handler(payload);
    if (handlers === undefined) {
      handlers = new Set([own]);
      this.channels.set(channel, handlers);
      await this.subscriber.subscribe(channel, this.deliver);
    } else {
      handlers.add(own);
      // The first subscriber's request may still be on its way; this one is answered after it.
      await this.subscriber.ping();
    }
    return () => this.unsubscribe(channel, own);
  }

  private unsubscribe(channel: string, own: (payload: unknown) => void): void {
    const handlers = this.channels.get(channel);
    if (!handlers?.delete(own) || handlers.size > 0) return;
    this.channels.delete(channel);
    this.subscriber
      .unsubscribe(channel, this.deliver)
      .catch((error: unknown) => this.log.debug({ err: error }, 'unsubscribe failed'));
  }

  private readonly deliver = (message: string, channel: string): void => {
    let payload: unknown;
    try {
      payload = JSON.parse(message);
    } catch {
      return this.log.warn({ channel }, 'bus message is not JSON');
    }
    for (const handler of this.channels.get(channel) ?? []) handler(payload);
  };

  onReconnect(listener: () => void): Unsubscribe {
    this.reconnected.add(listener);
    return () => void this.reconnected.delete(listener);
  }

  async ping(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('the bus does not answer')), PING_TIMEOUT_MS);
    });
    await Promise.race([this.publisher.ping(), late]).finally(() => clearTimeout(timer));
  }

  async close(): Promise<void> {
    for (const client of [this.publisher, this.subscriber]) if (client.isOpen) client.destroy();
  }
}
