import { ProtocolError } from './session-config.js';
import type { DialogueItem } from './dialogue.js';

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
  /** Not on the wire: milliseconds of audio generated for an assistant item. */
  generatedMs?: number;
}

/** What goes on the wire of an item. */
export function wire(item: Item): Omit<Item, 'generatedMs'> {
  const copy = structuredClone(item);
  delete copy.generatedMs;
  return copy;
}

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

  /** An item that a client wants to create, checked. */
  static fromClient(value: unknown, newId: () => string): Item {
    const item = value as Partial<Item> | null;
    const fail = (message: string, param: string): never => {
      throw new ProtocolError('invalid_value', message, param);
    };
    if (item === null || typeof item !== 'object') return fail("Missing required parameter: 'item'.", 'item');
    const base = { id: item.id ?? newId(), object: 'realtime.item' as const, status: 'completed' as const };
    if (item.type === 'message') {
      const allowed = CREATABLE[item.role ?? ''];
      if (allowed === undefined) return fail(`Invalid role '${item.role}'.`, 'item.role');
      const wrong = (item.content ?? []).find((part) => !allowed.includes(part.type));
      if (wrong !== undefined || !Array.isArray(item.content))
        return fail(`Invalid content type '${wrong?.type}' for role '${item.role}'.`, 'item.content');
      return { ...base, type: 'message', role: item.role!, content: item.content };
    }
    if (item.type === 'function_call_output') {
      if (typeof item.call_id !== 'string' || typeof item.output !== 'string')
        return fail('call_id and output are required.', 'item.call_id');
      return { ...base, type: 'function_call_output', call_id: item.call_id, output: item.output };
    }
    if (item.type === 'function_call')
      return {
        ...base,
        type: 'function_call',
        name: item.name ?? '',
        call_id: item.call_id ?? newId(),
        arguments: item.arguments ?? '{}',
      };
    return fail(`Invalid item type '${String(item.type)}'.`, 'item.type');
  }

  /** What a dialogue sees. */
  history(): DialogueItem[] {
    return this.items.map((item): DialogueItem => {
      if (item.type === 'function_call')
        return { kind: 'call', name: item.name ?? '', arguments: item.arguments ?? '' };
      if (item.type === 'function_call_output') return { kind: 'output', output: item.output ?? '' };
      return {
        kind: item.role ?? 'user',
        text: (item.content ?? []).map((part) => part.text ?? part.transcript ?? '').join(' '),
      };
    });
  }
}
