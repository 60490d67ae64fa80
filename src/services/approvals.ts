import { Approval } from '../entities/index.js';
import { notFound } from '../lib/errors.js';
import { audit } from './audit-log.js';
import { Checks } from './checks.js';
import type { ServiceContext } from './context.js';
import { governanceOf } from './governance.js';
import { loadRuntimeConfig } from './telephony.js';
import { versionOf } from './version-rows.js';
import { actorOf, requireAdmin, type Viewer } from './viewer.js';
import { inTransaction, snapshot } from './writes.js';

/** Named approvals of a version: evidence for its launch gate. */
export class Approvals {
  constructor(private readonly ctx: ServiceContext) {}

  /**
   * Approves the version as it is now; a repeated approval takes the place of the one before. Throws VALIDATION_FAILED
   * for a name that the tenant does not ask for, NOT_FOUND.
   */
  async give(viewer: Viewer, agentVersionId: string, name: string, note?: string | null): Promise<Approval> {
    requireAdmin(viewer);
    return inTransaction(this.ctx, viewer, async (em) => {
      // Locked: a contract cannot change, and a version not be published, while it is being approved.
      const version = await versionOf(em, agentVersionId, true);
      const names = governanceOf(await loadRuntimeConfig(em, version.tenantId)).requiredApprovals;
      const checks = new Checks();
      checks.oneOf('name', name, names);
      const fields = {
        note: checks.optionalText('note', note, { max: 2_000 }),
        approvedBy: actorOf(viewer),
        createdAt: new Date(),
      };
      checks.done();
      const existing = await em.findOne(Approval, { agentVersionId: version.id, name });
      const before = existing === null ? null : snapshot(existing);
      const approval =
        existing === null
          ? em.create(Approval, { ...fields, tenantId: version.tenantId, agentVersionId: version.id, name })
          : em.assign(existing, fields);
      await em.flush();
      audit(em, viewer, {
        tenantId: version.tenantId,
        action: 'approval.given',
        subjectType: 'agent_version',
        subjectId: version.id,
        before,
        after: snapshot(approval),
        reason: fields.note,
      });
      return approval;
    });
  }

  /** Takes an approval back; a version that is live stays so. Throws NOT_FOUND. */
  async withdraw(viewer: Viewer, agentVersionId: string, name: string, note?: string | null): Promise<Approval> {
    requireAdmin(viewer);
    const checks = new Checks();
    const reason = checks.optionalText('note', note, { max: 2_000 });
    checks.done();
    return inTransaction(this.ctx, viewer, async (em) => {
      const version = await versionOf(em, agentVersionId, true);
      const approval = await em.findOne(Approval, { agentVersionId: version.id, name });
      if (approval === null) throw notFound('approval');
      const before = snapshot(approval);
      await em.remove(approval).flush();
      audit(em, viewer, {
        tenantId: version.tenantId,
        action: 'approval.withdrawn',
        subjectType: 'agent_version',
        subjectId: version.id,
        before,
        reason,
      });
      return approval;
    });
  }
}
