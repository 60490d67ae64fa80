import type { CallbackState, CallbackTask } from '../entities/index.js';
import { AppError } from '../lib/errors.js';

/** What may follow; claiming what is claimed is refused, anything else may be repeated. */
const NEXT_STATES: Record<CallbackState, readonly CallbackState[]> = {
  OPEN: ['OPEN', 'CLAIMED', 'DONE', 'CANCELED'],
  CLAIMED: ['OPEN', 'DONE', 'CANCELED'],
  DONE: ['DONE'],
  CANCELED: ['CANCELED'],
};

export function mayBecome(task: CallbackTask, to: CallbackState): boolean {
  return NEXT_STATES[task.state as CallbackState].includes(to);
}

/** Moves a task that the caller has locked and whose state allows it, to `assignee`; null: to nobody in particular. */
export function move(task: CallbackTask, to: CallbackState, now: Date, assignee: string | null, by: string): void {
  if (task.state === to) return;
  task.state = to;
  if (to === 'CLAIMED') Object.assign(task, { assignee: assignee ?? by, claimedAt: now });
  if (to === 'OPEN') Object.assign(task, { assignee, claimedAt: null });
  if (to === 'DONE' || to === 'CANCELED') task.closedAt = now;
}

/** The answer to whoever asks for what the state does not allow; tells who was faster. */
export function refusedIn({ state, assignee }: CallbackTask): AppError {
  return new AppError('CONFLICT', `This callback is ${state.toLowerCase()} already`, {
    extra: { state: state.toLowerCase(), assignee: assignee ?? null },
  });
}
