import { LockMode, type EntityManager } from '@mikro-orm/postgresql';
import { Call, CallbackTask, ScheduledCall } from '../entities/index.js';
import { AppError } from '../lib/errors.js';
import { AUTO_DIALER, notesWith } from './callback-notes.js';
import { allowedAtOf } from './calling-hours.js';
import { isTerminal } from './call-states.js';
import type { ServiceContext } from './context.js';
import { DUE_DIALS_QUEUE, wakeDueDials } from './due-dials-queue.js';
import type { MakeCall } from './make-call.js';
import { inputOf, type WaitingRequest } from './schedule-call.js';
import { systemViewer } from './viewer.js';

/** What becomes of a dial that was refused. */
type Verdict = { kind: 'later'; at: Date } | { kind: 'never' };

/** Rows of one kind that one look takes; the rest waits for the next. */
const BATCH = 50;
const PARALLEL = 4;
const RETRY_MS = 60_000;
/** The customer is on the phone with us already. */
const BUSY_RETRY_MS = 300_000;
/** Nobody answered a callback: the next attempt. After every third one people decide. */
const NO_ANSWER_RETRY_MS = 900_000;
const ATTEMPTS_IN_A_ROW = 3;
/** A scheduled call that cannot be made for a day was not meant for the day after. */
const GIVES_UP_MS = 86_400_000;

/** The row is not to be dialled any more: somebody else was faster, or it was canceled. */
class NotDue extends Error {}

const viewer = systemViewer('due-dials');

/**
 * Dials what is due: scheduled calls, and callbacks that dial by themselves. Each goes through MakeCall with every check
 * of that moment, and is marked in the transaction that writes its call row: any number of processes may look at once,
 * and die at any moment, and nothing is dialled twice.
 */
export class DueDials {
  constructor(
    private readonly context: ServiceContext,
    private readonly makeCall: MakeCall,
  ) {}

  /** Registers the worker: at wake-ups, and every minute in one process of the installation. */
  async work(): Promise<void> {
    await this.context.jobs.work(DUE_DIALS_QUEUE, { retryLimit: 0 }, () => this.sweep());
    await this.context.jobs.schedule(DUE_DIALS_QUEUE, '* * * * *');
  }

  /** One look at everything. A row that fails unexpectedly stops no other. */
  async sweep(): Promise<void> {
    const now = this.now();
    const em = this.em();
    const scheduled = await em.find(
      ScheduledCall,
      { state: 'WAITING', dueAt: { $lte: now } },
      { orderBy: { dueAt: 'asc' }, limit: BATCH },
    );
    const tasks = await em.find(
      CallbackTask,
      {
        state: 'OPEN',
        autoDial: true,
        $or: [{ dialAt: { $lte: now } }, { dialAt: null, dueAt: { $lte: now } }],
      },
      { orderBy: { priority: 'asc', dueAt: 'asc' }, limit: BATCH },
    );
    await this.each(scheduled, (row) => this.dialScheduled(row));
    await this.each(tasks, (row) => this.dialCallback(row));
    await this.each(await this.finished(), (row) => this.settleCallback(row.id));
    if (scheduled.length === BATCH || tasks.length === BATCH) await wakeDueDials(this.context, now);
  }

  private async dialScheduled(row: ScheduledCall): Promise<void> {
    if (this.now().getTime() - row.dueAt.getTime() > GIVES_UP_MS)
      return this.changeScheduled(row.id, null, (fresh) =>
        Object.assign(fresh, { state: 'REFUSED', error: 'UNAVAILABLE: no gateway was there for a day to dial it' }),
      );
    const claim = async (em: EntityManager, call: Call) => {
      const changed = await em.nativeUpdate(
        ScheduledCall,
        { id: row.id, state: 'WAITING' },
        { state: 'DIALED', callId: call.id, error: null, updatedAt: this.now() },
      );
      if (changed === 0) throw new NotDue();
    };
    try {
      await this.makeCall.makeCall(viewer, inputOf(row), `scheduled:${row.id}`, claim);
    } catch (error) {
      if (error instanceof NotDue) return;
      const { firstDueAt } = row.request as unknown as WaitingRequest;
      await this.changeScheduled(row.id, refusedCallOf(error), (fresh) => {
        fresh.error = messageOf(error);
        const verdict = this.verdictOf(error);
        const tooLate = this.now().getTime() - Date.parse(firstDueAt) > GIVES_UP_MS && allowedAtOf(error) === null;
        if (verdict.kind === 'never' || tooLate) fresh.state = 'REFUSED';
        else Object.assign(fresh, { state: 'WAITING', callId: null, dueAt: verdict.at });
      });
      this.logUnexpected(error, row.id);
    }
  }

  private async dialCallback(task: CallbackTask): Promise<void> {
    const attempts = task.dialAttempts;
    const claim = async (em: EntityManager, call: Call) => {
      const changed = await em.nativeUpdate(
        CallbackTask,
        { id: task.id, state: 'OPEN', autoDial: true, dialAttempts: attempts },
        {
          state: 'CLAIMED',
          assignee: AUTO_DIALER,
          claimedAt: this.now(),
          dialAttempts: attempts + 1,
          resultCallId: call.id,
          updatedAt: this.now(),
        },
      );
      if (changed === 0) throw new NotDue();
    };
    try {
      const input = { tenantId: task.tenantId as string, to: task.number ?? '', agentKey: task.agentKey ?? null };
      await this.makeCall.makeCall(viewer, input, `callback:${task.id}:${attempts}`, claim);
    } catch (error) {
      if (error instanceof NotDue) return;
      const refusedCallId = refusedCallOf(error);
      await this.changeTask(task.id, (fresh) => {
        const ours = fresh.state === 'OPEN' && fresh.dialAttempts === attempts;
        const failed = fresh.state === 'CLAIMED' && refusedCallId !== null && fresh.resultCallId === refusedCallId;
        if (ours || failed) this.refuse(fresh, attempts, error);
      });
      this.logUnexpected(error, task.id);
    }
  }

