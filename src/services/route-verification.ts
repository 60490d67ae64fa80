import type { CarrierNumber } from '../ports/carrier.js';

/** What the carrier's number says, and what to set there. */
export interface RouteVerification {
  ok: boolean;
  /** Null: the account does not own the number. */
  found: CarrierNumber | null;
  expectedVoiceUrl: string;
  expectedFallbackUrl: string;
  /** One sentence per setting that is wrong. */
  problems: string[];
}

/** What stands in the way of calls to the number reaching this gateway. `found`: null when the account does not own it. */
export function verificationOf(found: CarrierNumber | null, publicUrl: string): RouteVerification {
  const expectedVoiceUrl = `${publicUrl}/api/v1/incoming-call`;
  const expectedFallbackUrl = `${publicUrl}/api/v1/fallback-call`;
  const problems: string[] = [];
  if (found === null) problems.push('The Twilio account does not own this number.');
  else {
    if (found.trunkSid !== null)
      problems.push(`Take the number off the SIP trunk ${found.trunkSid}: calls go there and not to any URL.`);
    if (found.voiceApplicationSid !== null)
      problems.push(
        `Configure the number with a webhook instead of the TwiML App ${found.voiceApplicationSid}, whose URLs count now.`,
      );
    if (found.voiceUrl !== expectedVoiceUrl) problems.push(`Set "A call comes in" to ${expectedVoiceUrl}.`);
    if ((found.voiceMethod ?? 'POST') !== 'POST') problems.push('Set the method of "A call comes in" to HTTP POST.');
    if (found.voiceFallbackUrl !== expectedFallbackUrl)
      problems.push(`Set "Primary handler fails" to ${expectedFallbackUrl}.`);
  }
  return { ok: problems.length === 0, found, expectedVoiceUrl, expectedFallbackUrl, problems };
}
