import type { CallbackOrigin, CallbackState } from '../entities/index.js';
import type { Checks } from './checks.js';

/** What people may set. Undefined on an update: as it is. */
export interface CallbackFields {
  reason?: string | null;
  /** E.164. Default: the customer of the call. */
  number?: string | null;
  queue?: string | null;
  /** 1 is most urgent, 5 least. */
  priority?: number | null;
  /** Default: now. */
  dueAt?: Date | null;
  /** The promise: breached when it is still open then. */
  slaDueAt?: Date | null;
  assignee?: string | null;
  /** Dials by itself when due, within calling hours. */
  autoDial?: boolean | null;
  /** Who talks when it dials; null: the agent of the tenant's route. */
  agentKey?: string | null;
  /** Added to the others. */
  note?: string | null;
}
export interface NewCallback extends CallbackFields {
  tenantId?: string | null;
  /** The call that it is about. */
  callId?: string | null;
  reason: string;
  /** SUPERVISOR or API; missing: API for a tenant key, SUPERVISOR for an admin. */
  origin?: CallbackOrigin | null;
}
export interface CallbackChange extends CallbackFields {
  state?: CallbackState | null;
}
/** Only the fields that were given; null clears where nothing is a value. */
export function checkedFields(checks: Checks, input: CallbackFields) {
  const { queue, priority, autoDial, agentKey, assignee } = input;
  return {
    ...(input.number == null ? {} : { number: checks.phone('number', input.number) }),
    ...(queue == null ? {} : { queue: checks.key('queue', queue) }),
    ...(priority == null ? {} : { priority: checks.integer('priority', priority, 1, 5) }),
    ...(input.dueAt == null ? {} : { dueAt: input.dueAt }),
    ...(input.slaDueAt === undefined ? {} : { slaDueAt: input.slaDueAt }),
    ...(assignee === undefined ? {} : { assignee: checks.optionalText('assignee', assignee, { max: 200 }) }),
    ...(autoDial == null ? {} : { autoDial }),
    ...(agentKey === undefined ? {} : { agentKey: agentKey === null ? null : checks.key('agentKey', agentKey) }),
  };
}
