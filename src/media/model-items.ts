import { randomBytes } from 'node:crypto';
import type { RealtimeClientEvent } from '../ports/realtime-model.js';

/** Marks the items that we put into the model's conversation: nobody spoke them, so they are no turns. */
const OWN_ITEM = 'tl_';

/** True for an item that this gateway created. */
export function isOwnItem(itemId: string): boolean {
  return itemId.startsWith(OWN_ITEM);
}

type TextRole = 'user' | 'assistant' | 'system';

/** `conversation.item.create` of a text. Assistant audio cannot be created from here; its text can. */
export function textItem(role: TextRole, text: string): RealtimeClientEvent {
  const type = role === 'assistant' ? 'output_text' : 'input_text';
  return create({ type: 'message', role, content: [{ type, text }] });
}

/** `conversation.item.create` of a tool's result; the model waits for exactly one per call. */
export function toolOutputItem(callId: string, output: unknown): RealtimeClientEvent {
  return create({ type: 'function_call_output', call_id: callId, output: JSON.stringify(output ?? null) });
}

function create(item: Record<string, unknown>): RealtimeClientEvent {
  // The provider takes ids of at most 32 characters.
  return { type: 'conversation.item.create', item: { id: OWN_ITEM + randomBytes(12).toString('hex'), ...item } };
}
