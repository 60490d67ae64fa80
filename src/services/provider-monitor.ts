import { CircuitBreaker, type CircuitPolicy, type CircuitState } from '../lib/circuit-breaker.js';
import type { Clock } from '../ports/clock.js';

/** What a provider is used for; each can be down alone. */
export const PROVIDER_COMPONENTS = ['CARRIER_API', 'REALTIME_MODEL', 'TEXT_MODEL'] as const;
export type ProviderComponent = (typeof PROVIDER_COMPONENTS)[number];
export const PROVIDER_STATUSES = ['UP', 'DEGRADED', 'DOWN', 'UNKNOWN', 'NOT_CONFIGURED'] as const;
export type ProviderStatus = (typeof PROVIDER_STATUSES)[number];

/** How one component does, as this process sees it. */
export interface ComponentHealth {
  component: ProviderComponent;
  /** `UP`: no failure lately. `DEGRADED`: some. `DOWN`: the circuit is not closed. `UNKNOWN`: never used yet. */
  status: ProviderStatus;
  circuit: CircuitState;
  /** When the next trial may begin; null while it is not open. */
  openUntil: Date | null;
  /** Requests and failures of the last five minutes. */
  requests: number;
  failures: number;
  /** 0-1; null without a request. */
  errorRate: number | null;
  /** Of requests that succeeded. */
  latencyP50Ms: number | null;
  latencyP95Ms: number | null;
  lastSuccessAt: Date | null;
  lastFailureAt: Date | null;
  /** A word, never a message of the provider: `timeout`, `http_503`. */
  lastError: string | null;
}

const WINDOW_MS = 300_000;
/** Outcomes kept: enough for percentiles, and a bound for busy processes. */
const KEPT = 500;

interface Outcome {
  at: number;
  ms: number | null;
}

/** Hears the outcome of everything that is asked of one component, and keeps its circuit. */
export class ProviderMonitor {
  readonly breaker: CircuitBreaker;
  /** Outcomes that were told. */
  told = 0;
  private readonly outcomes: Outcome[] = [];
  private lastSuccessAt: Date | null = null;
  private lastFailureAt: Date | null = null;
  private lastError: string | null = null;

  constructor(
    readonly component: ProviderComponent,
    /** Null: the circuit never opens, whatever fails. */
    policy: CircuitPolicy | null,
    private readonly clock: Clock,
    /** Told of every outcome; `seconds` null when it failed. */
    private readonly onOutcome: (seconds: number | null) => void,
    /** Told when the circuit opens or closes. */
    private readonly onChange: (down: boolean) => void,
  ) {
    this.breaker = new CircuitBreaker(policy ?? { failures: Infinity, coolDownMs: 0, maxCoolDownMs: 0 });
  }

  get down(): boolean {
    return this.breaker.state !== 'CLOSED';
  }

  /** Milliseconds since something was heard of it; null: never. */
  get silentMs(): number | null {
    const last = this.outcomes.at(-1);
    return last === undefined ? null : this.clock.monotonicMs() - last.at;
  }

  get failedLast(): boolean {
    return this.outcomes.at(-1)?.ms === null;
  }

  succeeded(ms: number): void {
    const wasDown = this.down;
    this.lastSuccessAt = this.clock.now();
    this.keep(ms);
    this.breaker.succeeded();
    this.onOutcome(ms / 1_000);
    if (wasDown) this.onChange(false);
  }

  /** `error` is a word without private content. */
  failed(error: string): void {
    const wasDown = this.down;
    this.lastFailureAt = this.clock.now();
    this.lastError = error;
    this.keep(null);
    this.breaker.failed(this.clock.monotonicMs());
    this.onOutcome(null);
    if (!wasDown && this.down) this.onChange(true);
  }

  health(): ComponentHealth {
    const now = this.clock.monotonicMs();
    const recent = this.outcomes.filter(({ at }) => now - at <= WINDOW_MS);
    const times = recent.flatMap(({ ms }) => (ms === null ? [] : [ms])).toSorted((a, b) => a - b);
    const failures = recent.length - times.length;
    const { openUntilMs, state } = this.breaker;
    const heard = this.lastSuccessAt !== null || this.lastFailureAt !== null;
    return {
      component: this.component,
      status: this.down ? 'DOWN' : failures > 0 ? 'DEGRADED' : heard ? 'UP' : 'UNKNOWN',
      circuit: state,
      openUntil: openUntilMs === null ? null : new Date(this.clock.now().getTime() + Math.max(0, openUntilMs - now)),
      requests: recent.length,
      failures,
      errorRate: recent.length === 0 ? null : failures / recent.length,
      latencyP50Ms: nearestRank(times, 0.5),
      latencyP95Ms: nearestRank(times, 0.95),
      lastSuccessAt: this.lastSuccessAt,
      lastFailureAt: this.lastFailureAt,
      lastError: this.lastError,
    };
  }

  private keep(ms: number | null): void {
    this.told += 1;
    this.outcomes.push({ at: this.clock.monotonicMs(), ms });
    if (this.outcomes.length > KEPT) this.outcomes.shift();
  }
}

function nearestRank(sorted: readonly number[], share: number): number | null {
  return sorted.length === 0 ? null : Math.round(sorted[Math.ceil(share * sorted.length) - 1]!);
}
