/**
 * Publish/subscribe between the processes of one installation. At-most-once and only a wake-up:
 * whoever needs certainty reads the database (design: a lost bus message costs latency, never an event).
 * Payloads are JSON values.
 */
export interface Bus {
  /** Resolves when the message was handed to the transport; rejects when it could not be. */
  publish(channel: string, payload: unknown): Promise<void>;
  /**
   * Resolves once the subscription is in force: messages published afterwards arrive. While the transport is away it
   * resolves at once, and is in force when the `onReconnect` listeners are called. Rejects when it is refused.
   */
  subscribe(channel: string, handler: (payload: unknown) => void): Promise<Unsubscribe>;
  /** Called after the connection was lost and is back: everything since may have been missed. */
  onReconnect(listener: () => void): Unsubscribe;
  /** Throws when the transport does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export type Unsubscribe = () => void;
