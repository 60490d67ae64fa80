import { parsePhoneNumberFromString, type PhoneNumber } from 'libphonenumber-js/max';
import { PHONE_ZONES } from './phone-zones-data.js';

/** Calling codes whose mobile numbers name a place, as in libphonenumber: MX, AR, BR, ID, CN. */
const PLACED_MOBILES: ReadonlySet<string> = new Set(['52', '54', '55', '62', '86']);

/** Types of numbers whose owner is somewhere; toll-free, shared-cost, internet numbers … are answered anywhere. */
const PLACED_TYPES: ReadonlySet<string | undefined> = new Set(['FIXED_LINE', 'MOBILE', 'FIXED_LINE_OR_MOBILE']);

let zonesOfPrefix: ReadonlyMap<string, readonly string[]> | null = null;

/**
 * The IANA zones in which whoever answers this E.164 number may be: those of the longest known prefix for numbers that
 * name a place, every zone of the country for mobile ones, every zone of the calling code for the rest (toll-free …).
 * Empty when nobody has been given the number (fictional ones like 555) or it belongs to no country (satellites).
 */
export function zonesOfNumber(number: string): readonly string[] {
  const parsed = parsePhoneNumberFromString(number);
  const type = parsed?.getType();
  if (parsed === undefined || type === undefined) return [];
  const code = parsed.countryCallingCode;
  const mobile = type === 'MOBILE';
  if (type === 'FIXED_LINE' || type === 'FIXED_LINE_OR_MOBILE' || (mobile && PLACED_MOBILES.has(code)))
    return zonesOfLongestPrefix(parsed.number.slice(1));
  const ofCountry = mobile ? zonesOfCountry(parsed) : [];
  return ofCountry.length > 0 ? ofCountry : zonesOfLongestPrefix(code);
}

/** Whether an E.164 number says where its owner is, if only the country: false for toll-free numbers and the like. */
export function namesPlace(number: string): boolean {
  return PLACED_TYPES.has(parsePhoneNumberFromString(number)?.getType());
}

function zonesOfLongestPrefix(digits: string): readonly string[] {
  zonesOfPrefix ??= table();
  for (let prefix = digits; prefix !== ''; prefix = prefix.slice(0, -1)) {
    const zones = zonesOfPrefix.get(prefix);
    if (zones !== undefined) return zones;
  }
  return [];
}

/** A calling code that countries share says too much of a mobile number: +1 876 is Jamaica and nothing else. */
function zonesOfCountry({ country }: PhoneNumber): readonly string[] {
  if (country === undefined) return [];
  const locale = new Intl.Locale(`und-${country}`) as Intl.Locale & { getTimeZones?: () => string[] | undefined };
  return locale.getTimeZones?.() ?? [];
}

/** Made at the first use: most processes never dial. */
function table(): Map<string, readonly string[]> {
  const map = new Map<string, readonly string[]>();
  for (const line of PHONE_ZONES.trim().split('\n')) {
    const [names, prefixes] = line.split('|') as [string, string];
    const zones = names.split(' ');
    for (const prefix of prefixes.split(' ')) map.set(prefix, zones);
  }
  return map;
}
