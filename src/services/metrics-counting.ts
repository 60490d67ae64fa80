import type { EntityManager } from '@mikro-orm/postgresql';

/** One minute, or one hour, of the calls that a tenant created in it. */
export interface Bucket {
  /** Empty string: every tenant together. */
  tenantId: string;
  at: Date;
}

/** Neighbouring bins of a histogram differ by this factor: a percentile is off by less than that. */
export const BIN_FACTOR = 1.1;
/** Buckets counted in one statement. */
const BATCH = 1_000;
const HOUR_MS = 3_600_000;
export const hourOf = (at: Date): Date => new Date(at.getTime() - (at.getTime() % HOUR_MS));

/** Counts these minutes anew, and what is added up from them: every tenant together, and hours that are over at `now`. */
export async function count(em: EntityManager, minutes: readonly Bucket[], now: Date): Promise<void> {
  // Oldest first: rows of one window lie together on disk, also after everything was counted anew.
  const ordered = minutes.toSorted((a, b) => a.at.getTime() - b.at.getTime());
  await inBatches(ordered, (batch) => countMinutes(em, batch));
  const together = distinct(ordered.map(({ at }) => ({ tenantId: '', at })));
  await inBatches(together, (batch) => addUp(em, EVERY_TENANT, batch));
  const over = hourOf(now);
  const hours = [...ordered, ...together]
    .map(({ tenantId, at }) => ({ tenantId, at: hourOf(at) }))
    .filter(({ at }) => at < over);
  const ended = distinct([...(await hoursNotAddedUp(em, over)), ...hours]);
  await inBatches(
    ended.toSorted((a, b) => a.at.getTime() - b.at.getTime()),
    (batch) => addUp(em, HOURS, batch),
  );
}

async function inBatches(buckets: readonly Bucket[], run: (batch: readonly Bucket[]) => Promise<void>): Promise<void> {
  for (let i = 0; i < buckets.length; i += BATCH) await run(buckets.slice(i, i + BATCH));
}

function distinct(buckets: readonly Bucket[]): Bucket[] {
  return [...new Map(buckets.map((bucket) => [`${bucket.tenantId} ${bucket.at.getTime()}`, bucket])).values()];
}

/** Hours that were not over when they were last looked at: until then their minutes are read instead. */
async function hoursNotAddedUp(em: EntityManager, over: Date): Promise<Bucket[]> {
  const rows = await em.execute<{ tenant_id: string; bucket: string | Date }[]>(
    `select distinct tenant_id, date_trunc('hour', bucket, 'UTC') as bucket from metrics_minute
      where bucket >= ${HOURS_END} and bucket < ?`,
    [over],
  );
  return rows.map(({ tenant_id, bucket }) => ({ tenantId: tenant_id, at: new Date(bucket) }));
}

/** Minutes before it are in `metrics_hour`, of every tenant. An expression in SQL. */
export const HOURS_END = `coalesce((select max(bucket) + interval '1 hour' from metrics_hour), '-infinity')`;

/** The columns that are sums of the same columns. */
export const SUMS = [
  'created',
  'answered',
  'ended',
  'completed',
  'transferred',
  'escalated',
  'failed',
  'handled',
  'handle_seconds',
  'interruptions',
  'score_sum',
  'score_count',
] as const;
const COLUMNS = `tenant_id, bucket, agent_version_id, agent_key, ${SUMS.join(', ')}, errors, first_audio_bins`;

const WANTED = `jsonb_to_recordset(?::jsonb) as wanted (tenant_id text, bucket timestamptz)`;
const wantedOf = (buckets: readonly Bucket[]): string =>
  JSON.stringify(buckets.map(({ tenantId, at }) => ({ tenant_id: tenantId, bucket: at })));

/** A call may have got another version since: rows that nothing falls into any more must not stay. */
async function clear(em: EntityManager, table: string, wanted: string): Promise<void> {
  await em.execute(
    `delete from ${table} m using ${WANTED} where m.tenant_id = wanted.tenant_id and m.bucket = wanted.bucket`,
    [wanted],
  );
}

/**
 * Why a call counts as failed: what its row says, else why its session failed. Busy, unanswered and canceled calls are
 * no errors.
 */
const CAUSE = `coalesce(c.error_code, case when s.status = 'FAILED' then lower(s.end_reason) end,
  case when c.status = 'FAILED' then 'failed' end)`;
const ENDED = `c.status in ('COMPLETED', 'BUSY', 'FAILED', 'NO_ANSWER', 'CANCELED')`;

