import { defineEntity, p, type InferEntity } from '@mikro-orm/postgresql';
import { SESSION_EVENT_TYPES, SPEAKERS, TOOL_CALL_STATUSES } from '../ports/session-events.js';
import { Agent, AgentVersion } from './agent.js';
import { createdAt, identity, timestamps } from './columns.js';
import { CALL_DIRECTIONS, CALL_STATUSES, EVALUATION_SOURCES, SESSION_STATUSES } from './enums.js';
import { Tenant } from './tenant.js';

export const Call = defineEntity({
  name: 'Call',
  tableName: 'call',
  indexes: [
    { properties: ['tenantId', 'createdAt', 'id'] },
    { properties: ['tenantId', 'status', 'createdAt'] },
    { properties: ['tenantId', 'toNumber', 'status'] },
    { properties: ['agentVersionId', 'createdAt'] },
    { properties: ['status', 'updatedAt'] },
  ],
  properties: {
    ...identity(),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id'),
    /** Twilio's; null while dialling, `CA` + 32 hex. */
    callSid: p.string().length(64).nullable().unique(),
    accountSid: p.string().length(34).nullable(),
    direction: p.enum(CALL_DIRECTIONS).$type<(typeof CALL_DIRECTIONS)[number]>(),
    status: p.enum(CALL_STATUSES).$type<(typeof CALL_STATUSES)[number]>(),
    /** Twilio's SequenceNumber of the newest callback applied. */
    statusSequence: p.integer().nullable(),
    fromNumber: p.string().length(255).nullable(),
    toNumber: p.string().length(255).nullable(),
    agentId: () => p.manyToOne(Agent).mapToPk().fieldName('agent_id').nullable(),
    agentKey: p.string().length(100).nullable(),
    agentVersionId: () => p.manyToOne(AgentVersion).mapToPk().fieldName('agent_version_id').nullable(),
    phoneRouteId: p.uuid().nullable(),
    orgId: p.string().length(200).nullable(),
    /** Of the request; wins over the version's. */
    greeting: p.text().nullable(),
    /** Of the request: values of the prompt's variables; they win over the version's. */
    promptVariables: p.json<Record<string, string> | null>().nullable(),
    escalated: p.boolean().default(false),
    outcome: p.string().length(100).nullable(),
    summary: p.text().nullable(),
    durationSeconds: p.integer().nullable(),
    synthetic: p.boolean().default(false),
    /** Refused dials and errors by cause: Twilio's code or ours. */
    errorCode: p.string().length(64).nullable(),
    errorMessage: p.text().nullable(),
    /** Set when a request said so: the duplicate guard let this call pass. */
    allowConcurrent: p.boolean().default(false),
    /** When Twilio was last asked about a call that is silent. */
    checkedAt: p.datetime().nullable(),
    answeredAt: p.datetime().nullable(),
    endedAt: p.datetime().nullable(),
    /** First audio of the first agent turn after the stream began. */
    timeToFirstAudioMs: p.integer().nullable(),
    evaluationScore: p.double().nullable(),
    /** `voice.call.completed` was enqueued. */
    completedEventSent: p.boolean().default(false),
    ...timestamps(),
  },
});
export type Call = InferEntity<typeof Call>;

export const VoiceSession = defineEntity({
  name: 'VoiceSession',
  tableName: 'voice_session',
  indexes: [
    { properties: ['tenantId', 'startedAt', 'id'] },
    { properties: ['status', 'ownerBeatAt'] },
    { properties: ['tenantId', 'status', 'startedAt'] },
  ],
  properties: {
    ...identity(),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id'),
    callId: () => p.manyToOne(Call).mapToPk().fieldName('call_id').unique(),
    callSid: p.string().length(64).nullable().index(),
    streamSid: p.string().length(64).nullable().index(),
    agentKey: p.string().length(100).nullable(),
    agentVersionId: p.uuid().nullable(),
    status: p.enum(SESSION_STATUSES).$type<(typeof SESSION_STATUSES)[number]>().default('ACTIVE'),
    lastSeq: p.integer().default(0),
    /** Rises with every claim of the stream; appends of older ones are refused. */
    ownerGeneration: p.integer().default(0),
    ownerId: p.string().length(64).nullable(),
    ownerBeatAt: p.datetime().nullable(),
    /** A live stream holds it; null between a break and the resume. */
    streamOpenedAt: p.datetime().nullable(),
    streamEndedAt: p.datetime().nullable(),
    resumeCount: p.integer().default(0),
    /** Times (ms since epoch) of the last resumes: more than three a minute mean the fallback. */
    resumeTimes: p.json<number[]>().onCreate(() => []),
    model: p.string().length(100),
    voice: p.string().length(100).nullable(),
    provider: p.string().length(20).nullable(),
    intent: p.string().length(100).nullable(),
    outcome: p.string().length(100).nullable(),
    escalated: p.boolean().default(false),
    /** As its call. */
    synthetic: p.boolean().default(false),
    endReason: p.string().length(40).nullable(),
    /** When a person judged it first. Its status says so only where the session had not FAILED. */
    reviewedAt: p.datetime().nullable(),
    summary: p.text().nullable(),
    /** `extract` or the text model's name. */
    summarySource: p.string().length(100).nullable(),
    /** What was made of it after the call, and by whom; kept as it was made. */
    analysis: p.json<CallAnalysis | null>().nullable(),
    tags: p.json<string[]>().onCreate(() => []),
    turnCount: p.integer().default(0),
    toolCallCount: p.integer().default(0),
    interruptionCount: p.integer().default(0),
    durationMs: p.integer().nullable(),
    startedAt: p.datetime(),
    endedAt: p.datetime().nullable(),
    ...timestamps(),
  },
});
export type VoiceSession = InferEntity<typeof VoiceSession>;
export interface CallAnalysis {
  /** `extract` or the text model's name. */
  source: string;
  /** `openai`, `simulator`; null for an extract. */
  provider: string | null;
  summary: string | null;
  tags: string[];
  /** One of the agent's success signals; null when none fits. */
  outcome: string | null;
  /** Attempts that it took, this one included. */
  attempts: number;
  at: string;
}

