import type { WebSocket } from 'ws';
import type { AudioLibrary } from '../audio/library.js';
import { Conversation, wire, type Item } from './conversation.js';
import type { Dialogue } from './dialogue.js';
import type { ModelFaults } from './faults.js';
import { SimulatedResponse } from './response.js';
import { initialConfig, mergeConfig, ProtocolError, type SessionConfig } from './session-config.js';
import { EnergyVad } from './vad.js';

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

type Handler = (event: Record<string, unknown>) => void;

/** One Realtime session on one socket, to the letter of protocols.md. */
export class SimulatedSession {
  config: SessionConfig;
  readonly conversation = new Conversation();
  readonly library: AudioLibrary;
  readonly faults: ModelFaults;
  voiceLocked = false;
  /** Every client event received, oldest first. */
  readonly received: Record<string, unknown>[] = [];
  private active: SimulatedResponse | null = null;
  private readonly outOfBand = new Set<SimulatedResponse>();
  private readonly vad: EnergyVad;
  private buffer: Buffer[] = [];
  private speechItemId: string | null = null;
  private configured = false;
  private closed = false;
  private counter = 0;
  private readonly timers = new Set<NodeJS.Timeout>();

  constructor(
    private readonly socket: WebSocket,
    private readonly options: SimulatedSessionOptions,
  ) {
    this.library = options.library;
    this.faults = options.faults;
    this.config = initialConfig(options.id, options.model, Math.floor(Date.now() / 1_000) + options.sessionSeconds);
    this.vad = new EnergyVad(this.config.audio.input.turn_detection!);
    socket.on('message', (data: Buffer, isBinary) => this.receive(data.toString('utf8'), isBinary));
    socket.on('close', () => this.end());
    socket.on('error', () => {});
    this.emit('session.created', { session: this.config });
    this.after(options.sessionSeconds * 1_000, () => this.expire());
  }

  newId(prefix: string): string {
    return `${prefix}_${this.options.id.slice(-6)}_${++this.counter}`;
  }

  emit(type: string, fields: object): void {
    if (this.faults.stall) return;
    this.sendRaw(JSON.stringify({ type, event_id: this.newId('event'), ...fields }));
  }

  sendRaw(text: string): void {
    if (!this.closed && this.socket.readyState === this.socket.OPEN) this.socket.send(text);
  }

  previousOf(itemId: string): string | null {
    const at = this.conversation.items.findIndex((item) => item.id === itemId);
    return this.conversation.items[at - 1]?.id ?? null;
  }

  /** Ends like the 60-minute limit does. */
  expire(): void {
    this.emit('error', {
      error: {
        type: 'invalid_request_error',
        code: 'session_expired',
        message: 'Your session hit the maximum duration of 60 minutes.',
        param: null,
        event_id: null,
      },
    });
    this.socket.close(1001, 'Session hit maximum duration of 60 minutes.');
  }

  /** Dies without a close frame. */
  die(): void {
    this.socket.terminate();
  }

  responseOver(response: SimulatedResponse): void {
    this.outOfBand.delete(response);
    if (this.active === response) this.active = null;
    this.emit('rate_limits.updated', {
      rate_limits: [{ name: 'tokens', limit: 1_000_000, remaining: 999_000, reset_seconds: 0.1 }],
    });
  }

