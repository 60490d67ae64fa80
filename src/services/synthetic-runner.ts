import type { EntityManager } from '@mikro-orm/postgresql';
import {
  Agent,
  AgentVersion,
  Call,
  PhoneRoute,
  RuntimeConfig,
  Scenario,
  SyntheticCall,
  SyntheticRun,
  VoiceSession,
  type SyntheticCheck,
} from '../entities/index.js';
import type { Job } from '../ports/jobs.js';
import type { SyntheticCaller, SyntheticCallResult } from '../ports/synthetic-caller.js';
import { announceCall, type CallProgress } from './call-progress.js';
import { isTerminal } from './call-states.js';
import type { ServiceContext } from './context.js';
import { SYNTHETIC_ACCOUNT_SID, syntheticAccount } from './synthetic-account.js';
import type { SyntheticJudge } from './synthetic-judge.js';
import { announceRun, SYNTHETIC_RUN_QUEUE } from './synthetic-runs.js';
import { speechOf } from './tenant-defaults.js';

export interface SyntheticRunnerServices {
  /** Null: this process plays no runs, it only enqueues them. */
  caller: SyntheticCaller | null;
  judge: SyntheticJudge;
  progress: CallProgress;
}

/** Runs that one process plays at once; each has its own concurrency. */
const RUNS_AT_ONCE = 2;
/** A job hands over to a next one after this, so that no job is ever as long as a long run. */
const SLICE_MS = 20 * 60_000;
const JOB_EXPIRES_SECONDS = 3_600;
/** A job whose process died is played again by another one; a process may die often. */
const JOB_RETRIES = 50;
/** A cancellation whose message was lost is noticed within this. */
const CANCEL_POLL_MS = 2_000;
/** A conversation longer than this is not going to end. */
const MAX_CONVERSATION_MS = 5 * 60_000;
/** From the end of the line to the end of the session's log. */
const SESSION_END_WAIT_MS = 20_000;
const SESSION_POLL_MS = 50;
/** What the gateway would say of a caller who withholds the number. */
const WITHHELD = 'anonymous';

/** Fails the job, so that the queue gives the run to the next process. */
class Leaving extends Error {
  constructor() {
    super('this process is leaving; another one goes on with the run');
  }
}

/** One call that this process claimed. */
interface Placed {
  call: SyntheticCall;
  callId: string;
  scenario: Scenario;
  version: AgentVersion;
  to: string;
}

/**
 * Plays the runs: claims one call after the other, places it at the gateway's own doors, waits for its end and has it
 * judged. Everything that counts is in the rows, so that a run goes on where it was after a crash or a restart; a call
 * that was on the line then is placed anew.
 */
export class SyntheticRunner {
  private readonly stopping = new AbortController();

  constructor(
    private readonly context: ServiceContext,
    private readonly services: SyntheticRunnerServices,
  ) {}

  /** Registers the queue; before the jobs are started. */
  async work(): Promise<void> {
    const { caller } = this.services;
    await this.context.jobs.work<{ runId: string }>(
      SYNTHETIC_RUN_QUEUE,
      {
        retryLimit: JOB_RETRIES,
        retryDelaySeconds: 1,
        backoff: false,
        expireSeconds: JOB_EXPIRES_SECONDS,
        concurrency: caller === null ? 0 : RUNS_AT_ONCE,
      },
      async (job) => {
        if (this.stopping.signal.aborted) throw new Leaving();
        if (caller !== null) await this.play(caller, job);
      },
    );
  }

  /** Hangs up what is on the line and puts it back; the runs go on in another process, or after the restart. */
  stop(): void {
    this.stopping.abort();
  }

