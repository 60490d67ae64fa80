import type { EntityManager } from '@mikro-orm/postgresql';
import { CALL_STATUSES } from '../entities/index.js';
import type { Unsubscribe } from '../ports/bus.js';
import type { ServiceContext } from './context.js';
import { count, type Bucket } from './metrics-counting.js';

/** Rows that change while a sweep looks are found by the next: transactions and clocks may be this far apart. */
const OVERLAP_MS = 120_000;
/** After a restart: what was not counted before the stop is not older than this before the newest change. */
const RESTART_LOOKBACK_MS = 3_600_000;
/** Without any news a sweep comes after so many ticks: for messages that got lost. */
const IDLE_TICKS = 10;
/** The advisory lock of whoever counts; any other process waits for its next turn. */
const LOCK = 7_204_010;

/** A minute whose calls changed. */
interface Minute extends Bucket {
  /** What its changed calls look like: the same again means that there is nothing new to count. */
  signature: string;
}

const STATUSES = CALL_STATUSES.map((status) => `'${status}'`).join(', ');
const keyOf = ({ tenantId, at }: Minute): string => `${tenantId} ${at.getTime()}`;

/**
 * Keeps `metrics_minute` and `metrics_hour`: minutes whose calls changed are counted anew from the calls themselves, so
 * that counting twice, in any order and in any process gives the same numbers. No call waits for it.
 */
export class MetricsRollup {
  private timer: NodeJS.Timeout | null = null;
  private running: Promise<void> | null = null;
  private unsubscribe: Promise<Unsubscribe> | null = null;
  private news = true;
  private idleTicks = 0;
  /** Everything that changed before it is counted; null until the first sweep. */
  private since: Date | null = null;
  /** Signature of each minute that changed lately, as it was when it was counted. */
  private counted = new Map<string, string>();
  private lastMinute = 0;

  constructor(private readonly context: ServiceContext) {}

  /** Counts soon after calls have changed, and now and then without news. */
  start(): void {
    this.unsubscribe = this.context.topics.subscribe('callChanged', null, () => void (this.news = true));
    this.unsubscribe.catch(() => {});
    this.timer = setInterval(() => this.tick(), this.context.settings.timing.metricsSettleMs);
    this.timer.unref();
    this.tick();
  }

  /** Waits for a running sweep. */
  async stop(): Promise<void> {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    const off = await this.unsubscribe?.catch(() => null);
    off?.();
    await this.running;
  }

  /** Counts what changed since the last time. False when another process is at it. */
  async sweep(): Promise<boolean> {
    const at = this.context.clock.now();
    const changed = await this.context.database.em({ all: true }).transactional(async (em) => {
      const [lock] = await em.execute<{ mine: boolean }[]>('select pg_try_advisory_xact_lock(?) as mine', [LOCK]);
      if (lock?.mine !== true) return null;
      const since = this.since ?? (await beginning(em));
      const lately = await changedMinutes(em, new Date(since.getTime() - OVERLAP_MS));
      const fresh = lately.filter((minute) => this.counted.get(keyOf(minute)) !== minute.signature);
      await count(em, fresh, at);
      return { lately, fresh };
    });
    if (changed === null) return false;
    this.since = at;
    this.counted = new Map(changed.lately.map((minute) => [keyOf(minute), minute.signature]));
    await this.announce(changed.fresh, at);
    return true;
  }

  private tick(): void {
    if (this.running !== null || (!this.news && ++this.idleTicks < IDLE_TICKS)) return;
    this.news = false;
    this.idleTicks = 0;
    this.running = this.sweep()
      .then((mine) => void (this.news ||= !mine))
      .catch((error: unknown) => this.context.log.warn({ err: error }, 'metrics not counted; trying again later'))
      .finally(() => (this.running = null));
  }

  private async announce(minutes: readonly Minute[], at: Date): Promise<void> {
    const minute = Math.floor(at.getTime() / 60_000);
    // Every window ends now: when a minute is over, all of them have moved on.
    const tenants = minute === this.lastMinute ? new Set(minutes.map(({ tenantId }) => tenantId)) : [null];
    this.lastMinute = minute;
    for (const tenantId of tenants)
      await this.context.topics
        .publish('metricsChanged', { tenantId })
        .catch((error: unknown) => this.context.log.warn({ err: error }, 'bus publish failed; dashboards are late'));
  }
}

/** Where the first sweep of a process begins: with everything, when nothing was ever counted. */
async function beginning(em: EntityManager): Promise<Date> {
  const [row] = await em.execute<{ counted: boolean; newest: string | Date | null }[]>(
    `select exists (select 1 from metrics_minute) as counted,
            (select max(newest) from unnest(array[${STATUSES}]) as known (status),
               lateral (select max(updated_at) as newest from "call" c where c.status = known.status) latest) as newest`,
  );
  if (row?.counted !== true || row.newest === null) return new Date(0);
  return new Date(new Date(row.newest).getTime() - RESTART_LOOKBACK_MS);
}

async function changedMinutes(em: EntityManager, since: Date): Promise<Minute[]> {
  const rows = await em.execute<{ tenant_id: string; bucket: string | Date; signature: string }[]>(
    `select tenant_id, date_trunc('minute', created_at) as bucket,
            count(*) || ':' || sum(extract(epoch from updated_at)) as signature
       from "call" where status in (${STATUSES}) and updated_at > ? and not synthetic group by 1, 2`,
    [since],
  );
  return rows.map(({ tenant_id, bucket, signature }) => ({
    tenantId: tenant_id,
    at: new Date(bucket),
    signature,
  }));
}
