import type { CallbackTask } from '../entities/index.js';

/** Who holds a task that is dialling by itself, and writes its notes. */
export const AUTO_DIALER = 'auto-dial';
const MAX_NOTES = 200;

/** The newest {@link MAX_NOTES}. */
export function notesWith(
  notes: CallbackTask['notes'],
  at: Date,
  by: string,
  text: string | null,
): CallbackTask['notes'] {
  return text === null ? notes : [...notes, { at: at.toISOString(), by, text }].slice(-MAX_NOTES);
}
