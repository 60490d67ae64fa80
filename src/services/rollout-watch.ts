import type { EntityManager } from '@mikro-orm/postgresql';
import { RolloutPolicy } from '../entities/index.js';
import type { ServiceContext } from './context.js';
import type { DiagnosticSink } from './diagnostics.js';
import { endCandidate } from './rollout-changes.js';
import { conditionStates, type ConditionState } from './version-quality.js';
import { lockedAgent } from './version-rows.js';
import { systemViewer } from './viewer.js';

/** `{ agentId, at }`: one agent of which a call ended or was judged then; empty, from the schedule: all with a candidate. */
export const ROLLOUT_QUEUE = 'rollout-watch';
type Wake = { agentId?: string; at?: number };
/** The transaction that asks for a look commits well within this, ms. */
const COMMITTED_AFTER_MS = 5_000;
/** Scores may come, and windows move on, without a call that ends. */
const EVERY_MINUTE = '* * * * *';

const VIEWER = systemViewer('rollout');

/** Ends candidates that breach a stop condition. */
export class RolloutWatch {
  /** By agent, when this process last began to look. */
  private readonly lookedAt = new Map<string, number>();

  constructor(
    private readonly ctx: ServiceContext,
    private readonly diagnostics: DiagnosticSink,
  ) {}

  /** Registers the worker and its schedule. */
  async work(): Promise<void> {
    await this.ctx.jobs.work<Wake>(ROLLOUT_QUEUE, { retryLimit: 3, retryDelaySeconds: 1 }, ({ data }) =>
      this.wake(data),
    );
    await this.ctx.jobs.schedule(ROLLOUT_QUEUE, EVERY_MINUTE);
  }

  /** Calls that end faster than their windows can be counted cost one look for many of them. */
  private async wake({ agentId, at }: Wake): Promise<void> {
    if (agentId === undefined) return this.evaluateAll();
    const seen = at !== undefined && (this.lookedAt.get(agentId) ?? 0) > at + COMMITTED_AFTER_MS;
    if (!seen) await this.evaluate(agentId);
  }

  /** One agent that cannot be evaluated keeps no other from it. */
  async evaluateAll(): Promise<void> {
    const running = await this.ctx.database
      .em({ all: true })
      .find(RolloutPolicy, { candidateVersionId: { $ne: null } }, { fields: ['agentId'] });
    for (const { agentId } of running)
      await this.evaluate(agentId).catch((error: unknown) =>
        this.ctx.log.error({ err: error, agentId }, 'rollout could not be evaluated'),
      );
  }

  /**
   * Rolls the candidate back when a condition is breached, whoever asks and however many at once: the agent's row is
   * held, and who comes second finds no candidate. True when this call did it.
   */
  async evaluate(agentId: string): Promise<boolean> {
    const { database, clock } = this.ctx;
    const began = clock.now();
    // First without a lock: calls of this agent must not wait for every look at its candidate.
    const breach = await breachOf(database.em({ all: true }), agentId, began);
    this.lookedAt.set(agentId, began.getTime());
    if (breach === null) return false;
    const announce = await database.em({ all: true }).transactional(async (em) => {
      const agent = await lockedAgent(em, agentId);
      const still = await breachOf(em, agentId, clock.now());
      if (still === null) return null;
      const report = await endCandidate(em, VIEWER, agent, still.policy, {
        action: 'STOPPED_BY_CONDITION',
        reason: sentenceOf(still.condition),
        evidence: { condition: still.condition },
        at: clock.now(),
      });
      return this.diagnostics.raiseWithin(em, report);
    });
    await announce?.();
    return announce !== null;
  }
}

/** After a call of a running candidate something may be to be stopped; for the transaction that ends or judges it. */
export async function watchCandidateOf(
  em: EntityManager,
  { jobs, clock }: Pick<ServiceContext, 'jobs' | 'clock'>,
  callId: string,
): Promise<void> {
  const [running] = await em.execute<{ agent_id: string }[]>(
    `select p.agent_id from "call" c join rollout_policy p on p.agent_id = c.agent_id and p.candidate_version_id = c.agent_version_id
     where c.id = ? and not c.synthetic`,
    [callId],
  );
  const wake: Wake = { agentId: running?.agent_id, at: clock.now().getTime() };
  if (running !== undefined) await jobs.send(ROLLOUT_QUEUE, wake, {}, em);
}

async function breachOf(
  em: EntityManager,
  agentId: string,
  now: Date,
): Promise<{ policy: RolloutPolicy; condition: ConditionState } | null> {
  const policy = await em.findOne(RolloutPolicy, { agentId, candidateVersionId: { $ne: null } });
  if (policy === null) return null;
  const condition = (await conditionStates(em, policy, now)).find(({ breached }) => breached);
  return condition === undefined ? null : { policy, condition };
}

function sentenceOf({ metric, value, threshold, sample, windowMinutes }: ConditionState): string {
  const name = metric.toLowerCase().replaceAll('_', ' ');
  return `${name} is ${Math.round(value! * 1_000) / 1_000} (limit ${threshold}) over ${sample} calls of the last ${windowMinutes} minutes`;
}
