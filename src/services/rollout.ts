import type { EntityManager } from '@mikro-orm/postgresql';
import {
  AgentVersion,
  RolloutHistory,
  RolloutPolicy,
  STOP_METRICS,
  type Agent,
  type StopCondition,
} from '../entities/index.js';
import type { Page } from '../lib/cursor.js';
import { AppError, notFound } from '../lib/errors.js';
import type { Agents } from './agents.js';
import { audit } from './audit-log.js';
import { Checks, knownId } from './checks.js';
import type { Clearance, ClearanceRequest } from './clearance.js';
import type { ServiceContext } from './context.js';
import type { DiagnosticSink } from './diagnostics.js';
import { listOffset, listPage, type OffsetRequest, type PageRequest, type Rows } from './listing.js';
import { endCandidate, restore, type RollbackCause } from './rollout-changes.js';
import { nothingToAnnounce, type Announce } from './session-end.js';
import { lockedAgent, versionOf } from './version-rows.js';
import { conditionStates, STOP_RULES, type ConditionState } from './version-quality.js';
import { actorOf, emFor, requireAdmin, requireScope, type Viewer } from './viewer.js';
import { inTransaction, snapshot } from './writes.js';

export interface RolloutPolicyInput extends ClearanceRequest {
  candidateVersionId: string;
  /** Share of the callers that the candidate gets, 0-100. */
  percentage: number;
  /** Missing: those of the policy before, or {@link DEFAULT_STOP_CONDITIONS}. */
  stopConditions?: readonly StopConditionInput[] | null;
}
export interface StopConditionInput {
  metric: StopCondition['metric'];
  threshold: number;
  /** Default {@link DEFAULT_WINDOW_MINUTES}. */
  windowMinutes?: number | null;
  /** Default {@link DEFAULT_MINIMUM_CALLS}. */
  minimumCalls?: number | null;
}

export const DEFAULT_WINDOW_MINUTES = 60;
export const DEFAULT_MINIMUM_CALLS = 20;
/** Nobody's canary goes on while one call in ten leaves its caller without an agent. */
export const DEFAULT_STOP_CONDITIONS: readonly StopCondition[] = [
  { metric: 'ERROR_RATE', threshold: 0.1, windowMinutes: DEFAULT_WINDOW_MINUTES, minimumCalls: DEFAULT_MINIMUM_CALLS },
];

const MAX_CONDITIONS = 10;
const MAX_WINDOW_MINUTES = 10_080;

export interface RolloutParts {
  clearance: Clearance;
  diagnostics: DiagnosticSink;
  agents: Agents;
}

/** Which share of an agent's callers a new version gets, and the way back. */
export class Rollouts {
  constructor(
    private readonly ctx: ServiceContext,
    private readonly parts: RolloutParts,
  ) {}

  /**
   * Starts a canary, or changes the running one; another candidate takes the place of the one before. Safe to repeat.
   * Throws VALIDATION_FAILED, NOT_FOUND, UNPROCESSABLE without a published version beside it, CONFLICT for the published
   * one itself, LAUNCH_GATES_FAILED (never for a smaller share: turning down must always work).
   */
  async setPolicy(viewer: Viewer, agentId: string, input: RolloutPolicyInput): Promise<RolloutPolicy> {
    requireAdmin(viewer);
    const fields = checkedPolicy(input);
    const { policy, announce } = await inTransaction(this.ctx, viewer, async (em) => {
      const agent = await lockedAgent(em, agentId);
      const version = await versionOf(em, input.candidateVersionId, true);
      if (version.agentId !== agent.id) throw notFound('agent version');
      if (agent.publishedVersionId == null)
        throw new AppError('UNPROCESSABLE', 'A candidate takes a share of the published version: publish one first');
      if (agent.publishedVersionId === version.id)
        throw new AppError('CONFLICT', 'This version is published: it has all the traffic already');
      return this.apply(em, viewer, agent, version, { ...input, ...fields });
    });
    await announce();
    return policy;
  }

