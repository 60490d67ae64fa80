import { Field, ID, Int, InterfaceType, ObjectType, type ClassType } from 'type-graphql';
import type { EndReason as Reason, Initiator as By, SupervisorAction as Act } from '../../ports/session-events.js';
import { CallStatus, EndReason, Initiator, SessionStatus, SupervisorAction } from '../common/enums.js';
import { DateTime } from '../common/scalars.js';
import { Escalation, ToolCallType, TranscriptTurn } from './session.type.js';

@InterfaceType({ description: 'One entry of a session’s log.' })
export abstract class SessionEvent {
  type!: string;
  @Field(() => ID)
  sessionId!: string;
  @Field(() => Int, { description: '1, 2, 3 … without holes; hand it back as `after` to resume.' })
  seq!: number;
  @Field(() => DateTime)
  at!: Date;
}

const event = { implements: SessionEvent, simpleResolvers: true } as const;

@ObjectType(event)
export class SessionStarted extends SessionEvent {
  @Field(() => String)
  model!: string;
  @Field(() => String, { nullable: true })
  voice!: string | null;
  @Field(() => String, { nullable: true })
  streamSid!: string | null;
}
@ObjectType({ ...event, description: 'The media stream broke and came back.' })
export class MediaResumed extends SessionEvent {
  @Field(() => String)
  streamSid!: string;
}
@ObjectType(event)
export class TurnStarted extends SessionEvent {
  @Field(() => TranscriptTurn)
  turn!: TranscriptTurn;
}
@ObjectType(event)
export class TurnCompleted extends SessionEvent {
  @Field(() => TranscriptTurn)
  turn!: TranscriptTurn;
}
@ObjectType(event)
export class ToolCallStarted extends SessionEvent {
  @Field(() => ToolCallType)
  toolCall!: ToolCallType;
}
@ObjectType(event)
export class ToolCallCompleted extends SessionEvent {
  @Field(() => ToolCallType)
  toolCall!: ToolCallType;
}
@ObjectType(event)
export class IntentIdentified extends SessionEvent {
  @Field(() => String)
  intent!: string;
}
@ObjectType(event)
export class ConcernRaised extends SessionEvent {
  @Field(() => String)
  concern!: string;
  @Field(() => String, { nullable: true })
  detail!: string | null;
  @Field(() => Int, { description: 'How often in this session.' })
  count!: number;
  @Field(() => Initiator)
  source!: By;
}
@ObjectType(event)
export class SessionEscalated extends SessionEvent {
  @Field(() => Escalation)
  escalation!: Escalation;
}
@ObjectType(event)
export class OutcomeRecorded extends SessionEvent {
  @Field(() => String)
  outcome!: string;
  @Field(() => String, { nullable: true })
  note!: string | null;
}
@ObjectType(event)
export class DtmfReceived extends SessionEvent {
  @Field(() => String)
  digit!: string;
}
@ObjectType(event)
export class ModelReconnected extends SessionEvent {
  @Field(() => String)
  cause!: string;
  @Field(() => Int)
  attempt!: number;
}
@ObjectType(event)
export class CallStatusChanged extends SessionEvent {
  @Field(() => CallStatus)
  status!: string;
}
@ObjectType(event)
export class SupervisorActed extends SessionEvent {
  @Field(() => SupervisorAction)
  action!: Act;
  @Field(() => String)
  by!: string;
  @Field(() => String, { nullable: true })
  text!: string | null;
  @Field(() => String, { nullable: true })
  target!: string | null;
  @Field(() => ID, { nullable: true, description: 'Of the command that asked for it.' })
  commandId!: string | null;
}
@ObjectType({ ...event, description: 'The log’s last event.' })
export class SessionEnded extends SessionEvent {
  @Field(() => SessionStatus)
  status!: 'COMPLETED' | 'FAILED';
  @Field(() => EndReason)
  reason!: Reason;
  @Field(() => Int)
  durationMs!: number;
}

/** Reached by the interface alone, so the schema must be told of them. */
export const SESSION_EVENT_CLASSES: ClassType[] = [
  SessionStarted,
  MediaResumed,
  TurnStarted,
  TurnCompleted,
  ToolCallStarted,
  ToolCallCompleted,
  IntentIdentified,
  ConcernRaised,
  SessionEscalated,
  OutcomeRecorded,
  DtmfReceived,
  ModelReconnected,
  CallStatusChanged,
  SupervisorActed,
  SessionEnded,
];
