import type { DialogueItem } from './dialogue.js';
import { ProtocolError, type Json } from './parameters.js';

/** One item of the conversation, as on the wire. */
export interface Item {
  id: string;
  object: 'realtime.item';
  type: 'message' | 'function_call' | 'function_call_output';
  status: 'in_progress' | 'completed' | 'incomplete';
  role?: 'user' | 'assistant' | 'system';
  content?: { type: string; text?: string; transcript?: string | null }[];
  name?: string;
  call_id?: string;
  arguments?: string;
  output?: string;
  /** Not on the wire: milliseconds of audio heard or generated. */
  audioMs?: number;
}

/** What goes on the wire of an item. */
export function wire(item: Item): Omit<Item, 'audioMs'> {
  const copy = structuredClone(item);
  delete copy.audioMs;
  return copy;
}

/** Content that each role may have when the client makes the item; an assistant's audio cannot be made. */
const CREATABLE: Readonly<Record<string, readonly string[]>> = {
  user: ['input_text', 'input_audio', 'input_image'],
  system: ['input_text'],
  assistant: ['output_text'],
};

/** The ordered items of a session. */
export class Conversation {
  readonly items: Item[] = [];

  find(id: string, event: string): Item {
    const item = this.items.find((i) => i.id === id);
    if (item === undefined) throw new ProtocolError('item_not_found', `${event}: item '${id}' not found.`, 'item_id');
    return item;
  }

  /** Puts an item after `previousId` (`root`: at the front; undefined: at the end); gives the id that now precedes it. */
  insert(item: Item, previousId?: string | null): string | null {
    if (this.items.some((i) => i.id === item.id))
      throw new ProtocolError('item_already_exists', `Item '${item.id}' exists.`, 'item.id');
    const at =
      previousId == null
        ? this.items.length
        : previousId === 'root'
          ? 0
          : this.items.indexOf(this.find(previousId, 'conversation.item.create')) + 1;
    this.items.splice(at, 0, item);
    return this.items[at - 1]?.id ?? null;
  }

  remove(id: string): void {
    this.items.splice(this.items.indexOf(this.find(id, 'conversation.item.delete')), 1);
  }

  get lastId(): string | null {
    return this.items.at(-1)?.id ?? null;
  }

  /** The item before this one. */
  before(id: string): string | null {
    return this.items[this.items.findIndex((item) => item.id === id) - 1]?.id ?? null;
  }

  /** An item that a client wants to create; its parameters are known and of the right kind. */
  fromClient(value: Json, newId: () => string): Item {
    const given = value as unknown as Partial<Omit<Item, 'type'>> & { type: Item['type'] | 'item_reference' };
    const base = { id: given.id ?? newId(), object: 'realtime.item' as const, status: 'completed' as const };
    const need = <K extends Exclude<keyof Item, 'type'>>(key: K): NonNullable<Item[K]> => {
      const found = given[key];
      if (found == null)
        throw new ProtocolError(
          'missing_required_parameter',
          `Missing required parameter: 'item.${key}'.`,
          `item.${key}`,
        );
      return found as NonNullable<Item[K]>;
    };
    switch (given.type) {
      case 'message': {
        const role = need('role');
        const wrong = need('content').find((part) => !CREATABLE[role]!.includes(part.type));
        if (wrong !== undefined)
          throw new ProtocolError(
            'invalid_value',
            `Invalid content type '${wrong.type}' for role '${role}'.`,
            'item.content',
          );
        return { ...base, type: 'message', role, content: need('content') };
      }
      case 'function_call':
        return {
          ...base,
          type: 'function_call',
          name: need('name'),
          call_id: given.call_id ?? newId(),
          arguments: need('arguments'),
        };
      case 'function_call_output': {
        const callId = need('call_id');
        if (!this.items.some((i) => i.type === 'function_call' && i.call_id === callId))
          throw new ProtocolError(
            'invalid_tool_call_id',
            `Tool call ID '${callId}' not found in conversation.`,
            'item.call_id',
          );
        return { ...base, type: 'function_call_output', call_id: callId, output: need('output') };
      }
      case 'item_reference':
        return this.find(need('id'), 'item_reference');
    }
  }
}

/** What a dialogue sees of items. */
export function historyOf(items: readonly Item[]): DialogueItem[] {
  return items.map((item): DialogueItem => {
    if (item.type === 'function_call') return { kind: 'call', name: item.name ?? '', arguments: item.arguments ?? '' };
    if (item.type === 'function_call_output') return { kind: 'output', output: item.output ?? '' };
    return {
      kind: item.role ?? 'user',
      text: (item.content ?? []).map((part) => part.text ?? part.transcript ?? '').join(' '),
    };
  });
}
