import type { EntityManager } from '@mikro-orm/postgresql';
import { Call, RuntimeConfig, SyntheticRun, VoiceSession, type AgentVersion } from '../entities/index.js';
import type { Job } from '../ports/jobs.js';
import type { SyntheticCaller, SyntheticCallResult } from '../ports/synthetic-caller.js';
import type { CallProgress } from './call-progress.js';
import { isTerminal } from './call-states.js';
import type { ServiceContext } from './context.js';
import { syntheticAccount } from './synthetic-account.js';
import type { SyntheticJudge } from './synthetic-judge.js';
import { SyntheticRunRows, type Placed } from './synthetic-run-rows.js';
import { SYNTHETIC_RUN_QUEUE } from './synthetic-runs.js';
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

/** Fails the job, so that the queue gives the run to the next process. */
class Leaving extends Error {
  constructor() {
    super('this process is leaving; another one goes on with the run');
  }
}

/**
 * Plays the runs: claims one call after the other, places it at the gateway's own doors, waits for its end and has it
 * judged. Everything that counts is in the rows, so that a run goes on where it was after a crash or a restart; a call
 * that was on the line then is placed anew.
 */
export class SyntheticRunner {
  private readonly stopping = new AbortController();
  private readonly rows: SyntheticRunRows;

  constructor(
    private readonly context: ServiceContext,
    private readonly services: SyntheticRunnerServices,
  ) {
    this.rows = new SyntheticRunRows(context);
  }

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
    const begun = await this.rows.begin(runId, caller.provider);
    if (begun === null) return;
    const { run, orphans } = begun;
    for (const callId of orphans) await this.closeCall(callId, 'interrupted');
    const canceled = new AbortController();
    const leave = AbortSignal.any([this.stopping.signal, job.signal]);
    const watch = await this.watchForCancel(run, canceled);
    const until = this.context.clock.monotonicMs() + SLICE_MS;
    try {
      const lanes = Array.from({ length: run.concurrency }, async () => {
        while (!leave.aborted && !canceled.signal.aborted && this.context.clock.monotonicMs() < until) {
          const placed = await this.rows.claim(run);
          if (placed === null) return;
          await this.playOne(caller, run, placed, { canceled: canceled.signal, leave });
        }
      });
      // Every lane is waited for: a failure of one must not leave the calls of the others unattended.
      const ends = await Promise.allSettled(lanes);
      const failed = ends.find((end) => end.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    } catch (error) {
      if (job.retryCount >= JOB_RETRIES) await this.rows.giveUp(run);
      throw error;
    } finally {
      watch();
    }
    if (leave.aborted) throw new Leaving();
    await this.rows.finish(run);
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
    if (leave.aborted) return this.rows.store(run, placed, { status: 'QUEUED', checks: [] }, provider);
    if (canceled.aborted) return this.rows.store(run, placed, { status: 'CANCELED', checks: [] }, provider);
    await this.rows.judging(run, placed);
    const checks = await this.services.judge.judge({ callId, scenario, version, result }, leave);
    if (leave.aborted) return this.rows.store(run, placed, { status: 'QUEUED', checks: [] }, provider);
    const passed = checks.every((check) => check.passed);
    await this.rows.store(run, placed, { status: passed ? 'PASSED' : 'FAILED', checks }, provider);
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

  private em(run: SyntheticRun): EntityManager {
    return this.context.database.em({ tenantId: run.tenantId });
  }
  private anyEm(): EntityManager {
    return this.context.database.em({ all: true });
  }
}
