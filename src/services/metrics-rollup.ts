import type { EntityManager } from '@mikro-orm/postgresql';
import { CALL_STATUSES } from '../entities/index.js';
import type { Unsubscribe } from '../ports/bus.js';
import type { ServiceContext } from './context.js';

/** Rows that change while a sweep looks are found by the next: transactions and clocks may be this far apart. */
const OVERLAP_MS = 120_000;
/** After a restart: what was not counted before the stop is not older than this before the newest change. */
const RESTART_LOOKBACK_MS = 3_600_000;
/** Minutes counted in one statement. */
const BATCH = 1_000;
/** Without any news a sweep comes after so many ticks: for messages that got lost. */
const IDLE_TICKS = 10;
/** The advisory lock of whoever counts; any other process waits for its next turn. */
const LOCK = 7_204_010;
/** Neighbouring bins of a histogram differ by this factor: a percentile is off by less than that. */
export const BIN_FACTOR = 1.1;

/** One minute of one tenant, by the time when its calls were created. */
interface Minute {
  tenantId: string;
  bucket: Date;
  /** What its changed calls look like: the same again means that there is nothing new to count. */
  signature: string;
}

const STATUSES = CALL_STATUSES.map((status) => `'${status}'`).join(', ');
const keyOf = ({ tenantId, bucket }: Minute): string => `${tenantId} ${bucket.getTime()}`;

/**
 * Keeps `metrics_minute`: minutes whose calls changed are counted anew from the calls themselves, so that counting twice,
 * in any order and in any process gives the same numbers. No call waits for it.
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
      // Oldest first: rows of one window lie together on disk, also after everything was counted anew.
      const fresh = lately
        .filter((minute) => this.counted.get(keyOf(minute)) !== minute.signature)
        .toSorted((a, b) => a.bucket.getTime() - b.bucket.getTime());
      for (let i = 0; i < fresh.length; i += BATCH) await recount(em, fresh.slice(i, i + BATCH));
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
    bucket: new Date(bucket),
    signature,
  }));
}

/**
 * Why a call counts as failed: what its row says, else why its session failed. Busy, unanswered and canceled calls are
 * no errors.
 */
const CAUSE = `coalesce(c.error_code, case when s.status = 'FAILED' then lower(s.end_reason) end,
  case when c.status = 'FAILED' then 'failed' end)`;
const ENDED = `c.status in ('COMPLETED', 'BUSY', 'FAILED', 'NO_ANSWER', 'CANCELED')`;

async function recount(em: EntityManager, minutes: readonly Minute[]): Promise<void> {
  const scope = JSON.stringify(minutes.map(({ tenantId, bucket }) => ({ tenant_id: tenantId, bucket })));
  const wanted = `jsonb_to_recordset(?::jsonb) as wanted (tenant_id text, bucket timestamptz)`;
  // A call may have got another version since: rows that nothing falls into any more must not stay.
  await em.execute(
    `delete from metrics_minute m using ${wanted} where m.tenant_id = wanted.tenant_id and m.bucket = wanted.bucket`,
    [scope],
  );
  await em.execute(
    `with counted as materialized (
       select wanted.tenant_id, wanted.bucket, coalesce(c.agent_version_id::text, '') as version, c.agent_key, c.status,
              c.escalated, c.evaluation_score, c.duration_seconds, c.answered_at is not null as answered,
              ${ENDED} as ended, ${CAUSE} as cause, coalesce(s.interruption_count, 0) as interruptions,
              s.end_reason = 'TRANSFERRED' or c.outcome = 'transferred' as transferred,
              ceil(power(${BIN_FACTOR}::float8, ceil(ln(nullif(c.time_to_first_audio_ms, 0)::float8) / ln(${BIN_FACTOR}::float8))))::int as bin
         from ${wanted}
         -- The offset keeps each minute a look into the index: the planner does not know how few calls a minute has.
         cross join lateral (select * from "call" c where c.tenant_id = wanted.tenant_id
           and c.created_at >= wanted.bucket and c.created_at < wanted.bucket + interval '1 minute' offset 0) c
         left join voice_session s on s.call_id = c.id
        where not c.synthetic),
     causes as (
       select tenant_id, bucket, version, jsonb_object_agg(cause, n) as errors
         from (select tenant_id, bucket, version, cause, count(*) as n from counted where cause is not null group by 1, 2, 3, 4) each
        group by 1, 2, 3),
     bins as (
       select tenant_id, bucket, version, jsonb_object_agg(bin, n) as first_audio_bins
         from (select tenant_id, bucket, version, bin, count(*) as n from counted where bin is not null group by 1, 2, 3, 4) each
        group by 1, 2, 3)
     insert into metrics_minute (tenant_id, bucket, agent_version_id, agent_key, created, answered, ended, completed,
       transferred, escalated, failed, handled, handle_seconds, interruptions, score_sum, score_count, errors, first_audio_bins)
     select tenant_id, bucket, version, max(agent_key), count(*), count(*) filter (where answered),
            count(*) filter (where ended), count(*) filter (where status = 'COMPLETED' and cause is null),
            count(*) filter (where transferred), count(*) filter (where escalated), count(cause),
            count(*) filter (where ended and answered), coalesce(sum(duration_seconds) filter (where ended and answered), 0),
            sum(interruptions),
            coalesce(sum(evaluation_score), 0), count(evaluation_score),
            coalesce((array_agg(errors))[1], '{}'), coalesce((array_agg(first_audio_bins))[1], '{}')
       from counted left join causes using (tenant_id, bucket, version) left join bins using (tenant_id, bucket, version)
      group by tenant_id, bucket, version order by bucket`,
    [scope],
  );
}
