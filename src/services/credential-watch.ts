import { AppError } from '../lib/errors.js';
import type { Unsubscribe } from '../ports/bus.js';
import type { TopicBus } from '../pubsub/topics.js';
import type { RequestFacts, Viewer } from './viewer.js';
import type { Credentials, Viewers } from './viewers.js';

/** Somebody who was let in once, and stays. */
export interface Holder {
  viewer: Viewer;
  credentials: Credentials;
  facts: RequestFacts;
}

/**
 * Ends long connections with the right to them. Revocations arrive over the bus, in every process; expiry, and what the
 * bus lost, is found by asking again every `everyMs`.
 */
export class CredentialWatch<H extends Holder> {
  private timer: NodeJS.Timeout | null = null;
  private unsubscribe: Unsubscribe = () => {};

  constructor(
    private readonly services: { viewers: Viewers; topics: TopicBus },
    private readonly everyMs: number,
    /** Who is connected now. */
    private readonly holders: () => readonly H[],
    private readonly refuse: (holder: H) => void,
  ) {}

  /** Once the bus is there. */
  async start(): Promise<void> {
    this.timer = setInterval(() => void this.ask(this.holders()), this.everyMs).unref();
    this.unsubscribe = await this.services.topics.subscribe('accessRevoked', null, ({ tenantId, keyId }) => {
      const affected = this.holders().filter(
        ({ viewer }) =>
          viewer.kind === 'tenant' && (keyId === null ? viewer.tenantId === tenantId : viewer.apiKeyId === keyId),
      );
      if (keyId !== null) affected.forEach(this.refuse);
      // A tenant's status may have changed either way: ask, once the caches have heard of it too.
      else setImmediate(() => void this.ask(affected));
    });
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.unsubscribe();
  }

  /** One look per key, however many connections it holds (the viewers cache). */
  private async ask(holders: readonly H[]): Promise<void> {
    for (const holder of holders)
      try {
        await this.services.viewers.authenticate(holder.credentials, holder.facts);
      } catch (error) {
        // A database that does not answer says nothing about a key.
        if (error instanceof AppError) this.refuse(holder);
      }
  }
}
