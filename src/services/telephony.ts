import type { EntityManager } from '@mikro-orm/postgresql';
import { RuntimeConfig, type TelephonyDefaults } from '../entities/index.js';
import type { WeeklyHours } from '../lib/hours.js';

/** Routes that a tenant can dial from. */
export const CALLS_OUT = { active: true, direction: { $in: ['OUTBOUND', 'BOTH'] } } as const;

/** A tenant's telephony defaults with every gap filled. */
export interface Telephony {
  fromNumber: string | null;
  transferNumber: string | null;
  ringTimeoutSeconds: number;
  maxDurationSeconds: number;
  fallbackMessage: string | null;
  /** Null: customers may be dialled at any time. */
  callingHours: WeeklyHours | null;
  /** For callback tasks that an agent, a rule or a fallback makes. */
  callbackQueue: string;
  callbackSlaMinutes: number | null;
  callbackAutoDial: boolean;
  /** Of phones of people who are brought into calls. */
  machineDetection: boolean;
}

const RING_SECONDS = 60;
const MAX_DURATION_SECONDS = 3_600;
export const DEFAULT_CALLBACK_QUEUE = 'default';

export function telephonyOf(config: RuntimeConfig | null): Telephony {
  const stored: TelephonyDefaults = config?.telephony ?? {};
  return {
    fromNumber: stored.fromNumber ?? null,
    transferNumber: stored.transferNumber ?? null,
    ringTimeoutSeconds: stored.ringTimeoutSeconds ?? RING_SECONDS,
    maxDurationSeconds: stored.maxDurationSeconds ?? MAX_DURATION_SECONDS,
    fallbackMessage: stored.fallbackMessage ?? null,
    callingHours: stored.callingHours ?? null,
    callbackQueue: stored.callbackQueue ?? DEFAULT_CALLBACK_QUEUE,
    callbackSlaMinutes: stored.callbackSlaMinutes ?? null,
    callbackAutoDial: stored.callbackAutoDial ?? false,
    machineDetection: stored.machineDetection ?? true,
  };
}

export function loadRuntimeConfig(em: EntityManager, tenantId: string): Promise<RuntimeConfig | null> {
  return em.findOne(RuntimeConfig, { tenantId });
}
