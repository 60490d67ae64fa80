import type { EntityManager } from '@mikro-orm/postgresql';
import { invalid } from '../lib/errors.js';
import type { ServiceContext } from './context.js';
import { BIN_FACTOR, hourOf, HOURS_END, SUMS } from './metrics-counting.js';
import { emFor, requireScope, tenantOf, type Viewer } from './viewer.js';

export const METRICS_DIMENSIONS = ['TENANT', 'AGENT', 'VERSION'] as const;
export type MetricsDimension = (typeof METRICS_DIMENSIONS)[number];

/** A day of minutes: the longest window, and as many points as a chart gets at most (docs/performance.md). */
export const MAX_WINDOW_MINUTES = 1_440;
export const DEFAULT_WINDOW_MINUTES = 60;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** What was asked for, resolved: whole minutes, the current one included. */
export interface MetricsWindow {
  /** Null: every tenant (an admin's view). */
  tenantId: string | null;
  windowMinutes: number;
  from: Date;
  to: Date;
}

/** Figures of calls by when they were created; synthetic calls count nowhere. A rate of nothing is null. */
export interface CallFigures {
  callsCreated: number;
  callsAnswered: number;
  callsEnded: number;
  callsCompleted: number;
  callsTransferred: number;
  callsEscalated: number;
  callsFailed: number;
  /** Answered, of created. */
  answerRate: number | null;
  /** Completed without an error, of ended. */
  completionRate: number | null;
  /** Of answered. */
  transferRate: number | null;
  /** Of answered. */
  escalationRate: number | null;
  /** Failed, of created. */
  errorRate: number | null;
  errors: { cause: string; count: number }[];
  /** Seconds of an answered call that ended. */
  averageHandleSeconds: number | null;
  timeToFirstAudioP50Ms: number | null;
  timeToFirstAudioP95Ms: number | null;
  interruptions: number;
  /** Mean of the evaluated calls, 0-1. */
  meanScore: number | null;
}
export interface MetricsSnapshot extends MetricsWindow, CallFigures {
  concurrentCalls: number;
  /** Deliveries of events that failed and were not delivered since. */
  failedWebhooks: number;
}
export interface MetricsGroup extends CallFigures {
  tenantId: string | null;
  agentKey: string | null;
  agentVersionId: string | null;
}
export interface MetricsPoint extends CallFigures {
  at: Date;
  failedWebhooks: number;
}

/** Columns that make a group, by what is asked for. */
const GROUP_COLUMNS: Record<MetricsDimension, readonly string[]> = {
  TENANT: ['tenant_id'],
  AGENT: ['tenant_id', 'agent_key'],
  VERSION: ['tenant_id', 'agent_key', 'agent_version_id'],
};

/** What happens on the line, added up from the minutes that the rollup keeps: a million calls cost what a thousand do. */
export class OperationsMetrics {
  constructor(private readonly context: ServiceContext) {}

  /** Authorises and resolves. Throws FORBIDDEN, NOT_FOUND (a foreign tenant), VALIDATION_FAILED. */
  window(viewer: Viewer, tenantId?: string | null, windowMinutes?: number | null): MetricsWindow {
    requireScope(viewer, 'operations:read');
    const minutes = windowMinutes ?? DEFAULT_WINDOW_MINUTES;
    if (!Number.isInteger(minutes) || minutes < 1 || minutes > MAX_WINDOW_MINUTES)
      throw invalid({ path: 'windowMinutes', message: `must be a whole number from 1 to ${MAX_WINDOW_MINUTES}` });
    const only = viewer.kind === 'tenant' ? tenantOf(viewer, tenantId) : (tenantId ?? null);
    const to = new Date((Math.floor(this.context.clock.now().getTime() / MINUTE_MS) + 1) * MINUTE_MS);
    return { tenantId: only, windowMinutes: minutes, from: new Date(to.getTime() - minutes * MINUTE_MS), to };
  }

  async snapshot(viewer: Viewer, tenantId?: string | null, windowMinutes?: number | null): Promise<MetricsSnapshot> {
    const window = this.window(viewer, tenantId, windowMinutes);
    const em = emFor(this.context.database, viewer, window.tenantId);
    const [[all], webhooks, concurrentCalls] = await Promise.all([
      figures(em, window, []),
      failedWebhooks(em, window),
      concurrent(em, window),
    ]);
    const failed = [...webhooks.values()].reduce((sum, count) => sum + count, 0);
    return { ...window, ...(all?.figures ?? NO_CALLS), concurrentCalls, failedWebhooks: failed };
  }

