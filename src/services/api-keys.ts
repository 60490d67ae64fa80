import { ApiKey } from '../entities/index.js';
import { hashSecret, newSecret } from '../lib/crypto.js';
import type { Page } from '../lib/cursor.js';
import { notFound } from '../lib/errors.js';
import { audit } from './audit-log.js';
import { Checks, knownId } from './checks.js';
import type { ServiceContext } from './context.js';
import { listOffset, listPage, type OffsetRequest, type PageRequest, type Rows } from './listing.js';
import { existingTenant } from './tenants.js';
import { emFor, requireAdmin, SCOPES, type Viewer } from './viewer.js';
import { inTransaction, orConflict, snapshot } from './writes.js';

export interface NewApiKey {
  name: string;
  /** `live` (default), `test` …: a label, part of the secret's visible prefix. */
  environment?: string | null;
  /** {@link SCOPES}; missing: all of them. */
  scopes?: readonly string[] | null;
  /** Null: never. */
  expiresAt?: Date | null;
}
export interface CreatedApiKey {
  apiKey: ApiKey;
  /** The key itself, `tl_<environment>_…`: only its hash is stored, so this is the only time it can be shown. */
  secret: string;
}

const prefixOf = (environment: string) => `tl_${environment}_`;

/** Shortest raw bearer token that may be imported: shorter ones can be guessed. */
const MIN_LEGACY_LENGTH = 16;

/** What tenants' applications prove themselves with. */
export class ApiKeys {
  constructor(private readonly ctx: ServiceContext) {}

  /** Throws VALIDATION_FAILED, NOT_FOUND. */
  async create(viewer: Viewer, tenantId: string, input: NewApiKey): Promise<CreatedApiKey> {
    requireAdmin(viewer);
    const fields = this.checked(input);
    const secret = newSecret(prefixOf(fields.environment));
    return { apiKey: await this.store(viewer, tenantId, fields, secret, false), secret };
  }

  /** Takes over a raw bearer token that a tenant's old clients send, so that they need not change. Stored like a key. */
  async importLegacy(viewer: Viewer, tenantId: string, input: NewApiKey & { token: string }): Promise<ApiKey> {
    requireAdmin(viewer);
    const checks = new Checks();
    const token = checks.text('token', input.token, { max: 500, min: MIN_LEGACY_LENGTH });
    if (/[^\x21-\x7e]/.test(token)) checks.fail('token', 'must hold visible ASCII characters only');
    const fields = this.checked({ ...input, environment: input.environment ?? 'legacy' }, checks);
    return orConflict('This token belongs to a key already', () => this.store(viewer, tenantId, fields, token, true));
  }

  /** In every process within moments; subscriptions of the key are closed. Safe to repeat. Throws NOT_FOUND. */
  async revoke(viewer: Viewer, id: string, tenantId?: string): Promise<ApiKey> {
    requireAdmin(viewer);
    knownId('API key', id);
    const key = await inTransaction(this.ctx, viewer, async (em) => {
      const row = await em.findOne(ApiKey, { id, ...(tenantId === undefined ? {} : { tenantId }) });
      if (row === null) throw notFound('API key');
      if (row.revokedAt !== null) return row;
      const before = snapshot(row);
      row.revokedAt = this.ctx.clock.now();
      await em.flush();
      audit(em, viewer, {
        tenantId: row.tenantId,
        action: 'api_key.revoked',
        subjectType: 'api_key',
        subjectId: id,
        before,
        after: snapshot(row),
      });
      return row;
    });
    await this.ctx.topics.publish('accessRevoked', { tenantId: key.tenantId, keyId: key.id });
    return key;
  }

  /** Revoked ones too. Throws NOT_FOUND for a missing tenant. */
  async page(viewer: Viewer, tenantId: string, request: PageRequest): Promise<Page<ApiKey>> {
    return listPage(await this.emOf(viewer, tenantId), ApiKey, { tenantId }, request);
  }
  async list(viewer: Viewer, tenantId: string, request: OffsetRequest): Promise<Rows<ApiKey>> {
    return listOffset(await this.emOf(viewer, tenantId), ApiKey, { tenantId }, request);
  }

  private async emOf(viewer: Viewer, tenantId: string) {
    requireAdmin(viewer);
    await existingTenant(this.ctx, viewer, tenantId);
    return emFor(this.ctx.database, viewer, tenantId);
  }

  private checked(input: NewApiKey, checks = new Checks()) {
    const environment = checks.text('environment', input.environment ?? 'live', { max: 20 });
    if (!/^[a-z0-9]*$/.test(environment)) checks.fail('environment', 'may hold lower case letters and digits');
    const scopes = checks.list('scopes', input.scopes ?? SCOPES, SCOPES.length, (scope, path) =>
      checks.oneOf(path, scope, SCOPES),
    );
    const fields = {
      name: checks.text('name', input.name, { max: 200 }),
      environment,
      scopes: [...new Set(scopes)],
      expiresAt: checks.futureTime('expiresAt', input.expiresAt, this.ctx.clock.now()),
    };
    checks.done();
    return fields;
  }

  private async store(
    viewer: Viewer,
    tenantId: string,
    fields: ReturnType<ApiKeys['checked']>,
    secret: string,
    legacy: boolean,
  ): Promise<ApiKey> {
    const { id } = await existingTenant(this.ctx, viewer, tenantId);
    return inTransaction(this.ctx, viewer, async (em) => {
      // Of an imported token less is shown: nothing says that its first characters are not the secret ones.
      const prefix = legacy ? `${secret.slice(0, 3)}…` : secret.slice(0, prefixOf(fields.environment).length + 6);
      const key = em.create(ApiKey, {
        ...fields,
        tenantId: id,
        legacy,
        prefix,
        secretHash: hashSecret(secret),
        lastUsedAt: null,
        revokedAt: null,
      });
      await em.flush();
      audit(em, viewer, {
        tenantId: id,
        action: legacy ? 'api_key.imported' : 'api_key.created',
        subjectType: 'api_key',
        subjectId: key.id,
        after: snapshot(key),
      });
      return key;
    });
  }
}
