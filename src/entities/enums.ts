/** Values of the enumerated columns: the same words as in GraphQL, kept by a check constraint in the database. */
export const CALL_DIRECTIONS = ['INBOUND', 'OUTBOUND'] as const;
export type CallDirection = (typeof CALL_DIRECTIONS)[number];

export const CALL_STATUSES = [
  'DIALING',
  'QUEUED',
  'RINGING',
  'IN_PROGRESS',
  'COMPLETED',
  'BUSY',
  'FAILED',
  'NO_ANSWER',
  'CANCELED',
  'UNKNOWN',
] as const;
export type CallStatus = (typeof CALL_STATUSES)[number];

export const SESSION_STATUSES = ['ACTIVE', 'COMPLETED', 'FAILED', 'REVIEWED'] as const;
export type SessionStatus = (typeof SESSION_STATUSES)[number];

export const AGENT_VERSION_STATUSES = ['DRAFT', 'CANDIDATE', 'PUBLISHED', 'RETIRED'] as const;
export type AgentVersionStatus = (typeof AGENT_VERSION_STATUSES)[number];

export const TENANT_STATUSES = ['ACTIVE', 'SUSPENDED'] as const;
export type TenantStatus = (typeof TENANT_STATUSES)[number];

export const ROUTE_DIRECTIONS = ['INBOUND', 'OUTBOUND', 'BOTH'] as const;
export type RouteDirection = (typeof ROUTE_DIRECTIONS)[number];

export const EVALUATION_SOURCES = ['HUMAN', 'API', 'RULES', 'MODEL'] as const;
export type EvaluationSource = (typeof EVALUATION_SOURCES)[number];

export const SYNTHETIC_RUN_STATUSES = ['QUEUED', 'RUNNING', 'COMPLETED', 'CANCELED', 'FAILED'] as const;
export type SyntheticRunStatus = (typeof SYNTHETIC_RUN_STATUSES)[number];

export const SYNTHETIC_CALL_STATUSES = ['QUEUED', 'RUNNING', 'JUDGING', 'PASSED', 'FAILED', 'CANCELED'] as const;
export type SyntheticCallStatus = (typeof SYNTHETIC_CALL_STATUSES)[number];

export const DIAGNOSTIC_SEVERITIES = ['INFO', 'WARNING', 'CRITICAL'] as const;
export type DiagnosticSeverity = (typeof DIAGNOSTIC_SEVERITIES)[number];

export const ROLLOUT_ACTIONS = [
  'PUBLISHED',
  'FORCED',
  'CANDIDATE_STARTED',
  'CANDIDATE_CHANGED',
  'ROLLED_BACK',
  'STOPPED_BY_CONDITION',
] as const;
export type RolloutAction = (typeof ROLLOUT_ACTIONS)[number];

export const STOP_METRICS = ['ERROR_RATE', 'ESCALATION_RATE', 'MEAN_SCORE', 'TIME_TO_FIRST_AUDIO_P95_MS'] as const;
export type StopMetric = (typeof STOP_METRICS)[number];

export const DELIVERY_STATUSES = ['PENDING', 'DELIVERED', 'FAILED', 'DEAD_LETTER'] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

export const CALLBACK_STATES = ['OPEN', 'CLAIMED', 'DONE', 'CANCELED'] as const;
export type CallbackState = (typeof CALLBACK_STATES)[number];

export const CALLBACK_ORIGINS = ['AGENT', 'RULE', 'SUPERVISOR', 'API', 'FALLBACK'] as const;
export type CallbackOrigin = (typeof CALLBACK_ORIGINS)[number];

export const SCHEDULED_CALL_STATES = ['WAITING', 'DIALED', 'REFUSED', 'CANCELED'] as const;
export type ScheduledCallState = (typeof SCHEDULED_CALL_STATES)[number];

export const COMMAND_STATES = ['PENDING', 'DONE', 'FAILED', 'EXPIRED'] as const;
export type CommandState = (typeof COMMAND_STATES)[number];
