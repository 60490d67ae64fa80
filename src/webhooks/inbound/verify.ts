import type { WebhookSignatures } from '../../ports/webhook-signature.js';
import type { AccountToken, CarrierAccounts } from '../../services/carrier-accounts.js';
import { isSynthetic, type CarrierIdentity } from '../../services/carrier-identity.js';
import type { SignatureEvidence } from '../../services/signature-evidence.js';
import { field, type TwilioForm } from './twilio-form.js';

/** What was requested, for the signature: the path and query as Twilio wrote them. */
export interface SignedForm {
  /** `/api/v1/incoming-call?…`, not decoded. */
  target: string;
  signature: string | undefined;
  form: TwilioForm;
  /** Asked about a request that is not signed: false when its sender was refused too often to prove anything by it. */
  counts: () => Promise<boolean>;
}

/** Decides whether a request comes from Twilio, and for whom it may speak. */
export class TwilioVerifier {
  constructor(
    private readonly publicUrl: string,
    private readonly accounts: CarrierAccounts,
    private readonly signatures: WebhookSignatures,
    private readonly evidence: SignatureEvidence,
  ) {}

  /** Null: not signed by the account that it names. Throws when the tokens cannot be read. */
  async identify({ target, signature, form, counts }: SignedForm): Promise<CarrierIdentity | null> {
    const accountSid = field(form, 'AccountSid');
    const tokens = accountSid === '' ? [] : await this.accounts.tokensOf(accountSid);
    // Tokens of several tenants may belong to one account; each that holds lets the request speak for its tenant.
    const holding = tokens.filter(({ authToken }) =>
      this.signatures.verify({ authTokens: [authToken], signature, url: this.publicUrl + target, params: form }),
    );
    const valid = holding.length > 0;
    // Anybody can name any account: a flood must neither fill the tables nor spoil the evidence of its tenants.
    if (valid || (await counts()))
      void this.evidence.record({
        accountSid,
        tenantIds: tenantsOf(valid ? holding : tokens),
        numbers: [field(form, 'To'), field(form, 'From')],
        valid,
      });
    if (!valid) return null;
    const identity = { accountSid, tenantIds: new Set(tenantsOf(holding)), isDefault: false };
    return { ...identity, isDefault: !isSynthetic(identity) && holding.some((token) => token.tenantId === null) };
  }
}

function tenantsOf(tokens: readonly AccountToken[]): string[] {
  return [...new Set(tokens.flatMap(({ tenantId }) => tenantId ?? []))];
}
