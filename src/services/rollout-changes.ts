import type { EntityManager } from '@mikro-orm/postgresql';
import { AgentVersion, RolloutHistory, type Agent, type RolloutPolicy } from '../entities/index.js';
import { audit } from './audit-log.js';
import type { DiagnosticReport } from './diagnostics.js';
import { actorOf, type Viewer } from './viewer.js';

/** Why traffic is taken from a version. */
export interface RollbackCause {
  action: 'ROLLED_BACK' | 'STOPPED_BY_CONDITION';
  reason: string;
  /** What was measured, where a stop condition decided. */
  evidence: Record<string, unknown> | null;
  at: Date;
}

/**
 * Takes the running candidate out of traffic. What was rolled back reaches no new customer by its id either. The caller
 * holds the agent's row.
 */
export async function endCandidate(
  em: EntityManager,
  viewer: Viewer,
  agent: Agent,
  policy: RolloutPolicy,
  cause: RollbackCause,
): Promise<DiagnosticReport> {
  const { candidateVersionId, percentage } = policy;
  const candidate = await em.findOneOrFail(AgentVersion, { id: candidateVersionId! });
  withdraw(candidate, cause.at);
  em.assign(policy, { candidateVersionId: null, percentage: 0, startedAt: null, updatedBy: actorOf(viewer) });
  return record(em, viewer, agent, cause, {
    version: candidate,
    toVersionId: agent.publishedVersionId ?? null,
    percentage,
    before: { candidateVersionId, percentage, publishedVersionId: agent.publishedVersionId },
    after: { candidateVersionId: null, percentage: 0, publishedVersionId: agent.publishedVersionId },
  });
}

/** Gives all traffic back to `previous`. The caller holds the agent's row. */
export async function restore(
  em: EntityManager,
  viewer: Viewer,
  agent: Agent,
  previous: AgentVersion,
  cause: RollbackCause,
): Promise<DiagnosticReport> {
  const bad = await em.findOneOrFail(AgentVersion, { id: agent.publishedVersionId! });
  withdraw(bad, cause.at);
  previous.status = 'PUBLISHED';
  agent.publishedVersionId = previous.id;
  return record(em, viewer, agent, cause, {
    version: bad,
    toVersionId: previous.id,
    percentage: 100,
    before: { publishedVersionId: bad.id },
    after: { publishedVersionId: previous.id },
  });
}

function withdraw(version: AgentVersion, at: Date): void {
  version.status = 'RETIRED';
  version.rolledBackAt = at;
}

async function record(
  em: EntityManager,
  viewer: Viewer,
  agent: Agent,
  { action, reason, evidence }: RollbackCause,
  change: {
    version: AgentVersion;
    toVersionId: string | null;
    percentage: number;
    before: Record<string, unknown>;
    after: Record<string, unknown>;
  },
): Promise<DiagnosticReport> {
  const { version, toVersionId, percentage, before, after } = change;
  const history = em.create(RolloutHistory, {
    tenantId: agent.tenantId,
    agentId: agent.id,
    action,
    fromVersionId: version.id,
    toVersionId,
    percentage,
    reason,
    evidence,
    by: actorOf(viewer),
  });
  const stopped = action === 'STOPPED_BY_CONDITION';
  audit(em, viewer, {
    tenantId: agent.tenantId,
    action: stopped ? 'agent.stopped_by_condition' : 'agent.rolled_back',
    subjectType: 'agent',
    subjectId: agent.id,
    before,
    after: evidence === null ? after : { ...after, evidence },
    reason,
  });
  await em.flush();
  return {
    tenantId: agent.tenantId,
    code: stopped ? 'rollout_stopped' : 'rolled_back',
    severity: stopped ? 'CRITICAL' : 'WARNING',
    message: stopped
      ? `Version ${version.number} of the agent ${agent.key} was taken out of traffic by a stop condition.`
      : `Version ${version.number} of the agent ${agent.key} was rolled back.`,
    action: 'Look at its calls, and try a new version; this one comes back only by force.',
    detail: { agentId: agent.id, agentKey: agent.key, versionId: version.id, toVersionId, reason, ...evidence },
    dedupeKey: `rollback:${history.id}`,
  };
}
