import { LockMode, type EntityManager, type FilterQuery } from '@mikro-orm/postgresql';
import { Agent, CallbackTask, type Call, type CallbackState } from '../entities/index.js';
import type { Page } from '../lib/cursor.js';
import { invalid, notFound } from '../lib/errors.js';
import { isUuid } from '../lib/ids.js';
import { parseE164 } from '../lib/phone.js';
import { audit } from './audit-log.js';
import { customerNumber } from './call-setting.js';
import { announceCall, lockCall } from './call-progress.js';
import { checkedFields, type CallbackChange, type NewCallback } from './callback-fields.js';
import { notesWith } from './callback-notes.js';
import { mayBecome, move, refusedIn } from './callback-states.js';
import { Checks } from './checks.js';
import type { ServiceContext } from './context.js';
import { wakeForCallback } from './due-dials-queue.js';
import { listedAmong, listedKey } from './listed-numbers.js';
import { listOffset, listPage, type OffsetRequest, type PageRequest, type Rows } from './listing.js';
import { DEFAULT_CALLBACK_QUEUE } from './telephony.js';
import { existingTenant } from './tenants.js';
import { actorOf, emFor, requireScope, type Viewer } from './viewer.js';
import { inTransaction, snapshot } from './writes.js';

export interface CallbackFilter {
  tenantId?: string | null;
  state?: readonly CallbackState[] | null;
  queue?: string | null;
  assignee?: string | null;
  callId?: string | null;
  /** True: those whose promise is broken and that are still to be done. */
  slaBreached?: boolean | null;
  dueBefore?: Date | null;
}

/** A task as both doors show it. */
export type CallbackView = CallbackTask & {
  slaBreached: boolean;
  /** The number is on a do-not-call list now: nobody should dial it, people included. */
  doNotCall: boolean;
};

const BY_PEOPLE = ['SUPERVISOR', 'API'] as const;

const AUDIT_WORDS: Record<CallbackState, string> = {
  OPEN: 'released',
  CLAIMED: 'claimed',
  DONE: 'done',
  CANCELED: 'canceled',
};

/** Tasks for people: call this customer back. */
export class Callbacks {
  constructor(private readonly context: ServiceContext) {}

  /** Throws VALIDATION_FAILED, NOT_FOUND (tenant, call or agent). */
  async create(viewer: Viewer, input: NewCallback): Promise<CallbackView> {
    requireScope(viewer, 'operations:write');
    const checks = new Checks();
    const fields = checkedFields(checks, input);
    const reason = checks.text('reason', input.reason, { max: 2_000 });
    const note = checks.optionalText('note', input.note, { max: 2_000 });
    const origin = input.origin ?? (viewer.kind === 'tenant' ? 'API' : 'SUPERVISOR');
    checks.oneOf('origin', origin, BY_PEOPLE);
    checks.done();
    const { id: tenantId } = await existingTenant(this.context, viewer, input.tenantId);
    const { task, call } = await inTransaction(this.context, viewer, async (em) => {
      const about = input.callId == null ? null : await callOf(em, tenantId, input.callId);
      await knownAgent(em, tenantId, fields.agentKey);
      const number = fields.number ?? parseE164((about && customerNumber(about)) ?? '');
      if (number === null) throw invalid({ path: 'number', message: 'is needed: no call tells whom to call back' });
      const now = this.context.clock.now();
      const row = em.create(CallbackTask, {
        queue: DEFAULT_CALLBACK_QUEUE,
        priority: 3,
        autoDial: false,
        ...fields,
        tenantId,
        callId: about?.id ?? null,
        number,
        reason,
        origin,
        dueAt: fields.dueAt ?? now,
        agentKey: fields.agentKey ?? about?.agentKey ?? null,
        notes: notesWith([], now, actorOf(viewer), note),
      });
      await em.flush();
      if (about !== null && origin === 'SUPERVISOR') await this.escalate(em, about, row, actorOf(viewer));
      auditTask(em, viewer, 'callback.created', row, null);
      return { task: row, call: about };
    });
    if (call !== null) await announceCall(this.context, call);
    await wakeForCallback(this.context, task);
    return this.view(task);
  }

