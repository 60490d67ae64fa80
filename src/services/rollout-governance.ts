import { Agent, AgentVersion, RuntimeConfig, type RolloutPolicy } from '../entities/index.js';
import type { Page } from '../lib/cursor.js';
import type { ServiceContext } from './context.js';
import type { Agents } from './agents.js';
import { governanceOf, type Governance } from './governance.js';
import type { OffsetRequest, PageRequest, Rows } from './listing.js';
import type { Rollouts } from './rollout.js';
import { versionQuality, type VersionQuality } from './version-quality.js';
import { emFor, requireScope, type Viewer } from './viewer.js';

/** One agent as those see it who answer for what its callers reach. */
export interface AgentGovernance {
  /** The agent's. */
  id: string;
  createdAt: Date;
  agent: Agent;
  publishedVersion: AgentVersion | null;
  /** Of the published version, over the last day. Null: nothing is published. */
  quality: VersionQuality | null;
  /** What the tenant's launch gates ask. */
  thresholds: Governance;
  policy: RolloutPolicy | null;
}

const QUALITY_WINDOW_MS = 86_400_000;

/** Agent quality, evaluation thresholds and rollout policies with their current values, agent by agent. */
export class RolloutGovernance {
  constructor(
    private readonly ctx: ServiceContext,
    private readonly agents: Agents,
    private readonly rollouts: Rollouts,
  ) {}

  async page(
    viewer: Viewer,
    tenantId: string | null | undefined,
    request: PageRequest,
  ): Promise<Page<AgentGovernance>> {
    const { rows, hasNextPage } = await this.agents.page(viewer, tenantId, request);
    return { rows: await this.of(viewer, rows), hasNextPage };
  }
  async list(
    viewer: Viewer,
    tenantId: string | null | undefined,
    request: OffsetRequest,
  ): Promise<Rows<AgentGovernance>> {
    const { rows, total } = await this.agents.list(viewer, { tenantId }, request);
    return { rows: await this.of(viewer, rows), total };
  }

  private async of(viewer: Viewer, agents: readonly Agent[]): Promise<AgentGovernance[]> {
    requireScope(viewer, 'agents:read');
    const em = emFor(this.ctx.database, viewer);
    const agentIds = agents.map(({ id }) => id);
    const versionIds = agents.map(({ publishedVersionId }) => publishedVersionId).filter((id) => id != null);
    const tenantIds = [...new Set(agents.map(({ tenantId }) => tenantId))];
    const policies = keyed(await this.rollouts.policiesOf(viewer, agentIds), (policy) => policy.agentId);
    const versions = keyed(await em.find(AgentVersion, { id: { $in: versionIds } }), (version) => version.id);
    const configs = keyed(await em.find(RuntimeConfig, { tenantId: { $in: tenantIds } }), (config) => config.tenantId);
    const since = new Date(this.ctx.clock.now().getTime() - QUALITY_WINDOW_MS);
    const found: AgentGovernance[] = [];
    for (const agent of agents) {
      const publishedVersion = versions.get(agent.publishedVersionId ?? '') ?? null;
      found.push({
        id: agent.id,
        createdAt: agent.createdAt,
        agent,
        publishedVersion,
        quality: publishedVersion === null ? null : await versionQuality(em, publishedVersion.id, since),
        thresholds: governanceOf(configs.get(agent.tenantId) ?? null),
        policy: policies.get(agent.id) ?? null,
      });
    }
    return found;
  }
}

const keyed = <T>(rows: readonly T[], key: (row: T) => string) => new Map(rows.map((row) => [key(row), row]));
