import { Field, Float, ID, Int, ObjectType } from 'type-graphql';
import { METRICS_DIMENSIONS, type CallFigures } from '../../services/operations-metrics.js';
import { enumOf } from '../common/enums.js';
import { DateTime } from '../common/scalars.js';

export const MetricsDimension = enumOf('MetricsDimension', METRICS_DIMENSIONS);

@ObjectType({ simpleResolvers: true })
export class ErrorCount {
  @Field(() => String, { description: 'The carrier’s code or ours; why the session failed.' })
  cause!: string;
  @Field(() => Int)
  count!: number;
}

@ObjectType({ simpleResolvers: true })
abstract class Figures implements CallFigures {
  @Field(() => Int)
  callsCreated!: number;
  @Field(() => Int)
  callsAnswered!: number;
  @Field(() => Int)
  callsEnded!: number;
  @Field(() => Int, { description: 'Completed without an error.' })
  callsCompleted!: number;
  @Field(() => Int)
  callsTransferred!: number;
  @Field(() => Int)
  callsEscalated!: number;
  @Field(() => Int)
  callsFailed!: number;
  @Field(() => Float, { nullable: true, description: 'Answered, of created. Rates are 0-1, null of nothing.' })
  answerRate!: number | null;
  @Field(() => Float, { nullable: true, description: 'Completed without an error, of ended.' })
  completionRate!: number | null;
  @Field(() => Float, { nullable: true, description: 'Of answered.' })
  transferRate!: number | null;
  @Field(() => Float, { nullable: true, description: 'Of answered.' })
  escalationRate!: number | null;
  @Field(() => Float, { nullable: true, description: 'Failed, of created.' })
  errorRate!: number | null;
  @Field(() => [ErrorCount], { description: 'Most frequent first.' })
  errors!: ErrorCount[];
  @Field(() => Float, { nullable: true, description: 'Of answered calls that ended.' })
  averageHandleSeconds!: number | null;
  @Field(() => Int, { nullable: true })
  timeToFirstAudioP50Ms!: number | null;
  @Field(() => Int, { nullable: true })
  timeToFirstAudioP95Ms!: number | null;
  @Field(() => Int, { description: 'Agent turns that callers spoke over.' })
  interruptions!: number;
  @Field(() => Float, { nullable: true, description: 'Mean of the evaluated calls, 0-1.' })
  meanScore!: number | null;
}

@ObjectType({
  simpleResolvers: true,
  description: 'Calls that were created in a window; synthetic ones count nowhere.',
})
export class OperationsMetrics extends Figures {
  @Field(() => ID, { nullable: true, description: 'Null: every tenant.' })
  tenantId!: string | null;
  @Field(() => Int)
  windowMinutes!: number;
  @Field(() => DateTime)
  from!: Date;
  @Field(() => DateTime, { description: 'The end of the current minute.' })
  to!: Date;
  @Field(() => Int, { description: 'Now.' })
  concurrentCalls!: number;
  @Field(() => Int, { description: 'Deliveries of the window that failed and were not delivered since.' })
  failedWebhooks!: number;
}

@ObjectType({ simpleResolvers: true })
export class MetricsGroup extends Figures {
  @Field(() => ID, { nullable: true })
  tenantId!: string | null;
  @Field(() => String, { nullable: true })
  agentKey!: string | null;
  @Field(() => ID, { nullable: true })
  agentVersionId!: string | null;
}

@ObjectType({ simpleResolvers: true, description: 'The calls that were created in one minute.' })
export class MetricsPoint extends Figures {
  @Field(() => DateTime)
  at!: Date;
  @Field(() => Int)
  failedWebhooks!: number;
}
