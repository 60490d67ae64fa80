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
/** A peer that does not answer a close frame is let go. */
const CLOSE_TIMEOUT_MS = 2_000;
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

/** Longest reason that fits into a close frame, in bytes. */
const MAX_REASON_BYTES = 123;

class Connection implements RealtimeConnection {
  /** Null when it could not even be made: a key with a line break, a URL without a host. */
  private readonly socket: WebSocket | null;
  private closed = false;
  private httpStatus: number | null = null;
  private ignored = 0;

  constructor(
    private readonly options: OpenAIRealtimeOptions,
    connect: RealtimeConnect,
    private readonly handlers: RealtimeHandlers,
  ) {
    this.socket = this.dial(connect);
  }

  private dial(connect: RealtimeConnect): WebSocket | null {
    let socket: WebSocket;
    try {
      const url = new URL(this.options.url);
      url.searchParams.set('model', connect.model);
      socket = new WebSocket(url, {
        headers: { authorization: `Bearer ${this.options.apiKey}` },
        perMessageDeflate: false,
        maxPayload: MAX_PAYLOAD_BYTES,
        handshakeTimeout: connect.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      });
    } catch {
      // The exception may quote the key. The caller holds no connection yet, so the news must not come before this returns.
      queueMicrotask(() => this.finish(1006, 'the address or the key of the model is malformed'));
      return null;
    }
    socket.on('open', () => this.handlers.onOpen());
    socket.on('message', (data, isBinary) => this.receive(data, isBinary));
    socket.on('unexpected-response', (request, response: IncomingMessage) => {
      this.httpStatus = response.statusCode ?? null;
      response.resume();
      request.destroy();
      this.finish(1006, `upgrade refused with ${this.httpStatus}`);
    });
    // Always followed by 'close', except before the handshake is over.
    socket.on('error', (error) => {
      if (socket.readyState !== WebSocket.OPEN) this.finish(1006, error.message);
    });
    socket.on('close', (code, reason) => this.finish(code, reason.toString()));
    return socket;
  }

  private get open(): WebSocket | null {
    return this.socket?.readyState === WebSocket.OPEN ? this.socket : null;
  }

  send(event: RealtimeClientEvent): void {
    const socket = this.open;
    if (socket === null) return;
    event.event_id ??= `evt_${randomUUID()}`;
    socket.send(JSON.stringify(event));
  }

  appendAudio(base64: string): void {
    const socket = this.open;
    if (socket === null) return;
    // It is written into JSON as it is: a quote in it would be a client event of somebody else's choosing.
    if (base64.includes('"') || base64.includes('\\'))
      return this.ignore('audio that is not base64 was not sent to the model');
    socket.send(`{"type":"input_audio_buffer.append","audio":"${base64}"}`);
  }

  get bufferedBytes(): number {
    return this.socket?.bufferedAmount ?? 0;
  }

  close(code = 1000, reason = ''): void {
    const socket = this.socket;
    if (socket === null || socket.readyState >= WebSocket.CLOSING) return;
    // A connection that is still being made is torn down too; otherwise it would open later and live for an hour (trap 14).
    if (socket.readyState === WebSocket.CONNECTING) {
      this.finish(1006, reason);
      socket.terminate();
      return;
    }
    socket.close(code, Buffer.from(reason).subarray(0, MAX_REASON_BYTES));
    setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS).unref();
  }

  private finish(code: number, reason: string): void {
    if (this.closed) return;
    this.closed = true;
    if (this.ignored > 1) this.options.log.warn({ ignored: this.ignored }, 'messages of a model session were ignored');
    this.handlers.onClose({ code, reason, httpStatus: this.httpStatus });
  }

  private receive(data: RawData, isBinary: boolean): void {
    if (this.closed) return;
    if (isBinary) return this.ignore('binary message of the model ignored');
    const text = (data as Buffer).toString('utf8');
    const delta = sliceAudioDelta(text);
    if (delta !== null) return this.handlers.onAudio(delta);
    let event: RealtimeServerEvent;
    try {
      event = JSON.parse(text) as RealtimeServerEvent;
    } catch {
      return this.ignore('message of the model is not JSON');
    }
    if (typeof event?.type !== 'string') return this.ignore('message of the model has no type');
    if (event.type !== 'response.output_audio.delta') return this.handlers.onEvent(event);
    const parsed = audioDeltaOf(event);
    if (parsed === null) return this.ignore('audio of the model is not base64');
    this.handlers.onAudio(parsed);
  }

  /** Logged once: a peer that sends nonsense sends it fifty times a second. The count is told when it is over. */
  private ignore(message: string): void {
    if (this.ignored++ === 0) this.options.log.warn({}, message);
  }
}

const DELTA_TYPE = '"type":"response.output_audio.delta"';
const CONTENT_INDEX = '"content_index":';

/**
 * The fields of an audio delta without parsing its JSON, in any order of keys, or null for any other message and whenever
 * the text is not in the plain form that servers send (then it is parsed). Without escapes and without a second object in
 * it, a key can only stand where it seems to stand.
 */
export function sliceAudioDelta(text: string): AudioDelta | null {
  // The type stands near the beginning; looking further would scan every long event.
  const type = text.indexOf(DELTA_TYPE);
  if (type === -1 || type > 200 || text.includes('\\') || text.lastIndexOf('{') !== 0) return null;
  const responseId = field(text, '"response_id":"');
  const itemId = field(text, '"item_id":"');
  const audio = field(text, '"delta":"');
  const contentAt = text.indexOf(CONTENT_INDEX);
  const contentIndex = Number.parseInt(text.slice(contentAt + CONTENT_INDEX.length, contentAt + 24), 10);
  if (responseId === null || itemId === null || audio === null || contentAt === -1 || !BASE64.test(audio)) return null;
  return Number.isNaN(contentIndex) ? null : { responseId, itemId, contentIndex, audio };
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
