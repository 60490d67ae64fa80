import type { EntityManager } from '@mikro-orm/postgresql';
import { TestNumber, type AgentVersion, type Call } from '../entities/index.js';
import { AppError, type FieldIssue } from '../lib/errors.js';
import { audit } from './audit-log.js';
import { Checks } from './checks.js';
import type { ServiceContext } from './context.js';
import type { DiagnosticSink } from './diagnostics.js';
import { evidenceSince } from './launch-evidence.js';
import { nothingToAnnounce, type Announce } from './session-end.js';
import { settleContract } from './tenant-defaults.js';
import type { VersionPicker } from './version-picker.js';
import { actorOf, type Viewer } from './viewer.js';
import { snapshot } from './writes.js';

/** Which rows new customer calls may reach: proven or forced, and not rolled back since. */
export const CLEARED = { clearedAt: { $ne: null }, rolledBackAt: null } as const;

export const isCleared = (version: Pick<AgentVersion, 'clearedAt' | 'rolledBackAt'>): boolean =>
  version.clearedAt != null && version.rolledBackAt == null;

/** Whatever a rollout decides, a version that is not cleared takes nobody's call. */
export const clearedOnly = (picker: VersionPicker): VersionPicker => ({
  pick: async (em, agent, party) => {
    const version = await picker.pick(em, agent, party);
    return version !== null && isCleared(version) ? version : null;
  },
});

/** Phones of the tenant's own people, which any version may call. */
export async function isTestNumber(em: EntityManager, tenantId: string, number: string | null): Promise<boolean> {
  return number !== null && (await em.count(TestNumber, { tenantId, number })) > 0;
}

/**
 * Whether the version may talk on this call. A synthetic call reaches nobody, so that every version may. `begun`: the
 * conversation goes on already, and is not cut off because its version was rolled back meanwhile.
 */
export async function mayTalk(
  em: EntityManager,
  call: Pick<Call, 'tenantId' | 'synthetic' | 'direction' | 'toNumber'>,
  version: AgentVersion | null,
  { begun }: { begun: boolean },
): Promise<boolean> {
  if (call.synthetic) return true;
  if (version !== null && (begun ? version.clearedAt != null : isCleared(version))) return true;
  return call.direction === 'OUTBOUND' && isTestNumber(em, call.tenantId, call.toNumber ?? null);
}

/** The launch gates. What fails is named, so that the client sees what is missing. */
export interface PublishGuard {
  /**
   * Empty: the version may take customers. `path` is the gate's name. Runs in the transaction that gives it traffic.
   * `inbound`: only the gates that ask for something because callers reach the agent.
   */
  failing(em: EntityManager, version: AgentVersion, scope?: { inbound: boolean }): Promise<FieldIssue[]>;
}

export interface ClearanceRequest {
  /** Clears in spite of failing gates. */
  force?: boolean | null;
  /** Needed with `force`; goes on the audit log. */
  reason?: string | null;
}
export interface Granted {
  /** Gates that failed and were overruled; empty: they hold, and nothing was forced. */
  failing: FieldIssue[];
  reason: string | null;
  /** The version's row until now, for the audit log. */
  before: Record<string, unknown>;
  /** After the commit: raises the diagnostic of a forced clearance. */
  announce: Announce;
}

function reasonOf({ force, reason }: ClearanceRequest): string | null {
  const checks = new Checks();
  const why = checks.optionalText('reason', reason, { max: 2_000 });
  if (force === true && why === null) checks.fail('reason', 'is needed with force: it goes on the audit log');
  checks.done();
  return why;
}

function gatesFailed(failing: FieldIssue[]): AppError {
  const names = failing.map((gate) => gate.path).join(', ');
  return new AppError('LAUNCH_GATES_FAILED', `Launch gates fail: ${names}`, { details: failing });
}

/** Decides whether customers may reach a version; whatever gives a version traffic asks here first. */
export class Clearance {
  constructor(
    private readonly ctx: ServiceContext,
    private readonly guard: PublishGuard,
    private readonly diagnostics: DiagnosticSink,
  ) {}

