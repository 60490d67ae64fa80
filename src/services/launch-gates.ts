import type { EntityManager } from '@mikro-orm/postgresql';
import { Agent, Tenant, type AgentVersion } from '../entities/index.js';
import type { FieldIssue } from '../lib/errors.js';
import type { PublishGuard } from './clearance.js';
import type { ServiceContext } from './context.js';
import { governanceOf } from './governance.js';
import { evidenceSince, type LaunchCandidate } from './launch-evidence.js';
import { approvalsOf, GATES, type ApprovalReport, type LaunchGate } from './launch-gate-list.js';
import { loadRuntimeConfig } from './telephony.js';
import { versionOf } from './version-rows.js';
import { emFor, requireScope, type Viewer } from './viewer.js';

export const GATE_STATUSES = ['PASSED', 'FAILED', 'NOT_APPLICABLE'] as const;
export type GateStatus = (typeof GATE_STATUSES)[number];

export interface GateReport {
  name: string;
  title: string;
  status: GateStatus;
  required: number | null;
  observed: number | null;
  /** What was counted, by gate. */
  evidence: Record<string, unknown>;
  missing: string[];
}
export interface LaunchReport {
  agentVersionId: string;
  /** Every gate holds or does not apply: the version can be published without force. */
  passed: boolean;
  gates: GateReport[];
  approvals: ApprovalReport[];
  /** When customers were last let in, by whom, and why if gates failed; null: never. */
  clearedAt: Date | null;
  clearedBy: string | null;
  forcedReason: string | null;
  evaluatedAt: Date;
}
/** What must hold before customers reach a version, evaluated live from what is stored. */
export class LaunchGates implements PublishGuard {
  constructor(private readonly ctx: ServiceContext) {}

  async failing(em: EntityManager, version: AgentVersion, { inbound } = { inbound: false }): Promise<FieldIssue[]> {
    const gates = GATES.filter((gate) => !inbound || gate.inbound === true);
    const reports = await this.look(await this.candidate(em, version), gates);
    return reports
      .filter((gate) => gate.status === 'FAILED')
      .map(({ name, missing }) => ({ path: name, message: missing.join(' ') }));
  }

  /** Each gate, its evidence and what is missing. Throws NOT_FOUND. */
  async report(viewer: Viewer, agentVersionId: string): Promise<LaunchReport> {
    requireScope(viewer, 'agents:read');
    const em = emFor(this.ctx.database, viewer);
    const version = await versionOf(em, agentVersionId);
    const candidate = await this.candidate(em, version);
    const gates = await this.look(candidate, GATES);
    return {
      agentVersionId: version.id,
      passed: gates.every((gate) => gate.status !== 'FAILED'),
      gates,
      approvals: await approvalsOf(candidate),
      clearedAt: version.clearedAt ?? null,
      clearedBy: version.clearedBy ?? null,
      forcedReason: version.forcedReason ?? null,
      evaluatedAt: candidate.now,
    };
  }

  private async candidate(em: EntityManager, version: AgentVersion): Promise<LaunchCandidate> {
    return {
      em,
      version,
      agent: await em.findOneOrFail(Agent, { id: version.agentId }),
      tenant: await em.findOneOrFail(Tenant, { id: version.tenantId }),
      thresholds: governanceOf(await loadRuntimeConfig(em, version.tenantId)),
      since: await evidenceSince(em, version),
      now: this.ctx.clock.now(),
    };
  }

  private async look(candidate: LaunchCandidate, gates: readonly LaunchGate[]): Promise<GateReport[]> {
    const reports: GateReport[] = [];
    for (const gate of gates) {
      const { notApplicable = null, missing, evidence, ...numbers } = await gate.look(candidate);
      reports.push({
        name: gate.name,
        title: gate.title,
        status: notApplicable !== null ? 'NOT_APPLICABLE' : missing.length === 0 ? 'PASSED' : 'FAILED',
        ...numbers,
        evidence: notApplicable === null ? evidence : { ...evidence, notApplicable },
        missing: notApplicable === null ? missing : [],
      });
    }
    return reports;
  }
}
