import type { RealtimeServerEvent } from '../ports/realtime-model.js';
import type { Conversation } from './conversation.js';
import { isOwnItem } from './model-items.js';

/** What one server event does to the conversation. Fields are read with care: a provider may leave any of them out. */
type Handler = (conversation: Conversation, event: RealtimeServerEvent, nowMs: number) => void;

type Fields = Record<string, unknown>;

/** Races that leave the session as it is (protocols.md, trap 9). */
const HARMLESS_ERRORS = new Set(['response_cancel_not_active', 'input_audio_buffer_commit_empty']);

/**
 * Every server event that the bridge acts on (protocols.md, part A). The others, known or new, pass without effect; audio
 * deltas come by their own way.
 */
const HANDLERS: Record<string, Handler> = {
  'input_audio_buffer.speech_started': (talk, event, nowMs) => {
    talk.turns.speechStarted(text(event['item_id']), nowMs);
    talk.speechStarted(nowMs);
  },
  'input_audio_buffer.speech_stopped': (talk, event, nowMs) => {
    talk.turns.speechStopped(text(event['item_id']), nowMs);
    talk.speechStopped(nowMs);
  },
  'input_audio_buffer.committed': (talk, event, nowMs) => {
    talk.turns.callerItem(text(event['item_id']), previous(event), nowMs);
    talk.committed();
  },

  // One meaning, three names: added and done are twins of unknown order, created is the older protocol's.
  'conversation.item.added': itemCreated,
  'conversation.item.created': itemCreated,
  'conversation.item.done': itemCreated,

  'conversation.item.input_audio_transcription.delta': (talk, event, nowMs) =>
    talk.turns.callerDelta(text(event['item_id']), text(event['delta']), nowMs),
  'conversation.item.input_audio_transcription.completed': (talk, event, nowMs) =>
    talk.turns.callerText(text(event['item_id']), text(event['transcript']), nowMs),
  'conversation.item.input_audio_transcription.failed': (talk, event, nowMs) => {
    talk.turns.callerText(text(event['item_id']), null, nowMs);
    // Rules watch over the agent; while it is silent somebody else does.
    if (!talk.over && !talk.voice.isMuted) talk.acts.signal('transcription_failed');
  },

  'response.created': (talk, event) => {
    const response = fields(event['response']);
    talk.responseCreated(text(response['id']), response['metadata']);
  },
  'response.output_item.added': (talk, event, nowMs) => {
    const item = fields(event['item']);
    if (item['type'] === 'message') talk.turns.agentItem(text(item['id']), undefined, nowMs);
  },
  'response.output_audio_transcript.delta': (talk, event, nowMs) =>
    talk.turns.agentDelta(text(event['item_id']), text(event['delta']), nowMs),
  'response.output_audio_transcript.done': (talk, event, nowMs) =>
    talk.turns.agentText(text(event['item_id']), optionalText(event['transcript']), nowMs),
  'response.output_audio.done': (talk, event, nowMs) => {
    talk.voice.itemSpoken(text(event['item_id']), nowMs);
    talk.leave.check();
  },
  'response.output_item.done': (talk, event, nowMs) => {
    const item = fields(event['item']);
    if (talk.calls.itemDone(text(event['response_id']), item) || item['type'] !== 'message') return;
    talk.turns.agentText(text(item['id']), transcriptOf(item), nowMs);
    talk.voice.itemDone(text(item['id']), nowMs);
  },
  'response.done': (talk, event) => {
    const response = fields(event['response']);
    const status = text(response['status']);
    if (status === 'failed') talk.parts.log.warn({ code: failureCode(response) }, 'the model failed to respond');
    talk.responseDone(text(response['id']), status);
  },

  error: (talk, event) => {
    const error = fields(event['error']);
    const code = optionalText(error['code']);
    if (code === 'session_expired') return talk.model.replace('session_expired');
    if (talk.gate.refused(text(error['event_id']), code) || HARMLESS_ERRORS.has(code ?? '')) return;
    talk.parts.log.warn({ code, type: error['type'], param: error['param'] }, 'the model refused an event');
  },
};

/** By type. A map, so that no type that a provider invents can be a property that every object has. */
export const MODEL_EVENTS: ReadonlyMap<string, Handler> = new Map(Object.entries(HANDLERS));

function itemCreated(talk: Conversation, event: RealtimeServerEvent, nowMs: number): void {
  const item = fields(event['item']);
  const id = text(item['id']);
  if (id === '') return;
  const spoken = item['type'] === 'message' && !isOwnItem(id);
  if (spoken && item['role'] === 'user') talk.turns.callerItem(id, previous(event), nowMs);
  else if (spoken && item['role'] === 'assistant') talk.turns.agentItem(id, previous(event), nowMs);
  else talk.turns.other(id, previous(event), nowMs);
}

/** Undefined when the event does not say. */
function previous(event: RealtimeServerEvent): string | null | undefined {
  const id = event['previous_item_id'];
  return typeof id === 'string' || id === null ? id : undefined;
}

/** The transcript that a finished item carries; null when it has none. */
function transcriptOf(item: Fields): string | null {
  const parts = Array.isArray(item['content']) ? item['content'].map(fields) : [];
  const texts = parts.map((part) => optionalText(part['transcript'])).filter((part) => part !== null);
  return texts.length === 0 ? null : texts.join(' ');
}

function failureCode(response: Fields): unknown {
  return fields(fields(response['status_details'])['error'])['code'] ?? null;
}

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

function optionalText(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