  private async play(caller: SyntheticCaller, job: Job<{ runId: string }>): Promise<void> {
    const { runId } = job.data;
    const run = await this.begin(caller, runId);
    if (run === null) return;
    const canceled = new AbortController();
    const leave = AbortSignal.any([this.stopping.signal, job.signal]);
    const watch = await this.watchForCancel(run, canceled);
    const until = this.context.clock.monotonicMs() + SLICE_MS;
    try {
      const lanes = Array.from({ length: run.concurrency }, async () => {
        while (!leave.aborted && !canceled.signal.aborted && this.context.clock.monotonicMs() < until) {
          const placed = await this.claim(run);
          if (placed === null) return;
          await this.playOne(caller, run, placed, { canceled: canceled.signal, leave });
        }
      });
      // Every lane is waited for: a failure of one must not leave the calls of the others unattended.
      const ends = await Promise.allSettled(lanes);
      const failed = ends.find((end) => end.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    } catch (error) {
      if (job.retryCount >= JOB_RETRIES) await this.giveUp(run);
      throw error;
    } finally {
      watch();
    }
    if (leave.aborted) throw new Leaving();
    await this.finish(run);
  }

  /** Null: there is nothing to play any more. What a dead process left on the line is put back. */
  private async begin(caller: SyntheticCaller, runId: string): Promise<SyntheticRun | null> {
    const { database, clock } = this.context;
    const begun = await database.em({ all: true }).transactional(async (em) => {
      const run = await em.findOne(SyntheticRun, { id: runId });
      if (run === null || (run.status !== 'QUEUED' && run.status !== 'RUNNING')) return null;
      const left = await em.find(SyntheticCall, { runId, status: { $in: ['RUNNING', 'JUDGING'] } });
      const orphans = left.flatMap((call) => call.callId ?? []);
      for (const call of left) em.assign(call, { status: 'QUEUED', callId: null });
      em.assign(run, {
        status: 'RUNNING',
        startedAt: run.startedAt ?? clock.now(),
        // What was played by a real voice and what was not cannot be told apart by the counts.
        simulated: caller.provider === 'simulator' || (run.simulated && run.startedAt != null),
      });
      await em.flush();
      return { run, orphans };
    });
    if (begun === null) return null;
    for (const callId of begun.orphans) await this.closeCall(callId, 'interrupted');
    await announceRun(this.context, begun.run);
    return begun.run;
  }

  private async watchForCancel(run: SyntheticRun, canceled: AbortController): Promise<() => void> {
    const look = async () => {
      const row = await this.em(run).findOne(SyntheticRun, { id: run.id }, { fields: ['status'] });
      if (row?.status !== 'RUNNING') canceled.abort();
    };
    const asked = () => void look().catch(() => {});
    const timer = setInterval(asked, CANCEL_POLL_MS);
    const off = await this.context.topics.subscribe('syntheticRunChanged', run.id, asked).catch(() => () => {});
    return () => {
      clearInterval(timer);
      off();
    };
  }

  /** Takes the next call and announces it to the gateway, in one transaction. Null: none is left. */
  private async claim(run: SyntheticRun): Promise<Placed | null> {
    const placed = await this.em(run).transactional(async (em) => {
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

  private async playOne(
    caller: SyntheticCaller,
    run: SyntheticRun,
    placed: Placed,
    { canceled, leave }: { canceled: AbortSignal; leave: AbortSignal },
  ): Promise<void> {
    const { scenario, callId, version, to } = placed;
    const stop = AbortSignal.any([canceled, leave]);
    const result = await caller.call(
      {
        callId,
        account: syntheticAccount(this.context.settings),
        to,
        caller:
          scenario.callerLines.length > 0
            ? { kind: 'lines', lines: scenario.callerLines }
            : { kind: 'persona', persona: scenario.persona ?? '' },
        model: await this.callerModel(run, version),
        maxDurationMs: Math.min(MAX_CONVERSATION_MS, (version.maxDurationSeconds ?? Infinity) * 1_000 + 10_000),
      },
      stop,
    );
    const provider = await this.settled(callId, result);
    if (leave.aborted) return this.store(run, placed, { status: 'QUEUED', checks: [] }, provider);
    if (canceled.aborted) return this.store(run, placed, { status: 'CANCELED', checks: [] }, provider);
    await this.em(run).nativeUpdate(SyntheticCall, { id: placed.call.id, callId }, { status: 'JUDGING' });
    await announceRun(this.context, run);
    const checks = await this.services.judge.judge({ callId, scenario, version, result }, leave);
    if (leave.aborted) return this.store(run, placed, { status: 'QUEUED', checks: [] }, provider);
    const passed = checks.every((check) => check.passed);
    await this.store(run, placed, { status: passed ? 'PASSED' : 'FAILED', checks }, provider);
  }

  /** The caller speaks with the agent's model: a tenant has access to that one for certain. */
  private async callerModel(run: SyntheticRun, version: AgentVersion): Promise<string> {
    const config = await this.em(run).findOne(RuntimeConfig, { tenantId: run.tenantId });
    return speechOf(version, config, this.context.settings).model;
  }

  /** Waits until the session's log is complete and the call is over. Gives who spoke for the agent; null: nobody did. */
  private async settled(callId: string, result: SyntheticCallResult): Promise<string | null> {
    const end = this.context.clock.monotonicMs() + SESSION_END_WAIT_MS;
    for (;;) {
      const session = await this.anyEm().findOne(VoiceSession, { callId });
      const call = await this.anyEm().findOneOrFail(Call, { id: callId });
      // Whoever holds the stream ends the session first, and the call right after it.
      const waiting = (session?.ownerGeneration ?? 0) > 0 && (session!.status === 'ACTIVE' || !isTerminal(call.status));
      if (!waiting || this.context.clock.monotonicMs() > end) {
        await this.closeCall(callId, result.end);
        return session?.provider ?? null;
      }
      await new Promise((resolve) => setTimeout(resolve, SESSION_POLL_MS));
    }
  }

  /** Nobody else will ever tell that a synthetic call without a stream is over. */
  private async closeCall(callId: string, why: string): Promise<void> {
    const call = await this.anyEm().findOne(Call, { id: callId });
    if (call === null || isTerminal(call.status)) return;
    await this.services.progress.report(callId, {
      status: 'FAILED',
      at: this.context.clock.now(),
      errorCode: `synthetic_${why}`,
    });
  }

  /** Writes the end of one call and the counts of its run; nothing when another process took the call over. */
  private async store(
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
  private async finish(run: SyntheticRun): Promise<void> {
    const { clock, jobs } = this.context;
    await this.em(run).transactional(async (em) => {
      const row = await em.findOneOrFail(SyntheticRun, { id: run.id });
      if (row.status !== 'RUNNING') return;
      const open = { runId: run.id, status: { $in: ['QUEUED', 'RUNNING', 'JUDGING'] } } as const;
      if ((await em.count(SyntheticCall, open)) > 0)
        return void (await jobs.send(SYNTHETIC_RUN_QUEUE, { runId: run.id }, {}, em));
      em.assign(row, { status: 'COMPLETED', endedAt: clock.now() });
      await em.flush();
    });
    await announceRun(this.context, run);
  }

  private async giveUp(run: SyntheticRun): Promise<void> {
    const ended = { status: 'FAILED', endedAt: this.context.clock.now() } as const;
    await this.em(run).nativeUpdate(SyntheticRun, { id: run.id, status: 'RUNNING' }, ended);
    await announceRun(this.context, run);
  }

  private em(run: SyntheticRun): EntityManager {
    return this.context.database.em({ tenantId: run.tenantId });
  }
  private anyEm(): EntityManager {
    return this.context.database.em({ all: true });
  }
}
