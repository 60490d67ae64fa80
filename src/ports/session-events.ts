/**
 * The vocabulary of the session log (design.md §4). Level 2: the media engine produces these, the session log stores
 * them, the feed and both APIs show them. Payloads are JSON; times inside are milliseconds since the session began.
 */
export const SPEAKERS = ['CALLER', 'AGENT', 'SUPERVISOR', 'SYSTEM'] as const;
export type Speaker = (typeof SPEAKERS)[number];

/** The whole current state of a turn; every turn event carries it, so that a reader needs no earlier one. */
export interface TurnState {
  id: string;
  /** Place in the conversation, from 0, by the model's item chain. Fixed when the item is created. */
  index: number;
  speaker: Speaker;
  /** What was heard so far; after an interruption only what was really played. */
  text: string;
  final: boolean;
  interrupted: boolean;
  startedAtMs: number;
  endedAtMs: number | null;
  /** Caller stopped speaking -> first audio of this agent turn. */
  latencyMs: number | null;
}

export const TOOL_CALL_STATUSES = ['RUNNING', 'SUCCEEDED', 'FAILED', 'REFUSED'] as const;
export type ToolCallStatus = (typeof TOOL_CALL_STATUSES)[number];

export interface ToolCallState {
  id: string;
  /** The model's `call_id`. */
  modelCallId: string;
  name: string;
  arguments: unknown;
  result: unknown;
  status: ToolCallStatus;
  startedAtMs: number;
  durationMs: number | null;
  /** Index of the agent turn or of the last turn before it; links a report to the conversation. */
  turnIndex: number | null;
}

export const ESCALATION_ACTIONS = ['TRANSFER', 'CALLBACK', 'END', 'RECORD'] as const;
export type EscalationAction = (typeof ESCALATION_ACTIONS)[number];
export const INITIATORS = ['AGENT', 'RULE', 'SUPERVISOR', 'SYSTEM'] as const;
export type Initiator = (typeof INITIATORS)[number];

export interface EscalationState {
  reason: string;
  /** The escalation rule's trigger, when a rule fired. */
  trigger: string | null;
  action: EscalationAction;
  /** Number or queue. */
  target: string | null;
  initiatedBy: Initiator;
}

export const SUPERVISOR_ACTIONS = [
  'SAY',
  'WHISPER',
  'MUTE',
  'UNMUTE',
  'TRANSFER',
  'ESCALATE',
  'TAKE_OVER',
  'HAND_BACK',
  'END',
] as const;
export type SupervisorAction = (typeof SUPERVISOR_ACTIONS)[number];

/** Why a session is over. `INTENT`: somebody wanted it (caller hung up, agent or supervisor ended, transferred). */
export const END_REASONS = [
  'INTENT',
  'TRANSFERRED',
  'MAX_DURATION',
  'MODEL_LOST',
  'MEDIA_LOST',
  'OWNER_LOST',
  'CALL_ENDED',
  'SHUTDOWN',
] as const;
export type EndReason = (typeof END_REASONS)[number];

/** type -> payload. The key set is also the column check and the GraphQL type names. */
export interface SessionEventPayloads {
  SessionStarted: { model: string; voice: string | null; streamSid: string | null };
  MediaResumed: { streamSid: string; generation: number };
  TurnStarted: { turn: TurnState };
  TurnCompleted: { turn: TurnState };
  ToolCallStarted: { toolCall: ToolCallState };
  ToolCallCompleted: { toolCall: ToolCallState };
  IntentIdentified: { intent: string };
  ConcernRaised: { concern: string; detail: string | null; count: number; source: Initiator };
  SessionEscalated: { escalation: EscalationState };
  OutcomeRecorded: { outcome: string; note: string | null };
  DtmfReceived: { digit: string };
  ModelReconnected: { cause: string; attempt: number };
  CallStatusChanged: { status: string };
  SupervisorActed: {
    action: SupervisorAction;
    by: string;
    text: string | null;
    target: string | null;
    commandId: string | null;
  };
  SessionEnded: { status: 'COMPLETED' | 'FAILED'; reason: EndReason; durationMs: number };
}
export type SessionEventType = keyof SessionEventPayloads;
export const SESSION_EVENT_TYPES = [
  'SessionStarted',
  'MediaResumed',
  'TurnStarted',
  'TurnCompleted',
  'ToolCallStarted',
  'ToolCallCompleted',
  'IntentIdentified',
  'ConcernRaised',
  'SessionEscalated',
  'OutcomeRecorded',
  'DtmfReceived',
  'ModelReconnected',
  'CallStatusChanged',
  'SupervisorActed',
  'SessionEnded',
] as const satisfies readonly SessionEventType[];

/** An event before it is stored. `eventId` is unique within its session: appending it twice stores it once. */
export type NewSessionEvent = {
  [T in SessionEventType]: { eventId: string; type: T; at: Date; payload: SessionEventPayloads[T] };
}[SessionEventType];

/** A stored event: what the log holds and subscribers see. */
export type StoredSessionEvent = {
  [T in SessionEventType]: {
    sessionId: string;
    seq: number;
    eventId: string;
    type: T;
    at: Date;
    payload: SessionEventPayloads[T];
  };
}[SessionEventType];
