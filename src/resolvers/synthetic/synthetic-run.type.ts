import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import {
  SYNTHETIC_CALL_STATUSES,
  SYNTHETIC_RUN_STATUSES,
  type SyntheticCallStatus as CallStatus,
  type SyntheticRunStatus as RunStatus,
} from '../../entities/index.js';
import { connectionType } from '../common/connection.js';
import { enumOf } from '../common/enums.js';
import { DateTime } from '../common/scalars.js';

const SyntheticRunStatus = enumOf('SyntheticRunStatus', SYNTHETIC_RUN_STATUSES);
const SyntheticCallStatus = enumOf('SyntheticCallStatus', SYNTHETIC_CALL_STATUSES);

@ObjectType('SyntheticRun', {
  simpleResolvers: true,
  description: 'Calls that the gateway places to one agent version.',
})
export class SyntheticRunType {
  @Field(() => ID)
  id!: string;
  @Field(() => ID)
  tenantId!: string;
  @Field(() => ID)
  agentVersionId!: string;
  @Field(() => SyntheticRunStatus)
  status!: RunStatus;
  @Field(() => Int, { description: 'Calls of the run.' })
  count!: number;
  @Field(() => Int, { description: 'Calls at once.' })
  concurrency!: number;
  @Field(() => Int)
  passed!: number;
  @Field(() => Int)
  failed!: number;
  @Field(() => String, { description: 'Who started it.' })
  startedBy!: string;
  @Field(() => DateTime, { nullable: true })
  startedAt!: Date | null;
  @Field(() => DateTime, { nullable: true })
  endedAt!: Date | null;
  @Field(() => DateTime)
  createdAt!: Date;
}
export const SyntheticRunConnection = connectionType('SyntheticRun', () => SyntheticRunType);

@ObjectType({ simpleResolvers: true })
export class SyntheticCheck {
  @Field(() => String, { description: '`answered`, `ended_cleanly`, `intent`, `outcome`, `tool:…`, `must_say:…` …' })
  check!: string;
  @Field(() => Boolean)
  passed!: boolean;
  @Field(() => String, { description: 'What was found; for a failure, why.' })
  detail!: string;
  @Field(() => Int, { nullable: true, description: 'Index of the turn that shows it.' })
  turnIndex!: number | null;
  @Field(() => ID, { nullable: true })
  turnId!: string | null;
  @Field(() => String, { description: '`exact`, or the text model that decided.' })
  judge!: string;
}

@ObjectType('SyntheticCall', { simpleResolvers: true })
export class SyntheticCallType {
  @Field(() => ID)
  id!: string;
  @Field(() => ID)
  runId!: string;
  @Field(() => ID)
  scenarioId!: string;
  @Field(() => ID, { nullable: true, description: 'Of the call, once it was placed.' })
  callId!: string | null;
  @Field(() => SyntheticCallStatus)
  status!: CallStatus;
  @Field(() => [SyntheticCheck], { description: 'The report: every expectation, in the order in which they are read.' })
  checks!: SyntheticCheck[];
  @Field(() => DateTime)
  createdAt!: Date;
  @Field(() => DateTime)
  updatedAt!: Date;
}

@InputType()
export class SyntheticRunFilter {
  @Field(() => ID, { nullable: true })
  tenantId?: string | null;
  @Field(() => ID, { nullable: true })
  agentVersionId?: string | null;
}