  /** The same figures apart, those with most calls first. */
  async groups(viewer: Viewer, window: MetricsWindow, by: MetricsDimension): Promise<MetricsGroup[]> {
    requireScope(viewer, 'operations:read');
    const rows = await figures(emFor(this.context.database, viewer, window.tenantId), window, GROUP_COLUMNS[by]);
    return rows
      .map(({ key, figures: row }) => ({
        ...row,
        tenantId: key.tenant_id ?? null,
        agentKey: key.agent_key ?? null,
        agentVersionId: key.agent_version_id || null,
      }))
      .toSorted((a, b) => b.callsCreated - a.callsCreated);
  }

  /** One point for each minute in which calls were created or deliveries failed, oldest first. */
  async minutes(viewer: Viewer, window: MetricsWindow): Promise<MetricsPoint[]> {
    requireScope(viewer, 'operations:read');
    const em = emFor(this.context.database, viewer, window.tenantId);
    const [rows, webhooks] = await Promise.all([figures(em, window, ['bucket']), failedWebhooks(em, window)]);
    const calls = new Map(rows.map(({ key, figures: row }) => [new Date(key.bucket!).getTime(), row]));
    return [...new Set([...calls.keys(), ...webhooks.keys()])]
      .toSorted((a, b) => a - b)
      .map((at) => ({ ...(calls.get(at) ?? NO_CALLS), at: new Date(at), failedWebhooks: webhooks.get(at) ?? 0 }));
  }
}

type Key = Record<string, string | null>;
type Sums = Record<(typeof SUMS)[number], number>;

async function figures(
  em: EntityManager,
  window: MetricsWindow,
  columns: readonly string[],
): Promise<{ key: Key; figures: CallFigures }[]> {
  const source = columns.includes('bucket')
    ? rowsOf('metrics_minute', window, false)
    : bucketsOf(window, columns.includes('tenant_id'));
  // Bytes are compared faster than words of a language. What a row counts by name is added up here: to the planner each
  // such row is a hundred, and it would prepare for millions.
  const group = columns.map((column) => (column === 'bucket' ? 'm.bucket' : `m.${column} collate "C"`));
  const rows = await em.execute<(Key & Record<keyof Sums | 'errors' | 'bins', string | null>)[]>(
    `select ${columns.map((column, i) => `${group[i]} as ${column}, `).join('')}
            ${SUMS.map((name) => `sum(m.${name}) as ${name}`).join(', ')},
            string_agg(m.errors::text, ',') filter (where m.errors <> '{}') as errors,
            string_agg(m.first_audio_bins::text, ',') filter (where m.first_audio_bins <> '{}') as bins
       from (${source.sql}) m
       ${group.length === 0 ? 'having count(*) > 0' : `group by ${group.join(', ')}`}`,
    source.parameters,
  );
  return rows.map((row) => ({
    key: row,
    figures: figuresOf(
      Object.fromEntries(SUMS.map((name) => [name, Number(row[name])])) as unknown as Sums,
      [...addedUp(row.errors)].map(([cause, count]) => ({ cause, count })),
      [...addedUp(row.bins)].map(([upper, count]) => ({ upper: Number(upper), count })),
    ),
  }));
}

interface Rows {
  sql: string;
  parameters: unknown[];
}

type Span = Pick<MetricsWindow, 'tenantId' | 'from' | 'to'>;

/** Tenants together have rows of their own, which are read unless they are asked for apart. */
function rowsOf(table: 'metrics_minute' | 'metrics_hour', { tenantId, from, to }: Span, apart: boolean): Rows {
  return {
    sql: `select * from ${table} where bucket >= ? and bucket < ? and tenant_id ${tenantId === null && apart ? '<>' : '='} ?`,
    parameters: [from, to, tenantId ?? ''],
  };
}

