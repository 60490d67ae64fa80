import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import type {
  CallAnalysis as Analysis,
  EvaluationSource as Source,
  JudgedCriterion as Judged,
  SessionStatus as Status,
} from '../../entities/index.js';
import type {
  EscalationState,
  Initiator as By,
  Speaker as Who,
  ToolCallState,
  TurnState,
} from '../../ports/session-events.js';
import type { CriterionScore as GivenScore, NewEvaluation } from '../../services/evaluations.js';
import type { VoiceSessionFilter as Filter } from '../../services/sessions-query.js';
import { connectionType } from '../common/connection.js';
import {
  EscalationAction,
  EvaluationSource,
  Initiator,
  SessionStatus,
  Speaker,
  ToolCallStatus,
} from '../common/enums.js';
import { DateTime, Json } from '../common/scalars.js';

@ObjectType({ simpleResolvers: true, description: 'What was made of a call after it ended.' })
export class CallAnalysis implements Analysis {
  @Field(() => String, { description: 'extract, or the text model’s name.' })
  source!: string;
  @Field(() => String, { nullable: true })
  provider!: string | null;
  @Field(() => String, { nullable: true })
  summary!: string | null;
  @Field(() => [String])
  tags!: string[];
  @Field(() => String, { nullable: true, description: 'One of the agent’s success signals; null when none fits.' })
  outcome!: string | null;
  @Field(() => Int, { description: 'How often the model was asked.' })
  attempts!: number;
  @Field(() => DateTime)
  at!: string;
}

@ObjectType('VoiceSession', { simpleResolvers: true, description: 'The conversation of one call.' })
export class VoiceSessionType {
  @Field(() => ID)
  id!: string;
  @Field(() => ID)
  callId!: string;
  @Field(() => String, { nullable: true })
  callSid!: string | null;
  @Field(() => String, { nullable: true })
  streamSid!: string | null;
  @Field(() => SessionStatus)
  status!: Status;
  @Field(() => Int, { description: 'seq of the newest event of its log.' })
  lastSeq!: number;
  @Field(() => String)
  model!: string;
  @Field(() => String, { nullable: true })
  agentKey!: string | null;
  @Field(() => String, { nullable: true })
  intent!: string | null;
  @Field(() => String, { nullable: true })
  outcome!: string | null;
  @Field(() => Boolean)
  escalated!: boolean;
  @Field(() => Boolean, { description: 'A test call: the gateway itself played the caller.' })
  synthetic!: boolean;
  @Field(() => String, { nullable: true })
  endReason!: string | null;
  @Field(() => DateTime, { nullable: true, description: 'When a person judged it first; a FAILED one stays FAILED.' })
  reviewedAt!: Date | null;
  @Field(() => String, { nullable: true })
  summary!: string | null;
  @Field(() => String, { nullable: true, description: 'extract, or the text model’s name.' })
  summarySource!: string | null;
  @Field(() => CallAnalysis, { nullable: true, description: 'As it was made; null until then.' })
  analysis!: Analysis | null;
  @Field(() => [String])
  tags!: string[];
  @Field(() => Int)
  turnCount!: number;
  @Field(() => Int)
  toolCallCount!: number;
  @Field(() => Int)
  interruptionCount!: number;
  @Field(() => Int, { nullable: true })
  durationMs!: number | null;
  @Field(() => DateTime)
  startedAt!: Date;
  @Field(() => DateTime, { nullable: true })
  endedAt!: Date | null;
}
export const VoiceSessionConnection = connectionType('VoiceSession', () => VoiceSessionType);

@InputType()
export class VoiceSessionFilter implements Filter {
  @Field(() => ID, { nullable: true })
  tenantId?: string | null;
  @Field(() => [SessionStatus], { nullable: true })
  status?: Status[] | null;
  @Field(() => String, { nullable: true })
  agentKey?: string | null;
  @Field(() => ID, { nullable: true })
  agentVersionId?: string | null;
  @Field(() => String, { nullable: true })
  streamSid?: string | null;
  @Field(() => Boolean, { nullable: true })
  escalated?: boolean | null;
  @Field(() => Boolean, { nullable: true, description: 'Whether a person judged it.' })
  reviewed?: boolean | null;
  @Field(() => Boolean, { nullable: true })
  synthetic?: boolean | null;
  @Field(() => DateTime, { nullable: true, description: 'At or after.' })
  startedAfter?: Date | null;
  @Field(() => DateTime, { nullable: true, description: 'Before.' })
  startedBefore?: Date | null;
}

