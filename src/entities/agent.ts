import { defineEntity, p, type InferEntity } from '@mikro-orm/postgresql';
import type { WeeklyHours } from '../lib/hours.js';
import { appendOnly, createdAt, identity, timestamps } from './columns.js';
import { AGENT_VERSION_STATUSES, ROLLOUT_ACTIONS, ROUTE_DIRECTIONS, type StopMetric } from './enums.js';
import { Tenant } from './tenant.js';

/** A system prompt by key; its text lives in immutable revisions. */
export const Prompt = defineEntity({
  name: 'Prompt',
  tableName: 'prompt',
  uniques: [{ properties: ['tenantId', 'key'] }],
  properties: {
    ...identity(),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id'),
    key: p.string().length(100),
    name: p.string().length(200),
    /** Number of the revision that `system_prompt_key` resolves to; null until one is published. */
    publishedRevision: p.integer().nullable(),
    ...timestamps(),
  },
});
export type Prompt = InferEntity<typeof Prompt>;

export const PromptRevision = defineEntity({
  name: 'PromptRevision',
  tableName: 'prompt_revision',
  uniques: [{ properties: ['promptId', 'number'] }],
  properties: {
    ...identity(),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id').index(),
    promptId: () => p.manyToOne(Prompt).mapToPk().fieldName('prompt_id'),
    number: p.integer(),
    text: p.text(),
    /** Declared variables: `{{customer_name}}`. */
    variables: p.json<string[]>(),
    note: p.text().nullable(),
    createdBy: p.string().length(200),
    ...createdAt(),
  },
});
export type PromptRevision = InferEntity<typeof PromptRevision>;

export const Agent = defineEntity({
  name: 'Agent',
  tableName: 'agent',
  uniques: [{ properties: ['tenantId', 'key'] }],
  indexes: [{ properties: ['tenantId', 'createdAt', 'id'] }],
  properties: {
    ...identity(),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id'),
    key: p.string().length(100),
    name: p.string().length(200),
    /** The version that customers reach; the canary is in the rollout policy. */
    publishedVersionId: p.uuid().nullable(),
    /** When customers may be dialled, in their local time; null: the tenant's. */
    callingHours: p.json<WeeklyHours | null>().nullable(),
    ...timestamps(),
  },
});
export type Agent = InferEntity<typeof Agent>;

/** The agent contract as data. Immutable once it leaves DRAFT. */
export const AgentVersion = defineEntity({
  name: 'AgentVersion',
  tableName: 'agent_version',
  uniques: [{ properties: ['agentId', 'number'] }],
  properties: {
    ...identity(),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id').index(),
    agentId: () => p.manyToOne(Agent).mapToPk().fieldName('agent_id'),
    number: p.integer(),
    status: p.enum(AGENT_VERSION_STATUSES).$type<(typeof AGENT_VERSION_STATUSES)[number]>().default('DRAFT'),
    /** Null: the tenant's runtime config decides, until the version leaves DRAFT and holds what it said then. */
    model: p.string().length(100).nullable(),
    voice: p.string().length(100).nullable(),
    /** Inline prompt; else `promptKey` (+ revision); in a draft with neither, the tenant's. */
    prompt: p.text().nullable(),
    promptKey: p.string().length(100).nullable(),
    promptRevision: p.integer().nullable(),
    /** Values of the prompt's variables. */
    promptVariables: p.json<Record<string, string>>(),
    greeting: p.text().nullable(),
    language: p.string().length(20).nullable(),
    turnDetection: p.json<Record<string, unknown> | null>().nullable(),
    tools: p.json<AgentTool[]>(),
    intents: p.json<AgentIntent[]>(),
    escalationRules: p.json<AgentEscalationRule[]>(),
    successSignals: p.json<string[]>(),
    fallback: p.json<CallFallback | null>().nullable(),
    consentLine: p.text().nullable(),
    maxDurationSeconds: p.integer().nullable(),
    /** When the contract last became another one: what was proven and approved before is about something else. */
    contractChangedAt: p.datetime().onCreate(() => new Date()),
    /** When the gates last held or it was forced; null: not cleared for customers. */
    clearedAt: p.datetime().nullable(),
    clearedBy: p.string().length(200).nullable(),
    forcedReason: p.text().nullable(),
    publishedAt: p.datetime().nullable(),
    rolledBackAt: p.datetime().nullable(),
    note: p.text().nullable(),
    ...timestamps(),
  },
});
export type AgentVersion = InferEntity<typeof AgentVersion>;

