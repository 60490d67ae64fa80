import type { Bus, Unsubscribe } from '../ports/bus.js';
import { silentLogger, type Logger } from '../ports/logger.js';

type Handler = (payload: unknown) => void;

/** The bus of a single process. Messages arrive in a later turn, copied, as they would from a network. */
export class MemoryBus implements Bus {
  private readonly channels = new Map<string, Set<Handler>>();

  constructor(private readonly log: Logger = silentLogger) {}

  async publish(channel: string, payload: unknown): Promise<void> {
    if (!this.channels.has(channel)) return;
    const text = JSON.stringify(payload);
    queueMicrotask(() => {
      for (const handler of this.channels.get(channel) ?? []) this.deliver(handler, text);
    });
  }

  async subscribe(channel: string, handler: Handler): Promise<Unsubscribe> {
    const handlers = this.channels.get(channel) ?? new Set();
    this.channels.set(channel, handlers);
    // A wrapper of its own, so that one function subscribed twice is two subscriptions.
    const own: Handler = (payload) => handler(payload);
    handlers.add(own);
    return () => {
      handlers.delete(own);
      if (handlers.size === 0 && this.channels.get(channel) === handlers) this.channels.delete(channel);
    };
  }

  /** Memory does not lose its connection. */
  onReconnect(): Unsubscribe {
    return () => {};
  }

  async ping(): Promise<void> {}

  async close(): Promise<void> {
    this.channels.clear();
  }

  /** One subscriber that throws must neither silence another nor end the process. */
  private deliver(handler: Handler, text: string): void {
    try {
      handler(JSON.parse(text));
    } catch (error) {
      this.log.error({ err: error }, 'bus subscriber failed');
    }
  }
}
