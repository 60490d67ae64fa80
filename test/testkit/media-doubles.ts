import { CallBridge } from '../../src/media/call-bridge.js';
import type { Ticking } from '../../src/media/deadlines.js';
import type { EngineContext } from '../../src/media/engine-context.js';
import { silentLogger } from '../../src/ports/logger.js';
import { noMediaMetrics } from '../../src/ports/media-metrics.js';
import type { CallControl, CallPlan, SessionRecorder } from '../../src/ports/media-session.js';
import type {
  RealtimeClientEvent,
  RealtimeClose,
  RealtimeConnection,
  RealtimeHandlers,
  RealtimeModel,
} from '../../src/ports/realtime-model.js';
import type {
  NewSessionEvent,
  SessionEventPayloads,
  SessionEventType,
  TurnState,
} from '../../src/ports/session-events.js';
import { aPlan } from './call-plan.js';

/** So many milliseconds of µ-law silence. */
export const audio = (ms: number): string => Buffer.alloc(ms * 8, 0xff).toString('base64');

/** A connection to a model that says what the test lets it say. */
export class FakeConnection implements RealtimeConnection {
  readonly sent: RealtimeClientEvent[] = [];
  readonly appended: string[] = [];
  bufferedBytes = 0;
  closed = false;

  constructor(readonly handlers: RealtimeHandlers) {}

  send(event: RealtimeClientEvent): void {
    if (!this.closed) this.sent.push(event);
  }
  appendAudio(base64: string): void {
    this.appended.push(base64);
  }
  close(): void {
    this.closed = true;
  }

  open(): void {
    this.handlers.onOpen();
    this.event({ type: 'session.created', session: {} });
    this.event({ type: 'session.updated', session: {} });
  }
  event(event: { type: string; [field: string]: unknown }): void {
    this.handlers.onEvent(event);
  }
  die(close: Partial<RealtimeClose> = {}): void {
    this.handlers.onClose({ code: 1006, reason: '', httpStatus: null, ...close });
  }
  /** Client events of one type. */
  all(type: string): RealtimeClientEvent[] {
    return this.sent.filter((event) => event.type === type);
  }
  /** Text of every item created by the gateway. */
  get texts(): string[] {
    return this.all('conversation.item.create').map((event) => {
      const item = event['item'] as { type: string; role?: string; content?: { text: string }[]; output?: string };
      return item.type === 'message' ? `${item.role}: ${item.content![0]!.text}` : `output: ${item.output}`;
    });
  }

  /** A whole answer: created, item, audio, texts; `done` false leaves it running. */
  speak(id: string, text: string, ms: number, options: { done?: boolean; metadata?: unknown; after?: string } = {}) {
    const item = { id: `item_${id}`, type: 'message', role: 'assistant' };
    this.event({ type: 'response.created', response: { id, metadata: options.metadata ?? null } });
    this.event({ type: 'response.output_item.added', response_id: id, item });
    if (options.after !== undefined)
      this.event({ type: 'conversation.item.added', item, previous_item_id: options.after });
    this.event({ type: 'response.output_audio_transcript.delta', item_id: item.id, delta: text });
    this.delta(id, ms);
    if (options.done !== false) this.finish(id, text);
  }
  delta(id: string, ms: number): void {
    this.handlers.onAudio({ responseId: id, itemId: `item_${id}`, contentIndex: 0, audio: audio(ms) });
  }
  finish(id: string, text: string | null, status = 'completed'): void {
    const item = { id: `item_${id}`, type: 'message', role: 'assistant', status: 'completed' };
    this.event({ type: 'response.output_audio.done', response_id: id, item_id: item.id });
    if (text !== null)
      this.event({
        type: 'response.output_audio_transcript.done',
        response_id: id,
        item_id: item.id,
        transcript: text,
      });
    this.event({ type: 'response.output_item.done', response_id: id, item });
    this.event({ type: 'response.done', response: { id, status } });
  }
  /** The caller says something, and the recogniser writes it down. */
  hear(id: string, text: string | null, previous: string | null = null): void {
    this.event({ type: 'input_audio_buffer.speech_started', item_id: id });
    this.event({ type: 'input_audio_buffer.speech_stopped', item_id: id });
    this.event({ type: 'input_audio_buffer.committed', item_id: id, previous_item_id: previous });
    if (text !== null)
      this.event({
        type: 'conversation.item.input_audio_transcription.completed',
        item_id: id,
        content_index: 0,
        transcript: text,
      });
  }
  /** A response that only calls functions. */
  call(id: string, calls: { id: string; name: string; args: unknown; status?: string }[], status = 'completed'): void {
    this.event({ type: 'response.created', response: { id, metadata: null } });
    for (const { id: callId, name, args, status: itemStatus } of calls)
      this.event({
        type: 'response.output_item.done',
        response_id: id,
        item: {
          id: `fc_${callId}`,
          type: 'function_call',
          status: itemStatus ?? 'completed',
          call_id: callId,
          name,
          arguments: JSON.stringify(args),
        },
      });
    this.event({ type: 'response.done', response: { id, status } });
  }
}

