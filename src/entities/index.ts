import { Agent, AgentVersion, PhoneRoute, Prompt, PromptRevision, RolloutHistory, RolloutPolicy } from './agent.js';
import {
  Call,
  Evaluation,
  IdempotencyKey,
  SessionEvent,
  ToolCall,
  Turn,
  UsedStreamToken,
  VoiceSession,
} from './call.js';
import {
  Approval,
  AuditEntry,
  Diagnostic,
  Scenario,
  SignatureCheck,
  SyntheticCall,
  SyntheticRun,
} from './governance.js';
import {
  CallbackTask,
  CallCommand,
  DoNotCallEntry,
  MetricsHour,
  MetricsMinute,
  Rubric,
  ScheduledCall,
  TenantEvent,
  WebhookDelivery,
  WebhookEndpoint,
} from './operations.js';
import { ApiAccessRequest, ApiKey, RuntimeConfig, Tenant, TestNumber, TwilioCredential } from './tenant.js';

export * from './agent.js';
export * from './call.js';
export * from './enums.js';
export * from './governance.js';
export * from './operations.js';
export * from './tenant.js';

/** Every table of the product; the order does not matter. */
export const entities = [
  Tenant,
  RuntimeConfig,
  ApiKey,
  TwilioCredential,
  TestNumber,
  ApiAccessRequest,
  Prompt,
  PromptRevision,
  Agent,
  AgentVersion,
  PhoneRoute,
  RolloutPolicy,
  RolloutHistory,
  Call,
  VoiceSession,
  SessionEvent,
  Turn,
  ToolCall,
  IdempotencyKey,
  UsedStreamToken,
  Evaluation,
  Scenario,
  SyntheticRun,
  SyntheticCall,
  Approval,
  SignatureCheck,
  AuditEntry,
  Diagnostic,
  WebhookEndpoint,
  TenantEvent,
  WebhookDelivery,
  CallbackTask,
  DoNotCallEntry,
  ScheduledCall,
  Rubric,
  CallCommand,
  MetricsHour,
  MetricsMinute,
];
