import { LockMode, type EntityManager } from '@mikro-orm/postgresql';
import { AgentVersion, Scenario, SyntheticCall, SyntheticRun, Tenant } from '../entities/index.js';
import type { Page } from '../lib/cursor.js';
import { AppError, notFound } from '../lib/errors.js';
import { isUuid } from '../lib/ids.js';
import { audit } from './audit-log.js';
import { Checks, knownId } from './checks.js';
import type { ServiceContext } from './context.js';
import { listOffset, listPage, type OffsetRequest, type PageRequest, type Rows } from './listing.js';
import { actorOf, emFor, requireAdmin, requireScope, type Viewer } from './viewer.js';
import { inTransaction, snapshot } from './writes.js';

export interface NewSyntheticRun {
  agentVersionId: string;
  /** Calls to place, 20 by default. */
  count?: number | null;
  /** Of the version's agent; none: every active one. They take turns, so that every intent gets its share. */
  scenarioIds?: readonly string[] | null;
  /** Calls at once, 5 by default. */
  concurrency?: number | null;
}
export interface SyntheticRunFilter {
  tenantId?: string | null;
  agentVersionId?: string | null;
}

export const SYNTHETIC_RUN_QUEUE = 'synthetic-run';
const DEFAULT_COUNT = 20;
const DEFAULT_CONCURRENCY = 5;
/** Every call costs two speech sessions. */
const MAX_COUNT = 200;
const MAX_CONCURRENCY = 20;

/** Runs of synthetic calls against one agent version: started, watched and canceled here, played by the runner. */
export class SyntheticRuns {
  constructor(
    private readonly ctx: ServiceContext,
    private readonly options: {
      /** Why no process of this kind could ever play a run; null: some can. */
      unplayable: () => string | null;
      /** Provider of this process's speech model; null: it has none, and whoever plays the run knows better. */
      provider: 'openai' | 'simulator' | null;
    },
  ) {}

  /** Throws VALIDATION_FAILED, NOT_FOUND, TENANT_SUSPENDED, UNPROCESSABLE when there is nothing to play or nobody to. */
  async start(viewer: Viewer, input: NewSyntheticRun): Promise<SyntheticRun> {
    requireAdmin(viewer);
    const checks = new Checks();
    const count = checks.integer('count', input.count ?? DEFAULT_COUNT, 1, MAX_COUNT);
    const concurrency = checks.integer('concurrency', input.concurrency ?? DEFAULT_CONCURRENCY, 1, MAX_CONCURRENCY);
    const scenarioIds = checks.list('scenarioIds', input.scenarioIds ?? [], MAX_COUNT, (id) => String(id));
    checks.unique('scenarioIds', scenarioIds);
    checks.done();
    const run = await inTransaction(this.ctx, viewer, async (em) => {
      const version = await em.findOne(AgentVersion, { id: knownId('agent version', input.agentVersionId) });
      if (version === null) throw notFound('agent version');
      const tenant = await em.findOneOrFail(Tenant, { id: version.tenantId });
      if (tenant.status === 'SUSPENDED') throw new AppError('TENANT_SUSPENDED', 'This tenant is suspended');
      const unplayable = this.options.unplayable();
      if (unplayable !== null) throw new AppError('UNPROCESSABLE', unplayable);
      const scenarios = takingTurns(await scenariosFor(em, version, scenarioIds));
      const created = em.create(SyntheticRun, {
        tenantId: version.tenantId,
        agentVersionId: version.id,
        count,
        concurrency,
        // Evidence only when somebody is known to speak.
        simulated: this.options.provider !== 'openai',
        startedBy: actorOf(viewer),
      });
      await em.flush();
      for (let i = 0; i < count; i += 1)
        em.create(SyntheticCall, {
          tenantId: version.tenantId,
          runId: created.id,
          scenarioId: scenarios[i % scenarios.length]!.id,
        });
      await em.flush();
      record(em, viewer, 'synthetic_run.started', created, null);
      await this.ctx.jobs.send(SYNTHETIC_RUN_QUEUE, { runId: created.id }, {}, em);
      return created;
    });
    await announceRun(this.ctx, run);
    return run;
  }