  /**
   * Back at once: ends a running candidate; without one, restores the version that was published before, never one that
   * was itself rolled back. Running calls keep their version. Throws VALIDATION_FAILED without a reason, NOT_FOUND,
   * UNPROCESSABLE when there is nothing to go back to.
   */
  async rollback(viewer: Viewer, agentId: string, reason: string): Promise<Agent> {
    requireAdmin(viewer);
    const checks = new Checks();
    const why = checks.text('reason', reason, { max: 2_000 });
    checks.done();
    const { agent, announce } = await inTransaction(this.ctx, viewer, async (em) => {
      const row = await lockedAgent(em, agentId);
      const cause: RollbackCause = { action: 'ROLLED_BACK', reason: why, evidence: null, at: this.ctx.clock.now() };
      const policy = await em.findOne(RolloutPolicy, { agentId: row.id });
      const report =
        policy?.candidateVersionId != null
          ? await endCandidate(em, viewer, row, policy, cause)
          : await restore(em, viewer, row, await versionBefore(em, row), cause);
      return { agent: row, announce: await this.parts.diagnostics.raiseWithin(em, report) };
    });
    await announce();
    return agent;
  }

  /** Throws NOT_FOUND for an agent without one. */
  async policy(viewer: Viewer, agentId: string): Promise<RolloutPolicy> {
    const { id } = await this.parts.agents.get(viewer, agentId);
    const [policy] = await this.policiesOf(viewer, [id]);
    if (policy === undefined) throw notFound('rollout policy');
    return policy;
  }

  /** For dataloaders: the policies of these agents. */
  async policiesOf(viewer: Viewer, agentIds: readonly string[]): Promise<RolloutPolicy[]> {
    requireScope(viewer, 'agents:read');
    return emFor(this.ctx.database, viewer).find(RolloutPolicy, { agentId: { $in: [...agentIds] } });
  }

  /** The policy's stop conditions with their current values. */
  conditions(viewer: Viewer, policy: RolloutPolicy): Promise<ConditionState[]> {
    requireScope(viewer, 'agents:read');
    return conditionStates(emFor(this.ctx.database, viewer, policy.tenantId), policy, this.ctx.clock.now());
  }

  /** Who changed what its traffic reaches, newest first. */
  historyPage(viewer: Viewer, agentId: string, request: PageRequest): Promise<Page<RolloutHistory>> {
    requireScope(viewer, 'agents:read');
    const em = emFor(this.ctx.database, viewer);
    return listPage(em, RolloutHistory, { agentId: knownId('agent', agentId) }, request);
  }
  /** Throws NOT_FOUND. */
  async historyList(viewer: Viewer, agentId: string, request: OffsetRequest): Promise<Rows<RolloutHistory>> {
    const { id } = await this.parts.agents.get(viewer, agentId);
    return listOffset(emFor(this.ctx.database, viewer), RolloutHistory, { agentId: id }, request);
  }

  private async apply(
    em: EntityManager,
    viewer: Viewer,
    agent: Agent,
    candidate: AgentVersion,
    { percentage, conditions, ...request }: CheckedPolicy & ClearanceRequest,
  ): Promise<{ policy: RolloutPolicy; announce: Announce }> {
    const now = this.ctx.clock.now();
    const by = actorOf(viewer);
    const known = await em.findOne(RolloutPolicy, { agentId: agent.id });
    const before = known === null ? null : snapshot(known);
    const stopConditions = [...(conditions ?? known?.stopConditions ?? DEFAULT_STOP_CONDITIONS)];
    const runs = known?.candidateVersionId === candidate.id;
    const unchanged = runs && known.percentage === percentage && same(known.stopConditions, stopConditions);
    if (unchanged) return { policy: known, announce: nothingToAnnounce };
    const turnsDown = runs && percentage <= known.percentage;
    const granted = turnsDown ? null : await this.parts.clearance.requireCleared(em, viewer, candidate, request);
    candidate.status = 'CANDIDATE';
    if (!runs && known?.candidateVersionId != null)
      await em.nativeUpdate(AgentVersion, { id: known.candidateVersionId }, { status: 'RETIRED', updatedAt: now });
    const startedAt = runs ? known.startedAt : now;
    const change = { candidateVersionId: candidate.id, percentage, stopConditions, startedAt, updatedBy: by };
    const policy =
      known === null
        ? em.create(RolloutPolicy, { agentId: agent.id, tenantId: agent.tenantId, ...change })
        : em.assign(known, change);
    em.create(RolloutHistory, {
      tenantId: agent.tenantId,
      agentId: agent.id,
      action: runs ? 'CANDIDATE_CHANGED' : 'CANDIDATE_STARTED',
      fromVersionId: agent.publishedVersionId ?? null,
      toVersionId: candidate.id,
      percentage,
      reason: request.reason ?? null,
      evidence: granted !== null && granted.failing.length > 0 ? { failing: granted.failing } : null,
      by,
    });
    await em.flush();
    if (granted !== null)
      audit(em, viewer, {
        tenantId: agent.tenantId,
        action: 'agent_version.cleared',
        subjectType: 'agent_version',
        subjectId: candidate.id,
        before: granted.before,
        after: snapshot(candidate),
        reason: granted.reason,
      });
    audit(em, viewer, {
      tenantId: agent.tenantId,
      action: 'rollout_policy.set',
      subjectType: 'rollout_policy',
      subjectId: agent.id,
      before,
      after: snapshot(policy),
      reason: request.reason ?? null,
    });
    return { policy, announce: granted?.announce ?? nothingToAnnounce };
  }
}

