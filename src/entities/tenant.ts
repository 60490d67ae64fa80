import { defineEntity, p, type InferEntity } from '@mikro-orm/postgresql';
import type { WeeklyHours } from '../lib/hours.js';
import { createdAt, identity, timestamps } from './columns.js';
import { TENANT_STATUSES } from './enums.js';

/** A customer of this installation. Its id is a slug chosen by the admin. Everything tenant-owned hangs on it. */
export const Tenant = defineEntity({
  name: 'Tenant',
  tableName: 'tenant',
  properties: {
    id: p.string().length(64).primary(),
    name: p.string().length(200),
    status: p.enum(TENANT_STATUSES).$type<(typeof TENANT_STATUSES)[number]>().default('ACTIVE'),
    /** A sandbox's synthetic runs count as evidence even against the simulator. Fixed at creation. */
    sandbox: p.boolean().default(false),
    /** IANA zone: calling hours of numbers whose own zone is unknown. */
    timeZone: p.string().length(64).default('UTC'),
    ...timestamps(),
  },
});
export type Tenant = InferEntity<typeof Tenant>;

/** Defaults of one tenant, used where neither the request nor the agent version says otherwise. */
export const RuntimeConfig = defineEntity({
  name: 'RuntimeConfig',
  tableName: 'runtime_config',
  properties: {
    tenantId: () => p.manyToOne(Tenant).mapToPk().primary().fieldName('tenant_id'),
    model: p.string().length(100).nullable(),
    voice: p.string().length(100).nullable(),
    systemPromptKey: p.string().length(100).nullable(),
    webhookUrl: p.text().nullable(),
    telephony: p.json<TelephonyDefaults>().onCreate(() => ({})),
    /** Launch gate thresholds and required approvals that differ from the defaults. */
    governance: p.json<GovernanceSettings>().onCreate(() => ({})),
    ...timestamps(),
  },
});
export type RuntimeConfig = InferEntity<typeof RuntimeConfig>;

/** What a tenant's calls do where neither the request nor the agent version says otherwise. A missing field: the built-in default. */
export interface TelephonyDefaults {
  /** E.164; a route of this tenant. */
  fromNumber?: string | null;
  /** Where an escalation goes when nothing closer to the call names a number. */
  transferNumber?: string | null;
  ringTimeoutSeconds?: number | null;
  maxDurationSeconds?: number | null;
  /** Spoken when the agent cannot talk and the route and the version name no fallback. */
  fallbackMessage?: string | null;
  /** When customers may be dialled, in their local time; null: always. */
  callingHours?: WeeklyHours | null;
  /** Where callback tasks go that an agent, a rule or a fallback makes. */
  callbackQueue?: string | null;
  /** Their promise: minutes after they are due. */
  callbackSlaMinutes?: number | null;
  /** Whether they dial by themselves. */
  callbackAutoDial?: boolean | null;
  /** Whether phones of people who are brought into calls are tested for answering machines; null: they are. */
  machineDetection?: boolean | null;
}

/** Launch gates of one tenant where they differ from the built-in ones. Rates and scores 0-1. */
export interface GovernanceSettings {
  minimumSyntheticCalls?: number | null;
  minimumSignatureRate?: number | null;
  minimumSignatureSample?: number | null;
  minimumMeanScore?: number | null;
  /** Calls that the mean score comes from, at least. */
  minimumEvaluatedCalls?: number | null;
  requiredApprovals?: string[] | null;
  /** How many different admins give them, at least. */
  minimumApprovers?: number | null;
}

/** A credential of a tenant's application; only its hash is stored. */
export const ApiKey = defineEntity({
  name: 'ApiKey',
  tableName: 'api_key',
  properties: {
    ...identity(),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id').index(),
    name: p.string().length(200),
    /** `live`, `test` …: a label, part of the shown prefix. */
    environment: p.string().length(20),
    /** First characters of the secret, shown so that people can tell keys apart. */
    prefix: p.string().length(32),
    secretHash: p.string().length(64).unique(),
    scopes: p.json<string[]>(),
    /** A raw bearer token imported for old clients; refused when LEGACY_TENANT_BEARER_AUTH_ENABLED is false. */
    legacy: p.boolean().default(false),
    expiresAt: p.datetime().nullable(),
    lastUsedAt: p.datetime().nullable(),
    revokedAt: p.datetime().nullable(),
    ...timestamps(),
  },
});
export type ApiKey = InferEntity<typeof ApiKey>;

/** One set of Twilio credentials of a tenant. The newest without `retiresAt` dials; all unretired ones verify signatures. */
export const TwilioCredential = defineEntity({
  name: 'TwilioCredential',
  tableName: 'twilio_credential',
  indexes: [{ properties: ['accountSid'] }],
  properties: {
    ...identity(),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id').index(),
    accountSid: p.string().length(34),
    /** Sealed with ENCRYPTION_KEY (lib/crypto). */
    authTokenSealed: p.text(),
    /** Set by a rotation: valid for signatures until then. */
    retiresAt: p.datetime().nullable(),
    ...timestamps(),
  },
});
export type TwilioCredential = InferEntity<typeof TwilioCredential>;

/** A customer's own phone that an uncleared version may call. */
export const TestNumber = defineEntity({
  name: 'TestNumber',
  tableName: 'test_number',
  uniques: [{ properties: ['tenantId', 'number'] }],
  properties: {
    ...identity(),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id'),
    number: p.string().length(20),
    label: p.string().length(200).nullable(),
    ...createdAt(),
  },
});
export type TestNumber = InferEntity<typeof TestNumber>;

/** Somebody asked for access on the public form. */
export const ApiAccessRequest = defineEntity({
  name: 'ApiAccessRequest',
  tableName: 'api_access_request',
  indexes: [{ properties: ['createdAt', 'id'] }],
  properties: {
    ...identity(),
    name: p.string().length(200),
    email: p.string().length(320),
    company: p.string().length(200).nullable(),
    useCase: p.text().nullable(),
    status: p.string().length(20).default('open'),
    ...timestamps(),
  },
});
export type ApiAccessRequest = InferEntity<typeof ApiAccessRequest>;