/** A window as whole hours, as far as they are added up, and the minutes at both of its ends. */
function bucketsOf({ tenantId, from, to }: MetricsWindow, apart: boolean): Rows {
  const first = new Date(Math.min(hourOf(new Date(from.getTime() + HOUR_MS - 1)).getTime(), to.getTime()));
  const last = new Date(Math.max(hourOf(to).getTime(), first.getTime()));
  const before = rowsOf('metrics_minute', { tenantId, from, to: first }, apart);
  const hours = rowsOf('metrics_hour', { tenantId, from: first, to: last }, apart);
  const after = rowsOf('metrics_minute', { tenantId, from: first, to }, apart);
  return {
    sql: `${before.sql} union all ${hours.sql} union all ${after.sql} and bucket >= least(?, ${HOURS_END})`,
    parameters: [...before.parameters, ...hours.parameters, ...after.parameters, last],
  };
}

/** The sum by name of JSON objects that stand beside each other. */
function addedUp(objects: string | null): Map<string, number> {
  const sums = new Map<string, number>();
  for (const counts of JSON.parse(`[${objects ?? ''}]`) as Record<string, number>[])
    for (const [name, count] of Object.entries(counts)) sums.set(name, (sums.get(name) ?? 0) + count);
  return sums;
}

function figuresOf(sums: Sums, errors: CallFigures['errors'], bins: Bin[]): CallFigures {
  return {
    callsCreated: sums.created,
    callsAnswered: sums.answered,
    callsEnded: sums.ended,
    callsCompleted: sums.completed,
    callsTransferred: sums.transferred,
    callsEscalated: sums.escalated,
    callsFailed: sums.failed,
    answerRate: ratio(sums.answered, sums.created),
    completionRate: ratio(sums.completed, sums.ended),
    transferRate: ratio(sums.transferred, sums.answered),
    escalationRate: ratio(sums.escalated, sums.answered),
    errorRate: ratio(sums.failed, sums.created),
    errors: errors.toSorted((a, b) => b.count - a.count || a.cause.localeCompare(b.cause)),
    averageHandleSeconds: ratio(sums.handle_seconds, sums.handled),
    timeToFirstAudioP50Ms: percentile(bins, 0.5),
    timeToFirstAudioP95Ms: percentile(bins, 0.95),
    interruptions: sums.interruptions,
    meanScore: ratio(sums.score_sum, sums.score_count),
  };
}

const ratio = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole);

interface Bin {
  upper: number;
  count: number;
}

/** The value below which `share` of the counted ones lie, in ms; inside of a bin they are taken to lie evenly. */
export function percentile(bins: readonly Bin[], share: number): number | null {
  const sorted = bins.toSorted((a, b) => a.upper - b.upper);
  let rank = share * sorted.reduce((sum, { count }) => sum + count, 0);
  for (const { upper, count } of sorted) {
    if (rank <= count) return Math.round(upper / BIN_FACTOR + (upper - upper / BIN_FACTOR) * (rank / count));
    rank -= count;
  }
  return null;
}

const NO_CALLS: CallFigures = figuresOf(Object.fromEntries(SUMS.map((name) => [name, 0])) as unknown as Sums, [], []);

function scopeOf({ tenantId, from, to }: MetricsWindow, time: string): { condition: string; parameters: unknown[] } {
  const tenant = tenantId === null ? '' : ' and tenant_id = ?';
  return {
    condition: `${time} >= ? and ${time} < ?${tenant}`,
    parameters: [from, to, ...(tenantId === null ? [] : [tenantId])],
  };
}

/** By minute of the delivery's creation, ms since epoch. */
async function failedWebhooks(em: EntityManager, window: MetricsWindow): Promise<Map<number, number>> {
  const { condition, parameters } = scopeOf(window, 'created_at');
  const rows = await em.execute<{ bucket: string | Date; n: string }[]>(
    `select date_trunc('minute', created_at) as bucket, count(*) as n from webhook_delivery
      where status in ('FAILED', 'DEAD_LETTER') and ${condition} group by 1`,
    parameters,
  );
  return new Map(rows.map(({ bucket, n }) => [new Date(bucket).getTime(), Number(n)]));
}

async function concurrent(em: EntityManager, { tenantId }: MetricsWindow): Promise<number> {
  const [row] = await em.execute<{ n: string }[]>(
    `select count(*) as n from "call" where status in ('DIALING', 'QUEUED', 'RINGING', 'IN_PROGRESS') and not synthetic
      ${tenantId === null ? '' : 'and tenant_id = ?'}`,
    tenantId === null ? [] : [tenantId],
  );
  return Number(row!.n);
}
