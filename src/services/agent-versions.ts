import type { EntityManager } from '@mikro-orm/postgresql';
import { Agent, AgentVersion, Prompt, RolloutHistory, RolloutPolicy } from '../entities/index.js';
import { AppError, notFound } from '../lib/errors.js';
import { isUuid } from '../lib/ids.js';
import { lineDiff } from '../lib/line-diff.js';
import { audit } from './audit-log.js';
import {
  checkedContract,
  checkVariables,
  EMPTY_CONTRACT,
  type AgentContract,
  type AgentContractInput,
} from './agent-contract.js';
import { Checks } from './checks.js';
import type { Clearance, ClearanceRequest, Granted } from './clearance.js';
import type { ServiceContext } from './context.js';
import { resolvePrompt } from './prompts.js';
import { nothingToAnnounce } from './session-end.js';
import { lockedAgent, versionOf } from './version-rows.js';
import { actorOf, emFor, requireAdmin, requireScope, type Viewer } from './viewer.js';
import { inTransaction, snapshot } from './writes.js';

export interface NewAgentVersion extends AgentContractInput {
  agentId: string;
  /** Starts from this version's contract; what is given here wins. */
  fromVersionId?: string | null;
}

export class AgentVersions {
  constructor(
    private readonly ctx: ServiceContext,
    private readonly clearance: Clearance,
  ) {}

  /** A new DRAFT with the next number. Throws VALIDATION_FAILED naming every wrong field, NOT_FOUND. */
  async create(viewer: Viewer, input: NewAgentVersion): Promise<AgentVersion> {
    requireAdmin(viewer);
    return inTransaction(this.ctx, viewer, async (em) => {
      const agent = await lockedAgent(em, input.agentId);
      const from = input.fromVersionId == null ? null : await versionOf(em, input.fromVersionId);
      if (from !== null && from.agentId !== agent.id) throw notFound('agent version');
      const contract = await this.checked(em, agent.tenantId, input, from === null ? EMPTY_CONTRACT : contractOf(from));
      const [newest] = await em.find(AgentVersion, { agentId: agent.id }, { orderBy: { number: 'desc' }, limit: 1 });
      const version = em.create(AgentVersion, {
        ...contract,
        tenantId: agent.tenantId,
        agentId: agent.id,
        number: (newest?.number ?? 0) + 1,
      });
      await em.flush();
      audit(em, viewer, {
        tenantId: agent.tenantId,
        action: 'agent_version.created',
        subjectType: 'agent_version',
        subjectId: version.id,
        after: snapshot(version),
      });
      return version;
    });
  }

  /** Throws CONFLICT once the version has left DRAFT: what customers reached must stay readable. */
  async update(viewer: Viewer, id: string, input: AgentContractInput): Promise<AgentVersion> {
    requireAdmin(viewer);
    return inTransaction(this.ctx, viewer, async (em) => {
      const version = await versionOf(em, id, true);
      if (version.status !== 'DRAFT')
        throw new AppError('CONFLICT', `A ${version.status} version is immutable; create a new one from it`);
      const before = snapshot(version);
      const current = contractOf(version);
      const next = await this.checked(em, version.tenantId, input, current);
      em.assign(version, next);
      // The clock of `created_at`: evidence is compared with it.
      if (proven(next) !== proven(current)) version.contractChangedAt = new Date();
      await em.flush();
      audit(em, viewer, {
        tenantId: version.tenantId,
        action: 'agent_version.updated',
        subjectType: 'agent_version',
        subjectId: id,
        before,
        after: snapshot(version),
      });
      return version;
    });
  }

  /**
   * Gives all customer traffic of the agent to this version. Throws LAUNCH_GATES_FAILED while a gate fails, unless
   * `force` with a reason; UNPROCESSABLE when it has no prompt that can be resolved. Safe to repeat.
   */
  async publish(viewer: Viewer, id: string, request: ClearanceRequest = {}): Promise<AgentVersion> {
    requireAdmin(viewer);
    const { version, announce } = await inTransaction(this.ctx, viewer, async (em) => {
      const agent = await lockedAgent(em, (await versionOf(em, id)).agentId);
      const row = await versionOf(em, id, true);
      if (agent.publishedVersionId === row.id && row.status === 'PUBLISHED')
        return { version: row, announce: nothingToAnnounce };
      const granted = await this.clearance.requireCleared(em, viewer, row, request);
      await this.goLive(em, viewer, agent, row, granted);
      return { version: row, announce: granted.announce };
    });
    await announce();
    return version;
  }

