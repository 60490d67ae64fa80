import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { WebSocket, type RawData } from 'ws';
import type { Logger } from '../../ports/logger.js';
import type {
  AudioDelta,
  RealtimeClientEvent,
  RealtimeConnect,
  RealtimeConnection,
  RealtimeHandlers,
  RealtimeModel,
  RealtimeServerEvent,
} from '../../ports/realtime-model.js';

export interface OpenAIRealtimeOptions {
  apiKey: string;
  /** Full WebSocket base: `wss://api.openai.com/v1/realtime`; `ws://` for a simulator. */
  url: string;
  provider: 'openai' | 'simulator';
  log: Logger;
}

/** A second of audio is 11 kB of base64; the largest events are `response.done` and `session.updated`. */
const MAX_PAYLOAD_BYTES = 4 * 1024 * 1024;
const CONNECT_TIMEOUT_MS = 10_000;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** OpenAI Realtime (GA) over a raw WebSocket: the SDK's class cannot use `ws:` and parses every audio delta. */
export class OpenAIRealtime implements RealtimeModel {
  readonly provider: 'openai' | 'simulator';

  constructor(private readonly options: OpenAIRealtimeOptions) {
    this.provider = options.provider;
  }

  connect(connect: RealtimeConnect, handlers: RealtimeHandlers): RealtimeConnection {
    return new Connection(this.options, connect, handlers);
  }
}

class Connection implements RealtimeConnection {
  private readonly socket: WebSocket;
  private closed = false;
  private httpStatus: number | null = null;
  private complained = false;

  constructor(
    private readonly options: OpenAIRealtimeOptions,
    connect: RealtimeConnect,
    private readonly handlers: RealtimeHandlers,
  ) {
    const url = new URL(options.url);
    url.searchParams.set('model', connect.model);
    this.socket = new WebSocket(url, {
      headers: { authorization: `Bearer ${options.apiKey}` },
      perMessageDeflate: false,
      maxPayload: MAX_PAYLOAD_BYTES,
      handshakeTimeout: connect.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    });
    this.socket.on('open', () => handlers.onOpen());
    this.socket.on('message', (data, isBinary) => this.receive(data, isBinary));
    this.socket.on('unexpected-response', (request, response: IncomingMessage) => {
      this.httpStatus = response.statusCode ?? null;
      response.resume();
      request.destroy();
      this.finish(1006, `upgrade refused with ${this.httpStatus}`);
    });
    // Always followed by 'close', except before the handshake is over.
    this.socket.on('error', (error) => {
      if (this.socket.readyState !== WebSocket.OPEN) this.finish(1006, error.message);
    });
    this.socket.on('close', (code, reason) => this.finish(code, reason.toString()));
  }

  send(event: RealtimeClientEvent): void {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    event.event_id ??= `evt_${randomUUID()}`;
    this.socket.send(JSON.stringify(event));
  }

  appendAudio(base64: string): void {
    if (this.socket.readyState === WebSocket.OPEN)
      this.socket.send(`{"type":"input_audio_buffer.append","audio":"${base64}"}`);
  }

  get bufferedBytes(): number {
    return this.socket.bufferedAmount;
  }

  close(code = 1000, reason = ''): void {
    // A connection that is still being made is torn down too; otherwise it would open later and live for an hour (trap 14).
    if (this.socket.readyState === WebSocket.CONNECTING) {
      this.finish(1006, reason);
      this.socket.on('error', () => {});
      this.socket.terminate();
      return;
    }
    this.socket.close(code, reason);
    setTimeout(() => this.socket.terminate(), 2_000).unref();
  }

  private finish(code: number, reason: string): void {
    if (this.closed) return;
    this.closed = true;
    this.handlers.onClose({ code, reason, httpStatus: this.httpStatus });
  }

  private receive(data: RawData, isBinary: boolean): void {
    if (this.closed) return;
    if (isBinary) return this.complain('binary message of the model ignored');
    const text = (data as Buffer).toString('utf8');
    const delta = sliceAudioDelta(text);
    if (delta !== null) return this.handlers.onAudio(delta);
    let event: RealtimeServerEvent;
    try {
      event = JSON.parse(text) as RealtimeServerEvent;
    } catch {
      return this.complain('message of the model is not JSON');
    }
    if (typeof event?.type !== 'string') return this.complain('message of the model has no type');
    if (event.type !== 'response.output_audio.delta') return this.handlers.onEvent(event);
    const parsed = audioDeltaOf(event);
    if (parsed === null) return this.complain('audio of the model is not base64');
    this.handlers.onAudio(parsed);
  }

  private complain(message: string): void {
    if (!this.complained) this.options.log.warn({}, message);
    this.complained = true;
  }
}

const DELTA_TYPE = '"type":"response.output_audio.delta"';

/**
 * The fields of an audio delta without parsing its JSON, or null for any other message and whenever the text is not in
 * the plain form that servers send (then it is parsed).
 */
export function sliceAudioDelta(text: string): AudioDelta | null {
  // The type stands near the beginning; looking further would scan every long event.
  const type = text.indexOf(DELTA_TYPE);
  if (type === -1 || type > 200 || text.includes('\\')) return null;
  const responseId = field(text, '"response_id":"');
  const itemId = field(text, '"item_id":"');
  const audio = field(text, '"delta":"');
  const contentAt = text.indexOf('"content_index":');
  if (responseId === null || itemId === null || audio === null || contentAt === -1 || !BASE64.test(audio)) return null;
  return {
    responseId,
    itemId,
    contentIndex: Number.parseInt(text.slice(contentAt + 16, contentAt + 20), 10) || 0,
    audio,
  };
}

function field(text: string, key: string): string | null {
  const at = text.indexOf(key);
  if (at === -1) return null;
  const end = text.indexOf('"', at + key.length);
  return end === -1 ? null : text.slice(at + key.length, end);
}

function audioDeltaOf(event: RealtimeServerEvent): AudioDelta | null {
  const { response_id, item_id, content_index, delta } = event;
  if (
    typeof response_id !== 'string' ||
    typeof item_id !== 'string' ||
    typeof delta !== 'string' ||
    !BASE64.test(delta)
  )
    return null;
  return {
    responseId: response_id,
    itemId: item_id,
    contentIndex: typeof content_index === 'number' ? content_index : 0,
    audio: delta,
  };
}
