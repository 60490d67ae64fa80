import type { EntityManager } from '@mikro-orm/postgresql';
import { AppError } from '../lib/errors.js';
import { isOpenEverywhere, keepOneTime, nextOpening } from '../lib/hours.js';
import { namesPlace, zonesOfNumber } from '../lib/phone-zones.js';
import type { DialCheck, DialPlan } from './dial-plan.js';

/**
 * Customers are dialled within the agent's calling hours, else the tenant's, by the recipient's own clock: in every zone
 * that the number may be in, in the tenant's when it tells none ({@link recipientZones}). Without hours everybody may be dialled at any time.
 */
export class CallingHours implements DialCheck {
  /** Throws OUTSIDE_CALLING_HOURS; `allowed_at` is the next time that is inside, null when there is none in two weeks. */
  async check(_em: EntityManager, { agent, telephony, tenant, to, at }: DialPlan): Promise<void> {
    const hours = agent.callingHours ?? telephony.callingHours;
    if (hours === null) return;
    const zones = hours.timeZone !== null ? [hours.timeZone] : recipientZones(to, tenant.timeZone, at);
    if (isOpenEverywhere(hours, zones, at)) return;
    const allowedAt = nextOpening(hours, zones, at)?.toISOString() ?? null;
    throw new AppError(
      'OUTSIDE_CALLING_HOURS',
      allowedAt === null
        ? `There is no time at which this number may be called: ${hours.windows.length === 0 ? 'the calling hours are empty' : 'the zones it may be in are never open together'}`
        : `This number may be called from ${allowedAt} on`,
      { extra: { allowed_at: allowedAt, time_zones: zones } },
    );
  }
}

/**
 * By whose clocks this number is called: those of every zone that it may be in. A number that names no place (toll-free
 * …) belongs to a business whose hours nobody can tell from it: where its country keeps several times, and for a number
 * that tells no country, the tenant's clock counts.
 */
function recipientZones(to: string, tenantZone: string, at: Date): readonly string[] {
  const zones = zonesOfNumber(to);
  if (zones.length === 0) return [tenantZone];
  return namesPlace(to) || keepOneTime(zones, at) ? zones : [tenantZone];
}

/** When a refused dial would be allowed; null when this is another refusal, or it never is. */
export function allowedAtOf(error: unknown): Date | null {
  if (!(error instanceof AppError) || error.code !== 'OUTSIDE_CALLING_HOURS') return null;
  const at = error.extra?.allowed_at;
  return typeof at === 'string' ? new Date(at) : null;
}
