import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import type {
  DoNotCallEntryInput as NewEntry,
  DoNotCallFilter as Filter,
  DoNotCallImport,
  ListChoice,
} from '../../services/do-not-call.js';
import { connectionType } from '../common/connection.js';
import { DateTime, PhoneNumber } from '../common/scalars.js';

@ObjectType('DoNotCallEntry', { simpleResolvers: true, description: 'A number that must not be called.' })
export class DoNotCallEntryType {
  @Field(() => ID)
  id!: string;
  @Field(() => ID, { nullable: true, description: 'Null: the global list, which binds every tenant.' })
  tenantId!: string | null;
  @Field(() => PhoneNumber)
  number!: string;
  @Field(() => String, { nullable: true })
  reason!: string | null;
  @Field(() => String, { description: '`agent`: the caller’s own wish; `api`, `admin`.' })
  source!: string;
  @Field(() => DateTime, { nullable: true, description: 'Null: for good.' })
  expiresAt!: Date | null;
  @Field(() => String)
  createdBy!: string;
  @Field(() => DateTime)
  createdAt!: Date;
  @Field(() => DateTime)
  updatedAt!: Date;
}
export const DoNotCallEntryConnection = connectionType('DoNotCallEntry', () => DoNotCallEntryType);

@InputType()
export class DoNotCallFilter implements Filter {
  @Field(() => ID, { nullable: true })
  tenantId?: string | null;
  @Field(() => Boolean, { nullable: true, description: 'For admins: the global list.' })
  global?: boolean | null;
  @Field(() => String, { nullable: true })
  number?: string | null;
  @Field(() => String, { nullable: true })
  source?: string | null;
  @Field(() => Boolean, { nullable: true, description: 'True: those that bind now; false: the expired ones.' })
  active?: boolean | null;
}

@InputType()
export class DoNotCallEntryInput implements NewEntry {
  @Field(() => String, { description: 'International form; spaces and punctuation are taken away.' })
  number!: string;
  @Field(() => String, { nullable: true })
  reason?: string | null;
  @Field(() => DateTime, { nullable: true, description: 'Default: for good.' })
  expiresAt?: Date | null;
}

@InputType()
export class AddDoNotCallInput extends DoNotCallEntryInput implements ListChoice {
  @Field(() => ID, { nullable: true, description: 'Named by admins.' })
  tenantId?: string | null;
  @Field(() => Boolean, { nullable: true, description: 'For admins: the list that binds every tenant.' })
  global?: boolean | null;
}

@InputType()
export class ImportDoNotCallInput implements ListChoice {
  @Field(() => ID, { nullable: true, description: 'Named by admins.' })
  tenantId?: string | null;
  @Field(() => Boolean, { nullable: true, description: 'For admins: the list that binds every tenant.' })
  global?: boolean | null;
  @Field(() => [DoNotCallEntryInput], { description: 'At most 5,000.' })
  entries!: DoNotCallEntryInput[];
}

@ObjectType({ simpleResolvers: true })
export class RejectedDoNotCallEntry {
  @Field(() => Int, { description: 'Position in the request, from 0.' })
  index!: number;
  @Field(() => String)
  message!: string;
}
@ObjectType({ simpleResolvers: true })
export class ImportDoNotCallPayload implements DoNotCallImport {
  @Field(() => Int)
  added!: number;
  @Field(() => Int, { description: 'Numbers that were on the list before.' })
  updated!: number;
  @Field(() => [RejectedDoNotCallEntry], { description: 'Entries that could not be taken; the others were.' })
  rejected!: RejectedDoNotCallEntry[];
}