export class FakeModel implements RealtimeModel {
  readonly provider = 'simulator';
  readonly connections: FakeConnection[] = [];

  connect(_options: unknown, handlers: RealtimeHandlers): RealtimeConnection {
    const connection = new FakeConnection(handlers);
    this.connections.push(connection);
    return connection;
  }
  get last(): FakeConnection {
    return this.connections.at(-1)!;
  }
}

/** Twilio's end of the stream. */
export class FakeSocket {
  readonly sent: { event: string; media?: { payload: string }; mark?: { name: string } }[] = [];
  bufferedAmount = 0;
  closedWith: number | null = null;

  send(text: string): void {
    this.sent.push(JSON.parse(text) as (typeof this.sent)[number]);
  }
  close(code: number): void {
    this.closedWith ??= code;
  }
  get events(): string[] {
    return this.sent.map((message) => message.event);
  }
  get marks(): string[] {
    return this.sent.flatMap((message) => message.mark?.name ?? []);
  }
  /** Milliseconds of audio that were sent. */
  get audioMs(): number {
    return this.sent.reduce((ms, { media }) => ms + (media ? Buffer.from(media.payload, 'base64').length / 8 : 0), 0);
  }
}

export class FakeRecorder implements SessionRecorder {
  readonly events: NewSessionEvent[] = [];
  readonly partials: TurnState[] = [];
  supersede: () => void = () => {};

  append(event: NewSessionEvent): void {
    this.events.push(event);
  }
  partial(turn: TurnState): void {
    this.partials.push(turn);
  }
  flush(): Promise<void> {
    return Promise.resolve();
  }
  onSuperseded(listener: () => void): void {
    this.supersede = listener;
  }
  all<T extends SessionEventType>(type: T): SessionEventPayloads[T][] {
    return this.events.filter((event) => event.type === type).map((event) => event.payload as SessionEventPayloads[T]);
  }
  /** Completed turns as `index SPEAKER text`. */
  get story(): string[] {
    return this.all('TurnCompleted')
      .map(({ turn }) => turn)
      .sort((a, b) => a.index - b.index)
      .map((turn) => `${turn.index} ${turn.speaker} ${turn.text}`);
  }
}

export class FakeControl implements CallControl {
  readonly done: string[] = [];
  /** Verbs that fail. */
  readonly broken = new Set<string>();
  tool: (args: unknown) => Promise<{ ok: boolean; result: unknown }> = () =>
    Promise.resolve({ ok: true, result: { eta: '2d' } });

