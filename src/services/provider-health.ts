import { TwilioCredential } from '../entities/index.js';
import { AppError } from '../lib/errors.js';
import type { Carrier, CarrierAccount } from '../ports/carrier.js';
import type { Metrics } from '../ports/metrics.js';
import type { RealtimeModel } from '../ports/realtime-model.js';
import type { TextModel } from '../ports/text-model.js';
import type { CallGate } from './call-gate.js';
import type { ServiceContext } from './context.js';
import { Diagnostics } from './diagnostics.js';
import { observedCarrier, observedTextModel } from './observed-providers.js';
import { ObservedSpeech } from './observed-speech.js';
import { ProviderMonitor, type ComponentHealth, type ProviderComponent } from './provider-monitor.js';
import { requireScope, type Viewer } from './viewer.js';

export const PROVIDERS = ['TWILIO', 'OPENAI'] as const;
export type Provider = (typeof PROVIDERS)[number];
export interface ProviderHealthView extends ComponentHealth {
  provider: Provider;
}

/** What this process talks to; null: not configured. */
export interface ProviderPorts {
  carrier: Carrier;
  defaultAccount: CarrierAccount | null;
  realtime: RealtimeModel | null;
  textModel: TextModel | null;
  metrics: Metrics;
}

const FAILURES_IN_A_ROW = 3;
/** The pause before a trial grows up to so many times its beginning. */
const MAX_COOL_DOWN_FACTOR = 12;
/** After a failure the next look comes so much sooner than an idle one. */
const CONFIRM_FACTOR = 15;
const TICKS_PER_PROBE = 30;

const PROVIDER_OF: Record<ProviderComponent, Provider> = {
  CARRIER_API: 'TWILIO',
  REALTIME_MODEL: 'OPENAI',
  TEXT_MODEL: 'OPENAI',
};

/** What goes wrong when a component is down, and what an operator can do. */
const OUTAGES: Record<ProviderComponent, { message: string; action: string }> = {
  CARRIER_API: {
    message: 'Twilio does not answer; outbound calls are refused until it does.',
    action: 'See status.twilio.com, and whether this gateway reaches api.twilio.com.',
  },
  REALTIME_MODEL: {
    message: 'The speech model does not answer; callers get the fallback and outbound calls are refused.',
    action:
      'See status.openai.com, OPENAI_API_KEY with its quota and limits (lastError tells), and whether this gateway reaches OPENAI_REALTIME_URL.',
  },
  TEXT_MODEL: {
    message: 'The text model does not answer; summaries and evaluations wait in the queue.',
    action: 'See status.openai.com, OPENAI_API_KEY and its limits.',
  },
};

/**
 * How the providers do, from everything that is asked of them and from light probes where nothing is asked. Each process
 * judges by what it sees itself: one with a broken line must not stop the others. While the circuit of the model is not
 * closed, calls that come in get their fallback at once, and nobody is dialled.
 */