  /** What waits is not placed, what runs is hung up. A run that is over stays as it is. Throws NOT_FOUND. */
  async cancel(viewer: Viewer, id: string): Promise<SyntheticRun> {
    requireAdmin(viewer);
    const run = await inTransaction(this.ctx, viewer, async (em) => {
      const found = await runOf(em, id, true);
      if (found.status !== 'QUEUED' && found.status !== 'RUNNING') return found;
      const before = snapshot(found);
      em.assign(found, { status: 'CANCELED', endedAt: this.ctx.clock.now() });
      await em.flush();
      await em.nativeUpdate(SyntheticCall, { runId: id, status: 'QUEUED' }, { status: 'CANCELED' });
      record(em, viewer, 'synthetic_run.canceled', found, before);
      return found;
    });
    await announceRun(this.ctx, run);
    return run;
  }

  /** Throws NOT_FOUND. */
  async get(viewer: Viewer, id: string): Promise<SyntheticRun> {
    requireScope(viewer, 'agents:read');
    return runOf(emFor(this.ctx.database, viewer), id);
  }
  page(viewer: Viewer, filter: SyntheticRunFilter, request: PageRequest): Promise<Page<SyntheticRun>> {
    requireScope(viewer, 'agents:read');
    return listPage(emFor(this.ctx.database, viewer, filter.tenantId), SyntheticRun, whereRun(filter), request);
  }
  list(viewer: Viewer, filter: SyntheticRunFilter, request: OffsetRequest): Promise<Rows<SyntheticRun>> {
    requireScope(viewer, 'agents:read');
    return listOffset(emFor(this.ctx.database, viewer, filter.tenantId), SyntheticRun, whereRun(filter), request);
  }

  /** The calls of these runs, in the order in which they are placed. */
  async callsOf(viewer: Viewer, runIds: readonly string[]): Promise<SyntheticCall[]> {
    requireScope(viewer, 'agents:read');
    const em = emFor(this.ctx.database, viewer);
    return em.find(SyntheticCall, { runId: { $in: [...runIds] } }, { orderBy: { id: 'asc' } });
  }
}

/** Tells the feed that a run or one of its calls changed. A lost message costs latency only. */
export async function announceRun(
  ctx: Pick<ServiceContext, 'topics' | 'log'>,
  { id, tenantId }: Pick<SyntheticRun, 'id' | 'tenantId'>,
): Promise<void> {
  await ctx.topics
    .publish('syntheticRunChanged', { tenantId, runId: id })
    .catch((error: unknown) => ctx.log.warn({ err: error, runId: id }, 'bus publish failed'));
}

async function scenariosFor(em: EntityManager, version: AgentVersion, ids: readonly string[]): Promise<Scenario[]> {
  const { agentId } = version;
  const order = { orderBy: { createdAt: 'asc', id: 'asc' } } as const;
  if (ids.length === 0) {
    const active = await em.find(Scenario, { agentId, active: true }, order);
    if (active.length === 0) throw new AppError('UNPROCESSABLE', 'This agent has no active scenario; create one first');
    return active;
  }
  const named = await em.find(Scenario, { agentId, id: { $in: ids.filter(isUuid) } }, order);
  const missing = ids.findIndex((id) => !named.some((scenario) => scenario.id === id));
  if (missing === -1) return named;
  throw new AppError('NOT_FOUND', 'scenario not found', {
    details: [{ path: `scenarioIds[${missing}]`, message: 'names no scenario of this agent' }],
  });
}

/** One scenario of each intent, then the next of each: also a small run asks for every intent. */
function takingTurns(scenarios: readonly Scenario[]): Scenario[] {
  const seen = new Map<string, number>();
  const ranked = scenarios.map((scenario) => {
    const rank = seen.get(scenario.intent) ?? 0;
    seen.set(scenario.intent, rank + 1);
    return { scenario, rank };
  });
  return ranked.toSorted((a, b) => a.rank - b.rank).map(({ scenario }) => scenario);
}

function whereRun({ agentVersionId }: SyntheticRunFilter) {
  if (agentVersionId == null) return {};
  // What is no UUID matches nothing, and must not reach the database.
  return isUuid(agentVersionId) ? { agentVersionId } : { id: { $in: [] } };
}

async function runOf(em: EntityManager, id: string, lock = false): Promise<SyntheticRun> {
  const run = await em.findOne(
    SyntheticRun,
    { id: knownId('synthetic run', id) },
    lock ? { lockMode: LockMode.PESSIMISTIC_WRITE } : {},
  );
  if (run === null) throw notFound('synthetic run');
  return run;
}

function record(
  em: EntityManager,
  viewer: Viewer,
  action: string,
  run: SyntheticRun,
  before: Record<string, unknown> | null,
): void {
  audit(em, viewer, {
    tenantId: run.tenantId,
    action,
    subjectType: 'synthetic_run',
    subjectId: run.id,
    before,
    after: snapshot(run),
  });
}
