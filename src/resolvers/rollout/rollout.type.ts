import { Field, Float, ID, Int, InputType, ObjectType } from 'type-graphql';
import type {
  Agent,
  AgentVersion,
  RolloutAction as Action,
  RolloutPolicy,
  StopMetric as Metric,
} from '../../entities/index.js';
import {
  DEFAULT_MINIMUM_CALLS,
  DEFAULT_WINDOW_MINUTES,
  type StopConditionInput as Condition,
} from '../../services/rollout.js';
import type { Governance as GateThresholds } from '../../services/governance.js';
import type { AgentGovernance } from '../../services/rollout-governance.js';
import type { ConditionState, VersionQuality as Quality } from '../../services/version-quality.js';
import { AgentType, AgentVersionType } from '../agent/agent.type.js';
import { connectionType } from '../common/connection.js';
import { RolloutAction, StopMetric } from '../common/enums.js';
import { DateTime, Json } from '../common/scalars.js';
import { Governance } from '../tenant/tenant.type.js';

@ObjectType('RolloutEvent', { simpleResolvers: true, description: 'Who changed what traffic reaches.' })
export class RolloutEventType {
  @Field(() => ID)
  id!: string;
  @Field(() => ID)
  agentId!: string;
  @Field(() => RolloutAction)
  action!: Action;
  @Field(() => ID, { nullable: true })
  fromVersionId!: string | null;
  @Field(() => ID, { nullable: true })
  toVersionId!: string | null;
  @Field(() => Int, { nullable: true })
  percentage!: number | null;
  @Field(() => String, { nullable: true })
  reason!: string | null;
  @Field(() => Json, { nullable: true })
  evidence!: Record<string, unknown> | null;
  @Field(() => String)
  by!: string;
  @Field(() => DateTime)
  createdAt!: Date;
}
export const RolloutEventConnection = connectionType('RolloutEvent', () => RolloutEventType);

@ObjectType({ simpleResolvers: true, description: 'A condition that ends a candidate by itself, and where it stands.' })
export class StopCondition implements ConditionState {
  @Field(() => StopMetric)
  metric!: Metric;
  @Field(() => Float, { description: 'Rates and scores 0-1. Above it the candidate ends (MEAN_SCORE: below it).' })
  threshold!: number;
  @Field(() => Int)
  windowMinutes!: number;
  @Field(() => Int, { description: 'With fewer calls nothing is concluded.' })
  minimumCalls!: number;
  @Field(() => Float, { nullable: true, description: 'Of the running candidate, now; null: nothing to measure yet.' })
  value!: number | null;
  @Field(() => Int, { description: 'Calls that the value comes from.' })
  sample!: number;
  @Field(() => Boolean)
  breached!: boolean;
}

@ObjectType('RolloutPolicy', { simpleResolvers: true, description: 'The canary of an agent.' })
export class RolloutPolicyType {
  @Field(() => ID)
  agentId!: string;
  @Field(() => ID)
  tenantId!: string;
  @Field(() => ID, { nullable: true, description: 'Null: no canary runs.' })
  candidateVersionId!: string | null;
  @Field(() => Int, { description: 'Share of the callers that the candidate gets, 0-100; sticky per caller.' })
  percentage!: number;
  @Field(() => DateTime, { nullable: true, description: 'Only later calls count for the stop conditions.' })
  startedAt!: Date | null;
  @Field(() => String)
  updatedBy!: string;
  @Field(() => DateTime)
  createdAt!: Date;
  @Field(() => DateTime)
  updatedAt!: Date;
}

@InputType()
export class StopConditionInput implements Condition {
  @Field(() => StopMetric)
  metric!: Metric;
  @Field(() => Float)
  threshold!: number;
  @Field(() => Int, { nullable: true, description: `Default ${DEFAULT_WINDOW_MINUTES}.` })
  windowMinutes?: number | null;
  @Field(() => Int, { nullable: true, description: `Default ${DEFAULT_MINIMUM_CALLS}.` })
  minimumCalls?: number | null;
}
@InputType()
export class RolloutPolicyInput {
  @Field(() => ID)
  candidateVersionId!: string;
  @Field(() => Int, { description: '0-100.' })
  percentage!: number;
  @Field(() => [StopConditionInput], {
    nullable: true,
    description: 'Left out: as they were, at first an error rate of 10 % over an hour.',
  })
  stopConditions?: StopConditionInput[] | null;
  @Field(() => Boolean, { nullable: true, description: 'In spite of failing launch gates; needs a reason.' })
  force?: boolean | null;
  @Field(() => String, { nullable: true })
  reason?: string | null;
}

@ObjectType({
  simpleResolvers: true,
  description: 'How the real calls of a version went; synthetic ones do not count.',
})
export class VersionQuality implements Quality {
  @Field(() => Int)
  calls!: number;
  @Field(() => Float, { nullable: true })
  errorRate!: number | null;
  @Field(() => Float, { nullable: true })
  escalationRate!: number | null;
  @Field(() => Int)
  evaluatedCalls!: number;
  @Field(() => Float, { nullable: true })
  meanScore!: number | null;
  @Field(() => Int)
  heardCalls!: number;
  @Field(() => Int, { nullable: true })
  timeToFirstAudioP95Ms!: number | null;
}

@ObjectType('AgentGovernance', {
  simpleResolvers: true,
  description: 'Quality, thresholds and rollout of one agent.',
})
export class AgentGovernanceType implements AgentGovernance {
  @Field(() => ID)
  id!: string;
  createdAt!: Date;
  @Field(() => AgentType)
  agent!: Agent;
  @Field(() => AgentVersionType, { nullable: true })
  publishedVersion!: AgentVersion | null;
  @Field(() => VersionQuality, { nullable: true, description: 'Of the published version, over the last day.' })
  quality!: Quality | null;
  @Field(() => Governance, { description: 'What the tenant’s launch gates ask.' })
  thresholds!: GateThresholds;
  @Field(() => RolloutPolicyType, { nullable: true })
  policy!: RolloutPolicy | null;
}
export const AgentGovernanceConnection = connectionType('AgentGovernance', () => AgentGovernanceType);