async function countMinutes(em: EntityManager, minutes: readonly Bucket[]): Promise<void> {
  const wanted = wantedOf(minutes);
  await clear(em, 'metrics_minute', wanted);
  await em.execute(
    `with counted as materialized (
       select wanted.tenant_id, wanted.bucket, coalesce(c.agent_version_id::text, '') as version, c.agent_key, c.status,
              c.escalated, c.evaluation_score, c.duration_seconds, c.answered_at is not null as answered,
              ${ENDED} as ended, ${CAUSE} as cause, coalesce(s.interruption_count, 0) as interruptions,
              s.end_reason = 'TRANSFERRED' or c.outcome = 'transferred' as transferred,
              ceil(power(${BIN_FACTOR}::float8, ceil(ln(nullif(c.time_to_first_audio_ms, 0)::float8) / ln(${BIN_FACTOR}::float8))))::int as bin
         from ${WANTED}
         -- The offset keeps each minute a look into the index: the planner does not know how few calls a minute has.
         cross join lateral (select * from "call" c where c.tenant_id = wanted.tenant_id
           and c.created_at >= wanted.bucket and c.created_at < wanted.bucket + interval '1 minute' offset 0) c
         left join voice_session s on s.call_id = c.id
        where not c.synthetic),
     causes as (${byName('cause', 'count(*)', 'counted where cause is not null')}),
     bins as (${byName('bin', 'count(*)', 'counted where bin is not null')})
     insert into metrics_minute (${COLUMNS})
     select tenant_id, bucket, version, max(agent_key), count(*), count(*) filter (where answered),
            count(*) filter (where ended), count(*) filter (where status = 'COMPLETED' and cause is null),
            count(*) filter (where transferred), count(*) filter (where escalated), count(cause),
            count(*) filter (where ended and answered), coalesce(sum(duration_seconds) filter (where ended and answered), 0),
            sum(interruptions), coalesce(sum(evaluation_score), 0), count(evaluation_score),
            coalesce((array_agg(causes.counts))[1], '{}'), coalesce((array_agg(bins.counts))[1], '{}')
       from counted left join causes using (tenant_id, bucket, version) left join bins using (tenant_id, bucket, version)
      group by tenant_id, bucket, version order by bucket`,
    [wanted],
  );
}

/** JSON objects name -> number, one for each bucket and version. */
function byName(name: string, number: string, from: string): string {
  return `select tenant_id, bucket, version, jsonb_object_agg(name, number) as counts
            from (select tenant_id, bucket, version, ${name} as name, ${number} as number from ${from} group by 1, 2, 3, 4) each
           group by 1, 2, 3`;
}

/** What minutes are added up to. */
interface Sum {
  table: 'metrics_minute' | 'metrics_hour';
  /** Which minutes `m` belong to a wanted bucket. */
  parts: string;
  version: string;
  agentKey: string;
}
const EVERY_TENANT: Sum = {
  table: 'metrics_minute',
  parts: `m.bucket = wanted.bucket and m.tenant_id <> ''`,
  version: `''`,
  agentKey: 'null',
};
const HOURS: Sum = {
  table: 'metrics_hour',
  parts: `m.tenant_id = wanted.tenant_id and m.bucket >= wanted.bucket and m.bucket < wanted.bucket + interval '1 hour'`,
  version: 'm.agent_version_id',
  agentKey: 'm.agent_key',
};

async function addUp(
  em: EntityManager,
  { table, parts, version, agentKey }: Sum,
  buckets: readonly Bucket[],
): Promise<void> {
  const wanted = wantedOf(buckets);
  await clear(em, table, wanted);
  await em.execute(
    `with part as materialized (
       select wanted.tenant_id, wanted.bucket, m.version, m.agent_key, ${SUMS.join(', ')}, errors, first_audio_bins
         from ${WANTED}
         cross join lateral (select ${version} as version, ${agentKey} as agent_key, ${SUMS.map((name) => `m.${name}`).join(', ')},
           m.errors, m.first_audio_bins from metrics_minute m where ${parts} offset 0) m),
     causes as (${byName('key', 'sum(value::int)', 'part, jsonb_each_text(errors)')}),
     bins as (${byName('key', 'sum(value::int)', 'part, jsonb_each_text(first_audio_bins)')})
     insert into ${table} (${COLUMNS})
     select tenant_id, bucket, version, max(agent_key), ${SUMS.map((name) => `sum(${name})`).join(', ')},
            coalesce((array_agg(causes.counts))[1], '{}'), coalesce((array_agg(bins.counts))[1], '{}')
       from part left join causes using (tenant_id, bucket, version) left join bins using (tenant_id, bucket, version)
      group by tenant_id, bucket, version order by bucket`,
    [wanted],
  );
}
