import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { NewPrompt, NewPromptRevision } from '../../services/prompts.js';
import { connectionType } from '../common/connection.js';
import { DateTime } from '../common/scalars.js';

@ObjectType('Prompt', { simpleResolvers: true })
export class PromptType {
  @Field(() => ID)
  id!: string;
  @Field(() => ID)
  tenantId!: string;
  @Field(() => String)
  key!: string;
  @Field(() => String)
  name!: string;
  @Field(() => Int, { nullable: true, description: 'The revision that the key resolves to.' })
  publishedRevision!: number | null;
  @Field(() => DateTime)
  createdAt!: Date;
  @Field(() => DateTime)
  updatedAt!: Date;
}
export const PromptConnection = connectionType('Prompt', () => PromptType);

@ObjectType('PromptRevision', { simpleResolvers: true, description: 'Never changes.' })
export class PromptRevisionType {
  @Field(() => ID)
  id!: string;
  @Field(() => ID)
  promptId!: string;
  @Field(() => Int)
  number!: number;
  @Field(() => String)
  text!: string;
  @Field(() => [String])
  variables!: string[];
  @Field(() => String, { nullable: true })
  note!: string | null;
  @Field(() => String)
  createdBy!: string;
  @Field(() => DateTime)
  createdAt!: Date;
}

export const PromptRevisionConnection = connectionType('PromptRevision', () => PromptRevisionType);

@InputType()
export class PromptRevisionInput implements NewPromptRevision {
  @Field(() => String)
  text!: string;
  @Field(() => [String], { nullable: true, description: 'Every {{name}} of the text; default: taken from it.' })
  variables?: string[] | null;
  @Field(() => String, { nullable: true })
  note?: string | null;
}
@InputType()
export class CreatePromptInput extends PromptRevisionInput implements NewPrompt {
  @Field(() => ID, { nullable: true })
  tenantId?: string | null;
  @Field(() => String)
  key!: string;
  @Field(() => String, { nullable: true })
  name?: string | null;
  @Field(() => Boolean, { nullable: true, description: 'Publish the first revision at once.' })
  publish?: boolean | null;
}
