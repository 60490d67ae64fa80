import type { EntityManager } from '@mikro-orm/postgresql';
import { TwilioCredential } from '../entities/index.js';
import { open } from '../lib/crypto.js';
import type { CarrierAccount } from '../ports/carrier.js';
import type { ServiceContext } from './context.js';
import { SYNTHETIC_ACCOUNT_SID, syntheticAccount, syntheticTokens } from './synthetic-account.js';

/** One token that may have signed a request of an account, and whose it is (null: the installation's default). */
export interface AccountToken {
  tenantId: string | null;
  authToken: string;
}

/** Which carrier account dials for whom, and which tokens sign for an account. */
export class CarrierAccounts {
  constructor(private readonly context: ServiceContext) {}

  /** The account that dials for a tenant: its newest credential that is not being retired, else the default, else null. */
  async forTenant(em: EntityManager, tenantId: string): Promise<CarrierAccount | null> {
    const own = await em.findOne(
      TwilioCredential,
      { tenantId, retiresAt: null },
      { orderBy: { createdAt: 'desc', id: 'desc' } },
    );
    return own === null ? this.context.settings.defaultCarrierAccount : this.opened(own);
  }

  /** The account of a call that exists: the one that dialled or received it. Null when its credentials are gone. */
  async forCall(
    em: EntityManager,
    call: { tenantId: string; accountSid?: string | null; synthetic: boolean },
  ): Promise<CarrierAccount | null> {
    if (call.synthetic) return syntheticAccount(this.context.settings);
    if (call.accountSid == null) return this.forTenant(em, call.tenantId);
    const own = await em.findOne(
      TwilioCredential,
      { tenantId: call.tenantId, accountSid: call.accountSid },
      { orderBy: { createdAt: 'desc', id: 'desc' } },
    );
    if (own !== null) return this.opened(own);
    const standard = this.context.settings.defaultCarrierAccount;
    return standard?.accountSid === call.accountSid ? standard : null;
  }

  /** Every token that is valid for signatures of this account now: tenants' own (also during a rotation), then the default. */
  async tokensOf(accountSid: string): Promise<AccountToken[]> {
    const { database, clock, settings } = this.context;
    if (accountSid === SYNTHETIC_ACCOUNT_SID)
      return syntheticTokens(settings).map((authToken) => ({ tenantId: null, authToken }));
    const rows = await database.em({ all: true }).find(TwilioCredential, {
      accountSid,
      $or: [{ retiresAt: null }, { retiresAt: { $gt: clock.now() } }],
    });
    const tokens: AccountToken[] = rows.map((row) => ({
      tenantId: row.tenantId,
      authToken: this.opened(row).authToken,
    }));
    const standard = settings.defaultCarrierAccount;
    if (standard?.accountSid === accountSid) tokens.push({ tenantId: null, authToken: standard.authToken });
    return tokens;
  }

  private opened(row: TwilioCredential): CarrierAccount {
    return { accountSid: row.accountSid, authToken: open(this.context.settings.encryptionKey, row.authTokenSealed) };
  }
}
