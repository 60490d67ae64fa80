/**
 * A realtime speech model over one socket: OpenAI Realtime (GA), protocols.md part A.
 * Audio is `audio/pcmu` both ways and stays in the base64 it came in.
 */
export interface RealtimeModel {
  /** Shown to people and recorded as evidence: `openai`, `simulator`. A simulator's calls are no evidence for a launch gate. */
  readonly provider: 'openai' | 'simulator';
  /** Starts connecting at once; the outcome is told to the handlers. Never throws. */
  connect(options: RealtimeConnect, handlers: RealtimeHandlers): RealtimeConnection;
}

/** Voices of the realtime model by name; custom ones are called `voice_…`. */
export const REALTIME_VOICES = 'alloy ash ballad coral echo sage shimmer verse marin cedar'.split(' ');
export const CUSTOM_VOICE = /^voice_/;

export interface RealtimeConnect {
  /** Model name, as the provider knows it: `gpt-realtime`. */
  model: string;
  /** Milliseconds for the whole of TCP, TLS and upgrade. */
  connectTimeoutMs?: number;
}

export interface RealtimeHandlers {
  /** The socket is open; `session.created` follows as an event. */
  onOpen(): void;
  /** Every server event except audio deltas, parsed once. Unknown types are passed on as they are. */
  onEvent(event: RealtimeServerEvent): void;
  /** `response.output_audio.delta`, without a JSON parse of the audio. */
  onAudio(delta: AudioDelta): void;
  /** Exactly once, after which no handler is called again; also when connecting failed. */
  onClose(info: RealtimeClose): void;
}

export interface AudioDelta {
  responseId: string;
  itemId: string;
  contentIndex: number;
  /** base64 of µ-law, 8 bytes a millisecond. */
  audio: string;
}

export interface RealtimeClose {
  /** WebSocket close code; 1006 when the socket died or never opened. */
  code: number;
  reason: string;
  /** HTTP status of a refused upgrade (401: bad key, 429 …), else null. */
  httpStatus: number | null;
}

/** A server event: `type`, `event_id` and whatever the protocol gives that type. */
export interface RealtimeServerEvent {
  type: string;
  event_id?: string;
  [field: string]: unknown;
}

/** A client event, as in the protocol. `event_id` is added where it is missing. */
export interface RealtimeClientEvent {
  type: string;
  event_id?: string;
  [field: string]: unknown;
}

export interface RealtimeConnection {
  /** Sends, or drops silently when the socket is not open: the bridge learns of that from `onClose`. */
  send(event: RealtimeClientEvent): void;
  /** `input_audio_buffer.append` of one base64 µ-law payload; the hot path: no object, no stringify. */
  appendAudio(base64: string): void;
  /** Bytes waiting in the socket; the bridge drops audio above its limit. */
  readonly bufferedBytes: number;
  /** Idempotent; also ends a connection that is still connecting. */
  close(code?: number, reason?: string): void;
}
