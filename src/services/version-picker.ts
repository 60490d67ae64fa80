import { createHash } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/postgresql';
import { AgentVersion, RolloutPolicy, type Agent } from '../entities/index.js';
import { CLEARED } from './clearance.js';

/** Which version of an agent takes a call. */
export interface VersionPicker {
  /**
   * The version for this caller, or null when the agent has none that customers may reach. `party` is what the customer
   * is known by (see {@link partyOf}): the same one always gets the same version while a canary runs.
   */
  pick(em: EntityManager, agent: Agent, party: string): Promise<AgentVersion | null>;
}

/** The candidate gets its share of the callers, the published version the rest. */
export const rolloutPicker: VersionPicker = {
  pick: async (em, agent, party) => {
    const policy = await em.findOne(RolloutPolicy, { agentId: agent.id });
    const candidateId = policy?.candidateVersionId ?? null;
    if (policy !== null && candidateId !== null && shareOf(agent.id, candidateId, party) < policy.percentage) {
      const candidate = await em.findOne(AgentVersion, {
        id: candidateId,
        tenantId: agent.tenantId,
        status: 'CANDIDATE',
        ...CLEARED,
      });
      if (candidate !== null) return candidate;
    }
    return agent.publishedVersionId == null
      ? null
      : em.findOne(AgentVersion, { id: agent.publishedVersionId, tenantId: agent.tenantId });
  },
};

/**
 * How a caller looks who withholds the number: a word, an anonymous address (RFC 3323), or the number that spells ANONYMOUS,
 * UNAVAILABLE, RESTRICTED, BLOCKED or UNKNOWN on a keypad, which is what Twilio shows for all of them.
 */
const WITHHELD =
  /^(sips?:)?(anonymous|unavailable|restricted|blocked|unknown|private|\+266696687|\+86282452253|\+7378742833|\+2562533|\+8656696)?(@.*)?$/i;

/** Who a caller is for the rollout: the number or address; the call itself where that is withheld. */
export function partyOf(from: string, callSid: string): string {
  return WITHHELD.test(from) ? callSid : from;
}

/**
 * Where a caller stands among all callers of this candidate: from 0 to below 100, evenly spread. Another candidate mixes
 * them anew, so that the same customers are not always the first; a higher percentage keeps those who are in.
 */
export function shareOf(agentId: string, candidateId: string, party: string): number {
  const hash = createHash('sha256').update(`${agentId}\n${candidateId}\n${party}`).digest();
  return (hash.readUInt32BE() / 2 ** 32) * 100;
}
