import type { EntityManager } from '@mikro-orm/postgresql';
import { RuntimeConfig, type TelephonyDefaults } from '../entities/index.js';

/** A tenant's telephony defaults with every gap filled. */
export interface Telephony {
  fromNumber: string | null;
  transferNumber: string | null;
  ringTimeoutSeconds: number;
  maxDurationSeconds: number;
  fallbackMessage: string | null;
}

const RING_SECONDS = 60;
const MAX_DURATION_SECONDS = 3_600;

export function telephonyOf(config: RuntimeConfig | null): Telephony {
  const stored: TelephonyDefaults = config?.telephony ?? {};
  return {
    fromNumber: stored.fromNumber ?? null,
    transferNumber: stored.transferNumber ?? null,
    ringTimeoutSeconds: stored.ringTimeoutSeconds ?? RING_SECONDS,
    maxDurationSeconds: stored.maxDurationSeconds ?? MAX_DURATION_SECONDS,
    fallbackMessage: stored.fallbackMessage ?? null,
  };
}

export function loadRuntimeConfig(em: EntityManager, tenantId: string): Promise<RuntimeConfig | null> {
  return em.findOne(RuntimeConfig, { tenantId });
}
