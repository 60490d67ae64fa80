import { CallbackTask, DoNotCallEntry, type Call, type CallbackOrigin } from '../entities/index.js';
import type { ServiceContext } from './context.js';
import { customerNumber } from './call-setting.js';
import { parseE164 } from '../lib/phone.js';

/** A promise to call somebody back, made during a call. */
export interface CallbackRequest {
  call: Call;
  reason: string;
  dueAt: Date | null;
  note: string | null;
  origin: CallbackOrigin;
}

/** Takes tasks for people. */
export interface CallbackDesk {
  createCallback(request: CallbackRequest): Promise<void>;
}

/** Keeps the numbers that must not be called again. */
export interface DoNotCallList {
  /** The customer of this call asked for it. Safe to repeat. */
  addCustomer(call: Call, reason: string): Promise<void>;
}

/** Records both in their tables, without queues and rules of their own. */
export class RecordedWishes implements CallbackDesk, DoNotCallList {
  constructor(private readonly context: ServiceContext) {}

  async createCallback({ call, reason, dueAt, note, origin }: CallbackRequest): Promise<void> {
    const { database, clock } = this.context;
    const em = database.em({ tenantId: call.tenantId });
    const now = clock.now();
    em.create(CallbackTask, {
      tenantId: call.tenantId,
      callId: call.id,
      number: parseE164(customerNumber(call) ?? ''),
      reason,
      notes: note === null ? [] : [{ at: now.toISOString(), by: origin.toLowerCase(), text: note }],
      origin,
      dueAt: dueAt ?? now,
      agentKey: call.agentKey ?? null,
    });
    await em.flush();
  }

  async addCustomer(call: Call, reason: string): Promise<void> {
    const number = parseE164(customerNumber(call) ?? '');
    if (number === null) return;
    const em = this.context.database.em({ tenantId: call.tenantId });
    await em.upsert(
      DoNotCallEntry,
      { tenantId: call.tenantId, number, reason, source: 'agent', createdBy: `call:${call.id}`, expiresAt: null },
      { onConflictFields: ['tenantId', 'number'], onConflictAction: 'ignore' },
    );
  }
}