  /** It was certainly not dialled: this was no attempt. */
  private refuse(task: CallbackTask, attempts: number, error: unknown): void {
    const verdict = this.verdictOf(error);
    Object.assign(task, { state: 'OPEN', assignee: null, claimedAt: null, resultCallId: null, dialAttempts: attempts });
    if (verdict.kind === 'later') {
      task.dialAt = verdict.at;
      return;
    }
    task.autoDial = false;
    this.note(task, `Not dialled: ${messageOf(error)}`);
    // Whoever asked not to be called is not for a person to call either.
    if (error instanceof AppError && error.code === 'DO_NOT_CALL')
      Object.assign(task, { state: 'CANCELED', closedAt: this.now() });
  }

  /** Callbacks whose call is over. */
  private finished(): Promise<{ id: string }[]> {
    return this.em().execute<{ id: string }[]>(
      `select t.id from callback_task t join "call" c on c.id = t.result_call_id
       where t.state = 'CLAIMED' and t.assignee = ?
         and c.status in ('COMPLETED', 'BUSY', 'FAILED', 'NO_ANSWER', 'CANCELED')
       order by t.updated_at limit ${BATCH}`,
      [AUTO_DIALER],
    );
  }

  private async settleCallback(id: string): Promise<void> {
    await this.changeTask(id, async (task, em) => {
      if (task.state !== 'CLAIMED' || task.assignee !== AUTO_DIALER || task.resultCallId == null) return;
      const call = await em.findOneOrFail(Call, { id: task.resultCallId });
      if (!isTerminal(call.status)) return;
      // Who answered and heard no agent was not called back.
      const unheard = call.status === 'COMPLETED' ? (call.errorCode ?? null) : call.status;
      if (unheard === null) {
        Object.assign(task, { state: 'DONE', closedAt: call.endedAt ?? this.now() });
        return;
      }
      const again = task.dialAttempts % ATTEMPTS_IN_A_ROW !== 0;
      const outcome = `Attempt ${task.dialAttempts}: ${unheard.toLowerCase().replaceAll('_', ' ')}.`;
      this.note(task, again ? outcome : `${outcome} It does not dial by itself any more.`);
      Object.assign(task, { state: 'OPEN', assignee: null, claimedAt: null, autoDial: again });
      task.dialAt = new Date(this.now().getTime() + NO_ANSWER_RETRY_MS);
    });
  }

  private verdictOf(error: unknown): Verdict {
    const in_ = (ms: number): Verdict => ({ kind: 'later', at: new Date(this.now().getTime() + ms) });
    const allowedAt = allowedAtOf(error);
    if (allowedAt !== null) return { kind: 'later', at: allowedAt };
    if (!(error instanceof AppError)) return in_(BUSY_RETRY_MS);
    if (error.code === 'DUPLICATE_CALL') return in_(BUSY_RETRY_MS);
    return error.retryable ? in_(RETRY_MS) : { kind: 'never' };
  }

  private changeTask(
    id: string,
    change: (task: CallbackTask, em: EntityManager) => void | Promise<void>,
  ): Promise<void> {
    return this.em().transactional(async (em) => {
      await change(await em.findOneOrFail(CallbackTask, { id }, { lockMode: LockMode.PESSIMISTIC_WRITE }), em);
    });
  }

  /** Only while it waits, or when the call that was written for it is the one that the carrier refused. */
  private changeScheduled(
    id: string,
    refusedCallId: string | null,
    change: (row: ScheduledCall) => void,
  ): Promise<void> {
    return this.em().transactional(async (em) => {
      const row = await em.findOneOrFail(ScheduledCall, { id }, { lockMode: LockMode.PESSIMISTIC_WRITE });
      const failed = row.state === 'DIALED' && refusedCallId !== null && row.callId === refusedCallId;
      if (row.state === 'WAITING' || failed) change(row);
    });
  }

  private note(task: CallbackTask, text: string): void {
    task.notes = notesWith(task.notes, this.now(), AUTO_DIALER, text);
  }

  private async each<T extends { id: string }>(rows: readonly T[], work: (row: T) => Promise<void>): Promise<void> {
    const waiting = [...rows];
    const worker = async () => {
      for (let row = waiting.shift(); row !== undefined; row = waiting.shift())
        try {
          await work(row);
        } catch (error) {
          this.context.log.warn({ err: error, rowId: row.id }, 'due dial failed; trying again later');
        }
    };
    await Promise.all(Array.from({ length: PARALLEL }, worker));
  }

  private logUnexpected(error: unknown, rowId: string): void {
    if (!(error instanceof AppError)) this.context.log.error({ err: error, rowId }, 'due dial failed unexpectedly');
  }

  private em(): EntityManager {
    return this.context.database.em({ all: true });
  }
  private now(): Date {
    return this.context.clock.now();
  }
}

/** The call that the carrier certainly did not make; null when the refusal came before there was one. */
function refusedCallOf(error: unknown): string | null {
  const callId = error instanceof AppError && error.code.startsWith('CARRIER_') ? error.extra?.call_id : null;
  return typeof callId === 'string' ? callId : null;
}

function messageOf(error: unknown): string {
  return error instanceof AppError ? `${error.code}: ${error.message}` : 'unexpected failure';
}
