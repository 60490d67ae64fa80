import type { WebSocket } from 'ws';
import type { AudioLibrary } from '../audio/library.js';
import { Conversation, historyOf, wire, type Item } from './conversation.js';
import type { Dialogue } from './dialogue.js';
import type { ModelFaults } from './faults.js';
import { InputAudio } from './input-audio.js';
import { checkEvent, ProtocolError, type Json } from './parameters.js';
import { SimulatedResponse } from './response.js';
import { configOfResponse, initialConfig, mergeConfig, type SessionConfig } from './session-config.js';

export interface SimulatedSessionOptions {
  id: string;
  model: string;
  library: AudioLibrary;
  dialogue: Dialogue;
  faults: ModelFaults;
  /** Called with each mistake of the client, the error events it got included. */
  onViolation: (violation: string) => void;
  sessionSeconds: number;
}

/** Turn detection answers when the response before is over; it looks again so often. */
const RESPOND_RETRY_MS = 10;

/** One Realtime session on one socket, to the letter of protocols.md. */
export class SimulatedSession {
  readonly id: string;
  readonly conversationId: string;
  config: SessionConfig;
  readonly conversation = new Conversation();
  readonly library: AudioLibrary;
  /** The simulator's faults; what is set here holds for this session only. */
  readonly faults: ModelFaults;
  voiceLocked = false;
  /** Input tokens of the last response: what the next one finds in the cache. */
  tokensRead = 0;
  /** Every client event received but audio, oldest first. */
  readonly received: Json[] = [];
  private readonly input: InputAudio;
  private active: SimulatedResponse | null = null;
  private readonly outOfBand = new Set<SimulatedResponse>();
  private closed = false;
  private counter = 0;
  private readonly timers = new Set<NodeJS.Timeout>();

  constructor(
    private readonly socket: WebSocket,
    private readonly options: SimulatedSessionOptions,
  ) {
    this.id = options.id;
    this.conversationId = this.newId('conv');
    this.library = options.library;
    this.faults = Object.create(options.faults) as ModelFaults;
    this.config = initialConfig(options.id, options.model, Math.floor(Date.now() / 1_000) + options.sessionSeconds);
    this.input = new InputAudio(this);
    socket.on('message', (data: Buffer, isBinary) => this.receive(data.toString('utf8'), isBinary));
    socket.on('close', () => this.end());
    socket.on('error', () => {});
    this.emit('session.created', { session: this.config });
    this.after(options.sessionSeconds * 1_000, () => this.expire());
  }

  newId(prefix: string): string {
    return `${prefix}_${this.id.slice(-6)}_${++this.counter}`;
  }

  emit(type: string, fields: object): void {
    if (this.faults.stall) return;
    this.sendRaw(JSON.stringify({ type, event_id: this.newId('event'), ...fields }));
  }

  sendRaw(text: string): void {
    if (!this.closed && this.socket.readyState === this.socket.OPEN) this.socket.send(text);
  }

  violation(what: string): void {
    this.options.onViolation(what);
  }

  /** An error event out of the blue; the session goes on. */
  emitError(
    error: { code: string | null; message: string; type?: string; param?: string | null },
    eventId: unknown = null,
  ): void {
    const { code, message, type = 'invalid_request_error', param = null } = error;
    this.emit('error', { error: { type, code, message, param, event_id: eventId } });
  }

  /** Ends like the 60-minute limit does. */
  expire(): void {
    this.emitError({ code: 'session_expired', message: 'Your session hit the maximum duration of 60 minutes.' });
    this.socket.close(1001, 'Session hit maximum duration of 60 minutes.');
  }

  /** Dies without a close frame. */
  die(): void {
    this.socket.terminate();
  }