  hangUp = () => this.act('hangUp');
  transfer = (target: string) => this.act('transfer', target);
  runFallback = (cause: string) => this.act('runFallback', cause);
  bringPerson = ({ commandId, target }: { commandId: string; target: string }) =>
    this.act('bringPerson', `${target} ${commandId}`);
  joinPerson = (commandId: string) => this.act('joinPerson', commandId);
  dismissPerson = (commandId: string) => this.act('dismissPerson', commandId);
  runHttpTool = (_tool: unknown, args: unknown) => this.tool(args);
  createCallback = ({ reason }: { reason: string }) => this.act('createCallback', reason);
  addToDoNotCall = (reason: string) => this.act('addToDoNotCall', reason);
  streamEnded = ({ by, ended }: { by: string; ended: string | null }) => this.act('streamEnded', `${by} ${ended}`);
  beat = () => this.act('beat');

  /** Everything but the signs of life. */
  get deeds(): string[] {
    return this.done.filter((deed) => deed !== 'beat');
  }

  private act(verb: string, detail?: string): Promise<void> {
    this.done.push(detail === undefined ? verb : `${verb} ${detail}`);
    return this.broken.has(verb) ? Promise.reject(new Error(`${verb} is broken`)) : Promise.resolve();
  }
}

/** One bridge between doubles, with a clock that only the test moves. */
export class BridgeBench {
  nowMs = 0;
  readonly model = new FakeModel();
  readonly socket = new FakeSocket();
  readonly recorder = new FakeRecorder();
  readonly control = new FakeControl();
  readonly counts: Record<string, number> = {};
  readonly members = new Set<Ticking>();
  readonly bridge: CallBridge;
  private echoed = 0;

  constructor(plan: Partial<CallPlan> = {}, options: { open?: boolean } = {}) {
    const count = (name: string) => () => {
      this.counts[name] = (this.counts[name] ?? 0) + 1;
    };
    const context: EngineContext = {
      model: this.model,
      clock: { now: () => new Date(1_700_000_000_000 + this.nowMs), monotonicMs: () => this.nowMs },
      log: silentLogger,
      metrics: {
        ...noMediaMetrics,
        bargeIn: count('bargeIn'),
        framesDropped: (direction, dropped) => {
          this.counts[direction] = (this.counts[direction] ?? 0) + dropped;
        },
        bridgeOpened: count('opened'),
        bridgeClosed: count('closed'),
      },
      ticker: {
        add: (member) => void this.members.add(member),
        remove: (member) => void this.members.delete(member),
      },
    };
    const claimed = {
      plan: aPlan({ sessionStartedAt: new Date(1_700_000_000_000), ...plan }),
      recorder: this.recorder,
      control: this.control,
    };
    this.bridge = new CallBridge(claimed, this.socket, context);
    this.bridge.start();
    if (options.open !== false) this.model.last.open();
  }

  /** The model session of the moment. */
  get session(): FakeConnection {
    return this.model.last;
  }

  /** Moves the clock, ticking every 100 ms as the ticker does. */
  pass(ms: number): void {
    const end = this.nowMs + ms;
    while (this.nowMs < end) {
      this.nowMs = Math.min(end, this.nowMs + 100);
      for (const member of this.members) member.tick(this.nowMs);
    }
  }

  frame(payload = audio(20)): void {
    this.bridge.receive({ event: 'media', streamSid: 'MZ1', payload, timestampMs: this.nowMs });
  }

  /** Twilio plays everything and echoes the marks that it has not echoed yet. */
  playOut(): void {
    for (const name of this.socket.marks.slice(this.echoed)) this.echo(name);
  }
  echo(name: string): void {
    this.echoed = Math.max(this.echoed, this.socket.marks.indexOf(name) + 1);
    this.bridge.receive({ event: 'mark', streamSid: 'MZ1', name });
  }
  stop(): void {
    this.bridge.receive({ event: 'stop', streamSid: 'MZ1' });
  }

  /** `metadata` of the newest response.create: how the model shows whose response it is. */
  get metadata(): unknown {
    const create = this.session.all('response.create').at(-1)!;
    return (create['response'] as { metadata: unknown }).metadata;
  }
  get instructions(): (string | undefined)[] {
    return this.session
      .all('response.create')
      .map((event) => (event['response'] as { instructions?: string }).instructions);
  }
}
