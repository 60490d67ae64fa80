import { TwilioCredential } from '../entities/index.js';
import { seal } from '../lib/crypto.js';
import { notFound } from '../lib/errors.js';
import { audit } from './audit-log.js';
import { Checks, knownId } from './checks.js';
import type { ServiceContext } from './context.js';
import { existingTenant } from './tenants.js';
import { emFor, requireAdmin, type Viewer } from './viewer.js';
import { inTransaction, snapshot } from './writes.js';

export interface TwilioCredentialInput {
  /** `AC` + 32 hex digits. */
  accountSid: string;
  authToken: string;
  /** Seconds that the tokens before stay valid for signatures of running calls; default a day, 0: at once. */
  overlapSeconds?: number | null;
}

const DEFAULT_OVERLAP_SECONDS = 86_400;
const MAX_OVERLAP_SECONDS = 30 * 86_400;

/** A tenant's own Twilio account. The newest credential dials; older ones verify signatures until they retire. */
export class TwilioCredentials {
  constructor(private readonly ctx: ServiceContext) {}

  /** Sets the first one, or rotates: the ones before retire after the overlap. Throws VALIDATION_FAILED, NOT_FOUND. */
  async set(viewer: Viewer, tenantId: string, input: TwilioCredentialInput): Promise<TwilioCredential> {
    requireAdmin(viewer);
    const checks = new Checks();
    const accountSid = checks.text('accountSid', input.accountSid, { max: 34 });
    if (!/^AC[0-9a-fA-F]{32}$/.test(accountSid)) checks.fail('accountSid', 'must be AC and 32 hex digits');
    const authToken = checks.text('authToken', input.authToken, { max: 200, min: 8 });
    const overlap =
      checks.optionalInteger('overlapSeconds', input.overlapSeconds, 0, MAX_OVERLAP_SECONDS) ?? DEFAULT_OVERLAP_SECONDS;
    checks.done();
    const { id } = await existingTenant(this.ctx, viewer, tenantId);
    return inTransaction(this.ctx, viewer, async (em) => {
      const retiresAt = new Date(this.ctx.clock.now().getTime() + overlap * 1_000);
      const replaced = await em.find(TwilioCredential, { tenantId: id, retiresAt: null });
      for (const old of replaced) old.retiresAt = retiresAt;
      const credential = em.create(TwilioCredential, {
        tenantId: id,
        accountSid,
        authTokenSealed: seal(this.ctx.settings.encryptionKey, authToken),
        retiresAt: null,
      });
      await em.flush();
      audit(em, viewer, {
        tenantId: id,
        action: replaced.length > 0 ? 'twilio_credential.rotated' : 'twilio_credential.set',
        subjectType: 'twilio_credential',
        subjectId: credential.id,
        before: replaced[0] === undefined ? null : snapshot(replaced[0]),
        after: snapshot(credential),
      });
      return credential;
    });
  }

  /** Ends one at once, also for signatures. Throws NOT_FOUND. */
  async remove(viewer: Viewer, tenantId: string, id: string): Promise<TwilioCredential> {
    requireAdmin(viewer);
    knownId('Twilio credential', id);
    return inTransaction(this.ctx, viewer, async (em) => {
      const credential = await em.findOne(TwilioCredential, { id, tenantId });
      if (credential === null) throw notFound('Twilio credential');
      const before = snapshot(credential);
      await em.remove(credential).flush();
      audit(em, viewer, {
        tenantId,
        action: 'twilio_credential.removed',
        subjectType: 'twilio_credential',
        subjectId: id,
        before,
      });
      return credential;
    });
  }

  /** The unretired ones, newest first. Tokens are sealed and never shown. */
  async list(viewer: Viewer, tenantId: string): Promise<TwilioCredential[]> {
    requireAdmin(viewer);
    const { id } = await existingTenant(this.ctx, viewer, tenantId);
    return emFor(this.ctx.database, viewer, id).find(
      TwilioCredential,
      { tenantId: id, $or: [{ retiresAt: null }, { retiresAt: { $gt: this.ctx.clock.now() } }] },
      { orderBy: { createdAt: 'desc', id: 'desc' } },
    );
  }
}