/** The one published last before the current one. Throws UNPROCESSABLE when every other was rolled back, or never live. */
async function versionBefore(em: EntityManager, agent: Agent): Promise<AgentVersion> {
  const current = agent.publishedVersionId ?? null;
  // Once is for ever, also of a version that was forced into traffic again: hence the history, not the version's column.
  const bad = await em.find(RolloutHistory, {
    agentId: agent.id,
    action: { $in: ['ROLLED_BACK', 'STOPPED_BY_CONDITION'] },
  });
  const excluded = [current, ...bad.map(({ fromVersionId }) => fromVersionId)].filter((id) => id != null);
  const [previous] =
    current === null
      ? []
      : await em.find(
          AgentVersion,
          { agentId: agent.id, id: { $nin: excluded }, publishedAt: { $ne: null } },
          { orderBy: { publishedAt: 'desc', number: 'desc' }, limit: 1 },
        );
  if (previous === undefined)
    throw new AppError('UNPROCESSABLE', 'There is neither a candidate to end nor a good version to go back to');
  return previous;
}

interface CheckedPolicy {
  percentage: number;
  /** Null: as they are. */
  conditions: StopCondition[] | null;
}

function checkedPolicy(input: RolloutPolicyInput): CheckedPolicy {
  const checks = new Checks();
  const checked = {
    percentage: checks.integer('percentage', input.percentage, 0, 100),
    conditions:
      input.stopConditions == null
        ? null
        : checks.list('stopConditions', input.stopConditions, MAX_CONDITIONS, (item, path) =>
            checkedCondition(checks, (item ?? {}) as StopConditionInput, path),
          ),
  };
  checks.done();
  return checked;
}

function checkedCondition(checks: Checks, input: StopConditionInput, path: string): StopCondition {
  const metric = checks.oneOf(`${path}.metric`, input.metric, STOP_METRICS);
  const threshold = checks.optionalNumber(`${path}.threshold`, input.threshold, 0, STOP_RULES[metric]?.max ?? 1);
  if (threshold === null) checks.fail(`${path}.threshold`, 'is needed');
  return {
    metric,
    threshold: threshold!,
    windowMinutes:
      checks.optionalInteger(`${path}.windowMinutes`, input.windowMinutes, 1, MAX_WINDOW_MINUTES) ??
      DEFAULT_WINDOW_MINUTES,
    minimumCalls:
      checks.optionalInteger(`${path}.minimumCalls`, input.minimumCalls, 1, 100_000) ?? DEFAULT_MINIMUM_CALLS,
  };
}

/** The database gives back the fields of a JSON column in an order of its own. */
function same(a: readonly StopCondition[], b: readonly StopCondition[]): boolean {
  const text = (all: readonly StopCondition[]) =>
    JSON.stringify(all.map((c) => [c.metric, c.threshold, c.windowMinutes, c.minimumCalls]));
  return text(a) === text(b);
}