/** The session log. Primary key (session_id, seq): seq is 1, 2, 3 … without holes. */
export const SessionEvent = defineEntity({
  name: 'SessionEvent',
  tableName: 'session_event',
  uniques: [{ properties: ['sessionId', 'eventId'] }],
  properties: {
    sessionId: () => p.manyToOne(VoiceSession).mapToPk().primary().fieldName('session_id'),
    seq: p.integer().primary(),
    tenantId: p.string().length(64),
    eventId: p.string().length(64),
    type: p.enum(SESSION_EVENT_TYPES).$type<(typeof SESSION_EVENT_TYPES)[number]>(),
    at: p.datetime(),
    payload: p.json<Record<string, unknown>>(),
  },
});
export type SessionEvent = InferEntity<typeof SessionEvent>;

export const Turn = defineEntity({
  name: 'Turn',
  tableName: 'turn',
  uniques: [{ properties: ['sessionId', 'index'] }],
  properties: {
    ...identity(),
    sessionId: () => p.manyToOne(VoiceSession).mapToPk().fieldName('session_id'),
    tenantId: p.string().length(64),
    index: p.integer(),
    speaker: p.enum(SPEAKERS).$type<(typeof SPEAKERS)[number]>(),
    text: p.text(),
    final: p.boolean().default(false),
    interrupted: p.boolean().default(false),
    /** seq of the event that this state comes from. */
    seq: p.integer(),
    startedAtMs: p.integer(),
    endedAtMs: p.integer().nullable(),
    latencyMs: p.integer().nullable(),
    ...timestamps(),
  },
});
export type Turn = InferEntity<typeof Turn>;

export const ToolCall = defineEntity({
  name: 'ToolCall',
  tableName: 'tool_call',
  properties: {
    ...identity(),
    sessionId: () => p.manyToOne(VoiceSession).mapToPk().fieldName('session_id').index(),
    tenantId: p.string().length(64),
    modelCallId: p.string().length(100),
    name: p.string().length(100),
    arguments: p.json<unknown>().nullable(),
    result: p.json<unknown>().nullable(),
    status: p.enum(TOOL_CALL_STATUSES).$type<(typeof TOOL_CALL_STATUSES)[number]>(),
    turnIndex: p.integer().nullable(),
    startedAtMs: p.integer(),
    durationMs: p.integer().nullable(),
    ...timestamps(),
  },
});
export type ToolCall = InferEntity<typeof ToolCall>;

/** A request's idempotency key. Kept with a hash of the request; unique per tenant. */
export const IdempotencyKey = defineEntity({
  name: 'IdempotencyKey',
  tableName: 'idempotency_key',
  properties: {
    tenantId: () => p.manyToOne(Tenant).mapToPk().primary().fieldName('tenant_id'),
    key: p.string().length(255).primary(),
    requestHash: p.string().length(64),
    /** Null while the first request is still deciding. */
    callId: p.uuid().nullable(),
    ...timestamps(),
  },
});
export type IdempotencyKey = InferEntity<typeof IdempotencyKey>;

/** A stream token that was used: it opens one stream only. Forgotten after its expiry. */
export const UsedStreamToken = defineEntity({
  name: 'UsedStreamToken',
  tableName: 'used_stream_token',
  properties: {
    jti: p.string().length(64).primary(),
    callId: p.uuid(),
    expiresAt: p.datetime().index(),
    ...createdAt(),
  },
});
export type UsedStreamToken = InferEntity<typeof UsedStreamToken>;

export const Evaluation = defineEntity({
  name: 'Evaluation',
  tableName: 'evaluation',
  indexes: [{ properties: ['tenantId', 'createdAt', 'id'] }, { properties: ['agentVersionId', 'createdAt'] }],
  properties: {
    ...identity(),
    tenantId: () => p.manyToOne(Tenant).mapToPk().fieldName('tenant_id'),
    sessionId: () => p.manyToOne(VoiceSession).mapToPk().fieldName('session_id').index(),
    agentVersionId: p.uuid().nullable(),
    source: p.enum(EVALUATION_SOURCES).$type<(typeof EVALUATION_SOURCES)[number]>(),
    /** 0-1. */
    score: p.double(),
    tags: p.json<string[]>(),
    notes: p.text().nullable(),
    criteria: p.json<JudgedCriterion[]>().onCreate(() => []),
    /** Which revision of the agent's rubric the criteria are of; null: they are of none. */
    rubricRevision: p.integer().nullable(),
    /** Key, person or model. */
    evaluatedBy: p.string().length(200),
    ...createdAt(),
  },
});
export type Evaluation = InferEntity<typeof Evaluation>;
/** One criterion as it was judged. */
export interface JudgedCriterion {
  key: string;
  /** 0-1. */
  score: number;
  weight: number;
  comment: string | null;
  /** What the judgement rests on: words that were really said, by index of their turn. */
  quotes: { turn: number; text: string }[];
}
