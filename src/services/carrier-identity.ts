import type { Call } from '../entities/index.js';
import { SYNTHETIC_ACCOUNT_SID } from './synthetic-account.js';

/**
 * Who a verified request of the carrier speaks for: an account, and the tenants whose token signed it. One tenant's
 * carrier must not report about another tenant's calls.
 */
export interface CarrierIdentity {
  accountSid: string;
  tenantIds: ReadonlySet<string>;
  /** Signed with the installation's own token, which serves every tenant without one. */
  isDefault: boolean;
}

/** True when this identity may speak about calls and numbers of the tenant. */
export function speaksFor(identity: CarrierIdentity, tenantId: string): boolean {
  return identity.isDefault || identity.tenantIds.has(tenantId);
}

/** The gateway itself, calling its own doors: it speaks for no tenant, and about synthetic calls only. */
export function isSynthetic({ accountSid }: CarrierIdentity): boolean {
  return accountSid === SYNTHETIC_ACCOUNT_SID;
}

/** True when this identity may report about the call. */
export function mayReport(
  identity: CarrierIdentity,
  call: Pick<Call, 'tenantId' | 'accountSid' | 'synthetic'>,
): boolean {
  if (isSynthetic(identity)) return call.synthetic && call.accountSid === identity.accountSid;
  return speaksFor(identity, call.tenantId) && (call.accountSid == null || call.accountSid === identity.accountSid);
}
