import type { CallPlan } from '../ports/media-session.js';
import type { RealtimeConnection, RealtimeModel, RealtimeServerEvent } from '../ports/realtime-model.js';
import { InboundBuffer } from './inbound-buffer.js';
import { listeningUpdate } from './realtime-session-config.js';
import type { TurnSequencer } from './turn-sequencer.js';

const CONNECT_TIMEOUT_MS = 5_000;
/** Sessions that are tried for one phone. Without one the person is heard, and not written down. */
const MAX_SESSIONS = 3;

/** Writes down what a person says into a call: a model session of its own that only listens. */
export class PhoneTranscript {
  private connection: RealtimeConnection | null = null;
  private configured = false;
  private sessions = 0;
  private closed = false;
  private readonly buffer = new InboundBuffer();

  constructor(
    private readonly parts: { model: RealtimeModel; plan: CallPlan; turns: TurnSequencer; nowMs: () => number },
  ) {
    this.connect();
  }

  append(base64: string): void {
    if (this.closed) return;
    if (this.configured) this.connection?.appendAudio(base64);
    else this.buffer.push(base64);
  }

  close(): void {
    this.closed = true;
    this.buffer.clear();
    this.connection?.close(1000, 'call ended');
    this.connection = null;
  }

  private connect(): void {
    const session = (this.sessions += 1);
    const current = (): boolean => !this.closed && session === this.sessions;
    const connection = this.parts.model.connect(
      { model: this.parts.plan.model, connectTimeoutMs: CONNECT_TIMEOUT_MS },
      {
        onOpen: () => {
          if (current()) connection.send(listeningUpdate(this.parts.plan));
        },
        onEvent: (event) => {
          if (current()) this.hear(event);
        },
        onAudio: () => {},
        onClose: () => {
          if (!current()) return;
          this.configured = false;
          if (session < MAX_SESSIONS) this.connect();
          else this.close();
        },
      },
    );
    this.connection = connection;
  }

  private hear(event: RealtimeServerEvent): void {
    const { turns, nowMs } = this.parts;
    const item = event['item_id'];
    // Items of two sessions may have the same names.
    const id = typeof item === 'string' && item !== '' ? `phone${this.sessions}:${item}` : '';
    const text = (name: string): string => (typeof event[name] === 'string' ? event[name] : '');
    switch (event.type) {
      case 'session.updated':
        this.configured = true;
        return this.buffer.drain((base64) => this.connection?.appendAudio(base64));
      case 'input_audio_buffer.speech_started':
        return turns.speechStarted(id, nowMs(), 'SUPERVISOR');
      case 'input_audio_buffer.speech_stopped':
        return turns.speechStopped(id, nowMs(), 'SUPERVISOR');
      case 'input_audio_buffer.committed':
        return turns.callerItem(id, undefined, nowMs(), 'SUPERVISOR');
      case 'conversation.item.input_audio_transcription.delta':
        return turns.callerDelta(id, text('delta'), nowMs(), 'SUPERVISOR');
      case 'conversation.item.input_audio_transcription.completed':
        return turns.callerText(id, text('transcript'), nowMs(), 'SUPERVISOR');
      case 'conversation.item.input_audio_transcription.failed':
        return turns.callerText(id, null, nowMs(), 'SUPERVISOR');
    }
  }
}
