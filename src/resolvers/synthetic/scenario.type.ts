import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { CallerLineInput as Line, NewScenario, ScenarioChange } from '../../services/scenarios.js';
import { connectionType } from '../common/connection.js';
import { DateTime } from '../common/scalars.js';

const ESCALATION_PATH =
  'The approved escalation: a rule’s trigger, an action (transfer, callback, end, record), a target, or words of the reason. Null: none may happen.';

@ObjectType({ simpleResolvers: true })
export class CallerLine {
  @Field(() => String)
  text!: string;
  @Field(() => Int, { nullable: true, description: 'Length of its recording; null: a realtime session speaks it.' })
  recordedMs!: number | null;
}

@ObjectType('Scenario', {
  simpleResolvers: true,
  description: 'What a synthetic caller does, and what is expected of the agent.',
})
export class ScenarioType {
  @Field(() => ID)
  id!: string;
  @Field(() => ID)
  tenantId!: string;
  @Field(() => ID)
  agentId!: string;
  @Field(() => String)
  name!: string;
  @Field(() => String)
  intent!: string;
  @Field(() => String, { nullable: true })
  persona!: string | null;
  @Field(() => String, { nullable: true })
  expectedOutcome!: string | null;
  @Field(() => [String], { description: 'Tools that must have run with success.' })
  expectedTools!: string[];
  @Field(() => [String])
  mustSay!: string[];
  @Field(() => [String])
  mustNotSay!: string[];
  @Field(() => String, { nullable: true, description: ESCALATION_PATH })
  escalationPath!: string | null;
  @Field(() => Boolean, { description: 'Whether runs that name no scenarios take it.' })
  active!: boolean;
  @Field(() => DateTime)
  createdAt!: Date;
  @Field(() => DateTime)
  updatedAt!: Date;
}
export const ScenarioConnection = connectionType('Scenario', () => ScenarioType);

@InputType()
export class CallerLineInput implements Line {
  @Field(() => String)
  text!: string;
  @Field(() => String, {
    nullable: true,
    description:
      'A recording, base64 of µ-law at 8 kHz. Left out: a line of the same text keeps its recording, else it is spoken word for word.',
  })
  audio?: string | null;
}

@InputType({ description: 'A field that is left out stays as it is.' })
export class UpdateScenarioInput implements ScenarioChange {
  @Field(() => String, { nullable: true })
  name?: string;
  @Field(() => String, { nullable: true, description: 'Fixed once the scenario was run.' })
  intent?: string;
  @Field(() => String, { nullable: true, description: 'Who calls and what they want, for a caller who improvises.' })
  persona?: string | null;
  @Field(() => [CallerLineInput], {
    nullable: true,
    description: 'Said in order, word for word, instead of the persona.',
  })
  callerLines?: CallerLineInput[] | null;
  @Field(() => String, { nullable: true })
  expectedOutcome?: string | null;
  @Field(() => [String], { nullable: true })
  expectedTools?: string[] | null;
  @Field(() => [String], { nullable: true })
  mustSay?: string[] | null;
  @Field(() => [String], { nullable: true })
  mustNotSay?: string[] | null;
  @Field(() => String, { nullable: true, description: ESCALATION_PATH })
  escalationPath?: string | null;
  @Field(() => Boolean, { nullable: true })
  active?: boolean | null;
}
@InputType()
export class CreateScenarioInput extends UpdateScenarioInput implements NewScenario {
  @Field(() => ID)
  agentId!: string;
  @Field(() => String)
  declare name: string;
  @Field(() => String)
  declare intent: string;
}
