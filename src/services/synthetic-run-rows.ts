import { LockMode, type EntityManager } from '@mikro-orm/postgresql';
import {
  Agent,
  AgentVersion,
  Call,
  PhoneRoute,
  Scenario,
  SyntheticCall,
  SyntheticRun,
  type SyntheticCheck,
} from '../entities/index.js';
import { announceCall } from './call-progress.js';
import type { ServiceContext } from './context.js';
import { SYNTHETIC_ACCOUNT_SID } from './synthetic-account.js';
import { announceRun, SYNTHETIC_RUN_QUEUE } from './synthetic-runs.js';

/** What the gateway would say of a caller who withholds the number. */
const WITHHELD = 'anonymous';

/** One call that this process claimed. */
export interface Placed {
  call: SyntheticCall;
  callId: string;
  scenario: Scenario;
  version: AgentVersion;
  to: string;
}

const LOCKED = { lockMode: LockMode.PESSIMISTIC_WRITE } as const;

export interface Begun {
  run: SyntheticRun;
  /** Ids of calls whose process died. */
  orphans: string[];
}

/**
 * What a run is, in rows: any number of processes may take its calls, and a process that dies loses none of them. Whoever
 * changes a call names the one that it placed, so that a late end of an earlier attempt changes nothing. The run is locked
 * before its calls, here and by a cancellation: in another order they would wait for each other.
 */
export class SyntheticRunRows {
  constructor(private readonly context: ServiceContext) {}

  /** Null: there is nothing to play any more. What a dead process left on the line is put back: its calls are `orphans`. */
  async begin(runId: string, callerProvider: string): Promise<Begun | null> {
    const { database, clock } = this.context;
    const begun = await database.em({ all: true }).transactional(async (em) => {
      const run = await em.findOne(SyntheticRun, { id: runId }, LOCKED);
      if (run === null || (run.status !== 'QUEUED' && run.status !== 'RUNNING')) return null;
      const left = await em.find(SyntheticCall, { runId, status: { $in: ['RUNNING', 'JUDGING'] } });
      const orphans = left.flatMap((call) => call.callId ?? []);
      for (const call of left) em.assign(call, { status: 'QUEUED', callId: null });
      em.assign(run, {
        status: 'RUNNING',
        startedAt: run.startedAt ?? clock.now(),
        // What was played by a real voice and what was not cannot be told apart by the counts.
        simulated: callerProvider === 'simulator' || (run.simulated && run.startedAt != null),
      });
      await em.flush();
      return { run, orphans };
    });
    if (begun === null) return null;
    await announceRun(this.context, begun.run);
    return begun;
  }

  /** Takes the next call and announces it to the gateway, in one transaction. Null: none is left. */
  async claim(run: SyntheticRun): Promise<Placed | null> {
    const placed = await this.em(run).transactional(async (em) => {
      await em.execute('select id from synthetic_run where id = ? for share', [run.id]);
      const [row] = await em.execute<{ id: string }[]>(
        `update synthetic_call set status = 'RUNNING', updated_at = ? where id = (
           select c.id from synthetic_call c join synthetic_run r on r.id = c.run_id
           where r.id = ? and r.status = 'RUNNING' and c.status = 'QUEUED'
           order by c.id limit 1 for update of c skip locked)
         returning id`,
        [this.context.clock.now(), run.id],
      );
      return row === undefined ? null : this.announce(em, run, row.id);
    });
    if (placed === null) return null;
    await announceCall(this.context, { id: placed.callId, tenantId: run.tenantId });
    await announceRun(this.context, run);
    return placed;
  }

  private async announce(em: EntityManager, run: SyntheticRun, id: string): Promise<Placed> {
    const call = await em.findOneOrFail(SyntheticCall, { id });
    const scenario = await em.findOneOrFail(Scenario, { id: call.scenarioId });
    const version = await em.findOneOrFail(AgentVersion, { id: run.agentVersionId });
    const agent = await em.findOneOrFail(Agent, { id: version.agentId });
    // The agent's own number, if it has one: transfers and fallbacks are then those that its callers get.
    const route = await em.findOne(
      PhoneRoute,
      { agentId: agent.id, active: true, direction: { $in: ['INBOUND', 'BOTH'] } },
      { orderBy: { isDefault: 'desc', createdAt: 'asc' } },
    );
    const to = route?.number ?? 'synthetic';
    const announced = em.create(Call, {
      tenantId: run.tenantId,
      accountSid: SYNTHETIC_ACCOUNT_SID,
      direction: 'INBOUND',
      status: 'RINGING',
      fromNumber: WITHHELD,
      toNumber: to,
      agentId: agent.id,
      agentKey: agent.key,
      agentVersionId: version.id,
      phoneRouteId: route?.id ?? null,
      synthetic: true,
    });
    await em.flush();
    call.callId = announced.id;
    await em.flush();
    return { call, callId: announced.id, scenario, version, to };
  }

  /** The line is down; what was said is judged now. */
  async judging(run: SyntheticRun, { call, callId }: Placed): Promise<void> {
    await this.em(run).nativeUpdate(SyntheticCall, { id: call.id, callId }, { status: 'JUDGING' });
    await announceRun(this.context, run);
  }

  /** Writes the end of one call and the counts of its run; nothing when another process took the call over. */
  async store(
    run: SyntheticRun,
    { call, callId }: Placed,
    end: { status: SyntheticCall['status']; checks: SyntheticCheck[] },
    provider: string | null,
  ): Promise<void> {
    await this.em(run).transactional(async (em) => {
      // Locked first: two calls that end at once must not both count without the other.
      await em.execute('select id from synthetic_run where id = ? for update', [run.id]);
      const changed = await em.nativeUpdate(
        SyntheticCall,
        { id: call.id, callId, status: { $in: ['RUNNING', 'JUDGING'] } },
        { ...end, callId: end.status === 'QUEUED' ? null : callId, updatedAt: this.context.clock.now() },
      );
      if (changed === 0) return;
      await em.execute(
        `update synthetic_run set updated_at = ?, simulated = simulated or ?,
           passed = (select count(*) from synthetic_call where run_id = ? and status = 'PASSED'),
           failed = (select count(*) from synthetic_call where run_id = ? and status = 'FAILED') where id = ?`,
        [this.context.clock.now(), provider !== null && provider !== 'openai', run.id, run.id, run.id],
      );
    });
    await announceRun(this.context, run);
  }

  /** The run is over when nothing of it is left; else the next job goes on. */
  async finish(run: SyntheticRun): Promise<void> {
    const { clock, jobs } = this.context;
    await this.em(run).transactional(async (em) => {
      const row = await em.findOneOrFail(SyntheticRun, { id: run.id }, LOCKED);
      if (row.status !== 'RUNNING') return;
      const open = { runId: run.id, status: { $in: ['QUEUED', 'RUNNING', 'JUDGING'] } } as const;
      if ((await em.count(SyntheticCall, open)) > 0)
        return void (await jobs.send(SYNTHETIC_RUN_QUEUE, { runId: run.id }, {}, em));
      em.assign(row, { status: 'COMPLETED', endedAt: clock.now() });
      await em.flush();
    });
    await announceRun(this.context, run);
  }

  async giveUp(run: SyntheticRun): Promise<void> {
    const ended = { status: 'FAILED', endedAt: this.context.clock.now() } as const;
    await this.em(run).nativeUpdate(SyntheticRun, { id: run.id, status: 'RUNNING' }, ended);
    await announceRun(this.context, run);
  }

  private em(run: SyntheticRun): EntityManager {
    return this.context.database.em({ tenantId: run.tenantId });
  }
}
