import type { EntityManager } from '@mikro-orm/postgresql';
import { Call, ScheduledCall } from '../entities/index.js';
import { AppError } from '../lib/errors.js';
import { newId } from '../lib/ids.js';
import { Turns } from '../lib/turns.js';
import { Check } from '../lib/validation.js';
import { CarrierError, type Carrier } from '../ports/carrier.js';
import { auditAdmin } from './audit-log.js';
import type { CallLookup } from './call-lookup.js';
import { announceCall, lockCall, type CallProgress } from './call-progress.js';
import { isTerminal, statusOf } from './call-states.js';
import type { CallGate } from './call-gate.js';
import type { CarrierAccounts } from './carrier-accounts.js';
import type { ServiceContext } from './context.js';
import {
  dialledRow,
  dialRequestOf,
  planDial,
  type DialCheck,
  type DialClaim,
  type DialPlan,
  type DialRequest,
  type MakeCallInput,
} from './dial-plan.js';
import { wakeDueDials } from './due-dials-queue.js';
import { findDuplicate, isSilent } from './duplicate-guard.js';
import { callOfKey, idempotencyOf, releaseKey, takeKey, type Idempotency } from './idempotency.js';
import {
  checkedTime,
  scheduleCall,
  scheduleOf,
  type CallScheduled,
  type Schedule,
  type SchedulingInput,
} from './schedule-call.js';
import { callbackUrl } from './telephony-urls.js';
import type { VersionPicker } from './version-picker.js';
import { requireScope, tenantOf, type Viewer } from './viewer.js';
import { snapshot } from './writes.js';

export type { MakeCallInput };

export interface MakeCallResult {
  call: Call;
  /** An idempotency key was replayed: this request dialled nothing. */
  duplicate: boolean;
  /** The carrier's answer is not known yet: REST answers 202. */
  unknown: boolean;
}

export interface MakeCallServices {
  carrier: Carrier;
  accounts: CarrierAccounts;
  progress: CallProgress;
  lookup: CallLookup;
  picker: VersionPicker;
  checks: readonly DialCheck[];
  gate: CallGate;
}

/** One request on its way: what it wants, under which key, and when. */
interface Attempt {
  tenantId: string;
  request: DialRequest;
  idempotency: Idempotency | null;
  schedule: Schedule;
  claim: DialClaim | null;
  viewer: Viewer;
}

/**
 * What came out of the transaction that decides: a new row to dial, one that waits, a key that was taken, or a call to be
 * looked up first.
 */
type Decision =
  | { kind: 'dial'; call: Call; plan: DialPlan }
  | { kind: 'wait'; scheduled: ScheduledCall }
  | { kind: 'taken' }
  | { kind: 'ask'; blocker: Call };

/** Twilio's time limit is the net below the engine's own: it lets the agent say goodbye first. */
const TIME_LIMIT_MARGIN_SECONDS = 60;

/**
 * Outbound calls, and the promise that nobody is dialled twice (design.md §5): the idempotency key first, then every
 * check and the row in one transaction, then the carrier with no transaction open, and no second try ever.
 */
export class MakeCall {
  private readonly turns = new Turns();

  constructor(
    private readonly context: ServiceContext,
    private readonly services: MakeCallServices,
  ) {}

  /**
   * Dials, or gives back the call that this key made before. Throws AppError: VALIDATION_FAILED, IDEMPOTENCY_CONFLICT,
   * TENANT_SUSPENDED, NOT_FOUND, UNPROCESSABLE, NOT_CLEARED, whatever a check refuses with, DUPLICATE_CALL,
   * CARRIER_REJECTED, CARRIER_UNAVAILABLE, UNAVAILABLE.
   */
  async makeCall(
    viewer: Viewer,
    input: MakeCallInput,
    idempotencyKey: string | null = null,
    claim: DialClaim | null = null,
  ): Promise<MakeCallResult> {
    // Without a wish to wait it never waits.
    return (await this.place(viewer, input, idempotencyKey, claim)) as MakeCallResult;
  }

  /** The same, at a time of the client's choice, or at the next one within calling hours. */
  callOrSchedule(
    viewer: Viewer,
    input: MakeCallInput & SchedulingInput,
    idempotencyKey: string | null = null,
  ): Promise<MakeCallResult | CallScheduled> {
    return this.place(viewer, input, idempotencyKey, null);
  }

