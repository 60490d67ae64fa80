import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { MediaMetrics } from '../../ports/media-metrics.js';
import type { Metrics } from '../../ports/metrics.js';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const SPEECH_MS = [100, 200, 300, 400, 500, 650, 800, 1_000, 1_300, 1_700, 2_500, 4_000, 8_000];
const CALL_SECONDS = [5, 15, 30, 60, 120, 300, 600, 1_200, 3_600];
const NS_PER_SECOND = 1e9;

/** Metrics of one gateway in a registry of its own: several gateways of one process (tests) must not share counters. */
export class PrometheusMetrics implements Metrics {
  readonly media: MediaMetrics;
  private readonly registry = new Registry();
  private readonly loop = monitorEventLoopDelay({ resolution: 20 });
  private readonly requests: Counter<'method' | 'route' | 'status'>;
  private readonly requestSeconds: Histogram<'method' | 'route'>;
  private readonly limited: Counter<'by'>;
  private readonly started: Counter<'direction'>;
  private readonly completed: Counter<'direction' | 'status'>;
  private readonly callSeconds: Histogram;
  private readonly turns: Counter;
  private readonly escalated: Counter;
  private readonly deliveries: Counter<'outcome'>;
  private readonly providerSeconds: Histogram<'component'>;
  private readonly providerFailures: Counter<'component'>;
  private readonly circuits: Gauge<'component'>;

  constructor() {
    const registers = [this.registry];
    this.requests = new Counter({
      name: 'trunkline_http_requests_total',
      help: 'HTTP requests answered.',
      labelNames: ['method', 'route', 'status'],
      registers,
    });
    this.requestSeconds = new Histogram({
      name: 'trunkline_http_request_seconds',
      help: 'Time to answer a request.',
      labelNames: ['method', 'route'],
      buckets: SECONDS,
      registers,
    });
    this.limited = new Counter({
      name: 'trunkline_rate_limited_total',
      help: 'Requests refused with 429.',
      labelNames: ['by'],
      registers,
    });
    this.started = new Counter({
      name: 'trunkline_calls_started_total',
      help: 'Calls whose session was set up.',
      labelNames: ['direction'],
      registers,
    });
    this.completed = new Counter({
      name: 'trunkline_calls_completed_total',
      help: 'Calls whose final state is known.',
      labelNames: ['direction', 'status'],
      registers,
    });
    this.callSeconds = new Histogram({
      name: 'trunkline_call_duration_seconds',
      help: 'Length of completed calls.',
      buckets: CALL_SECONDS,
      registers,
    });
    this.turns = new Counter({
      name: 'trunkline_turns_total',
      help: 'Transcript turns of completed calls.',
      registers,
    });
    this.escalated = new Counter({
      name: 'trunkline_calls_escalated_total',
      help: 'Calls handed to people.',
      registers,
    });
    this.deliveries = new Counter({
      name: 'trunkline_webhook_deliveries_total',
      help: 'Attempts to deliver an event to a tenant.',
      labelNames: ['outcome'],
      registers,
    });
    this.providerSeconds = new Histogram({
      name: 'trunkline_provider_request_seconds',
      help: 'Requests to providers that worked, and how long they took.',
      labelNames: ['component'],
      buckets: SECONDS,
      registers,
    });
    this.providerFailures = new Counter({
      name: 'trunkline_provider_failures_total',
      help: 'Requests to providers that failed.',
      labelNames: ['component'],
      registers,
    });
    this.circuits = new Gauge({
      name: 'trunkline_provider_circuit_open',
      help: '1 while a provider is taken for down.',
      labelNames: ['component'],
      registers,
    });
    this.media = mediaMetrics(registers);
    this.loop.enable();
    this.gauge(
      'trunkline_event_loop_lag_p99_seconds',
      'Event loop delay since the last reading, 99th percentile.',
      () => {
        const seconds = this.loop.percentile(99) / NS_PER_SECOND;
        this.loop.reset();
        return Number.isFinite(seconds) ? seconds : 0;
      },
    );
    this.gauge('trunkline_resident_memory_bytes', 'Resident memory of the process.', () => process.memoryUsage.rss());
    this.gauge('trunkline_cpu_seconds', 'CPU time of the process since it started.', () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    });
  }

  httpRequest(method: string, route: string, status: number, seconds: number): void {
    this.requests.inc({ method, route, status });
    this.requestSeconds.observe({ method, route }, seconds);
  }
  rateLimited(by: 'tenant' | 'address'): void {
    this.limited.inc({ by });
  }
  callStarted(direction: string): void {
    this.started.inc({ direction });
  }
  callCompleted(call: { direction: string; status: string; durationSeconds: number | null; turns: number }): void {
    this.completed.inc({ direction: call.direction, status: call.status });
    this.turns.inc(call.turns);
    if (call.durationSeconds !== null) this.callSeconds.observe(call.durationSeconds);
  }
  callEscalated(): void {
    this.escalated.inc();
  }
  webhookDelivery(status: string): void {
    this.deliveries.inc({ outcome: status.toLowerCase() });
  }
  providerRequest(component: string, seconds: number | null): void {
    if (seconds === null) this.providerFailures.inc({ component });
    else this.providerSeconds.observe({ component }, seconds);
  }
  providerCircuit(component: string, open: boolean): void {
    this.circuits.set({ component }, open ? 1 : 0);
  }
  gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
  }
  async expose(): Promise<{ contentType: string; text: string }> {
    return { contentType: this.registry.contentType, text: await this.registry.metrics() };
  }
  close(): void {
    this.loop.disable();
    this.registry.clear();
  }
}

function mediaMetrics(registers: Registry[]): MediaMetrics {
  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new Counter({ name: `trunkline_media_${name}_total`, help, labelNames, registers });
  const histogram = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new Histogram({ name: `trunkline_media_${name}_ms`, help, labelNames, buckets: SPEECH_MS, registers });
  const live = new Gauge({ name: 'trunkline_media_calls', help: 'Calls on the air in this process.', registers });
  const firstAudio = histogram('time_to_first_audio', 'From the start of the stream to the first audio of the agent.');
  const latency = histogram('turn_latency', 'From the end of the caller to the first audio of the answer.');
  const toolMs = histogram('tool_call', 'Duration of tool calls.', 'status');
  const bargeIns = counter('barge_ins', 'The caller spoke over the agent.');
  const dropped = counter('frames_dropped', 'Audio thrown away because a socket does not keep up.', 'direction');
  const malformed = counter('malformed_messages', 'Media messages that could not be read.');
  const reconnects = counter('model_reconnects', 'Model sessions that replaced a lost one.', 'cause', 'outcome');
  const refused = counter('streams_refused', 'Media streams refused at the door.', 'code');
  return {
    bridgeOpened: () => live.inc(),
    bridgeClosed: () => live.dec(),
    timeToFirstAudio: (ms) => firstAudio.observe(ms),
    turnLatency: (ms) => latency.observe(ms),
    bargeIn: () => bargeIns.inc(),
    framesDropped: (direction, count) => dropped.inc({ direction }, count),
    malformedMessage: () => malformed.inc(),
    modelReconnect: (cause, outcome) => reconnects.inc({ cause, outcome }),
    toolCall: (status, ms) => toolMs.observe({ status }, ms),
    streamRefused: (code) => refused.inc({ code }),
  };
}