  private after(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      work();
    }, ms);
    timer.unref();
    this.timers.add(timer);
  }

  private end(): void {
    this.closed = true;
    for (const timer of this.timers) clearTimeout(timer);
    for (const response of [this.active, ...this.outOfBand]) response?.abandon();
  }

  private receive(text: string, isBinary: boolean): void {
    let event: Record<string, unknown>;
    try {
      if (isBinary) throw new SyntaxError('binary');
      event = JSON.parse(text) as Record<string, unknown>;
    } catch {
      return this.refuse(new ProtocolError('invalid_json', 'Could not parse your message as JSON.'), null);
    }
    if (event.type !== 'input_audio_buffer.append') this.received.push(event);
    const handler = this.handlers[String(event.type)];
    try {
      if (handler === undefined)
        throw new ProtocolError('invalid_value', `Invalid value: '${String(event.type)}'.`, 'type');
      handler(event);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.refuse(error, event);
    }
  }

  private refuse(error: ProtocolError, event: Record<string, unknown> | null): void {
    this.options.onViolation(`${String(event?.type)}: ${error.message}`);
    this.emit('error', {
      error: {
        type: error.type,
        code: error.code,
        message: error.message,
        param: error.param,
        event_id: event?.event_id ?? null,
      },
    });
  }

  private readonly handlers: Readonly<Record<string, Handler>> = {
    'session.update': (event) => {
      this.config = mergeConfig(this.config, event.session, this.voiceLocked);
      if (this.config.audio.input.turn_detection !== null) this.vad.configure(this.config.audio.input.turn_detection);
      const confirm = () => {
        this.configured = true;
        this.emit('session.updated', { session: this.config });
      };
      if (this.faults.slowUpdateMs > 0) this.after(this.faults.slowUpdateMs, confirm);
      else confirm();
    },
    'input_audio_buffer.append': (event) => this.append(event.audio),
    'input_audio_buffer.commit': () => this.commit(this.speechItemId ?? this.newId('item')),
    'input_audio_buffer.clear': () => {
      this.buffer = [];
      this.emit('input_audio_buffer.cleared', {});
    },
    'conversation.item.create': (event) => {
      const item = Conversation.fromClient(event.item, () => this.newId('item'));
      if (
        item.type === 'function_call_output' &&
        !this.conversation.items.some((i) => i.type === 'function_call' && i.call_id === item.call_id)
      )
        throw new ProtocolError(
          'invalid_tool_call_id',
          `Tool call ID '${item.call_id}' not found in conversation.`,
          'item.call_id',
        );
      const previous = this.conversation.insert(item, event.previous_item_id as string | undefined);
      this.emit('conversation.item.added', { item: wire(item), previous_item_id: previous });
      this.emit('conversation.item.done', { item: wire(item), previous_item_id: previous });
    },
    'conversation.item.retrieve': (event) =>
      this.emit('conversation.item.retrieved', {
        item: wire(this.conversation.find(String(event.item_id), 'conversation.item.retrieve')),
      }),
    'conversation.item.delete': (event) => {
      this.conversation.remove(String(event.item_id));
      this.emit('conversation.item.deleted', { item_id: event.item_id });
    },
    'conversation.item.truncate': (event) => this.truncate(event),
    'response.create': (event) => this.respond((event.response ?? {}) as Record<string, unknown>),
    'response.cancel': () => {
      if (this.active === null)
        throw new ProtocolError('response_cancel_not_active', 'Cancellation failed: no active response found');
      this.active.cancel('client_cancelled');
    },
    'output_audio_buffer.clear': () => {
      throw new ProtocolError('invalid_value', 'output_audio_buffer.clear is for WebRTC and SIP only.', 'type');
    },
  };

  private append(audio: unknown): void {
    if (typeof audio !== 'string' || !/^[A-Za-z0-9+/]+={0,2}$/.test(audio))
      throw new ProtocolError('invalid_value', 'Invalid audio: expected base64.', 'audio');
    // Before the format is set, µ-law would be read as 24 kHz PCM: noise (trap 17).
    if (!this.configured) return this.options.onViolation('audio appended before session.updated');
    const bytes = Buffer.from(audio, 'base64');
    this.buffer.push(bytes);
    const detection = this.config.audio.input.turn_detection;
    if (detection === null) return;
    for (const event of this.vad.push(bytes)) {
      if (event.type === 'started') {
        this.speechItemId = this.newId('item');
        this.emit('input_audio_buffer.speech_started', { audio_start_ms: event.audioMs, item_id: this.speechItemId });
        if (detection.interrupt_response !== false && this.active?.status === 'in_progress')
          this.active.cancel('turn_detected');
      } else {
        this.emit('input_audio_buffer.speech_stopped', { audio_end_ms: event.audioMs, item_id: this.speechItemId });
        this.commit(this.speechItemId!);
        if (detection.create_response !== false) this.respondWhenFree();
      }
    }
  }

  private commit(itemId: string): void {
    if (this.buffer.length === 0)
      throw new ProtocolError(
        'input_audio_buffer_commit_empty',
        'Error committing input audio buffer: buffer too small.',
      );
    const transcript = this.library.transcribe(Buffer.concat(this.buffer));
    this.buffer = [];
    this.speechItemId = null;
    // The model hears the audio itself; the written transcript is another model's and comes when it comes.
    const item: Item = {
      id: itemId,
      object: 'realtime.item',
      type: 'message',
      status: 'completed',
      role: 'user',
      content: [{ type: 'input_audio', transcript }],
    };
    const previous = this.conversation.lastId;
    this.emit('input_audio_buffer.committed', { item_id: itemId, previous_item_id: previous });
    this.conversation.insert(item);
    const shown = { ...wire(item), content: [{ type: 'input_audio', transcript: null }] };
    this.emit('conversation.item.added', { item: shown, previous_item_id: previous });
    this.emit('conversation.item.done', { item: shown, previous_item_id: previous });
    if (this.config.audio.input.transcription === null || this.faults.transcripts === 'never') return;
    this.after(this.faults.transcriptDelayMs, () => this.transcribed(itemId, transcript));
  }

  private transcribed(itemId: string, transcript: string): void {
    const at = { item_id: itemId, content_index: 0 };
    if (this.faults.transcripts === 'failed')
      return this.emit('conversation.item.input_audio_transcription.failed', {
        ...at,
        error: {
          type: 'transcription_error',
          code: 'audio_unintelligible',
          message: 'The audio could not be transcribed.',
          param: null,
        },
      });
    for (const word of transcript.match(/\S+\s*/g) ?? [])
      this.emit('conversation.item.input_audio_transcription.delta', { ...at, delta: word });
    this.emit('conversation.item.input_audio_transcription.completed', {
      ...at,
      transcript,
      usage: { type: 'duration', seconds: 1 },
    });
  }

  private truncate(event: Record<string, unknown>): void {
    const item = this.conversation.find(String(event.item_id), 'conversation.item.truncate');
    const end = event.audio_end_ms;
    if (item.role !== 'assistant')
      throw new ProtocolError('invalid_value', 'Only assistant audio can be truncated.', 'item_id');
    if (typeof end !== 'number' || !Number.isInteger(end) || end < 0)
      throw new ProtocolError('invalid_value', 'audio_end_ms must be a non-negative integer.', 'audio_end_ms');
    const generated = item.generatedMs ?? 0;
    if (end > generated)
      throw new ProtocolError(
        null,
        `Audio content of ${Math.floor(generated)}ms is already shorter than ${end}ms`,
        'audio_end_ms',
      );
    item.generatedMs = end;
    item.content = [{ type: 'output_audio', transcript: null }];
    this.emit('conversation.item.truncated', { item_id: item.id, content_index: 0, audio_end_ms: end });
  }

  /** Turn detection waits for a response that is still being spoken; a client that asks then gets an error. */
  private respondWhenFree(): void {
    if (this.active === null) return this.respond({});
    this.after(10, () => this.respondWhenFree());
  }

  private respond(wanted: Record<string, unknown>): void {
    const outOfBand = wanted.conversation === 'none';
    if (!outOfBand && this.active !== null)
      throw new ProtocolError(
        'conversation_already_has_active_response',
        'Conversation already has an active response.',
      );
    const response = new SimulatedResponse(this, outOfBand, wanted.metadata);
    if (outOfBand) this.outOfBand.add(response);
    else this.active = response;
    const instructions = typeof wanted.instructions === 'string' ? wanted.instructions : null;
    response.start(this.options.dialogue({ config: this.config, instructions, history: this.conversation.history() }));
  }
}
