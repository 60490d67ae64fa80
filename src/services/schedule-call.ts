import type { EntityManager } from '@mikro-orm/postgresql';
import { ScheduledCall } from '../entities/index.js';
import type { Check } from '../lib/validation.js';
import { auditAdmin } from './audit-log.js';
import { allowedAtOf } from './calling-hours.js';
import type { DialCheck, DialPlan, DialRequest, MakeCallInput } from './dial-plan.js';
import { actorOf, type Viewer } from './viewer.js';
import { snapshot } from './writes.js';

/** When a call is to be made, as both doors hand it over. */
export interface SchedulingInput {
  /** Dial then instead of now. */
  schedule?: Date | null;
  /** When calling hours refuse, wait for their next opening instead. */
  scheduleIfClosed?: boolean | null;
}

/** The same, checked. */
export interface Schedule {
  /** Null: now. */
  at: Date | null;
  ifClosed: boolean;
}

/** What a request gets whose call waits for its time. */
export interface CallScheduled {
  call: null;
  scheduled: ScheduledCall;
  /** An idempotency key was replayed: this request scheduled nothing. */
  duplicate: boolean;
}

/** The request of a call that waits, and when it was first meant to be dialled (RFC 3339). */
export interface WaitingRequest extends DialRequest {
  firstDueAt: string;
}

const MAX_AHEAD_DAYS = 366;

export function scheduleOf(check: Check, { schedule, scheduleIfClosed }: SchedulingInput, now: Date): Schedule {
  const at = schedule ?? null;
  const latest = now.getTime() + MAX_AHEAD_DAYS * 86_400_000;
  if (at !== null && !(at > now && at.getTime() <= latest))
    check.fail('schedule', `must be a time within the next ${MAX_AHEAD_DAYS} days`);
  return { at, ifClosed: scheduleIfClosed === true };
}

/** Runs every check for the time of the dial. Null: dial now; else the moment that the call waits for. */
export async function checkedTime(
  em: EntityManager,
  checks: readonly DialCheck[],
  plan: DialPlan,
  schedule: Schedule,
): Promise<Date | null> {
  try {
    for (const check of checks) await check.check(em, plan);
    return schedule.at;
  } catch (error) {
    const opens = schedule.ifClosed ? allowedAtOf(error) : null;
    if (opens === null) throw error;
    return opens;
  }
}

/** Writes a call that waits for `dueAt`, in the transaction that checked it. */
export async function scheduleCall(
  em: EntityManager,
  id: string,
  plan: DialPlan,
  request: DialRequest,
  dueAt: Date,
  viewer: Viewer,
): Promise<ScheduledCall> {
  const waiting: WaitingRequest = { ...request, firstDueAt: dueAt.toISOString() };
  const row = em.create(ScheduledCall, {
    id,
    tenantId: plan.tenant.id,
    dueAt,
    request: waiting as unknown as Record<string, unknown>,
    requestedBy: actorOf(viewer),
    callId: null,
    error: null,
  });
  await em.flush();
  auditAdmin(em, viewer, {
    tenantId: plan.tenant.id,
    action: 'scheduled_call.made',
    subjectType: 'scheduled_call',
    subjectId: id,
    after: snapshot(row),
  });
  return row;
}

/** What is dialled when its time has come. */
export function inputOf({ tenantId, request }: ScheduledCall): MakeCallInput {
  const { firstDueAt: _, ...input } = request as unknown as WaitingRequest;
  return { ...input, tenantId: tenantId as string };
}
