import type { Call } from '../entities/index.js';

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

/** True when this identity may report about the call. */
export function mayReport(identity: CarrierIdentity, call: Pick<Call, 'tenantId' | 'accountSid'>): boolean {
  return speaksFor(identity, call.tenantId) && (call.accountSid == null || call.accountSid === identity.accountSid);
}
