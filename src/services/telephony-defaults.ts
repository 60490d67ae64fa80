import type { EntityManager } from '@mikro-orm/postgresql';
import { RuntimeConfig } from '../entities/index.js';

/** The telephony part of a tenant's runtime config, read with care: it is free JSON in the database. */
export interface TelephonyDefaults {
  fromNumber: string | null;
  transferNumber: string | null;
  ringTimeoutSeconds: number;
  maxDurationSeconds: number;
  fallbackMessage: string | null;
}

const RING_SECONDS = 60;
const RING_SECONDS_MAX = 600;
const MAX_DURATION_SECONDS = 3_600;
/** Twilio's own limit of a call: 24 hours. */
const LONGEST_CALL_SECONDS = 86_400;

export function telephonyDefaults(config: RuntimeConfig | null): TelephonyDefaults {
  const stored = config?.telephony ?? {};
  const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : null);
  const seconds = (value: unknown, standard: number, max: number) =>
    typeof value === 'number' && value >= 1 ? Math.min(Math.round(value), max) : standard;
  return {
    fromNumber: text(stored.fromNumber),
    transferNumber: text(stored.transferNumber),
    ringTimeoutSeconds: seconds(stored.ringTimeoutSeconds, RING_SECONDS, RING_SECONDS_MAX),
    maxDurationSeconds: seconds(stored.maxDurationSeconds, MAX_DURATION_SECONDS, LONGEST_CALL_SECONDS),
    fallbackMessage: text(stored.fallbackMessage),
  };
}

export function loadRuntimeConfig(em: EntityManager, tenantId: string): Promise<RuntimeConfig | null> {
  return em.findOne(RuntimeConfig, { tenantId });
}
