import { LockMode, type EntityManager } from '@mikro-orm/postgresql';
import { Agent, AgentVersion, Prompt, RolloutHistory, RolloutPolicy } from '../entities/index.js';
import { AppError, notFound, type FieldIssue } from '../lib/errors.js';
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
import { Checks, knownId } from './checks.js';
import type { ServiceContext } from './context.js';
import { resolvePrompt } from './prompts.js';
import { actorOf, emFor, requireAdmin, requireScope, type Viewer } from './viewer.js';
import { inTransaction, snapshot } from './writes.js';

export interface NewAgentVersion extends AgentContractInput {
  agentId: string;
  /** Starts from this version's contract; what is given here wins. */
  fromVersionId?: string | null;
}

/** The launch gates. What fails is named, so that the client sees what is missing. */
export interface PublishGuard {
  /** Empty: the version may take customers. Runs in the transaction that publishes. */
  failing(em: EntityManager, version: AgentVersion): Promise<FieldIssue[]>;
}
/** For installations and tests without gates. */
export const openPublishGuard: PublishGuard = { failing: async () => [] };

/** Told after a version was published in spite of failing gates. */
export interface ForcedPublishListener {
  forced(version: AgentVersion, failing: FieldIssue[], reason: string): Promise<void>;
}

export class AgentVersions {
  constructor(
    private readonly ctx: ServiceContext,
    private readonly guard: PublishGuard,
    private readonly listener: ForcedPublishListener | null = null,
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
      em.assign(version, await this.checked(em, version.tenantId, input, contractOf(version)));
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
  async publish(
    viewer: Viewer,
    id: string,
    { force = false, reason = null }: { force?: boolean; reason?: string | null } = {},
  ): Promise<AgentVersion> {
    requireAdmin(viewer);
    const checks = new Checks();
    const why = checks.optionalText('reason', reason, { max: 2_000 });
    if (force && why === null) checks.fail('reason', 'is needed with force: it goes on the audit log');
    checks.done();
    const { version, failing } = await inTransaction(this.ctx, viewer, async (em) => {
      const agent = await lockedAgent(em, (await versionOf(em, id)).agentId);
      const row = await versionOf(em, id, true);
      if (agent.publishedVersionId === row.id && row.status === 'PUBLISHED') return { version: row, failing: [] };
      await pinPrompt(em, row);
      const gates = await this.guard.failing(em, row);
      if (row.rolledBackAt != null) gates.push({ path: 'rolledBack', message: 'this version was rolled back before' });
      if (gates.length > 0 && !force)
        throw new AppError('LAUNCH_GATES_FAILED', `Launch gates fail: ${gates.map((gate) => gate.path).join(', ')}`, {
          details: gates,
        });
      await this.goLive(em, viewer, agent, row, { forced: gates.length > 0, reason: why, gates });
      return { version: row, failing: gates };
    });
    if (failing.length > 0) await this.listener?.forced(version, failing, why!);
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
      else if (revision !== null) checkVariables(checks, contract.promptVariables, revision.variables);
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
    how: { forced: boolean; reason: string | null; gates: FieldIssue[] },
  ): Promise<void> {
    const now = this.ctx.clock.now();
    const before = snapshot(version);
    const previousId = agent.publishedVersionId ?? null;
    if (previousId !== null && previousId !== version.id)
      await em.nativeUpdate(AgentVersion, { id: previousId }, { status: 'RETIRED', updatedAt: now });
    // A canary of what everybody gets now is over.
    const policy = await em.findOne(RolloutPolicy, { agentId: agent.id });
    if (policy?.candidateVersionId === version.id)
      em.assign(policy, { candidateVersionId: null, percentage: 0, startedAt: null, updatedBy: actorOf(viewer) });
    em.assign(version, {
      status: 'PUBLISHED',
      publishedAt: now,
      clearedAt: now,
      clearedBy: actorOf(viewer),
      forcedReason: how.forced ? how.reason : null,
    });
    agent.publishedVersionId = version.id;
    em.create(RolloutHistory, {
      tenantId: agent.tenantId,
      agentId: agent.id,
      action: how.forced ? 'FORCED' : 'PUBLISHED',
      fromVersionId: previousId,
      toVersionId: version.id,
      percentage: 100,
      reason: how.reason,
      evidence: how.forced ? { failing: how.gates } : null,
      by: actorOf(viewer),
    });
    await em.flush();
    audit(em, viewer, {
      tenantId: agent.tenantId,
      action: how.forced ? 'agent_version.forced' : 'agent_version.published',
      subjectType: 'agent_version',
      subjectId: version.id,
      before,
      after: how.forced ? { ...snapshot(version), failingGates: how.gates } : snapshot(version),
      reason: how.reason,
    });
  }
}

/**
 * A version that leaves DRAFT speaks one certain prompt for ever: the published revision is written into it. Throws
 * UNPROCESSABLE when there is none.
 */
export async function pinPrompt(em: EntityManager, version: AgentVersion): Promise<void> {
  if (version.promptKey == null || version.promptRevision != null) return;
  const revision = await resolvePrompt(em, version.tenantId, version.promptKey, null);
  if (revision === null)
    throw new AppError('UNPROCESSABLE', `The prompt ${version.promptKey} has no published revision`, {
      details: [{ path: 'promptKey', message: 'has no published revision' }],
    });
  version.promptRevision = revision.number;
}

/** Numbers and traffic of one agent change one at a time. */
async function lockedAgent(em: EntityManager, id: string): Promise<Agent> {
  const agent = await em.findOne(Agent, { id: knownId('agent', id) }, { lockMode: LockMode.PESSIMISTIC_WRITE });
  if (agent === null) throw notFound('agent');
  return agent;
}

async function versionOf(em: EntityManager, id: string, lock = false): Promise<AgentVersion> {
  const version = await em.findOne(
    AgentVersion,
    { id: knownId('agent version', id) },
    lock ? { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true } : {},
  );
  if (version === null) throw notFound('agent version');
  return version;
}

function contractOf(version: AgentVersion): AgentContract {
  const names = Object.keys(EMPTY_CONTRACT) as (keyof AgentContract)[];
  return Object.fromEntries(
    names.map((name) => [name, version[name] ?? EMPTY_CONTRACT[name]]),
  ) as unknown as AgentContract;
}

/** For people: without sealed secrets, which differ even when the secret is the same. */
function readable(version: AgentVersion) {
  const { tools, ...rest } = contractOf(version);
  return { ...rest, tools: tools.map(({ secretSealed, ...tool }) => ({ ...tool, hasSecret: secretSealed !== null })) };
}
