import type { EntityManager } from '@mikro-orm/postgresql';
import type { ServiceContext } from './context.js';
import { Diagnostics } from './diagnostics.js';

/** Looks for broken promises; its schedule runs it once in the whole installation. */
export const CALLBACK_PROMISES_QUEUE = 'callback-promises';
const CODE = 'callback_overdue';
/** Tasks that one look marks; a backlog after a long pause takes some more. */
const BATCH = 1_000;
/** A promise that is broken and still to be kept. */
const OVERDUE = `state in ('OPEN', 'CLAIMED') and sla_due_at < ?`;

/**
 * Tells operators when a customer waits longer for a callback than was promised: one diagnostic for each queue, which counts
 * up with further broken promises and is settled when none is left.
 */
export class CallbackPromises {
  private readonly diagnostics: Diagnostics;

  constructor(private readonly context: ServiceContext) {
    this.diagnostics = new Diagnostics(context);
  }

  /** Registers its queue and schedule; before the jobs are started. */
  async work(): Promise<void> {
    const { jobs } = this.context;
    await jobs.work(CALLBACK_PROMISES_QUEUE, { retryLimit: 0 }, () => this.sweep());
    await jobs.schedule(CALLBACK_PROMISES_QUEUE, '* * * * *');
  }

  /** One look at everything; any number of processes may look at once. */
  private async sweep(): Promise<void> {
    const { database, clock } = this.context;
    const now = clock.now();
    const announced = await database.em({ all: true }).transactional(async (em) => {
      const broken = await em.execute<{ tenant_id: string; queue: string }[]>(
        `update callback_task set breach_told_at = ? where id in (
           select id from callback_task where ${OVERDUE} and breach_told_at is null
           order by sla_due_at limit ${BATCH} for update skip locked
         ) returning tenant_id, queue`,
        [now, now],
      );
      const queues = new Map(broken.map((row) => [keyOf(row.tenant_id, row.queue), row]));
      return Promise.all([...queues.values()].map(({ tenant_id, queue }) => this.tell(em, tenant_id, queue, now)));
    });
    for (const announce of announced) await announce();
    await this.settle(now);
  }

  private async tell(em: EntityManager, tenantId: string, queue: string, now: Date) {
    const [state] = await em.execute<{ n: string; oldest: string; since: string | Date }[]>(
      `select count(*) as n, (array_agg(id order by sla_due_at))[1] as oldest, min(sla_due_at) as since
         from callback_task where tenant_id = ? and queue = ? and ${OVERDUE}`,
      [tenantId, queue, now],
    );
    const { n, oldest, since } = state!;
    return this.diagnostics.raiseWithin(em, {
      tenantId,
      code: CODE,
      severity: 'WARNING',
      message: `${n} promised callbacks of the queue ${queue} are overdue.`,
      action:
        'Claim them (callbacks with sla_breached=true), or give them a new sla_due_at that the customer agreed to.',
      detail: { queue, overdue: Number(n), oldestCallbackId: oldest, overdueSince: new Date(since).toISOString() },
      dedupeKey: keyOf(tenantId, queue),
    });
  }

  private async settle(now: Date): Promise<void> {
    const kept = await this.context.database.em({ all: true }).execute<{ dedupe_key: string }[]>(
      `select dedupe_key from diagnostic d where code = ? and resolved_at is null and not exists (
         select 1 from callback_task where tenant_id = d.tenant_id and queue = d.detail ->> 'queue' and ${OVERDUE})`,
      [CODE, now],
    );
    for (const { dedupe_key } of kept) await this.diagnostics.settle(dedupe_key);
  }
}

const keyOf = (tenantId: string, queue: string): string => `${CODE}:${tenantId}:${queue}`;
