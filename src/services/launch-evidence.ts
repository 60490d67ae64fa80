import type { EntityManager } from '@mikro-orm/postgresql';
import { Prompt, type Agent, type AgentVersion, type Tenant } from '../entities/index.js';
import type { Governance } from './governance.js';
import { loadRuntimeConfig } from './telephony.js';

/** One version on the way to its customers, and all that its gates look at. */
export interface LaunchCandidate {
  em: EntityManager;
  version: AgentVersion;
  agent: Agent;
  tenant: Tenant;
  thresholds: Governance;
  /** Older evidence is about another contract. */
  since: Date;
  now: Date;
}

/**
 * When this version became what it is: its contract, or the prompt revision that its prompt key (or, where it has no prompt
 * at all, the tenant's) resolves to.
 */
export async function evidenceSince(em: EntityManager, version: AgentVersion): Promise<Date> {
  const { contractChangedAt: changed, tenantId, promptRevision } = version;
  if (version.prompt != null || promptRevision != null) return changed;
  const key = version.promptKey ?? (await loadRuntimeConfig(em, tenantId))?.systemPromptKey ?? null;
  const prompt = key === null ? null : await em.findOne(Prompt, { tenantId, key });
  return prompt !== null && prompt.updatedAt > changed ? prompt.updatedAt : changed;
}

export interface SyntheticEvidence {
  passed: number;
  failed: number;
  /** Passed against the built-in simulator, which proves nothing outside of a sandbox. */
  simulated: number;
  intents: { intent: string; passed: number }[];
}

/** Judged calls of this version's synthetic runs. */
export async function syntheticEvidence({ em, version, tenant, since }: LaunchCandidate): Promise<SyntheticEvidence> {
  const rows = await em.execute<{ intent: string; status: string; simulated: boolean; calls: number }[]>(
    `select s.intent, c.status, r.simulated, count(*)::int as calls
       from synthetic_call c
       join synthetic_run r on r.id = c.run_id
       join scenario s on s.id = c.scenario_id
      where r.agent_version_id = ? and r.tenant_id = ? and c.created_at >= ? and c.status in ('PASSED', 'FAILED')
      group by s.intent, c.status, r.simulated`,
    [version.id, version.tenantId, since],
  );
  const counts = rows.filter((row) => tenant.sandbox || !row.simulated);
  const passed = counts.filter((row) => row.status === 'PASSED');
  const sum = (some: typeof rows) => some.reduce((total, row) => total + row.calls, 0);
  return {
    passed: sum(passed),
    failed: sum(counts.filter((row) => row.status === 'FAILED')),
    simulated: sum(rows.filter((row) => row.status === 'PASSED' && !counts.includes(row))),
    intents: version.intents.map(({ name }) => ({
      intent: name,
      passed: sum(passed.filter((row) => row.intent === name)),
    })),
  };
}

const SIGNATURES = 1_000;
const SIGNATURE_WINDOW_MS = 86_400_000;

/** The newest requests to the telephone webhooks that named the tenant's own account, at most 1,000 of the last 24 hours. */
export async function signatureEvidence({ em, tenant, now }: LaunchCandidate) {
  const [row] = await em.execute<{ requests: number; valid: number }[]>(
    `select count(*)::int as requests, count(*) filter (where valid)::int as valid
       from (select valid from signature_check where tenant_id = ? and created_at > ?
              order by created_at desc limit ?) as newest`,
    [tenant.id, new Date(now.getTime() - SIGNATURE_WINDOW_MS), SIGNATURES],
  );
  return row!;
}

const DUPLICATE_WINDOW_MS = 7 * 86_400_000;
/** Clocks of two processes differ, and a request waits for its lock: so much overlap proves nothing. */
const OVERLAP_TOLERANCE_MS = 2_000;

/**
 * Dials of the agent in the last seven days that began while an earlier dial to the same number was under way, unasked.
 * One whose outcome never became known proves no second call.
 */
export async function duplicateEvidence({ em, agent, now }: LaunchCandidate) {
  const [row] = await em.execute<{ calls: number; duplicates: number }[]>(
    `select count(*)::int as calls, count(*) filter (where not later.allow_concurrent and exists (
         select 1 from "call" earlier
          where earlier.tenant_id = later.tenant_id and earlier.to_number = later.to_number and earlier.id <> later.id
            and earlier.direction = 'OUTBOUND' and not earlier.synthetic
            and (earlier.created_at, earlier.id) < (later.created_at, later.id)
            and (earlier.ended_at > later.created_at + make_interval(secs => ?)
              or (earlier.ended_at is null and earlier.status in ('QUEUED', 'RINGING', 'IN_PROGRESS')))))::int as duplicates
       from "call" later
      where later.tenant_id = ? and later.agent_id = ? and later.direction = 'OUTBOUND' and not later.synthetic
        and later.created_at > ?`,
    [OVERLAP_TOLERANCE_MS / 1_000, agent.tenantId, agent.id, new Date(now.getTime() - DUPLICATE_WINDOW_MS)],
  );
  return row!;
}

/** Scores of this version's calls, each once however often it was judged; those with the built-in simulator count in a sandbox only. */
export async function evaluationEvidence({ em, version, tenant, since }: LaunchCandidate) {
  const [row] = await em.execute<{ calls: number; mean: number | null }[]>(
    `select count(*)::int as calls, avg(c.evaluation_score)::float8 as mean
       from "call" c join voice_session s on s.call_id = c.id
      where c.agent_version_id = ? and c.tenant_id = ? and c.created_at >= ? and c.evaluation_score is not null
        and (? or s.provider is distinct from 'simulator')`,
    [version.id, version.tenantId, since, tenant.sandbox],
  );
  return row!;
}