  /** Unified diff of two versions' contracts as sorted JSON, secrets aside. */
  async diff(viewer: Viewer, fromId: string, toId: string): Promise<string> {
    const [from, to] = [await this.get(viewer, fromId), await this.get(viewer, toId)];
    const text = (version: AgentVersion) => JSON.stringify(readable(version), null, 2);
    return lineDiff(text(from), text(to), { before: `version ${from.number}`, after: `version ${to.number}` });
  }

  /** Throws NOT_FOUND. */
  async get(viewer: Viewer, id: string): Promise<AgentVersion> {
    requireScope(viewer, 'agents:read');
    return versionOf(emFor(this.ctx.database, viewer), id);
  }

  /** For dataloaders: the visible ones of `ids`. */
  async byIds(viewer: Viewer, ids: readonly string[]): Promise<AgentVersion[]> {
    requireScope(viewer, 'agents:read');
    return emFor(this.ctx.database, viewer).find(AgentVersion, { id: { $in: ids.filter(isUuid) } });
  }

  private async checked(
    em: EntityManager,
    tenantId: string,
    input: AgentContractInput,
    current: AgentContract,
  ): Promise<AgentContract> {
    const checks = new Checks();
    const contract = checkedContract(checks, input, current, this.ctx.settings);
    if (contract.promptKey !== null) {
      const prompt = await em.findOne(Prompt, { tenantId, key: contract.promptKey });
      const revision = await resolvePrompt(em, tenantId, contract.promptKey, contract.promptRevision);
      if (prompt === null) checks.fail('promptKey', 'names no prompt of this tenant');
      else if (revision !== null) checkVariables(checks, contract, revision.variables);
      else if (contract.promptRevision !== null) checks.fail('promptRevision', 'names no revision of this prompt');
    }
    checks.done();
    return contract;
  }

  private async goLive(
    em: EntityManager,
    viewer: Viewer,
    agent: Agent,
    version: AgentVersion,
    { failing, reason, before }: Granted,
  ): Promise<void> {
    const now = this.ctx.clock.now();
    const forced = failing.length > 0;
    const previousId = agent.publishedVersionId ?? null;
    if (previousId !== null && previousId !== version.id)
      await em.nativeUpdate(AgentVersion, { id: previousId }, { status: 'RETIRED', updatedAt: now });
    // A canary of what everybody gets now is over.
    const policy = await em.findOne(RolloutPolicy, { agentId: agent.id });
    if (policy?.candidateVersionId === version.id)
      em.assign(policy, { candidateVersionId: null, percentage: 0, startedAt: null, updatedBy: actorOf(viewer) });
    em.assign(version, { status: 'PUBLISHED', publishedAt: now });
    agent.publishedVersionId = version.id;
    em.create(RolloutHistory, {
      tenantId: agent.tenantId,
      agentId: agent.id,
      action: forced ? 'FORCED' : 'PUBLISHED',
      fromVersionId: previousId,
      toVersionId: version.id,
      percentage: 100,
      reason,
      evidence: forced ? { failing } : null,
      by: actorOf(viewer),
    });
    await em.flush();
    audit(em, viewer, {
      tenantId: agent.tenantId,
      action: 'agent_version.published',
      subjectType: 'agent_version',
      subjectId: version.id,
      before,
      after: snapshot(version),
      reason,
    });
  }
}

function contractOf(version: AgentVersion): AgentContract {
  const names = Object.keys(EMPTY_CONTRACT) as (keyof AgentContract)[];
  return Object.fromEntries(
    names.map((name) => [name, version[name] ?? EMPTY_CONTRACT[name]]),
  ) as unknown as AgentContract;
}

/** What evidence is about: all but the note. */
const proven = (contract: AgentContract): string => JSON.stringify({ ...contract, note: null });

/** For people: without sealed secrets, which differ even when the secret is the same. */
function readable(version: AgentVersion) {
  const { tools, ...rest } = contractOf(version);
  return { ...rest, tools: tools.map(({ secretSealed, ...tool }) => ({ ...tool, hasSecret: secretSealed !== null })) };
}
