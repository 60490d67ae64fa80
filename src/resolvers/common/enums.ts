import { registerEnumType } from 'type-graphql';
import {
  AGENT_VERSION_STATUSES,
  CALL_DIRECTIONS,
  CALL_STATUSES,
  DIAGNOSTIC_SEVERITIES,
  EVALUATION_SOURCES,
  ROLLOUT_ACTIONS,
  ROUTE_DIRECTIONS,
  SESSION_STATUSES,
  STOP_METRICS,
  TENANT_STATUSES,
} from '../../entities/index.js';
import {
  END_REASONS,
  ESCALATION_ACTIONS,
  INITIATORS,
  SPEAKERS,
  SUPERVISOR_ACTIONS,
  TOOL_CALL_STATUSES,
} from '../../ports/session-events.js';

/** Registers a list of words as a GraphQL enum. Keys and values are the same words: type-graphql shows the keys. */
export function enumOf<T extends string>(name: string, values: readonly T[], description?: string): { [K in T]: K } {
  const words = Object.fromEntries(values.map((value) => [value, value])) as { [K in T]: K };
  registerEnumType(words, { name, ...(description === undefined ? {} : { description }) });
  return words;
}

export const CallDirection = enumOf('CallDirection', CALL_DIRECTIONS);
export const CallStatus = enumOf(
  'CallStatus',
  CALL_STATUSES,
  'UNKNOWN: the carrier never answered whether it dialled.',
);
export const SessionStatus = enumOf(
  'SessionStatus',
  SESSION_STATUSES,
  'REVIEWED: completed and evaluated by a person.',
);
export const Speaker = enumOf('Speaker', SPEAKERS);
export const ToolCallStatus = enumOf('ToolCallStatus', TOOL_CALL_STATUSES);
export const EscalationAction = enumOf('EscalationAction', ESCALATION_ACTIONS);
export const Initiator = enumOf('Initiator', INITIATORS);
export const SupervisorAction = enumOf('SupervisorAction', SUPERVISOR_ACTIONS);
export const EndReason = enumOf('EndReason', END_REASONS, 'INTENT: somebody wanted it.');
export const AgentVersionStatus = enumOf('AgentVersionStatus', AGENT_VERSION_STATUSES);
export const TenantStatus = enumOf('TenantStatus', TENANT_STATUSES);
export const RouteDirection = enumOf('RouteDirection', ROUTE_DIRECTIONS);
export const EvaluationSource = enumOf('EvaluationSource', EVALUATION_SOURCES);
export const DiagnosticSeverity = enumOf('DiagnosticSeverity', DIAGNOSTIC_SEVERITIES);
export const RolloutAction = enumOf('RolloutAction', ROLLOUT_ACTIONS);
export const StopMetric = enumOf('StopMetric', STOP_METRICS);
export const FallbackAction = enumOf('FallbackAction', ['message', 'transfer', 'callback']);
export const OutsideAction = enumOf('OutsideAction', ['message', 'transfer', 'callback', 'agent']);
export const RuleAction = enumOf('EscalationRuleAction', ['transfer', 'callback', 'end']);
export const HttpMethod = enumOf('HttpMethod', ['GET', 'POST']);
