import { defineEntity, p, type InferEntity } from '@mikro-orm/postgresql';
import { Agent, AgentVersion } from './agent.js';
import { appendOnly, createdAt, identity, timestamps } from './columns.js';
import { DIAGNOSTIC_SEVERITIES, SYNTHETIC_CALL_STATUSES, SYNTHETIC_RUN_STATUSES } from './enums.js';
import { Tenant } from './tenant.js';

/** What a synthetic caller does and what is expected of the agent. */
export const Scenario = defineEntity({
  name: 'Scenario',
  tableName: 'scenario',
  uniques: [{ properties: ['agentId', 'name'] }],
  properties: {
    ...identity(),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id').index(),
    agentId: () => p.manyToOne(Agent).mapToPk().fieldName('agent_id'),
    name: p.string().length(200),
    intent: p.string().length(100),
    persona: p.text().nullable(),
    /** Said in order, word for word; empty: the persona improvises. */
    callerLines: p.json<CallerLine[]>(),
    expectedOutcome: p.string().length(100).nullable(),
    expectedTools: p.json<string[]>(),
    mustSay: p.json<string[]>(),
    mustNotSay: p.json<string[]>(),
    /** Escalation expected (trigger or reason), null: none may happen. */
    escalationPath: p.string().length(200).nullable(),
    active: p.boolean().default(true),
    ...timestamps(),
  },
});
export type Scenario = InferEntity<typeof Scenario>;
/** `audio`: a recording of the line, base64 of µ-law at 8 kHz; null: a realtime session speaks it. */
export interface CallerLine {
  text: string;
  audio: string | null;
}

export const SyntheticRun = defineEntity({
  name: 'SyntheticRun',
  tableName: 'synthetic_run',
  indexes: [{ properties: ['agentVersionId', 'createdAt'] }],
  properties: {
    ...identity(),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id').index(),
    agentVersionId: () => p.manyToOne(AgentVersion).mapToPk().fieldName('agent_version_id'),
    status: p.enum(SYNTHETIC_RUN_STATUSES).$type<(typeof SYNTHETIC_RUN_STATUSES)[number]>().default('QUEUED'),
    count: p.integer(),
    concurrency: p.integer(),
    passed: p.integer().default(0),
    failed: p.integer().default(0),
    /** Against the built-in model simulator: no evidence for a gate outside a sandbox tenant. */
    simulated: p.boolean(),
    startedBy: p.string().length(200),
    startedAt: p.datetime().nullable(),
    endedAt: p.datetime().nullable(),
    ...timestamps(),
  },
});
export type SyntheticRun = InferEntity<typeof SyntheticRun>;

export const SyntheticCall = defineEntity({
  name: 'SyntheticCall',
  tableName: 'synthetic_call',
  properties: {
    ...identity(),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id').index(),
    runId: () => p.manyToOne(SyntheticRun).mapToPk().fieldName('run_id').index(),
    scenarioId: () => p.manyToOne(Scenario).mapToPk().fieldName('scenario_id'),
    callId: p.uuid().nullable().index(),
    status: p.enum(SYNTHETIC_CALL_STATUSES).$type<(typeof SYNTHETIC_CALL_STATUSES)[number]>().default('QUEUED'),
    /** One entry per expectation, in the order in which they are read. */
    checks: p.json<SyntheticCheck[]>().onCreate(() => []),
    ...timestamps(),
  },
});
export type SyntheticCall = InferEntity<typeof SyntheticCall>;
export interface SyntheticCheck {
  /** `answered`, `intent`, `outcome`, `tool:look_up`, `must_say:…` */
  check: string;
  passed: boolean;
  /** What was found, in one sentence; for a failure, why. */
  detail: string;
  /** The turn that shows it; null when none does. */
  turnIndex: number | null;
  turnId: string | null;
  /** `exact`, or the text model that decided what words alone could not. */
  judge: string;
}

/** A named approval of one version: security, behaviour, operations, rollout, or the tenant's own names. */
export const Approval = defineEntity({
  name: 'Approval',
  tableName: 'approval',
  uniques: [{ properties: ['agentVersionId', 'name'] }],
  properties: {
    ...identity(),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id').index(),
    agentVersionId: () => p.manyToOne(AgentVersion).mapToPk().fieldName('agent_version_id'),
    name: p.string().length(100),
    note: p.text().nullable(),
    approvedBy: p.string().length(200),
    ...createdAt(),
  },
});
export type Approval = InferEntity<typeof Approval>;

/**
 * One signature check of a Twilio request that named a tenant's own account (or the installation's, about a number of a
 * tenant without one): evidence for a launch gate, forgotten after a week.
 */
export const SignatureCheck = defineEntity({
  name: 'SignatureCheck',
  tableName: 'signature_check',
  indexes: [{ properties: ['tenantId', 'createdAt'] }],
  properties: {
    ...identity(),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id'),
    valid: p.boolean(),
    ...createdAt(),
  },
});
export type SignatureCheck = InferEntity<typeof SignatureCheck>;

/** Who changed what, when and from where. Append-only. */
export const AuditEntry = defineEntity({
  name: 'AuditEntry',
  tableName: 'audit_entry',
  triggers: appendOnly('audit_entry'),
  indexes: [{ properties: ['tenantId', 'createdAt', 'id'] }, { properties: ['createdAt', 'id'] }],
  properties: {
    ...identity(),
    tenantId: p.string().length(64).nullable(),
    actor: p.string().length(200),
    address: p.string().length(64).nullable(),
    requestId: p.string().length(100).nullable(),
    /** `agent_version.published`, `api_key.revoked` … */
    action: p.string().length(100),
    subjectType: p.string().length(60),
    subjectId: p.string().length(100),
    /** Secrets are masked before they get here. */
    before: p.json<Record<string, unknown> | null>().nullable(),
    after: p.json<Record<string, unknown> | null>().nullable(),
    reason: p.text().nullable(),
    ...createdAt(),
  },
});
export type AuditEntry = InferEntity<typeof AuditEntry>;

/** Something an operator should know. The same `dedupeKey` counts up instead of repeating itself. */
export const Diagnostic = defineEntity({
  name: 'Diagnostic',
  tableName: 'diagnostic',
  indexes: [{ properties: ['tenantId', 'lastSeenAt', 'id'] }, { properties: ['lastSeenAt', 'id'] }],
  properties: {
    ...identity(),
    tenantId: p.string().length(64).nullable(),
    code: p.string().length(100),
    severity: p.enum(DIAGNOSTIC_SEVERITIES).$type<(typeof DIAGNOSTIC_SEVERITIES)[number]>(),
    message: p.text(),
    /** What to do about it. */
    action: p.text().nullable(),
    detail: p.json<Record<string, unknown> | null>().nullable(),
    dedupeKey: p.string().length(200).unique(),
    count: p.integer().default(1),
    firstSeenAt: p.datetime(),
    lastSeenAt: p.datetime(),
    resolvedAt: p.datetime().nullable(),
    ...timestamps(),
  },
});
export type Diagnostic = InferEntity<typeof Diagnostic>;
