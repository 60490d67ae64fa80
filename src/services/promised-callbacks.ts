import { CallbackTask } from '../entities/index.js';
import { parseE164 } from '../lib/phone.js';
import { customerNumber } from './call-setting.js';
import { notesWith } from './callback-notes.js';
import type { CallbackDesk, CallbackRequest } from './caller-wishes.js';
import type { ServiceContext } from './context.js';
import { wakeForCallback } from './due-dials-queue.js';
import { loadRuntimeConfig, telephonyOf } from './telephony.js';

/** Callback tasks that calls themselves make. */
export class PromisedCallbacks implements CallbackDesk {
  constructor(private readonly context: ServiceContext) {}

  /** From a call: the agent, a rule or a fallback promised it. Behind a synthetic call nobody waits. */
  async createCallback({ call, reason, dueAt, note, origin, queue }: CallbackRequest): Promise<void> {
    if (call.synthetic) return;
    const { database, clock } = this.context;
    const task = await database.em({ tenantId: call.tenantId }).transactional(async (em) => {
      // The carrier asks for a fallback again when our answer got lost: one promise, one task.
      await em.execute('select pg_advisory_xact_lock(hashtextextended(?, 7204))', [`callback:${call.id}`]);
      if (origin === 'FALLBACK' && (await em.count(CallbackTask, { callId: call.id, origin })) > 0) return null;
      const telephony = telephonyOf(await loadRuntimeConfig(em, call.tenantId));
      const now = clock.now();
      const due = dueAt ?? now;
      const sla = telephony.callbackSlaMinutes;
      const number = parseE164(customerNumber(call) ?? '');
      const row = em.create(CallbackTask, {
        tenantId: call.tenantId,
        callId: call.id,
        number,
        reason: reason.slice(0, 2_000),
        notes: notesWith([], now, origin.toLowerCase(), note),
        origin,
        queue: (queue ?? telephony.callbackQueue).slice(0, 100),
        dueAt: due,
        slaDueAt: sla === null ? null : new Date(due.getTime() + sla * 60_000),
        autoDial: telephony.callbackAutoDial && number !== null,
        agentKey: call.agentKey ?? null,
      });
      await em.flush();
      return row;
    });
    if (task !== null) await wakeForCallback(this.context, task);
  }
}