  /**
   * Changes a task, or its state. Of two claims at once one wins. Throws VALIDATION_FAILED, NOT_FOUND, CONFLICT when the
   * state does not allow it (`state` and `assignee` tell who was faster).
   */
  async update(viewer: Viewer, id: string, change: CallbackChange): Promise<CallbackView> {
    requireScope(viewer, 'operations:write');
    const checks = new Checks();
    const fields = checkedFields(checks, change);
    const reason = change.reason == null ? undefined : checks.text('reason', change.reason, { max: 2_000 });
    const note = checks.optionalText('note', change.note, { max: 2_000 });
    checks.done();
    const task = await inTransaction(this.context, viewer, async (em) => {
      const row = await lockTask(em, id);
      const before = snapshot(row);
      await knownAgent(em, row.tenantId as string, fields.agentKey);
      const now = this.context.clock.now();
      const given = Object.keys(fields).length > 0 || reason !== undefined;
      if (given && (row.state === 'DONE' || row.state === 'CANCELED')) throw refusedIn(row);
      if (change.state != null && !mayBecome(row, change.state)) throw refusedIn(row);
      em.assign(row, { ...fields, ...(reason === undefined ? {} : { reason }) });
      if (row.autoDial && row.number == null) throw invalid({ path: 'autoDial', message: 'needs a number to dial' });
      // Whoever changes when or whether it dials does not wait for an earlier refusal any more.
      if (fields.dueAt !== undefined || fields.autoDial !== undefined) row.dialAt = null;
      // Another promise, or other people to whom it matters.
      if (fields.slaDueAt !== undefined || fields.queue !== undefined) row.breachToldAt = null;
      if (note !== null) row.notes = notesWith(row.notes, now, actorOf(viewer), note);
      if (change.state != null) move(row, change.state, now, fields.assignee ?? null, actorOf(viewer));
      await em.flush();
      const word = change.state == null || change.state === before.state ? 'updated' : AUDIT_WORDS[change.state];
      auditTask(em, viewer, `callback.${word}`, row, before);
      return row;
    });
    await wakeForCallback(this.context, task);
    return this.view(task);
  }

  /** Takes a task. Throws CONFLICT when somebody else was faster. `assignee` missing: the viewer. */
  claim(viewer: Viewer, id: string, assignee?: string | null): Promise<CallbackView> {
    return this.update(viewer, id, { state: 'CLAIMED', ...(assignee == null ? {} : { assignee }) });
  }

  /**
   * Takes the most urgent open task that is due and meant for nobody else; two askers never get the same. Null: there is
   * none.
   */
  async claimNext(
    viewer: Viewer,
    { tenantId, queue, assignee }: { tenantId?: string | null; queue?: string | null; assignee?: string | null },
  ): Promise<CallbackView | null> {
    requireScope(viewer, 'operations:write');
    const checks = new Checks();
    const who = checks.optionalText('assignee', assignee, { max: 200 }) ?? actorOf(viewer);
    checks.done();
    const { id: tenant } = await existingTenant(this.context, viewer, tenantId);
    const taken = await inTransaction(this.context, viewer, async (em) => {
      const now = this.context.clock.now();
      const [row] = await em.find(
        CallbackTask,
        {
          tenantId: tenant,
          state: 'OPEN',
          dueAt: { $lte: now },
          ...(queue == null ? {} : { queue }),
          $or: [{ assignee: null }, { assignee: who }],
        },
        {
          orderBy: { priority: 'asc', dueAt: 'asc', id: 'asc' },
          limit: 1,
          lockMode: LockMode.PESSIMISTIC_PARTIAL_WRITE,
        },
      );
      if (row === undefined) return null;
      const before = snapshot(row);
      move(row, 'CLAIMED', now, who, who);
      await em.flush();
      auditTask(em, viewer, 'callback.claimed', row, before);
      return row;
    });
    return taken === null ? null : this.view(taken);
  }

