import type { EntityManager } from '@mikro-orm/postgresql';
import { AgentVersion, type Agent } from '../entities/index.js';

/** Which version of an agent takes a call. */
export interface VersionPicker {
  /**
   * The version for this caller, or null when the agent has none that customers may reach. `party` is the customer's
   * number (null when it is withheld): the same customer always gets the same version while a canary runs.
   */
  pick(em: EntityManager, agent: Agent, party: string | null): Promise<AgentVersion | null>;
}

/** Everybody gets the published version. */
export const publishedVersion: VersionPicker = {
  pick: async (em, agent) =>
    agent.publishedVersionId == null
      ? null
      : em.findOne(AgentVersion, { id: agent.publishedVersionId, tenantId: agent.tenantId }),
};
