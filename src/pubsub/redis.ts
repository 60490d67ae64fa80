import { createClient } from 'redis';
import type { Bus, Unsubscribe } from '../ports/bus.js';
import type { Logger } from '../ports/logger.js';

/** How long a publish or a ping may go unanswered on a connection that looks alive. */
const ANSWER_TIMEOUT_MS = 2_000;
/** How long starting waits for Redis before it goes on without: the bus is a wake-up, not a condition of serving. */
const FIRST_CONNECT_MS = 2_000;
/** Commands on their way to Redis; more are refused instead of filling the memory. */
const MAX_PENDING_COMMANDS = 10_000;

type Client = ReturnType<typeof makeClient>;
type Handler = (payload: unknown) => void;

interface Channel {
  handlers: Set<Handler>;
  /** Resolves when Redis confirmed the subscription, or when the connection went away and will be restored. */
  inForce: Promise<void>;
}

function makeClient(url: string) {
  return createClient({
    url,
    // A publish must fail at once while Redis is away, and what to subscribe to is known here, not in a queue.
    disableOfflineQueue: true,
    commandsQueueMaxLength: MAX_PENDING_COMMANDS,
    // Pings keep an idle connection talking, so that silence means that the other side is gone.
    pingInterval: 5_000,
    socket: {
      connectTimeout: 5_000,
      socketTimeout: 15_000,
      reconnectStrategy: (tries: number) => Math.min(50 * 2 ** tries, 2_000),
    },
  });
}

/**
 * The bus of several processes: Redis pub/sub, one connection to publish and one to listen. A lost connection is
 * restored with its subscriptions; what was published meanwhile is gone, and `onReconnect` says so.
 */
export class RedisBus implements Bus {
  private readonly reconnectListeners = new Set<() => void>();
  private readonly channels = new Map<string, Channel>();
  /** Channels left while Redis could not be told. The client would subscribe to them again for ever. */
  private readonly abandoned = new Set<string>();
  private readonly publisher: Client;
  private readonly subscriber: Client;

  private constructor(
    url: string,
    private readonly log: Logger,
  ) {
    this.publisher = makeClient(url);
    this.subscriber = makeClient(url);
    this.watch(this.publisher, 'publisher');
    this.watch(this.subscriber, 'subscriber');
    this.subscriber.on('ready', () => void this.restore());
  }

  /** Connects. When Redis does not answer in 2 s the bus comes back disconnected, and goes on trying. */
  static async connect(url: string, log: Logger): Promise<RedisBus> {
    const bus = new RedisBus(url, log);
    const connected = Promise.all([bus.publisher.connect(), bus.subscriber.connect()]);
    // Rejects only when closed before it ever connected.
    connected.catch(() => {});
    await answerWithin(FIRST_CONNECT_MS, connected).catch(() => log.warn({}, 'bus not reachable, will go on trying'));
    return bus;
  }

  async publish(channel: string, payload: unknown): Promise<void> {
    await answerWithin(ANSWER_TIMEOUT_MS, this.publisher.publish(channel, JSON.stringify(payload)));
  }

  async subscribe(channel: string, handler: Handler): Promise<Unsubscribe> {
    // A wrapper of its own, so that one function subscribed twice is two subscriptions.
    const own: Handler = (payload) => handler(payload);
    let entry = this.channels.get(channel);
    if (entry === undefined) {
      entry = { handlers: new Set(), inForce: this.request(channel) };
      this.channels.set(channel, entry);
    }
    entry.handlers.add(own);
    const off = () => this.leave(channel, own);
    try {
      await entry.inForce;
    } catch (error) {
      off();
      throw error;
    }
    return off;
  }

  onReconnect(listener: () => void): Unsubscribe {
    // A wrapper of its own, as in subscribe.
    const own = () => listener();
    this.reconnectListeners.add(own);
    return () => void this.reconnectListeners.delete(own);
  }

  async ping(): Promise<void> {
    await answerWithin(ANSWER_TIMEOUT_MS, Promise.all([this.publisher.ping(), this.subscriber.ping()]));
  }

  async close(): Promise<void> {
    this.channels.clear();
    this.reconnectListeners.clear();
    for (const client of [this.publisher, this.subscriber]) if (client.isOpen) client.destroy();
  }

  /** Subscribes at Redis. Without a connection there is nothing to do: {@link restore} follows. Rejects when refused. */
  private async request(channel: string): Promise<void> {
    if (!this.subscriber.isReady) return;
    try {
      await this.subscriber.subscribe(channel, this.deliver);
    } catch (error) {
      if (this.subscriber.isReady) throw error;
    }
  }

  /** After every connect: makes Redis agree with `channels`, and only then says that messages may have been missed. */
  private async restore(): Promise<void> {
    const gone = [...this.abandoned].filter((channel) => !this.channels.has(channel));
    this.abandoned.clear();
    for (const channel of gone) this.forget(channel);
    try {
      await Promise.all([...this.channels.keys()].map((channel) => this.request(channel)));
    } catch (error) {
      this.log.error({ err: error }, 'bus subscription refused');
    }
    if (this.subscriber.isReady) for (const listener of this.reconnectListeners) this.guarded(listener);
  }

  private leave(channel: string, own: Handler): void {
    const entry = this.channels.get(channel);
    if (!entry?.handlers.delete(own) || entry.handlers.size > 0) return;
    this.channels.delete(channel);
    this.forget(channel);
  }

  private forget(channel: string): void {
    if (!this.subscriber.isReady) return void this.abandoned.add(channel);
    this.subscriber.unsubscribe(channel, this.deliver).catch(() => this.abandoned.add(channel));
  }

  private readonly deliver = (message: string, channel: string): void => {
    let payload: unknown;
    try {
      payload = JSON.parse(message);
    } catch {
      return this.log.warn({ channel }, 'bus message is not JSON');
    }
    for (const handler of this.channels.get(channel)?.handlers ?? []) this.guarded(() => handler(payload));
  };

  /** One subscriber that throws must silence no other. */
  private guarded(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.log.error({ err: error }, 'bus subscriber failed');
    }
  }

  /** Says once that a connection is lost and once that it is back; without a listener an error would end the process. */
  private watch(client: Client, connection: string): void {
    let lost = false;
    client.on('error', (error: Error) => {
      if (!lost) this.log.warn({ connection, err: error }, 'bus connection lost');
      lost = true;
    });
    client.on('ready', () => {
      if (lost) this.log.info({ connection }, 'bus connection restored');
      lost = false;
    });
  }
}

/** `promise`, or a rejection after `ms`: a connection that is half open answers never. */
async function answerWithin<T>(ms: number, promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error('the bus does not answer')), ms);
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