export interface AgentTool {
  name: string;
  description: string;
  /** JSON Schema of the arguments. */
  parameters: Record<string, unknown>;
  url: string;
  method: 'GET' | 'POST';
  timeoutMs: number;
  secretHeader: string | null;
  /** Sealed with ENCRYPTION_KEY; never shown again. */
  secretSealed: string | null;
}
export interface AgentIntent {
  name: string;
  description: string | null;
  /** Tools allowed once the model named this intent. */
  tools: string[];
}
export interface AgentEscalationRule {
  trigger: string;
  repeated: number;
  action: 'transfer' | 'callback' | 'end';
  target: string | null;
  /** Limits the rule to some intents; empty: all. */
  intents: string[];
}
/** What a caller gets when the agent cannot talk. */
export interface CallFallback {
  action: 'message' | 'transfer' | 'callback';
  message: string | null;
  target: string | null;
}

/** When a route's agent answers, and who does outside of it. */
export interface BusinessHours extends WeeklyHours {
  outside: OutsideDestination;
}
/** `target`: a number for `transfer`, an agent key for `agent`. `message` is spoken first, or alone. */
export interface OutsideDestination {
  action: CallFallback['action'] | 'agent';
  message: string | null;
  target: string | null;
}

/** A phone number and who answers it. A number belongs to one tenant in the whole installation. */
export const PhoneRoute = defineEntity({
  name: 'PhoneRoute',
  tableName: 'phone_route',
  indexes: [{ properties: ['tenantId', 'createdAt', 'id'] }],
  properties: {
    ...identity(),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id'),
    number: p.string().length(20).unique(),
    direction: p.enum(ROUTE_DIRECTIONS).$type<(typeof ROUTE_DIRECTIONS)[number]>().default('BOTH'),
    agentId: () => p.manyToOne(Agent).mapToPk().fieldName('agent_id').index(),
    /** Pins one version instead of rollout; must be cleared. */
    agentVersionId: () => p.manyToOne(AgentVersion).mapToPk().fieldName('agent_version_id').nullable(),
    /** The one that `make-call` takes when `from` is not given. */
    isDefault: p.boolean().default(false),
    /** Null: always open. */
    businessHours: p.json<BusinessHours | null>().nullable(),
    fallback: p.json<CallFallback | null>().nullable(),
    transferNumber: p.string().length(20).nullable(),
    active: p.boolean().default(true),
    ...timestamps(),
  },
});
export type PhoneRoute = InferEntity<typeof PhoneRoute>;

/** The running canary of an agent. */
export const RolloutPolicy = defineEntity({
  name: 'RolloutPolicy',
  tableName: 'rollout_policy',
  properties: {
    agentId: () => p.manyToOne(Agent).mapToPk().primary().fieldName('agent_id'),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id').index(),
    candidateVersionId: () => p.manyToOne(AgentVersion).mapToPk().fieldName('candidate_version_id').nullable(),
    /** 0-100. */
    percentage: p.integer().default(0),
    stopConditions: p.json<StopCondition[]>(),
    /** When the candidate began: only later calls count for its stop conditions. */
    startedAt: p.datetime().nullable(),
    updatedBy: p.string().length(200),
    ...timestamps(),
  },
});
export type RolloutPolicy = InferEntity<typeof RolloutPolicy>;

export interface StopCondition {
  metric: StopMetric;
  /** Rates and scores 0-1; milliseconds for the last. Above it stops (MEAN_SCORE: below it). */
  threshold: number;
  windowMinutes: number;
  minimumCalls: number;
}

/** Who changed what traffic reaches, and when. Append-only. */
export const RolloutHistory = defineEntity({
  name: 'RolloutHistory',
  tableName: 'rollout_history',
  triggers: appendOnly('rollout_history'),
  indexes: [{ properties: ['agentId', 'createdAt', 'id'] }],
  properties: {
    ...identity(),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id').index(),
    agentId: () => p.manyToOne(Agent).mapToPk().fieldName('agent_id'),
    action: p.enum(ROLLOUT_ACTIONS).$type<(typeof ROLLOUT_ACTIONS)[number]>(),
    fromVersionId: p.uuid().nullable(),
    toVersionId: p.uuid().nullable(),
    percentage: p.integer().nullable(),
    reason: p.text().nullable(),
    evidence: p.json<Record<string, unknown> | null>().nullable(),
    by: p.string().length(200),
    ...createdAt(),
  },
});
export type RolloutHistory = InferEntity<typeof RolloutHistory>;