export class ProviderHealth {
  readonly carrier: Carrier;
  readonly realtime: RealtimeModel | null;
  readonly textModel: TextModel | null;
  private readonly monitors: Record<ProviderComponent, ProviderMonitor>;
  /** A cheap request of each configured component. */
  private readonly probes: Partial<Record<ProviderComponent, () => Promise<void>>>;
  private readonly probing = new Set<ProviderComponent>();
  private readonly diagnostics: Diagnostics;
  private timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly context: ServiceContext,
    private readonly ports: ProviderPorts,
  ) {
    const { clock } = context;
    this.diagnostics = new Diagnostics(context);
    this.monitors = {
      CARRIER_API: this.monitor('CARRIER_API'),
      REALTIME_MODEL: this.monitor('REALTIME_MODEL'),
      TEXT_MODEL: this.monitor('TEXT_MODEL'),
    };
    const { carrier, realtime, textModel, defaultAccount: account } = ports;
    const observed = observedCarrier(
      carrier,
      this.monitors.CARRIER_API,
      clock,
      (refused) => void this.credentialsRefused(refused),
    );
    const speech = realtime === null ? null : new ObservedSpeech(realtime, this.monitors.REALTIME_MODEL, clock);
    const text = textModel === null ? null : observedTextModel(textModel, this.monitors.TEXT_MODEL, clock);
    this.carrier = observed;
    this.realtime = speech;
    this.textModel = text;
    this.probes = {
      ...(account === null ? {} : { CARRIER_API: () => observed.probe(account) }),
      ...(speech === null ? {} : { REALTIME_MODEL: () => speech.probe(context.settings.defaultModel) }),
      ...(text === null ? {} : { TEXT_MODEL: () => text.probe() }),
    };
  }

  /** Probes what is silent. `providerProbeMs` 0: only real traffic tells. */
  start(): void {
    const { providerProbeMs, circuitCoolDownMs } = this.context.settings.timing;
    const ms = Math.min(...[providerProbeMs / TICKS_PER_PROBE, circuitCoolDownMs].filter((each) => each > 0));
    if (!Number.isFinite(ms)) return;
    this.timer = setInterval(() => this.tick(), ms);
    this.timer.unref();
  }
  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  /** Adds to the gate of this process what the providers allow. */
  gate(own: Pick<CallGate, 'draining' | 'modelConfigured'>): CallGate {
    return {
      ...own,
      modelDown: () => this.monitors.REALTIME_MODEL.down,
      refusalToDial: () => this.refusalToDial(),
    };
  }

  list(viewer: Viewer): ProviderHealthView[] {
    requireScope(viewer, 'operations:read');
    return Object.values(this.monitors).map((monitor) => {
      const health = monitor.health();
      const configured = monitor.component === 'CARRIER_API' || this.probes[monitor.component] !== undefined;
      return {
        ...health,
        provider: PROVIDER_OF[monitor.component],
        status: configured ? health.status : 'NOT_CONFIGURED',
      };
    });
  }

  private refusalToDial(): AppError | null {
    const now = this.context.clock.monotonicMs();
    const retryAfter = ({ breaker }: ProviderMonitor) => ({
      retryAfterSeconds: Math.max(1, Math.ceil(((breaker.openUntilMs ?? now) - now) / 1_000)),
    });
    const { REALTIME_MODEL: model, CARRIER_API: carrier } = this.monitors;
    if (model.down)
      return new AppError(
        'UNAVAILABLE',
        'The speech model does not answer at the moment: nobody would talk',
        retryAfter(model),
      );
    if (carrier.down)
      return new AppError('CARRIER_UNAVAILABLE', 'Twilio does not answer at the moment', retryAfter(carrier));
    return null;
  }

  private monitor(component: ProviderComponent): ProviderMonitor {
    const { clock, settings, log } = this.context;
    const { circuitCoolDownMs: coolDownMs } = settings.timing;
    const { metrics } = this.ports;
    metrics.providerCircuit(component.toLowerCase(), false);
    return new ProviderMonitor(
      component,
      coolDownMs === 0
        ? null
        : { failures: FAILURES_IN_A_ROW, coolDownMs, maxCoolDownMs: coolDownMs * MAX_COOL_DOWN_FACTOR },
      clock,
      (seconds) => metrics.providerRequest(component.toLowerCase(), seconds),
      (down) => {
        metrics.providerCircuit(component.toLowerCase(), down);
        log.warn({ component, down }, down ? 'a provider is down' : 'a provider is back');
        void this.tell(component, down);
      },
    );
  }

  private async tell(component: ProviderComponent, down: boolean): Promise<void> {
    const code = `provider_down.${component.toLowerCase()}`;
    if (!down) return this.diagnostics.settle(code);
    await this.diagnostics.raise({
      tenantId: null,
      code,
      severity: 'CRITICAL',
      ...OUTAGES[component],
      detail: this.monitors[component].health() as unknown as Record<string, unknown>,
      dedupeKey: code,
    });
  }

  /** Not the carrier's trouble but one account's: nothing else tells why its calls fail. */
  private async credentialsRefused({ accountSid }: CarrierAccount): Promise<void> {
    const owner = await this.context.database
      .em({ all: true })
      .findOne(TwilioCredential, { accountSid })
      .catch(() => null);
    await this.diagnostics.raise({
      tenantId: owner?.tenantId ?? null,
      code: 'carrier_credentials_refused',
      severity: 'CRITICAL',
      message: 'Twilio refused the credentials of an account: its calls can be neither placed nor changed.',
      action: 'Set its current auth token: as Twilio credentials of the tenant, or as TWILIO_AUTH_TOKEN.',
      detail: { accountSid },
      dedupeKey: `carrier_credentials_refused:${accountSid}`,
    });
  }

  private tick(): void {
    for (const [component, probe] of Object.entries(this.probes) as [ProviderComponent, () => Promise<void>][]) {
      if (this.probing.has(component) || !this.wantsProbe(this.monitors[component])) continue;
      this.probing.add(component);
      // Its outcome is heard where every outcome is; the failure itself is of no interest here.
      void probe()
        .catch(() => {})
        .finally(() => this.probing.delete(component));
    }
  }

  private wantsProbe(monitor: ProviderMonitor): boolean {
    const { providerProbeMs } = this.context.settings.timing;
    if (monitor.down) return monitor.breaker.beginTrial(this.context.clock.monotonicMs());
    if (providerProbeMs === 0) return false;
    const patience = monitor.failedLast ? providerProbeMs / CONFIRM_FACTOR : providerProbeMs;
    return (monitor.silentMs ?? Infinity) >= patience;
  }
}
