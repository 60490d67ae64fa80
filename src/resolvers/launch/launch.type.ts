import { Field, Float, ID, ObjectType } from 'type-graphql';
import { GATE_STATUSES, type GateStatus as Status } from '../../services/launch-gates.js';
import { enumOf } from '../common/enums.js';
import { DateTime, Json } from '../common/scalars.js';

export const GateStatus = enumOf('LaunchGateStatus', GATE_STATUSES, 'NOT_APPLICABLE: it asks for nothing here.');

@ObjectType('LaunchGate', { simpleResolvers: true, description: 'One condition for taking customers.' })
export class LaunchGateType {
  @Field(() => String, { description: 'synthetic_calls, signature_verification …; errors name gates by it.' })
  name!: string;
  @Field(() => String)
  title!: string;
  @Field(() => GateStatus)
  status!: Status;
  @Field(() => Float, { nullable: true, description: 'A number of things, or a rate or score 0-1.' })
  required!: number | null;
  @Field(() => Float, { nullable: true, description: 'Null: nothing was seen yet.' })
  observed!: number | null;
  @Field(() => Json, { description: 'What was counted, by gate.' })
  evidence!: Record<string, unknown>;
  @Field(() => [String], { description: 'In words; empty when nothing is.' })
  missing!: string[];
}

@ObjectType('ReportedApproval', { simpleResolvers: true })
export class ReportedApprovalType {
  @Field(() => String)
  name!: string;
  @Field(() => String, { nullable: true })
  note!: string | null;
  @Field(() => String)
  approvedBy!: string;
  @Field(() => DateTime)
  createdAt!: Date;
  @Field(() => Boolean, { description: 'False: the contract changed since, and it counts no more.' })
  current!: boolean;
}

@ObjectType('LaunchReport', { simpleResolvers: true, description: 'What must hold before customers reach a version.' })
export class LaunchReportType {
  @Field(() => ID)
  agentVersionId!: string;
  @Field(() => Boolean, { description: 'Every gate holds or does not apply.' })
  passed!: boolean;
  @Field(() => [LaunchGateType])
  gates!: LaunchGateType[];
  @Field(() => [ReportedApprovalType])
  approvals!: ReportedApprovalType[];
  @Field(() => DateTime, { nullable: true, description: 'When customers were last let in; null: never.' })
  clearedAt!: Date | null;
  @Field(() => String, { nullable: true })
  clearedBy!: string | null;
  @Field(() => String, { nullable: true, description: 'Why, although a gate failed.' })
  forcedReason!: string | null;
  @Field(() => DateTime)
  evaluatedAt!: Date;
}

@ObjectType('Approval', { simpleResolvers: true, description: 'A named approval of one agent version.' })
export class ApprovalType {
  @Field(() => ID)
  id!: string;
  @Field(() => ID)
  agentVersionId!: string;
  @Field(() => String)
  name!: string;
  @Field(() => String, { nullable: true })
  note!: string | null;
  @Field(() => String)
  approvedBy!: string;
  @Field(() => DateTime)
  createdAt!: Date;
}