  private async place(
    viewer: Viewer,
    input: MakeCallInput & SchedulingInput,
    idempotencyKey: string | null,
    claim: DialClaim | null,
  ): Promise<MakeCallResult | CallScheduled> {
    requireScope(viewer, 'calls:write');
    const tenantId = tenantOf(viewer, input.tenantId);
    const { tenantId: _, ...asked } = input;
    const idempotency = idempotencyOf(tenantId, idempotencyKey, asked);
    const attempt = () => this.attempt({ tenantId, idempotency, claim, viewer }, input);
    if (idempotency === null) return (await attempt())!;
    const { clock, settings } = this.context;
    const deadline = clock.monotonicMs() + settings.timing.idempotencyWaitMs;
    const done = await this.turns.take(`${tenantId} ${idempotencyKey}`, settings.timing.idempotencyWaitMs);
    try {
      for (;;) {
        // Whoever held the key when we last asked may have been refused since: then this request is the first again.
        const result = (await this.replay(idempotency, deadline)) ?? (await attempt());
        if (result !== null) return result;
      }
    } finally {
      done();
    }
  }

  /** What the key made, once its outcome is known or the patience is over; null when the key is free. */
  private async replay(idempotency: Idempotency, deadline: number): Promise<MakeCallResult | CallScheduled | null> {
    const { clock, database } = this.context;
    for (let pause = 25; ; pause = Math.min(pause * 2, 400)) {
      const em = database.em({ tenantId: idempotency.tenantId });
      const id = await callOfKey(em, idempotency);
      const scheduled = id === null ? null : await em.findOne(ScheduledCall, { id });
      const callId = scheduled === null ? id : (scheduled.callId ?? null);
      const call = callId === null ? null : await em.findOne(Call, { id: callId });
      if (call === null) return scheduled === null ? null : { call: null, scheduled, duplicate: true };
      if (call.status !== 'DIALING' || clock.monotonicMs() >= deadline) return outcome(call, true);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  /** Dials or schedules once. Null: another process took the key first. */
  private async attempt(
    attempt: Omit<Attempt, 'request' | 'schedule'>,
    input: MakeCallInput & SchedulingInput,
  ): Promise<MakeCallResult | CallScheduled | null> {
    const check = new Check();
    const schedule = scheduleOf(check, input, this.context.clock.now());
    const decision = await this.decide({ ...attempt, schedule, request: dialRequestOf(input, check) });
    if (decision === null) return null;
    if (decision.kind === 'wait') {
      await wakeDueDials(this.context, decision.scheduled.dueAt);
      return { call: null, scheduled: decision.scheduled, duplicate: false };
    }
    return this.dial(decision.call, decision.plan);
  }

  /** Null when another request with the same key was first. */
  private async decide(attempt: Attempt): Promise<Extract<Decision, { kind: 'dial' | 'wait' }> | null> {
    const asked = new Set<string>();
    for (;;) {
      const decision = await this.context.database
        .em({ tenantId: attempt.tenantId })
        .transactional((em) => this.decideIn(em, attempt, asked));
      if (decision.kind === 'dial') await announceCall(this.context, decision.call);
      if (decision.kind === 'dial' || decision.kind === 'wait') return decision;
      if (decision.kind === 'taken') return null;
      asked.add(decision.blocker.id);
      await this.services.lookup.ask(decision.blocker);
    }
  }

  private async decideIn(em: EntityManager, attempt: Attempt, asked: ReadonlySet<string>): Promise<Decision> {
    const { tenantId, request, idempotency, schedule, claim } = attempt;
    const at = this.context.clock.now();
    // Of the call, or of what waits to become it: the key leads to either.
    const callId = newId();
    if (idempotency !== null && !(await takeKey(em, idempotency, callId, at))) return { kind: 'taken' };
    if (this.services.gate.draining()) throw new AppError('UNAVAILABLE', 'This gateway is shutting down');
    // What waits may wait for a better time of the providers, too.
    const refusal = schedule.at === null ? this.services.gate.refusalToDial() : null;
    if (refusal !== null) throw refusal;
    const plan = await planDial(em, this.services, tenantId, request, schedule.at ?? at);
    const waitsUntil = await checkedTime(em, this.services.checks, plan, schedule);
    if (waitsUntil !== null)
      return { kind: 'wait', scheduled: await scheduleCall(em, callId, plan, request, waitsUntil, attempt.viewer) };
    const blocker = request.allowConcurrent
      ? null
      : await findDuplicate(em, this.context, { tenantId, number: request.to });
    if (blocker !== null) {
      if (!asked.has(blocker.id) && (await isSilent(em, this.context, blocker))) {
        // The key must not stay taken while the carrier is asked: this transaction commits nothing else.
        if (idempotency !== null) await releaseKey(em, tenantId, callId);
        return { kind: 'ask', blocker };
      }
      throw new AppError('DUPLICATE_CALL', 'This tenant already has a call with this number', {
        extra: { call_id: blocker.id, call_sid: blocker.callSid },
      });
    }
    const call = em.create(Call, { id: callId, ...dialledRow(plan, request), createdAt: at });
    await em.flush();
    auditAdmin(em, attempt.viewer, {
      tenantId,
      action: 'call.made',
      subjectType: 'call',
      subjectId: call.id,
      after: snapshot(call),
    });
    await claim?.(em, call);
    return { kind: 'dial', call, plan };
  }

  /** Asks the carrier, once. The row is committed and its id travels in the callback URLs, whatever becomes of the answer. */
  private async dial(call: Call, plan: DialPlan): Promise<MakeCallResult> {
    const { clock, settings, log } = this.context;
    const limit = plan.version.maxDurationSeconds ?? plan.telephony.maxDurationSeconds;
    try {
      const created = await this.services.carrier.createCall(plan.account, {
        to: plan.to,
        from: plan.from,
        url: callbackUrl(settings, 'answer-call', call.id),
        fallbackUrl: callbackUrl(settings, 'fallback-call', call.id),
        statusCallback: callbackUrl(settings, 'call-status', call.id),
        timeoutSeconds: plan.telephony.ringTimeoutSeconds,
        timeLimitSeconds: limit + TIME_LIMIT_MARGIN_SECONDS,
      });
      const status = statusOf(created.status) ?? 'QUEUED';
      const reported = await this.services.progress.report(call.id, { status, at: clock.now(), callSid: created.sid });
      return outcome(reported ?? call, false);
    } catch (error) {
      if (error instanceof CarrierError && error.failure !== 'unknown') throw await this.refuse(call, error);
      log.warn({ err: error, callId: call.id, tenantId: call.tenantId }, 'outcome of a dial is not known');
      return outcome(await this.markUnknown(call.id), false);
    }
  }

  /** The carrier certainly did nothing: the call failed, and the key is free for another try. */
  private async refuse(call: Call, error: CarrierError): Promise<AppError> {
    const { database, clock, log } = this.context;
    const carrierCode = error.code ?? error.status;
    await database.em({ tenantId: call.tenantId }).transactional(async (em) => {
      const row = await lockCall(em, call.id);
      if (row === null || isTerminal(row.status)) return;
      row.status = 'FAILED';
      row.endedAt = clock.now();
      row.durationSeconds = 0;
      row.errorCode = carrierCode === null ? error.failure : String(carrierCode);
      row.errorMessage = error.message;
      // The client hears of it in its answer; no call came about that could have completed.
      row.completedEventSent = true;
      await releaseKey(em, row.tenantId, row.id);
    });
    await announceCall(this.context, call);
    log.info({ callId: call.id, tenantId: call.tenantId, failure: error.failure, carrierCode }, 'dial refused');
    const extra = { call_id: call.id, carrier_code: carrierCode };
    return error.failure === 'rejected'
      ? new AppError('CARRIER_REJECTED', `The carrier refused the call: ${error.message}`, { extra, cause: error })
      : new AppError('CARRIER_UNAVAILABLE', 'The carrier takes no calls at the moment', {
          extra,
          retryAfterSeconds: 5,
          cause: error,
        });
  }

  private async markUnknown(callId: string): Promise<Call> {
    const call = await this.context.database.em({ all: true }).transactional(async (em) => {
      const row = (await lockCall(em, callId))!;
      // A callback may have been faster than the missing answer.
      if (row.status === 'DIALING') row.status = 'UNKNOWN';
      return row;
    });
    await announceCall(this.context, call);
    return call;
  }
}

function outcome(call: Call, duplicate: boolean): MakeCallResult {
  return { call, duplicate, unknown: call.status === 'DIALING' || call.status === 'UNKNOWN' };
}
