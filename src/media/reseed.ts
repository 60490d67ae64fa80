import type { RealtimeClientEvent } from '../ports/realtime-model.js';
import type { Speaker, TurnState } from '../ports/session-events.js';
import { textItem } from './model-items.js';

/** About 8,000 tokens: enough to go on, small enough to be read before the caller wonders. */
const MAX_CHARACTERS = 24_000;

/** How the model learns what a supervisor said. */
export const COLLEAGUE_SAID = 'A colleague said to the caller: ';

const ROLES: Record<Speaker, { role: 'user' | 'assistant' | 'system'; lead: string }> = {
  CALLER: { role: 'user', lead: '' },
  AGENT: { role: 'assistant', lead: '' },
  SUPERVISOR: { role: 'system', lead: COLLEAGUE_SAID },
  SYSTEM: { role: 'system', lead: '' },
};

/**
 * The conversation so far as items for a new model session, which knows nothing of the old one. The newest turns win
 * when it is too long; `notes` (results of tools, instructions) come last, as they were never spoken.
 */
export function reseedItems(history: readonly TurnState[], notes: readonly string[] = []): RealtimeClientEvent[] {
  const kept: RealtimeClientEvent[] = [];
  let characters = 0;
  const spoken = history.filter((turn) => turn.text.trim() !== '').sort((a, b) => a.index - b.index);
  for (const turn of spoken.toReversed()) {
    characters += turn.text.length;
    if (characters > MAX_CHARACTERS && kept.length > 0) {
      kept.push(textItem('system', 'The beginning of this conversation is left out.'));
      break;
    }
    const { role, lead } = ROLES[turn.speaker];
    const cut = turn.interrupted && turn.speaker === 'AGENT' ? ' …' : '';
    kept.push(textItem(role, `${lead}${turn.text.slice(0, MAX_CHARACTERS)}${cut}`));
  }
  return [...kept.reverse(), ...notes.map((note) => textItem('system', note))];
}

/** Notes that are kept, and characters of each. */
const MAX_NOTES = 20;
const MAX_NOTE = 2_000;

/** What was never spoken but a new model session must know: the newest results of tools and instructions. */
export class Notes {
  private readonly notes: string[] = [];

  get all(): readonly string[] {
    return this.notes;
  }

  add(text: string): void {
    this.notes.push(text.slice(0, MAX_NOTE));
    if (this.notes.length > MAX_NOTES) this.notes.shift();
  }
}
