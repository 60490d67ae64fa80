import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import {
  CALLBACK_ORIGINS,
  CALLBACK_STATES,
  type CallbackOrigin as Origin,
  type CallbackState as State,
} from '../../entities/index.js';
import type { CallbackChange, NewCallback } from '../../services/callback-fields.js';
import type { CallbackFilter } from '../../services/callbacks.js';
import { connectionType } from '../common/connection.js';
import { enumOf } from '../common/enums.js';
import { DateTime, PhoneNumber } from '../common/scalars.js';

export const CallbackState = enumOf('CallbackState', CALLBACK_STATES);
export const CallbackOrigin = enumOf('CallbackOrigin', CALLBACK_ORIGINS, 'Who made the task.');

@ObjectType({ simpleResolvers: true })
export class CallbackNote {
  @Field(() => DateTime)
  at!: string;
  @Field(() => String)
  by!: string;
  @Field(() => String)
  text!: string;
}

@ObjectType('CallbackTask', { simpleResolvers: true, description: 'A task for people: call this customer back.' })
export class CallbackTaskType {
  @Field(() => ID)
  id!: string;
  @Field(() => ID)
  tenantId!: string;
  @Field(() => ID, { nullable: true, description: 'The call that it is about.' })
  callId!: string | null;
  @Field(() => String)
  queue!: string;
  @Field(() => Int, { description: '1 is most urgent, 5 least.' })
  priority!: number;
  @Field(() => CallbackState)
  state!: State;
  @Field(() => PhoneNumber, { nullable: true, description: 'Null: the caller hid it.' })
  number!: string | null;
  @Field(() => Boolean, { description: 'The number is on a do-not-call list now: nobody should dial it.' })
  doNotCall!: boolean;
  @Field(() => String)
  reason!: string;
  @Field(() => [CallbackNote], { description: 'Oldest first.' })
  notes!: CallbackNote[];
  @Field(() => CallbackOrigin)
  origin!: Origin;
  @Field(() => DateTime)
  dueAt!: Date;
  @Field(() => DateTime, { nullable: true, description: 'The promise.' })
  slaDueAt!: Date | null;
  @Field(() => Boolean, { description: 'It was, or is, not done by slaDueAt.' })
  slaBreached!: boolean;
  @Field(() => String, { nullable: true })
  assignee!: string | null;
  @Field(() => DateTime, { nullable: true })
  claimedAt!: Date | null;
  @Field(() => DateTime, { nullable: true })
  closedAt!: Date | null;
  @Field(() => Boolean, { description: 'Dials by itself when due, within calling hours.' })
  autoDial!: boolean;
  @Field(() => DateTime, { nullable: true, description: 'When it dials next, if that is later than dueAt.' })
  dialAt!: Date | null;
  @Field(() => Int)
  dialAttempts!: number;
  @Field(() => String, { nullable: true, description: 'Who talks when it dials.' })
  agentKey!: string | null;
  @Field(() => ID, { nullable: true, description: 'The call that carries it out, or did.' })
  resultCallId!: string | null;
  @Field(() => DateTime)
  createdAt!: Date;
  @Field(() => DateTime)
  updatedAt!: Date;
}
export const CallbackTaskConnection = connectionType('CallbackTask', () => CallbackTaskType);

@InputType()
export class CallbackTaskFilter implements CallbackFilter {
  @Field(() => ID, { nullable: true })
  tenantId?: string | null;
  @Field(() => [CallbackState], { nullable: true })
  state?: State[] | null;
  @Field(() => String, { nullable: true })
  queue?: string | null;
  @Field(() => String, { nullable: true })
  assignee?: string | null;
  @Field(() => ID, { nullable: true })
  callId?: string | null;
  @Field(() => Boolean, { nullable: true, description: 'True: the promise is broken and it is still to be done.' })
  slaBreached?: boolean | null;
  @Field(() => DateTime, { nullable: true })
  dueBefore?: Date | null;
}

@InputType({ description: 'A field that is left out stays as it is.' })
export class UpdateCallbackTaskInput implements CallbackChange {
  @Field(() => CallbackState, {
    nullable: true,
    description: 'CLAIMED takes it (of two claims one wins), OPEN lets it go, DONE and CANCELED close it.',
  })
  state?: State | null;
  @Field(() => String, { nullable: true })
  reason?: string | null;
  @Field(() => PhoneNumber, { nullable: true })
  number?: string | null;
  @Field(() => String, { nullable: true })
  queue?: string | null;
  @Field(() => Int, { nullable: true, description: '1 is most urgent, 5 least.' })
  priority?: number | null;
  @Field(() => DateTime, { nullable: true })
  dueAt?: Date | null;
  @Field(() => DateTime, { nullable: true })
  slaDueAt?: Date | null;
  @Field(() => String, { nullable: true })
  assignee?: string | null;
  @Field(() => Boolean, { nullable: true })
  autoDial?: boolean | null;
  @Field(() => String, { nullable: true })
  agentKey?: string | null;
  @Field(() => String, { nullable: true, description: 'Added to the others.' })
  note?: string | null;
}

@InputType()
export class CreateCallbackTaskInput implements NewCallback {
  @Field(() => ID, { nullable: true, description: 'Named by admins.' })
  tenantId?: string | null;
  @Field(() => ID, { nullable: true, description: 'The call that it is about.' })
  callId?: string | null;
  @Field(() => String)
  reason!: string;
  @Field(() => CallbackOrigin, { nullable: true, description: 'SUPERVISOR or API; default by credential.' })
  origin?: Origin | null;
  @Field(() => PhoneNumber, { nullable: true, description: 'Default: the customer of the call.' })
  number?: string | null;
  @Field(() => String, { nullable: true })
  queue?: string | null;
  @Field(() => Int, { nullable: true, description: '1 is most urgent, 5 least; default 3.' })
  priority?: number | null;
  @Field(() => DateTime, { nullable: true, description: 'Default: now.' })
  dueAt?: Date | null;
  @Field(() => DateTime, { nullable: true, description: 'The promise.' })
  slaDueAt?: Date | null;
  @Field(() => String, { nullable: true })
  assignee?: string | null;
  @Field(() => Boolean, { nullable: true, description: 'Dials by itself when due, within calling hours.' })
  autoDial?: boolean | null;
  @Field(() => String, { nullable: true, description: 'Who talks when it dials; default: the call’s agent.' })
  agentKey?: string | null;
  @Field(() => String, { nullable: true })
  note?: string | null;
}