  /**
   * Clears a version for customers, in the caller's transaction, which holds the lock on its row; what it left to its
   * tenant is written into it, because what was proven must be what talks. A forced clearance is on the audit log and raises a diagnostic.
   * Throws VALIDATION_FAILED (`force` without a reason), LAUNCH_GATES_FAILED naming each gate, UNPROCESSABLE without a
   * prompt that can be resolved.
   */
  async requireCleared(
    em: EntityManager,
    viewer: Viewer,
    version: AgentVersion,
    { force, reason }: ClearanceRequest,
  ): Promise<Granted> {
    const why = reasonOf({ force, reason });
    const before = snapshot(version);
    version.contractChangedAt = await evidenceSince(em, version);
    const { missingPrompt } = await settleContract(em, version, this.ctx.settings);
    const failing = await this.guard.failing(em, version);
    if (failing.length > 0 && force !== true) throw gatesFailed(failing);
    const forced = failing.length > 0;
    Object.assign(version, {
      clearedAt: this.ctx.clock.now(),
      clearedBy: actorOf(viewer),
      forcedReason: forced ? why : null,
      rolledBackAt: null,
    });
    const tellForced = forced ? this.force(em, viewer, version, { failing, reason: why!, before }) : nothingToAnnounce;
    const announce = async () => {
      await tellForced();
      if (missingPrompt !== null) await this.tellPlain(version, missingPrompt);
    };
    return { failing, reason: why, before, announce };
  }

  /**
   * A number begins to lead callers to an agent whose version was perhaps cleared while none did: what only callers need is
   * asked for now. A version that was forced once is not asked again. Throws as {@link requireCleared}.
   */
  async requireReachable(
    em: EntityManager,
    viewer: Viewer,
    version: AgentVersion,
    { force, reason }: ClearanceRequest,
  ): Promise<Announce> {
    const why = reasonOf({ force, reason });
    if (version.forcedReason != null) return nothingToAnnounce;
    const failing = await this.guard.failing(em, version, { inbound: true });
    if (failing.length === 0) return nothingToAnnounce;
    if (force !== true) throw gatesFailed(failing);
    const before = snapshot(version);
    version.forcedReason = why;
    return this.force(em, viewer, version, { failing, reason: why!, before });
  }

  private force(
    em: EntityManager,
    viewer: Viewer,
    version: AgentVersion,
    { failing, reason, before }: { failing: FieldIssue[]; reason: string; before: Record<string, unknown> },
  ): Announce {
    audit(em, viewer, {
      tenantId: version.tenantId,
      action: 'agent_version.forced',
      subjectType: 'agent_version',
      subjectId: version.id,
      before,
      after: { ...snapshot(version), failingGates: failing },
      reason,
    });
    return () => this.raise(version, failing, reason, actorOf(viewer));
  }

  private tellPlain(version: AgentVersion, promptKey: string): Promise<void> {
    return this.diagnostics.raise({
      tenantId: version.tenantId,
      code: 'plain_prompt',
      severity: 'WARNING',
      message: `Version ${version.number} of an agent speaks the plain prompt: the tenant’s prompt ${promptKey} has no published revision.`,
      action: 'Publish a revision of the prompt, and then a new version of the agent.',
      detail: { agentId: version.agentId, agentVersionId: version.id, promptKey },
      dedupeKey: `plain_prompt:${version.id}`,
    });
  }

  private raise(version: AgentVersion, failing: FieldIssue[], reason: string, by: string): Promise<void> {
    return this.diagnostics.raise({
      tenantId: version.tenantId,
      code: 'launch_gates_forced',
      severity: 'WARNING',
      message: `Version ${version.number} of an agent was cleared for customers although launch gates fail: ${failing.map((gate) => gate.path).join(', ')}.`,
      action: 'See launchReport for what is missing, and mend it or roll the version back.',
      detail: { agentId: version.agentId, agentVersionId: version.id, failing, reason, by },
      dedupeKey: `launch_gates_forced:${version.id}`,
    });
  }
}
