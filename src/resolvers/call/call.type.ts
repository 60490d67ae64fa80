import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { CallDirection as Direction, CallStatus as Status } from '../../entities/index.js';
import type { CallFilter as Filter } from '../../services/calls-query.js';
import type { MakeCallInput as Dial } from '../../services/make-call.js';
import type { SchedulingInput } from '../../services/schedule-call.js';
import { connectionType } from '../common/connection.js';
import { CallDirection, CallStatus } from '../common/enums.js';
import { DateTime, Json, PhoneNumber } from '../common/scalars.js';
import { ScheduledCallType } from './scheduled-call.type.js';

@ObjectType('Call', { simpleResolvers: true })
export class CallType {
  @Field(() => ID)
  id!: string;
  @Field(() => String, { nullable: true })
  callSid!: string | null;
  @Field(() => ID)
  tenantId!: string;
  @Field(() => CallDirection)
  direction!: Direction;
  @Field(() => CallStatus)
  status!: Status;
  @Field(() => String, { nullable: true, description: 'E.164, or what the carrier sent (anonymous, client:…, sip:…).' })
  fromNumber!: string | null;
  @Field(() => String, { nullable: true })
  toNumber!: string | null;
  @Field(() => String, { nullable: true })
  agentKey!: string | null;
  @Field(() => String, { nullable: true, description: 'An opaque label of a business unit.' })
  orgId!: string | null;
  @Field(() => Boolean)
  escalated!: boolean;
  @Field(() => String, { nullable: true })
  outcome!: string | null;
  @Field(() => String, { nullable: true })
  summary!: string | null;
  @Field(() => Int, { nullable: true })
  durationSeconds!: number | null;
  @Field(() => Boolean)
  synthetic!: boolean;
  @Field(() => String, { nullable: true, description: 'Why it failed: the carrier’s code or ours.' })
  errorCode!: string | null;
  @Field(() => String, { nullable: true })
  errorMessage!: string | null;
  @Field(() => Int, { nullable: true })
  timeToFirstAudioMs!: number | null;
  @Field(() => Float, { nullable: true, description: 'Mean of its evaluations, 0-1.' })
  evaluationScore!: number | null;
  @Field(() => DateTime)
  createdAt!: Date;
  @Field(() => DateTime, { nullable: true })
  answeredAt!: Date | null;
  @Field(() => DateTime, { nullable: true })
  endedAt!: Date | null;
}
export const CallConnection = connectionType('Call', () => CallType);

@InputType()
export class CallFilter implements Filter {
  @Field(() => ID, { nullable: true })
  tenantId?: string | null;
  @Field(() => [CallStatus], { nullable: true })
  status?: Status[] | null;
  @Field(() => CallDirection, { nullable: true })
  direction?: Direction | null;
  @Field(() => String, { nullable: true })
  agentKey?: string | null;
  @Field(() => ID, { nullable: true })
  agentVersionId?: string | null;
  @Field(() => String, { nullable: true })
  orgId?: string | null;
  @Field(() => String, { nullable: true })
  fromNumber?: string | null;
  @Field(() => String, { nullable: true })
  toNumber?: string | null;
  @Field(() => Boolean, { nullable: true })
  escalated?: boolean | null;
  @Field(() => String, { nullable: true })
  outcome?: string | null;
  @Field(() => Boolean, { nullable: true })
  synthetic?: boolean | null;
  @Field(() => DateTime, { nullable: true, description: 'At or after.' })
  createdAfter?: Date | null;
  @Field(() => DateTime, { nullable: true, description: 'Before.' })
  createdBefore?: Date | null;
}

@InputType()
export class MakeCallInput implements Dial, SchedulingInput {
  @Field(() => ID, { nullable: true, description: 'Named by admins.' })
  tenantId?: string | null;
  @Field(() => PhoneNumber)
  to!: string;
  @Field(() => PhoneNumber, { nullable: true, description: 'Default: the tenant’s phone route.' })
  from?: string | null;
  @Field(() => String, { nullable: true })
  agentKey?: string | null;
  @Field(() => ID, { nullable: true })
  agentVersionId?: string | null;
  @Field(() => String, { nullable: true })
  greeting?: string | null;
  @Field(() => Json, {
    nullable: true,
    description: 'Texts by name, for {{name}} in the prompt and greeting of this call; they win over the version’s.',
  })
  promptVariables?: Record<string, unknown> | null;
  @Field(() => String, { nullable: true })
  orgId?: string | null;
  @Field(() => Boolean, { nullable: true, description: 'Also when this number is being dialled or talked to already.' })
  allowConcurrent?: boolean | null;
  @Field(() => DateTime, { nullable: true, description: 'Dial then instead of now.' })
  schedule?: Date | null;
  @Field(() => Boolean, {
    nullable: true,
    description: 'When calling hours refuse, wait for their next opening instead.',
  })
  scheduleIfClosed?: boolean | null;
}
@ObjectType({ simpleResolvers: true })
export class MakeCallPayload {
  @Field(() => CallType, { nullable: true, description: 'Null while the call waits for its time.' })
  call!: object | null;
  @Field(() => ScheduledCallType, { nullable: true, description: 'Set instead of the call when it waits.' })
  scheduledCall!: object | null;
  @Field(() => Boolean, { description: 'The idempotency key was used before: this is its call, nothing was dialled.' })
  duplicate!: boolean;
}