@ObjectType({ simpleResolvers: true })
export class TranscriptTurn implements TurnState {
  @Field(() => ID)
  id!: string;
  @Field(() => ID)
  sessionId!: string;
  @Field(() => Int, { description: 'Place in the conversation, from 0.' })
  index!: number;
  @Field(() => Speaker)
  speaker!: Who;
  @Field(() => String)
  text!: string;
  @Field(() => Boolean, { description: 'false while the text is still growing.' })
  final!: boolean;
  @Field(() => Boolean, { description: 'The caller spoke over it: text holds only what was heard.' })
  interrupted!: boolean;
  @Field(() => Int, {
    description: 'The event that this state comes from; for a partial one, the last event this feed delivered.',
  })
  seq!: number;
  @Field(() => Int, { description: 'Milliseconds since the session began.' })
  startedAtMs!: number;
  @Field(() => Int, { nullable: true })
  endedAtMs!: number | null;
  @Field(() => Int, { nullable: true, description: 'Caller stopped speaking -> first audio of this agent turn.' })
  latencyMs!: number | null;
}

@ObjectType('ToolCall', { simpleResolvers: true })
export class ToolCallType {
  @Field(() => ID)
  id!: string;
  @Field(() => ID)
  sessionId!: string;
  @Field(() => String)
  name!: string;
  @Field(() => Json, { nullable: true })
  arguments!: unknown;
  @Field(() => Json, { nullable: true })
  result!: unknown;
  @Field(() => ToolCallStatus)
  status!: ToolCallState['status'];
  @Field(() => Int, { nullable: true })
  turnIndex!: number | null;
  @Field(() => Int)
  startedAtMs!: number;
  @Field(() => Int, { nullable: true })
  durationMs!: number | null;
}

@ObjectType({ simpleResolvers: true })
export class Escalation implements EscalationState {
  @Field(() => String)
  reason!: string;
  @Field(() => String, { nullable: true, description: 'Of the rule that fired.' })
  trigger!: string | null;
  @Field(() => EscalationAction)
  action!: EscalationState['action'];
  @Field(() => String, { nullable: true })
  target!: string | null;
  @Field(() => Initiator)
  initiatedBy!: By;
}

@ObjectType({ simpleResolvers: true })
export class EvaluationQuote {
  @Field(() => Int, { description: 'Index of the turn in which it was said.' })
  turn!: number;
  @Field(() => String)
  text!: string;
}
@ObjectType({ simpleResolvers: true, description: 'One criterion as it was judged.' })
export class JudgedCriterion implements Judged {
  @Field(() => String)
  key!: string;
  @Field(() => Float, { description: '0-1.' })
  score!: number;
  @Field(() => Float)
  weight!: number;
  @Field(() => String, { nullable: true })
  comment!: string | null;
  @Field(() => [EvaluationQuote], { description: 'What the judgement rests on, word for word.' })
  quotes!: EvaluationQuote[];
}

@ObjectType('Evaluation', { simpleResolvers: true })
export class EvaluationType {
  @Field(() => ID)
  id!: string;
  @Field(() => ID)
  sessionId!: string;
  @Field(() => ID, { nullable: true })
  agentVersionId!: string | null;
  @Field(() => EvaluationSource)
  source!: Source;
  @Field(() => Float, { description: '0-1.' })
  score!: number;
  @Field(() => [String])
  tags!: string[];
  @Field(() => String, { nullable: true })
  notes!: string | null;
  @Field(() => [JudgedCriterion], { description: 'What the score is made of, where it was judged by criterion.' })
  criteria!: Judged[];
  @Field(() => Int, { nullable: true, description: 'Of the agent’s rubric, when its criteria were judged.' })
  rubricRevision!: number | null;
  @Field(() => String, { description: 'rules, the text model’s name, a credential, or a person (by a credential).' })
  evaluatedBy!: string;
  @Field(() => DateTime)
  createdAt!: Date;
}
export const EvaluationConnection = connectionType('Evaluation', () => EvaluationType);

@InputType({ description: 'A criterion of the agent’s rubric, as a person judges it.' })
export class CriterionScoreInput implements GivenScore {
  @Field(() => String)
  key!: string;
  @Field(() => Float, { description: '0-1.' })
  score!: number;
  @Field(() => String, { nullable: true })
  comment?: string | null;
}
@InputType()
export class RecordEvaluationInput implements NewEvaluation {
  @Field(() => ID)
  sessionId!: string;
  @Field(() => Float, { nullable: true, description: '0-1; missing: made of the criteria by the rubric’s weights.' })
  score?: number | null;
  @Field(() => [CriterionScoreInput], { nullable: true, description: 'Some or all of the agent’s rubric.' })
  criteria?: CriterionScoreInput[] | null;
  @Field(() => String, { nullable: true, description: 'Who judged; kept beside the credential.' })
  evaluatedBy?: string | null;
  @Field(() => [String], { nullable: true })
  tags?: string[] | null;
  @Field(() => String, { nullable: true })
  notes?: string | null;
  @Field(() => EvaluationSource, { nullable: true, description: 'HUMAN or API; default: by whoever records it.' })
  source?: Source | null;
}
@InputType()
export class EvaluationFilter {
  @Field(() => ID, { nullable: true })
  tenantId?: string | null;
  @Field(() => ID, { nullable: true })
  sessionId?: string | null;
  @Field(() => ID, { nullable: true })
  agentVersionId?: string | null;
  @Field(() => EvaluationSource, { nullable: true })
  source?: Source | null;
}
