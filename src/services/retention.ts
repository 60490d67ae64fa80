import type { ServiceContext } from './context.js';

/** Forgets what has served its purpose; its schedule runs it once in the whole installation. */
export const RETENTION_QUEUE = 'retention';
/** Every hour, at a minute at which nothing else is due. */
const SCHEDULE = '17 * * * *';
/** Rows of one statement: short locks, also after a long pause. */
const BATCH = 5_000;

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** What is kept, and for how long after the time in its column; rows to which `unless` applies stay longer. */
const KEPT: readonly { table: string; column: string; forMs: number; unless?: string }[] = [
  // The launch gates look at the last day.
  { table: 'signature_check', column: 'created_at', forMs: 7 * DAY_MS },
  // A client that comes back later than this with the same key makes a new call. Its scheduled call may wait for a year,
  // and the count begins when that was dialled, refused or canceled.
  {
    table: 'idempotency_key',
    column: 'created_at',
    forMs: 30 * DAY_MS,
    unless: `exists (select 1 from scheduled_call s where s.id = idempotency_key.call_id
                     and (s.state = 'WAITING' or s.updated_at >= ?))`,
  },
  // An expired token opens nothing; the margin is for clocks that differ.
  { table: 'used_stream_token', column: 'expires_at', forMs: 10 * MINUTE_MS },
  // What was done is in the session log and on the audit log; the row is what makes a repeated command act once.
  { table: 'call_command', column: 'expires_at', forMs: 30 * DAY_MS },
];

export class Retention {
  constructor(private readonly context: ServiceContext) {}

  /** Registers its queue and schedule; before the jobs are started. */
  async work(): Promise<void> {
    const { jobs } = this.context;
    await jobs.work(RETENTION_QUEUE, { retryLimit: 2 }, (job) => this.forget(job.signal));
    await jobs.schedule(RETENTION_QUEUE, SCHEDULE);
  }

  private async forget(signal: AbortSignal): Promise<void> {
    const { database, clock } = this.context;
    for (const { table, column, forMs, unless } of KEPT) {
      const before = new Date(clock.now().getTime() - forMs);
      let gone: unknown[];
      do {
        gone = await database.em({ all: true }).execute<unknown[]>(
          `delete from ${table} where ctid in (
               select ctid from ${table} where ${column} < ? ${unless === undefined ? '' : `and not ${unless}`} limit ${BATCH}
             ) returning 1`,
          unless === undefined ? [before] : [before, before],
        );
      } while (gone.length === BATCH && !signal.aborted);
    }
  }
}
