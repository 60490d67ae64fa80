import type { Clock } from '../ports/clock.js';
import type {
  RealtimeClientEvent,
  RealtimeClose,
  RealtimeConnect,
  RealtimeConnection,
  RealtimeHandlers,
  RealtimeModel,
  RealtimeServerEvent,
} from '../ports/realtime-model.js';
import type { ProviderMonitor } from './provider-monitor.js';

/** Refused upgrades that are about the request: a model that one version names wrongly must not take the others down. */
const ABOUT_THE_REQUEST = new Set([400, 403, 404]);
/** Whoever lets go of a silent connection after this long has waited in vain. */
const WAITED_IN_VAIN_MS = 4_000;
const PROBE_TIMEOUT_MS = 10_000;
/** Asks for one word, beside any conversation. */
const ONE_WORD: RealtimeClientEvent = {
  type: 'response.create',
  response: {
    conversation: 'none',
    output_modalities: ['text'],
    input: [],
    instructions: 'Answer with the word yes.',
    max_output_tokens: 16,
  },
};

/**
 * The speech model as it is, with every outcome told: of connections, which succeed when the model says its first word on
 * them, and of responses, which also fail when somebody gives up waiting for them. After a response that failed by the provider's fault a connection alone proves nothing: a
 * provider without quota takes every one, and is silent on it.
 */
export class ObservedSpeech implements RealtimeModel {
  /** The last response whose outcome says something failed. */
  private speechless = false;

  constructor(
    private readonly model: RealtimeModel,
    private readonly monitor: ProviderMonitor,
    private readonly clock: Clock,
  ) {}

  get provider(): RealtimeModel['provider'] {
    return this.model.provider;
  }

  connect(options: RealtimeConnect, handlers: RealtimeHandlers): RealtimeConnection {
    return new ObservedConnection(this.model, this, this.clock, options, handlers);
  }

  connected(ms: number): void {
    if (!this.speechless) this.monitor.succeeded(ms);
  }
  notConnected(word: string): void {
    this.monitor.failed(word);
  }
  responded(ms: number): void {
    this.speechless = false;
    this.monitor.succeeded(ms);
  }
  didNotRespond(word: string): void {
    this.speechless = true;
    this.monitor.failed(word);
  }

  /**
   * A session that is closed as soon as the model greets: it costs a connection and no word. While responses fail it asks
   * for one word. A probe that the provider refuses for itself proves nothing against it: then calls have to tell.
   */
  probe(name: string): Promise<void> {
    const startMs = this.clock.monotonicMs();
    const { speechless } = this;
    const { told } = this.monitor;
    let waits = false;
    return new Promise((resolve) => {
      const connection = this.connect(
        { model: name, connectTimeoutMs: PROBE_TIMEOUT_MS / 2 },
        {
          onOpen: () => {},
          onAudio: () => {},
          onEvent: ({ type }) => {
            if (speechless && type === 'session.created') {
              waits = true;
              connection.send(structuredClone(ONE_WORD));
            } else if (!waits || type === 'response.done' || type === 'error') {
              waits = false;
              connection.close(1000, 'probe');
            }
          },
          onClose: () => {
            if (this.monitor.told === told && waits) this.didNotRespond('silent');
            else if (this.monitor.told === told && speechless) this.responded(this.clock.monotonicMs() - startMs);
            resolve();
          },
        },
      );
      setTimeout(() => connection.close(1000, 'probe'), PROBE_TIMEOUT_MS).unref();
    });
  }
}

class ObservedConnection implements RealtimeConnection {
  private readonly inner: RealtimeConnection;
  private readonly startMs: number;
  private settled = false;
  private letGo = false;
  /** When the response that is under way began; null between responses. */
  private respondsSinceMs: number | null = null;
  /** How long it took until the first of it. */
  private firstOutputMs: number | null = null;
  /** A response was asked for, and neither begun nor refused. */
  private asked = false;
  private heardMs: number;

