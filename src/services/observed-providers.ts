import { CarrierError, type Carrier, type CarrierAccount } from '../ports/carrier.js';
import type { Clock } from '../ports/clock.js';
import { TextModelError, type TextModel } from '../ports/text-model.js';
import type { ProviderMonitor } from './provider-monitor.js';

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
      const { retryable, status } = error instanceof TextModelError ? error : { retryable: true, status: null };
      if (isProbe || retryable) monitor.failed(status === null ? 'no_answer' : `http_${status}`);
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