  /** Runs `work` later, unless the session is over or the result is called. */
  after(ms: number, work: () => void): () => void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      work();
    }, ms);
    timer.unref();
    this.timers.add(timer);
    return () => {
      clearTimeout(timer);
      this.timers.delete(timer);
    };
  }

  /** The caller began to speak. */
  turnBegan(): void {
    if (this.config.audio.input.turn_detection?.interrupt_response !== false) this.active?.cancel('turn_detected');
  }

  /** The caller's turn is over and committed. */
  turnEnded(): void {
    if (this.config.audio.input.turn_detection?.create_response !== false) this.respondWhenFree();
  }

  responseOver(response: SimulatedResponse): void {
    this.outOfBand.delete(response);
    if (this.active !== response) return;
    this.active = null;
    this.input.awaitCaller(response.playsForMs);
  }

  private end(): void {
    this.closed = true;
    for (const timer of this.timers) clearTimeout(timer);
    for (const response of [this.active, ...this.outOfBand]) response?.abandon();
  }

  private receive(text: string, isBinary: boolean): void {
    let message: unknown;
    try {
      if (isBinary) throw new SyntaxError('binary');
      message = JSON.parse(text);
    } catch {
      return this.refuse(new ProtocolError('invalid_json', 'Could not parse your message as JSON.'), null);
    }
    try {
      const { type, event } = checkEvent(message);
      if (type !== 'input_audio_buffer.append') this.received.push(event);
      this.handlers[type]!(event);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.refuse(error, message as Json | null);
    }
  }

  private refuse(error: ProtocolError, event: Json | null): void {
    this.violation(`${String(event?.type)}: ${error.message}`);
    this.emitError(error, event?.event_id);
  }

  private readonly handlers: Readonly<Record<string, (event: Json) => void>> = {
    'session.update': (event) => {
      this.config = mergeConfig(this.config, event.session as Json, this.voiceLocked);
      const confirm = () => {
        this.input.configure();
        this.emit('session.updated', { session: this.config });
      };
      if (this.faults.slowUpdateMs > 0) this.after(this.faults.slowUpdateMs, confirm);
      else confirm();
    },
    'input_audio_buffer.append': (event) => this.input.append(event.audio as string),
    'input_audio_buffer.commit': () => this.input.commit(),
    'input_audio_buffer.clear': () => this.input.clear(),
    'conversation.item.create': (event) => {
      const given = event.item as Json;
      if (given.type === 'item_reference')
        throw new ProtocolError('invalid_value', 'An item_reference is for response.create only.', 'item.type');
      const item = this.conversation.fromClient(given, () => this.newId('item'));
      const previous = this.conversation.insert(item, event.previous_item_id as string | null | undefined);
      this.emit('conversation.item.added', { item: wire(item), previous_item_id: previous });
      this.emit('conversation.item.done', { item: wire(item), previous_item_id: previous });
    },
    'conversation.item.retrieve': (event) => {
      const item = this.conversation.find(event.item_id as string, 'conversation.item.retrieve');
      this.emit('conversation.item.retrieved', { item: wire(item) });
    },
    'conversation.item.delete': (event) => {
      this.conversation.remove(event.item_id as string);
      this.emit('conversation.item.deleted', { item_id: event.item_id });
    },
    'conversation.item.truncate': (event) => this.truncate(event.item_id as string, event.audio_end_ms as number),
    'response.create': (event) => this.respond((event.response ?? {}) as Json),
    'response.cancel': (event) => {
      const wanted = [this.active, ...this.outOfBand].find((response) =>
        event.response_id === undefined ? response === this.active : response?.id === event.response_id,
      );
      if (wanted == null)
        throw new ProtocolError('response_cancel_not_active', 'Cancellation failed: no active response found');
      wanted.cancel('client_cancelled');
    },
    'output_audio_buffer.clear': () => {
      throw new ProtocolError('invalid_value', 'output_audio_buffer.clear is for WebRTC and SIP only.', 'type');
    },
  };

  /** Cuts what was not heard: its audio, and with it the whole transcript. */
  private truncate(itemId: string, endMs: number): void {
    const item = this.conversation.find(itemId, 'conversation.item.truncate');
    if (item.role !== 'assistant' || item.audioMs === undefined)
      throw new ProtocolError('invalid_value', 'Only assistant audio can be truncated.', 'item_id');
    if (endMs > item.audioMs)
      throw new ProtocolError(
        null,
        `Audio content of ${Math.floor(item.audioMs)}ms is already shorter than ${endMs}ms`,
        'audio_end_ms',
      );
    item.audioMs = endMs;
    item.content = [{ type: 'output_audio', transcript: null }];
    this.emit('conversation.item.truncated', { item_id: item.id, content_index: 0, audio_end_ms: endMs });
  }

  /** Turn detection waits for a response that is still being spoken; a client that asks then gets an error. */
  private respondWhenFree(): void {
    if (this.active === null) return this.respond({});
    this.after(RESPOND_RETRY_MS, () => this.respondWhenFree());
  }

  private respond(wanted: Json): void {
    const outOfBand = wanted.conversation === 'none';
    if (!outOfBand && this.active !== null)
      throw new ProtocolError(
        'conversation_already_has_active_response',
        'Conversation already has an active response.',
      );
    const input = this.inputOf(wanted);
    const config = configOfResponse(this.config, wanted);
    const response = new SimulatedResponse(this, { outOfBand, metadata: wanted.metadata, config, input });
    if (outOfBand) this.outOfBand.add(response);
    else {
      this.active = response;
      this.input.notIdle();
    }
    const reply = this.options.dialogue({
      sessionId: this.id,
      config: config.tool_choice === 'none' ? { ...config, tools: [] } : config,
      instructions: (wanted.instructions as string | undefined) ?? null,
      metadata: (wanted.metadata as Record<string, string> | null | undefined) ?? null,
      history: historyOf(input),
    });
    response.start(reply);
  }

  /** `response.input` replaces the conversation for this response; it may refer to items of it. */
  private inputOf(wanted: Json): Item[] {
    if (wanted.input === undefined) return [...this.conversation.items];
    return (wanted.input as Json[]).map((value) => this.conversation.fromClient(value, () => this.newId('item')));
  }
}
