import { Field, ID, InputType, Int } from 'type-graphql';
import type { AgentEscalationRule } from '../../entities/index.js';
import type { AgentContractInput, AgentToolInput as Tool } from '../../services/agent-contract.js';
import type { NewAgentVersion } from '../../services/agent-versions.js';
import type { NewAgent } from '../../services/agents.js';
import { HttpMethod, RuleAction } from '../common/enums.js';
import { FallbackInput, WeeklyHoursInput } from '../common/hours.type.js';
import { Json } from '../common/scalars.js';

@InputType()
export class CreateAgentInput implements NewAgent {
  @Field(() => ID, { nullable: true, description: 'Named by admins.' })
  tenantId?: string | null;
  @Field(() => String, { description: 'What makeCall names; never changes.' })
  key!: string;
  @Field(() => String, { nullable: true })
  name?: string | null;
  @Field(() => WeeklyHoursInput, { nullable: true })
  callingHours?: WeeklyHoursInput | null;
}
@InputType()
export class UpdateAgentInput {
  @Field(() => String, { nullable: true })
  name?: string;
  @Field(() => WeeklyHoursInput, { nullable: true })
  callingHours?: WeeklyHoursInput | null;
}

@InputType()
export class AgentToolInput implements Tool {
  @Field(() => String)
  name!: string;
  @Field(() => String)
  description!: string;
  @Field(() => Json, { nullable: true, description: 'JSON Schema of the arguments.' })
  parameters?: Record<string, unknown> | null;
  @Field(() => String)
  url!: string;
  @Field(() => HttpMethod, { nullable: true, description: 'Default POST.' })
  method?: 'GET' | 'POST' | null;
  @Field(() => Int, { nullable: true, description: 'Default 10000.' })
  timeoutMs?: number | null;
  @Field(() => String, { nullable: true })
  secretHeader?: string | null;
  @Field(() => String, { nullable: true, description: 'Write-only; left out on an update: as it was.' })
  secret?: string | null;
}
@InputType()
export class AgentIntentInput {
  @Field(() => String)
  name!: string;
  @Field(() => String, { nullable: true })
  description?: string | null;
  @Field(() => [String], { nullable: true, description: 'Tools allowed once the model named this intent.' })
  tools?: string[];
}
@InputType()
export class EscalationRuleInput {
  @Field(() => String, { description: 'payment, identity_failure, complaint, low_confidence or a word of your own.' })
  trigger!: string;
  @Field(() => Int, { nullable: true, description: 'Fires at the Nth occurrence; default 1.' })
  repeated?: number;
  @Field(() => RuleAction)
  action!: AgentEscalationRule['action'];
  @Field(() => String, { nullable: true })
  target?: string | null;
  @Field(() => [String], { nullable: true, description: 'Default: all.' })
  intents?: string[];
}

@InputType({ description: 'A field that is left out stays as it is.' })
export class UpdateAgentVersionInput implements AgentContractInput {
  @Field(() => String, { nullable: true, description: 'Null: the tenant’s, as it is when the version leaves DRAFT.' })
  model?: string | null;
  @Field(() => String, { nullable: true, description: 'Null: the tenant’s, as it is when the version leaves DRAFT.' })
  voice?: string | null;
  @Field(() => String, {
    nullable: true,
    description: 'Inline; takes the place of promptKey. With neither, the tenant’s.',
  })
  prompt?: string | null;
  @Field(() => String, { nullable: true })
  promptKey?: string | null;
  @Field(() => Int, { nullable: true, description: 'Default: the published one at the moment of publishing.' })
  promptRevision?: number | null;
  @Field(() => Json, {
    nullable: true,
    description:
      'Values of {{name}} in the prompt, by name; tenant_name and agent_name have theirs without being asked.',
  })
  promptVariables?: Record<string, string> | null;
  @Field(() => String, { nullable: true })
  greeting?: string | null;
  @Field(() => String, { nullable: true, description: 'A tag like en, de-DE or es-419: spoken, and transcribed.' })
  language?: string | null;
  @Field(() => Json, {
    nullable: true,
    description: 'As in the realtime API: {type: "server_vad", threshold: 0.5, …}.',
  })
  turnDetection?: Record<string, unknown> | null;
  @Field(() => [AgentToolInput], { nullable: true })
  tools?: AgentToolInput[] | null;
  @Field(() => [AgentIntentInput], { nullable: true })
  intents?: AgentIntentInput[] | null;
  @Field(() => [EscalationRuleInput], { nullable: true })
  escalationRules?: EscalationRuleInput[] | null;
  @Field(() => [String], { nullable: true })
  successSignals?: string[] | null;
  @Field(() => FallbackInput, { nullable: true })
  fallback?: FallbackInput | null;
  @Field(() => String, { nullable: true, description: 'Spoken before the greeting.' })
  consentLine?: string | null;
  @Field(() => Int, { nullable: true })
  maxDurationSeconds?: number | null;
  @Field(() => String, { nullable: true })
  note?: string | null;
}
@InputType()
export class CreateAgentVersionInput extends UpdateAgentVersionInput implements NewAgentVersion {
  @Field(() => ID)
  agentId!: string;
  @Field(() => ID, { nullable: true, description: 'Starts from this version; what is given here wins.' })
  fromVersionId?: string | null;
}
