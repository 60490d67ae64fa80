import type { MediaMetrics } from './media-metrics.js';

/** What the gateway counts about itself. Implementations only add numbers: nothing here fails or waits. */
export interface Metrics {
  readonly media: MediaMetrics;
  /** `route` is the pattern (`/api/v1/call-logs/:id`), never the path. */
  httpRequest(method: string, route: string, status: number, seconds: number): void;
  rateLimited(by: 'tenant' | 'address'): void;
  callStarted(direction: string): void;
  callCompleted(call: { direction: string; status: string; durationSeconds: number | null; turns: number }): void;
  callEscalated(): void;
  /** One attempt to deliver an event to a tenant, by what the delivery is afterwards (`DELIVERED`, `FAILED` …). */
  webhookDelivery(status: string): void;
  /** One request to a provider (`realtime_model` …): seconds until it worked, null when it failed. */
  providerRequest(component: string, seconds: number | null): void;
  /** A provider's circuit opened or closed. */
  providerCircuit(component: string, open: boolean): void;
  /** A value that is asked for when somebody reads the metrics. */
  gauge(name: string, help: string, read: () => number): void;
  /** Everything, in the Prometheus text format. */
  expose(): Promise<{ contentType: string; text: string }>;
  close(): void;
}