  constructor(
    model: RealtimeModel,
    private readonly speech: ObservedSpeech,
    private readonly clock: Clock,
    options: RealtimeConnect,
    handlers: RealtimeHandlers,
  ) {
    this.startMs = this.heardMs = clock.monotonicMs();
    this.inner = model.connect(options, {
      onOpen: () => handlers.onOpen(),
      onEvent: (event) => {
        this.heardMs = this.clock.monotonicMs();
        if (!this.settled) this.spoke();
        this.observe(event);
        handlers.onEvent(event);
      },
      onAudio: (delta) => {
        this.heardMs = this.clock.monotonicMs();
        handlers.onAudio(delta);
      },
      onClose: (close) => {
        this.closed(close);
        handlers.onClose(close);
      },
    });
  }

  send(event: RealtimeClientEvent): void {
    if (event.type === 'response.create') this.asked = true;
    this.inner.send(event);
  }
  appendAudio(base64: string): void {
    this.inner.appendAudio(base64);
  }
  get bufferedBytes(): number {
    return this.inner.bufferedBytes;
  }
  close(code?: number, reason?: string): void {
    const owes = this.asked || this.respondsSinceMs !== null;
    if (!this.letGo && owes && this.clock.monotonicMs() - this.heardMs >= WAITED_IN_VAIN_MS)
      this.speech.didNotRespond('silent');
    this.letGo = true;
    this.inner.close(code, reason);
  }

  private spoke(): void {
    this.settled = true;
    this.speech.connected(this.clock.monotonicMs() - this.startMs);
  }

  private observe(event: RealtimeServerEvent): void {
    switch (event.type) {
      case 'response.created':
        this.asked = false;
        this.respondsSinceMs = this.clock.monotonicMs();
        this.firstOutputMs = null;
        return;
      case 'response.output_item.added':
        this.firstOutputMs ??= this.respondingMs();
        return;
      case 'response.done':
        return this.responseDone(fields(event['response']));
      case 'error': {
        this.asked = false;
        // During a response its end tells, once.
        const fault = this.respondsSinceMs === null ? faultOf(event['error']) : null;
        if (fault !== null) this.speech.didNotRespond(fault);
      }
    }
  }

  private respondingMs(): number {
    const now = this.clock.monotonicMs();
    return now - (this.respondsSinceMs ?? now);
  }

  private responseDone(response: Fields): void {
    const ms = this.firstOutputMs ?? this.respondingMs();
    this.respondsSinceMs = null;
    const { status } = response;
    if (status === 'completed' || status === 'incomplete') this.speech.responded(ms);
    if (status !== 'failed') return;
    const { error } = fields(response['status_details']);
    const fault = error == null ? 'response_failed' : faultOf(error);
    if (fault !== null) this.speech.didNotRespond(fault);
  }

  private closed({ code, httpStatus }: RealtimeClose): void {
    if (this.settled) return;
    if (httpStatus !== null && ABOUT_THE_REQUEST.has(httpStatus)) return this.spoke();
    this.settled = true;
    // The caller hung up while the connection was made: nobody knows what would have come of it.
    if (this.letGo && this.clock.monotonicMs() - this.startMs < WAITED_IN_VAIN_MS) return;
    this.speech.notConnected(httpStatus === null ? (this.letGo ? 'silent' : `closed_${code}`) : `http_${httpStatus}`);
  }
}

type Fields = Record<string, unknown>;
const fields = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {});

/** Errors that are about one request, or about nothing: the provider does well. */
const ABOUT_ONE_REQUEST = /^(invalid|unknown|missing|unsupported|content|conversation|session_expired|.*_not_active)/;
/** Errors that keep every request from an answer, whatever type they are given. */
const ABOUT_EVERYTHING = /quota|billing|rate_limit|api_key|authentication|server|overloaded|unavailable/;
const WORD = /^[\w.]{1,60}$/;

/** The word for an error that keeps the model from speaking (`insufficient_quota`, `server_error` …); null: our own. */
function faultOf(error: unknown): string | null {
  const words = [fields(error)['code'], fields(error)['type']].filter((word) => typeof word === 'string');
  const grave = words.find((word) => ABOUT_EVERYTHING.test(word));
  if (grave === undefined && words.some((word) => ABOUT_ONE_REQUEST.test(word))) return null;
  const word = grave ?? words[0] ?? '';
  return WORD.test(word) ? word : 'response_failed';
}
