import { ApiAccessRequest } from '../entities/index.js';
import type { Page } from '../lib/cursor.js';
import { notFound } from '../lib/errors.js';
import { audit } from './audit-log.js';
import { Checks, knownId } from './checks.js';
import type { ServiceContext } from './context.js';
import { listOffset, listPage, type OffsetRequest, type PageRequest, type Rows } from './listing.js';
import { emFor, requireAdmin, type Viewer } from './viewer.js';
import { inTransaction, snapshot } from './writes.js';

export interface NewAccessRequest {
  name: string;
  email: string;
  company?: string | null;
  useCase?: string | null;
}
export const ACCESS_REQUEST_STATUSES = ['open', 'accepted', 'declined'] as const;
export type AccessRequestStatus = (typeof ACCESS_REQUEST_STATUSES)[number];

/** The public form: somebody would like an API key. */
export class AccessRequests {
  constructor(private readonly ctx: ServiceContext) {}

  /** Open to everybody; the door limits how often. Throws VALIDATION_FAILED. */
  async submit(input: NewAccessRequest): Promise<ApiAccessRequest> {
    const checks = new Checks();
    const email = checks.text('email', input.email, { max: 320 });
    if (!/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email)) checks.fail('email', 'must be an e-mail address');
    const fields = {
      name: checks.text('name', input.name, { max: 200 }),
      email,
      company: checks.optionalText('company', input.company, { max: 200 }),
      useCase: checks.optionalText('useCase', input.useCase, { max: 5_000 }),
    };
    checks.done();
    const em = this.ctx.database.em({ all: true });
    const request = em.create(ApiAccessRequest, fields);
    await em.flush();
    return request;
  }

  page(viewer: Viewer, request: PageRequest): Promise<Page<ApiAccessRequest>> {
    requireAdmin(viewer);
    return listPage(emFor(this.ctx.database, viewer), ApiAccessRequest, {}, request);
  }
  list(viewer: Viewer, request: OffsetRequest): Promise<Rows<ApiAccessRequest>> {
    requireAdmin(viewer);
    return listOffset(emFor(this.ctx.database, viewer), ApiAccessRequest, {}, request);
  }

  async decide(viewer: Viewer, id: string, status: AccessRequestStatus): Promise<ApiAccessRequest> {
    requireAdmin(viewer);
    knownId('access request', id);
    const checks = new Checks();
    checks.oneOf('status', status, ACCESS_REQUEST_STATUSES);
    checks.done();
    return inTransaction(this.ctx, viewer, async (em) => {
      const row = await em.findOne(ApiAccessRequest, { id });
      if (row === null) throw notFound('access request');
      const before = snapshot(row);
      row.status = status;
      await em.flush();
      audit(em, viewer, {
        tenantId: null,
        action: 'access_request.decided',
        subjectType: 'access_request',
        subjectId: id,
        before,
        after: snapshot(row),
      });
      return row;
    });
  }
}
