import { parsePhoneNumberFromString } from 'libphonenumber-js/max';

const E164 = /^\+[1-9][0-9]{6,14}$/;

/**
 * The number when it is E.164 and has a possible length for its country, else null. `isPossible`, not `isValid`: numbers
 * that no carrier has given out yet (the tutorial's 555 ones) can be dialled.
 */
export function parseE164(input: string): string | null {
  if (!E164.test(input)) return null;
  const parsed = parsePhoneNumberFromString(input);
  return parsed !== undefined && parsed.isPossible() && parsed.number === input ? input : null;
}
