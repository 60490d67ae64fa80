import type { Metrics } from '../ports/metrics.js';
import type { Outbox, TenantEventName } from './outbox.js';

type Count = (metrics: Metrics, data: Record<string, unknown>) => void;

const COUNTS: Partial<Record<TenantEventName, Count>> = {
  'voice.call.started': (metrics, data) => metrics.callStarted(word(data.direction)),
  'voice.call.escalated': (metrics) => metrics.callEscalated(),
  'voice.call.completed': (metrics, data) =>
    metrics.callCompleted({
      direction: word(data.direction),
      status: word(data.status),
      durationSeconds: typeof data.duration_seconds === 'number' ? data.duration_seconds : null,
      turns: Number(data.transcript_turn_count ?? 0),
    }),
};

const word = (value: unknown): string => (typeof value === 'string' ? value.toLowerCase() : 'unknown');

/**
 * Counts calls where their events pass: every call that starts and ends goes through the outbox exactly once, whichever
 * process learned of it, and synthetic calls do not.
 */
export function meteredOutbox(outbox: Outbox, metrics: Metrics): Outbox {
  return {
    enqueue: async (em, tenantId, event, data) => {
      await outbox.enqueue(em, tenantId, event, data);
      COUNTS[event]?.(metrics, data);
    },
  };
}
