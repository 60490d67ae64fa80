import type { EntityManager } from '@mikro-orm/postgresql';
import { AgentVersion, RolloutPolicy } from '../entities/index.js';
import { lockedAgent } from './version-rows.js';

/** Which agents of a tenant some active number leads callers to, also only outside of another agent's hours: id -> numbers. */
export async function reachableAgents(em: EntityManager, tenantId: string): Promise<ReadonlyMap<string, number>> {
  const rows = await em.execute<{ id: string; routes: number }[]>(
    `select a.id, count(*)::int as routes from agent a join phone_route r on r.tenant_id = a.tenant_id
      where a.tenant_id = ? and r.active and r.direction <> 'OUTBOUND'
        and (r.agent_id = a.id
          or (r.business_hours->'outside'->>'action' = 'agent' and r.business_hours->'outside'->>'target' = a.key))
      group by a.id`,
    [tenantId],
  );
  return new Map(rows.map(({ id, routes }) => [id, routes]));
}

/**
 * The versions that answer callers of the agent: the published one, a candidate, and those that a route is pinned to. Locks
 * the agent's row, so that its traffic does not change while they are judged.
 */
export async function versionsServing(em: EntityManager, agentId: string): Promise<AgentVersion[]> {
  const agent = await lockedAgent(em, agentId);
  const policy = await em.findOne(RolloutPolicy, { agentId });
  const pinned = await em.execute<{ id: string }[]>(
    `select agent_version_id as id from phone_route
      where agent_id = ? and agent_version_id is not null and active and direction <> 'OUTBOUND'`,
    [agentId],
  );
  const ids = [agent.publishedVersionId, policy?.candidateVersionId, ...pinned.map(({ id }) => id)];
  return em.find(AgentVersion, { id: { $in: ids.filter((id) => id != null) }, tenantId: agent.tenantId });
}