  /** Throws NOT_FOUND. */
  async get(viewer: Viewer, id: string): Promise<CallbackView> {
    requireScope(viewer, 'operations:read');
    const row = isUuid(id) ? await emFor(this.context.database, viewer).findOne(CallbackTask, { id }) : null;
    if (row === null) throw notFound('callback task');
    return this.view(row);
  }
  async page(viewer: Viewer, filter: CallbackFilter, request: PageRequest): Promise<Page<CallbackView>> {
    requireScope(viewer, 'operations:read');
    const em = emFor(this.context.database, viewer, filter.tenantId);
    const page = await listPage(em, CallbackTask, this.where(filter), request);
    return { ...page, rows: await this.views(page.rows) };
  }
  async list(viewer: Viewer, filter: CallbackFilter, request: OffsetRequest): Promise<Rows<CallbackView>> {
    requireScope(viewer, 'operations:read');
    const em = emFor(this.context.database, viewer, filter.tenantId);
    const { rows, total } = await listOffset(em, CallbackTask, this.where(filter), request);
    return { rows: await this.views(rows), total };
  }

  private async view(task: CallbackTask): Promise<CallbackView> {
    return (await this.views([task]))[0]!;
  }

  private async views(tasks: readonly CallbackTask[]): Promise<CallbackView[]> {
    const now = this.context.clock.now();
    const numbered = tasks.flatMap(({ tenantId, number }) =>
      number == null ? [] : [{ tenantId: tenantId as string, number }],
    );
    const listed = await listedAmong(this.context.database.em({ all: true }), numbered, now);
    return tasks.map((task) => {
      const { tenantId, number, slaDueAt, closedAt } = task;
      return {
        ...task,
        slaBreached: slaDueAt != null && (closedAt ?? now) > slaDueAt,
        doNotCall: number != null && listed.has(listedKey({ tenantId: tenantId as string, number })),
      };
    });
  }

  /** A supervisor's callback about a call is an escalation of it; the tenant hears of it as of every other. */
  private async escalate(em: EntityManager, call: Call, task: CallbackTask, by: string): Promise<void> {
    call.escalated = true;
    await em.flush();
    if (call.synthetic) return;
    await this.context.outbox.enqueue(em, call.tenantId, 'voice.call.escalated', {
      call_sid: call.callSid ?? null,
      call_id: call.id,
      callback_id: task.id,
      target: task.queue,
      initiated_by: 'supervisor',
      by,
      reason: task.reason,
    });
  }

  private where({ state, queue, assignee, callId, slaBreached, dueBefore }: CallbackFilter): FilterQuery<CallbackTask> {
    const now = this.context.clock.now();
    if (callId != null && !isUuid(callId)) return { id: { $in: [] } };
    const breached = { slaDueAt: { $lt: now }, state: { $in: ['OPEN', 'CLAIMED'] as CallbackState[] } };
    const all: FilterQuery<CallbackTask>[] = [
      ...(state == null ? [] : [{ state: { $in: [...state] } }]),
      ...(queue == null ? [] : [{ queue }]),
      ...(assignee == null ? [] : [{ assignee }]),
      ...(callId == null ? [] : [{ callId }]),
      ...(dueBefore == null ? [] : [{ dueAt: { $lt: dueBefore } }]),
      ...(slaBreached == null ? [] : slaBreached ? [breached] : [{ $not: breached }]),
    ];
    return all.length === 0 ? {} : { $and: all };
  }
}

async function lockTask(em: EntityManager, id: string): Promise<CallbackTask> {
  const row = isUuid(id) ? await em.findOne(CallbackTask, { id }, { lockMode: LockMode.PESSIMISTIC_WRITE }) : null;
  if (row === null) throw notFound('callback task');
  return row;
}

/** Locked before the task that refers to it is written: two who wait for each other's reference would wait forever. */
async function callOf(em: EntityManager, tenantId: string, callId: string): Promise<Call> {
  const call = isUuid(callId) ? await lockCall(em, callId) : null;
  if (call === null || call.tenantId !== tenantId) throw notFound('call');
  return call;
}

async function knownAgent(em: EntityManager, tenantId: string, key: string | null | undefined): Promise<void> {
  if (key != null && (await em.count(Agent, { tenantId, key })) === 0) throw notFound('agent');
}

function auditTask(
  em: EntityManager,
  viewer: Viewer,
  action: string,
  task: CallbackTask,
  before: Record<string, unknown> | null,
): void {
  audit(em, viewer, {
    tenantId: task.tenantId as string,
    action,
    subjectType: 'callback_task',
    subjectId: task.id,
    before,
    after: snapshot(task),
  });
}
