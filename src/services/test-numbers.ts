import { TestNumber } from '../entities/index.js';
import { notFound } from '../lib/errors.js';
import { audit } from './audit-log.js';
import { Checks, knownId } from './checks.js';
import type { ServiceContext } from './context.js';
import { existingTenant } from './tenants.js';
import { emFor, requireAdmin, requireScope, tenantOf, type Viewer } from './viewer.js';
import { inTransaction, orConflict, snapshot } from './writes.js';

/** The phones that a version may call before it is cleared for customers. */
export class TestNumbers {
  constructor(private readonly ctx: ServiceContext) {}

  /** Throws VALIDATION_FAILED, NOT_FOUND, CONFLICT when the tenant has this number already. */
  async add(viewer: Viewer, tenantId: string, input: { number: string; label?: string | null }): Promise<TestNumber> {
    requireAdmin(viewer);
    const checks = new Checks();
    const number = checks.phone('number', input.number);
    const label = checks.optionalText('label', input.label, { max: 200 });
    checks.done();
    const { id } = await existingTenant(this.ctx, viewer, tenantId);
    return orConflict('This number is a test number already', () =>
      inTransaction(this.ctx, viewer, async (em) => {
        const row = em.create(TestNumber, { tenantId: id, number, label });
        await em.flush();
        audit(em, viewer, {
          tenantId: id,
          action: 'test_number.added',
          subjectType: 'test_number',
          subjectId: row.id,
          after: snapshot(row),
        });
        return row;
      }),
    );
  }

  async remove(viewer: Viewer, tenantId: string, id: string): Promise<TestNumber> {
    requireAdmin(viewer);
    knownId('test number', id);
    return inTransaction(this.ctx, viewer, async (em) => {
      const row = await em.findOne(TestNumber, { id, tenantId });
      if (row === null) throw notFound('test number');
      const before = snapshot(row);
      await em.remove(row).flush();
      audit(em, viewer, {
        tenantId,
        action: 'test_number.removed',
        subjectType: 'test_number',
        subjectId: id,
        before,
      });
      return row;
    });
  }

  async list(viewer: Viewer, tenantId?: string | null): Promise<TestNumber[]> {
    requireScope(viewer, 'agents:read');
    const id = tenantOf(viewer, tenantId);
    return emFor(this.ctx.database, viewer, id).find(TestNumber, { tenantId: id }, { orderBy: { createdAt: 'desc' } });
  }
}
