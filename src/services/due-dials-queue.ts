import type { CallbackTask } from '../entities/index.js';
import type { ServiceContext } from './context.js';

/** The queue that wakes a process to look for dials whose time has come. */
export const DUE_DIALS_QUEUE = 'due-dials';

/**
 * Something is to be dialled at `at`: somebody looks then instead of at the next full minute. What is to be done is in
 * the rows, so a wake-up that gets lost costs a minute and nothing else.
 */
export async function wakeDueDials({ jobs, log, clock }: ServiceContext, at: Date): Promise<void> {
  try {
    await jobs.send(DUE_DIALS_QUEUE, {}, at > clock.now() ? { startAfter: at } : {});
  } catch (error) {
    log.warn({ err: error }, 'no wake-up for a dial that will be due');
  }
}

/** The same for a task that dials by itself; any other wakes nobody. */
export async function wakeForCallback(context: ServiceContext, task: CallbackTask): Promise<void> {
  if (task.autoDial && task.state === 'OPEN') await wakeDueDials(context, task.dialAt ?? task.dueAt);
}
