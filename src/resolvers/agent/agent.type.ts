import { Field, ID, Int, ObjectType } from 'type-graphql';
import type { AgentEscalationRule, AgentVersionStatus as Status } from '../../entities/index.js';
import { connectionType } from '../common/connection.js';
import { AgentVersionStatus, HttpMethod, RuleAction } from '../common/enums.js';
import { Fallback, WeeklyHours } from '../common/hours.type.js';
import { DateTime, Json } from '../common/scalars.js';

@ObjectType('Agent', { simpleResolvers: true })
export class AgentType {
  @Field(() => ID)
  id!: string;
  @Field(() => ID)
  tenantId!: string;
  @Field(() => String)
  key!: string;
  @Field(() => String)
  name!: string;
  @Field(() => WeeklyHours, { nullable: true, description: 'When customers may be dialled; null: the tenant’s.' })
  callingHours!: WeeklyHours | null;
  @Field(() => DateTime)
  createdAt!: Date;
  @Field(() => DateTime)
  updatedAt!: Date;
}
export const AgentConnection = connectionType('Agent', () => AgentType);

@ObjectType({ simpleResolvers: true, description: 'An HTTP tool of the tenant.' })
export class AgentTool {
  @Field(() => String)
  name!: string;
  @Field(() => String)
  description!: string;
  @Field(() => Json, { description: 'JSON Schema of the arguments.' })
  parameters!: Record<string, unknown>;
  @Field(() => String)
  url!: string;
  @Field(() => HttpMethod)
  method!: 'GET' | 'POST';
  @Field(() => Int)
  timeoutMs!: number;
  @Field(() => String, { nullable: true, description: 'Header that carries the secret; the secret is never shown.' })
  secretHeader!: string | null;
}
@ObjectType({ simpleResolvers: true })
export class AgentIntent {
  @Field(() => String)
  name!: string;
  @Field(() => String, { nullable: true })
  description!: string | null;
  @Field(() => [String])
  tools!: string[];
}
@ObjectType({ simpleResolvers: true })
export class EscalationRule {
  @Field(() => String)
  trigger!: string;
  @Field(() => Int, { description: 'Fires at the Nth occurrence.' })
  repeated!: number;
  @Field(() => RuleAction)
  action!: AgentEscalationRule['action'];
  @Field(() => String, { nullable: true })
  target!: string | null;
  @Field(() => [String], { description: 'Empty: all.' })
  intents!: string[];
}

@ObjectType('AgentVersion', {
  simpleResolvers: true,
  description: 'The agent contract. Immutable once it leaves DRAFT.',
})
export class AgentVersionType {
  @Field(() => ID)
  id!: string;
  @Field(() => ID)
  tenantId!: string;
  @Field(() => ID)
  agentId!: string;
  @Field(() => Int)
  number!: number;
  @Field(() => AgentVersionStatus)
  status!: Status;
  @Field(() => String, { nullable: true })
  model!: string | null;
  @Field(() => String, { nullable: true })
  voice!: string | null;
  @Field(() => String, { nullable: true })
  prompt!: string | null;
  @Field(() => String, { nullable: true })
  promptKey!: string | null;
  @Field(() => Int, { nullable: true })
  promptRevision!: number | null;
  @Field(() => Json)
  promptVariables!: Record<string, string>;
  @Field(() => String, { nullable: true })
  greeting!: string | null;
  @Field(() => String, { nullable: true })
  language!: string | null;
  @Field(() => Json, { nullable: true })
  turnDetection!: Record<string, unknown> | null;
  @Field(() => [AgentTool])
  tools!: AgentTool[];
  @Field(() => [AgentIntent])
  intents!: AgentIntent[];
  @Field(() => [EscalationRule])
  escalationRules!: EscalationRule[];
  @Field(() => [String])
  successSignals!: string[];
  @Field(() => Fallback, { nullable: true })
  fallback!: Fallback | null;
  @Field(() => String, { nullable: true })
  consentLine!: string | null;
  @Field(() => Int, { nullable: true })
  maxDurationSeconds!: number | null;
  @Field(() => DateTime, { nullable: true, description: 'Null: not cleared for customers.' })
  clearedAt!: Date | null;
  @Field(() => String, { nullable: true })
  clearedBy!: string | null;
  @Field(() => String, { nullable: true, description: 'Why it was published although a launch gate failed.' })
  forcedReason!: string | null;
  @Field(() => DateTime, { nullable: true })
  publishedAt!: Date | null;
  @Field(() => DateTime, { nullable: true })
  rolledBackAt!: Date | null;
  @Field(() => String, { nullable: true })
  note!: string | null;
  @Field(() => DateTime)
  createdAt!: Date;
  @Field(() => DateTime)
  updatedAt!: Date;
}
export const AgentVersionConnection = connectionType('AgentVersion', () => AgentVersionType);
