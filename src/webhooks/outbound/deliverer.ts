import { Webhook } from 'standardwebhooks';
import { WebhookEndpoint, type DeliveryStatus } from '../../entities/index.js';
import { Bell } from '../../lib/bell.js';
import { OutboundHttpError, type OutboundHttp, type OutboundResponse } from '../../ports/outbound-http.js';
import type { ServiceContext } from '../../services/context.js';
import { DELIVER_QUEUE } from '../../services/tenant-outbox.js';
import type { DeliveryQueue, LeasedDelivery, Settlement } from '../../services/delivery-queue.js';
import type { WebhookEndpoints } from '../../services/webhook-endpoints.js';

/** Requests at once to one endpoint: a slow one delays itself only. */
const PER_ENDPOINT = 8;
/** Taken at once, so that not each delivery costs a look at the queue; two rounds fit into a lease. */
const LEASED_AT_ONCE = 2 * PER_ENDPOINT;
/** What the delivery log keeps of an answer, bytes. */
const EXCERPT_BYTES = 500;
/** Up to this share of a delay is added, so that many failed deliveries do not come back at the same moment. */
const JITTER = 0.2;
const MAX_RETRY_AFTER_SECONDS = 86_400;
const SWEEP_MS = 10_000;

/** Whoever sends to one endpoint. Its bell: there is more. */
interface Pump {
  bell: Bell;
  over: Promise<void>;
}

/**
 * Sends the outbox: in parallel between endpoints, bounded per endpoint. A job of the queue only wakes the pump of its
 * endpoint and returns, so that endpoints that never answer cannot occupy the workers; what a dead process held comes
 * back when its lease ends.
 */
export class WebhookDeliverer {
  private readonly pumps = new Map<string, Pump>();
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private sweeper: NodeJS.Timeout | null = null;
  private stopped = false;
  private readonly abort = new AbortController();

  constructor(
    private readonly context: ServiceContext,
    private readonly http: OutboundHttp,
    private readonly endpoints: WebhookEndpoints,
    private readonly queue: DeliveryQueue,
    private readonly onAttempt: (status: DeliveryStatus) => void = () => {},
  ) {}

  /** Registers its queue; before the jobs are started. */
  async work(): Promise<void> {
    await this.context.jobs.work<{ endpointId: string }>(
      DELIVER_QUEUE,
      { retryLimit: 3, batchSize: 100 },
      async (job) => this.wake(job.data.endpointId),
    );
    const sweep = async () => {
      for (const endpointId of await this.queue.endpointsWithWork()) this.wake(endpointId);
    };
    this.sweeper = setInterval(
      () => void sweep().catch((error: unknown) => this.context.log.warn({ err: error }, 'webhook sweep failed')),
      SWEEP_MS,
    );
    this.sweeper.unref();
  }

  /** Waits for requests on their way, then gives the rest back. */
  async stop(): Promise<void> {
    this.stopped = true;
    if (this.sweeper !== null) clearInterval(this.sweeper);
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.abort.abort();
    await Promise.allSettled([...this.pumps.values()].map(({ over }) => over));
  }

  private wake(endpointId: string): void {
    if (this.stopped) return;
    const known = this.pumps.get(endpointId);
    if (known !== undefined) return known.bell.ring();
    const bell = new Bell();
    const over = this.pump(endpointId, bell)
      .catch((error: unknown) => this.context.log.warn({ err: error, endpointId }, 'webhook delivery interrupted'))
      .finally(() => {
        this.pumps.delete(endpointId);
        if (bell.hush()) this.wake(endpointId);
      });
    this.pumps.set(endpointId, { bell, over });
  }

  private async pump(endpointId: string, bell: Bell): Promise<void> {
    const running = new Set<Promise<void>>();
    let leased: LeasedDelivery[] = [];
    let endpoint: WebhookEndpoint | null = null;
    // It is gone, or wants to be left alone for a while: what was leased for it comes back when the lease ends.
    let unwelcome = false;
    while (!this.stopped && !unwelcome) {
      bell.hush();
      if (leased.length === 0) {
        // Looked up each time: a busy endpoint must hear of its new secret, and of its end, while events still wait for it.
        endpoint = await this.context.database
          .em({ all: true })
          .findOne(WebhookEndpoint, { id: endpointId, enabled: true });
        if (endpoint !== null) leased = await this.queue.lease(endpointId, LEASED_AT_ONCE);
      }
      for (const delivery of leased.splice(0, PER_ENDPOINT - running.size)) {
        const sent: Promise<void> = this.attempt(endpoint!, delivery)
          .then(
            (settlement) =>
              void (unwelcome ||= settlement?.disable !== undefined || settlement?.pauseUntil !== undefined),
            // The database is away: the lease ends, and it is sent again with the same id.
            (err: unknown) =>
              this.context.log.warn({ err, endpointId }, 'a webhook delivery could not be written down'),
          )
          .finally(() => running.delete(sent));
        running.add(sent);
      }
      if (running.size === 0) break;
      // What comes meanwhile does not wait for the answers to what is on its way.
      await Promise.race([...running, bell.heard()]);
    }
    await Promise.allSettled(running);
  }

