import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { SCHEDULED_CALL_STATES, type ScheduledCallState as State } from '../../entities/index.js';
import type { ScheduledCallFilter as Filter } from '../../services/scheduled-calls.js';
import { connectionType } from '../common/connection.js';
import { enumOf } from '../common/enums.js';
import { DateTime, PhoneNumber } from '../common/scalars.js';

export const ScheduledCallState = enumOf('ScheduledCallState', SCHEDULED_CALL_STATES);

@ObjectType('ScheduledCall', {
  simpleResolvers: true,
  description: 'A call that waits for its time; everything is checked again when it is dialled.',
})
export class ScheduledCallType {
  @Field(() => ID)
  id!: string;
  @Field(() => ID)
  tenantId!: string;
  @Field(() => ScheduledCallState)
  state!: State;
  @Field(() => DateTime, {
    description: 'When it is dialled; later than asked for when calling hours refused it then.',
  })
  dueAt!: Date;
  @Field(() => PhoneNumber)
  to!: string;
  @Field(() => PhoneNumber, { nullable: true })
  from!: string | null;
  @Field(() => String, { nullable: true })
  agentKey!: string | null;
  @Field(() => ID, { nullable: true })
  agentVersionId!: string | null;
  @Field(() => String, { nullable: true })
  greeting!: string | null;
  @Field(() => String, { nullable: true })
  orgId!: string | null;
  @Field(() => ID, { nullable: true })
  callId!: string | null;
  @Field(() => String, { nullable: true, description: 'Why it was refused, or not dialled the last time.' })
  error!: string | null;
  @Field(() => String)
  requestedBy!: string;
  @Field(() => DateTime)
  createdAt!: Date;
  @Field(() => DateTime)
  updatedAt!: Date;
}
export const ScheduledCallConnection = connectionType('ScheduledCall', () => ScheduledCallType);

@InputType()
export class ScheduledCallFilter implements Filter {
  @Field(() => ID, { nullable: true })
  tenantId?: string | null;
  @Field(() => ScheduledCallState, { nullable: true })
  state?: State | null;
}
