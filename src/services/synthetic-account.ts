import { createHmac } from 'node:crypto';
import type { CarrierAccount } from '../ports/carrier.js';
import type { ServiceSettings } from './context.js';

/**
 * The account of calls that the gateway places to itself. No carrier has one of only zeros; its token is derived from the
 * secret that the telephony processes share, so that nobody else can knock at Twilio's doors in its name.
 */
export const SYNTHETIC_ACCOUNT_SID = `AC${'0'.repeat(32)}`;

type Secrets = Pick<ServiceSettings, 'streamTokenSecret' | 'streamTokenSecretPrevious'>;

export function syntheticAccount({ streamTokenSecret }: Secrets): CarrierAccount {
  return { accountSid: SYNTHETIC_ACCOUNT_SID, authToken: tokenOf(streamTokenSecret) };
}

/** Every token that signs for it now: two while the secret is exchanged. */
export function syntheticTokens({ streamTokenSecret, streamTokenSecretPrevious }: Secrets): string[] {
  return [streamTokenSecret, ...(streamTokenSecretPrevious === null ? [] : [streamTokenSecretPrevious])].map(tokenOf);
}

function tokenOf(secret: string): string {
  return createHmac('sha256', secret).update('synthetic-carrier').digest('hex');
}
