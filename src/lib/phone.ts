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

/** A number as people write it, in international form (`+1 (555) 010-0000`, `tel:`), as E.164; null when it is none. */
export function normalizeE164(input: string): string | null {
  if (input.length > 64) return null;
  // A plus sign in a URL that nobody escaped arrives as a space.
  const text = input.replace(/^\s(?=\d)/, '+').trim();
  if (!/^(tel:)?\+/i.test(text)) return null;
  return parseE164(parsePhoneNumberFromString(text)?.number ?? '');
}

/** For people who must recognise a number without learning it: `+15•••••5678`. Anything short is hidden whole. */
export function maskPhone(number: string): string {
  return number.length < 9 ? '•••' : number.slice(0, 3) + '•'.repeat(number.length - 7) + number.slice(-4);
}
