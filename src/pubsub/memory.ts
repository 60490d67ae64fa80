import type { Bus, Unsubscribe } from '../ports/bus.js';

/** The bus of a single process. Messages arrive in a later turn, copied, as they would from a network. */
export class MemoryBus implements Bus {
  private readonly channels = new Map<string, Set<(payload: unknown) => void>>();

  async publish(channel: string, payload: unknown): Promise<void> {
    const handlers = this.channels.get(channel);
    if (handlers === undefined) return;
    const text = JSON.stringify(payload);
    queueMicrotask(() => {
      for (const handler of handlers) handler(JSON.parse(text));
    });
  }

  async subscribe(channel: string, handler: (payload: unknown) => void): Promise<Unsubscribe> {
    const handlers = this.channels.get(channel) ?? new Set();
    this.channels.set(channel, handlers);
    // A wrapper of its own, so that one function subscribed twice is two subscriptions.
    const own = (payload: unknown) => handler(payload);
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
}