  private async attempt(endpoint: WebhookEndpoint, delivery: LeasedDelivery): Promise<Settlement | null> {
    const body = JSON.stringify(delivery.payload);
    const at = this.context.clock.now();
    const id = delivery.eventId;
    const signature = this.endpoints
      .secretsOf(endpoint, at)
      .map((secret) => new Webhook(secret).sign(id, at, body))
      .join(' ');
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'Trunkline-Webhooks/1.0',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
      'webhook-signature': signature,
    };
    let outcome: OutboundResponse | OutboundHttpError;
    try {
      outcome = await this.http.request({
        method: 'POST',
        url: endpoint.url,
        headers,
        body,
        timeoutMs: this.context.settings.timing.webhookTimeoutMs,
        maxResponseBytes: EXCERPT_BYTES,
        signal: this.abort.signal,
      });
    } catch (error) {
      if (!(error instanceof OutboundHttpError)) throw error;
      // Shutting down is no fault of the endpoint: the lease ends and another process sends it.
      if (error.kind === 'aborted') return null;
      outcome = error;
    }
    const settlement = settle(outcome, delivery.attemptCount, this.context.settings.webhookRetrySchedule, at);
    await this.queue.settle(delivery, settlement);
    this.onAttempt(settlement.status);
    if (settlement.retryAt !== null) this.wakeAt(endpoint.id, settlement.retryAt);
    return settlement;
  }

  /** Retries of this process come on time; those of a process that died are found by the sweep. */
  private wakeAt(endpointId: string, at: Date): void {
    const key = `${endpointId} ${Math.ceil(at.getTime() / 250)}`;
    if (this.stopped || this.timers.has(key)) return;
    const delay = Math.min(Math.max(0, at.getTime() - this.context.clock.now().getTime()) + 20, 2 ** 31 - 1);
    const timer = setTimeout(() => {
      this.timers.delete(key);
      this.wake(endpointId);
    }, delay);
    timer.unref();
    this.timers.set(key, timer);
  }
}

/** What an answer means (Standard Webhooks): 2xx succeeds, 410 disables, the rest is tried again by the schedule. */
export function settle(
  outcome: OutboundResponse | OutboundHttpError,
  attemptsBefore: number,
  schedule: readonly number[],
  at: Date,
): Settlement {
  const answered = !(outcome instanceof OutboundHttpError);
  const attempt = {
    at: at.toISOString(),
    statusCode: answered ? outcome.status : null,
    error: answered ? null : outcome.message,
    latencyMs: outcome.latencyMs,
    // A tenant's own endpoint said it; NUL cannot be stored.
    responseExcerpt: answered ? outcome.body.replaceAll('\u0000', '\ufffd') : null,
  };
  if (answered && outcome.status >= 200 && outcome.status < 300) return { status: 'DELIVERED', retryAt: null, attempt };
  if (answered && outcome.status === 410)
    return { status: 'DEAD_LETTER', retryAt: null, attempt, disable: 'The endpoint answered 410 Gone' };
  const asked =
    answered && (outcome.status === 429 || outcome.status === 503)
      ? retryAfterSeconds(outcome.headers['retry-after'], at)
      : 0;
  const after = (seconds: number) => new Date(at.getTime() + seconds * 1_000);
  const pause = asked === 0 ? {} : { pauseUntil: after(asked) };
  const next = schedule[attemptsBefore + 1];
  if (next === undefined) return { status: 'DEAD_LETTER', retryAt: null, attempt, ...pause };
  const retryAt = after(Math.max(next * (1 + Math.random() * JITTER), asked));
  return { status: 'FAILED', retryAt, attempt, ...pause };
}

/** `Retry-After` as seconds or as a date (RFC 9110); nonsense counts as absent. */
function retryAfterSeconds(header: string | undefined, at: Date): number {
  if (header === undefined) return 0;
  const seconds = /^\d+$/.test(header.trim()) ? Number(header) : (Date.parse(header) - at.getTime()) / 1_000;
  return Number.isFinite(seconds) ? Math.min(Math.max(0, seconds), MAX_RETRY_AFTER_SECONDS) : 0;
}
