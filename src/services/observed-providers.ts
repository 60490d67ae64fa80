import { CarrierError, type Carrier, type CarrierAccount } from '../ports/carrier.js';
import type { Clock } from '../ports/clock.js';
import type {
  RealtimeClientEvent,
  RealtimeClose,
  RealtimeConnect,
  RealtimeConnection,
  RealtimeHandlers,
  RealtimeModel,
} from '../ports/realtime-model.js';
import { TextModelError, type TextModel } from '../ports/text-model.js';
import type { ProviderMonitor } from './provider-monitor.js';

/** Refusals of one request: who gives them answers, and a model that a version names wrongly must not take the others down. */
const ABOUT_THE_REQUEST = new Set([400, 403, 404]);
/** Whoever lets go of a silent connection after this long has waited in vain. */
const WAITED_IN_VAIN_MS = 4_000;

/**
 * The carrier as it is, with every outcome told. An answer of any kind below 500 proves that it answers; `refused` hears of
 * accounts whose credentials it does not take.
 */
export function observedCarrier(
  carrier: Carrier,
  monitor: ProviderMonitor,
  clock: Clock,
  refused: (account: CarrierAccount) => void,
): Carrier {
  const observe = async <T>(account: CarrierAccount, work: () => Promise<T>): Promise<T> => {
    const start = clock.monotonicMs();
    try {
      const result = await work();
      monitor.succeeded(clock.monotonicMs() - start);
      return result;
    } catch (error) {
      const status = error instanceof CarrierError ? error.status : null;
      if (status !== null && status < 500) monitor.succeeded(clock.monotonicMs() - start);
      else monitor.failed(status === null ? 'no_answer' : `http_${status}`);
      if (status === 401) refused(account);
      throw error;
    }
  };
  return {
    createCall: (...args) => observe(args[0], () => carrier.createCall(...args)),
    fetchCall: (...args) => observe(args[0], () => carrier.fetchCall(...args)),
    listCalls: (...args) => observe(args[0], () => carrier.listCalls(...args)),
    updateCall: (...args) => observe(args[0], () => carrier.updateCall(...args)),
    fetchNumber: (...args) => observe(args[0], () => carrier.fetchNumber(...args)),
    probe: (...args) => observe(args[0], () => carrier.probe(...args)),
  };
}

/** The text model as it is, with every outcome told. A request that can never succeed says nothing about its health. */
export function observedTextModel(model: TextModel, monitor: ProviderMonitor, clock: Clock): TextModel {
  const observe = async <T>(work: () => Promise<T>, isProbe: boolean): Promise<T> => {
    const start = clock.monotonicMs();
    try {
      const result = await work();
      monitor.succeeded(clock.monotonicMs() - start);
      return result;
    } catch (error) {
      const final = error instanceof TextModelError && !error.retryable;
      if (isProbe || !final) monitor.failed(final ? 'refused' : 'no_answer');
      throw error;
    }
  };
  return {
    provider: model.provider,
    model: model.model,
    complete: (request) => observe(() => model.complete(request), false),
    probe: () => observe(() => model.probe(), true),
  };
}

/** The speech model as it is; a connection succeeded when the model says its first word on it. */
export function observedRealtimeModel(model: RealtimeModel, monitor: ProviderMonitor, clock: Clock): RealtimeModel {
  return {
    provider: model.provider,
    connect: (options, handlers) => new ObservedConnection(model, monitor, clock, options, handlers),
  };
}

class ObservedConnection implements RealtimeConnection {
  private readonly inner: RealtimeConnection;
  private readonly startMs: number;
  private settled = false;
  private letGo = false;

  constructor(
    model: RealtimeModel,
    private readonly monitor: ProviderMonitor,
    private readonly clock: Clock,
    options: RealtimeConnect,
    handlers: RealtimeHandlers,
  ) {
    this.startMs = clock.monotonicMs();
    this.inner = model.connect(options, {
      onOpen: () => handlers.onOpen(),
      onEvent: (event) => {
        if (!this.settled) this.spoke();
        handlers.onEvent(event);
      },
      onAudio: (delta) => handlers.onAudio(delta),
      onClose: (close) => {
        this.closed(close);
        handlers.onClose(close);
      },
    });
  }

  send(event: RealtimeClientEvent): void {
    this.inner.send(event);
  }
  appendAudio(base64: string): void {
    this.inner.appendAudio(base64);
  }
  get bufferedBytes(): number {
    return this.inner.bufferedBytes;
  }
  close(code?: number, reason?: string): void {
    this.letGo = true;
    this.inner.close(code, reason);
  }

  private spoke(): void {
    this.settled = true;
    this.monitor.succeeded(this.clock.monotonicMs() - this.startMs);
  }

  private closed({ code, httpStatus }: RealtimeClose): void {
    if (this.settled) return;
    if (httpStatus !== null && ABOUT_THE_REQUEST.has(httpStatus)) return this.spoke();
    this.settled = true;
    // The caller hung up while the connection was made: nobody knows what would have come of it.
    if (this.letGo && this.clock.monotonicMs() - this.startMs < WAITED_IN_VAIN_MS) return;
    this.monitor.failed(httpStatus === null ? (this.letGo ? 'silent' : `closed_${code}`) : `http_${httpStatus}`);
  }
}
