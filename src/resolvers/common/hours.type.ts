import { Field, InputType, Int, ObjectType } from 'type-graphql';
import type { BusinessHours, CallFallback } from '../../entities/index.js';
import type { HoursWindow, WeeklyHours as Hours } from '../../lib/hours.js';
import { FallbackAction, OutsideAction } from './enums.js';

@ObjectType({ simpleResolvers: true })
export class OpeningWindow implements HoursWindow {
  @Field(() => [Int], { description: '1 Monday … 7 Sunday.' })
  days!: number[];
  @Field(() => String, { description: 'HH:MM.' })
  start!: string;
  @Field(() => String, { description: 'HH:MM; at or before the start: on the next day.' })
  end!: string;
}
@InputType()
export class OpeningWindowInput implements HoursWindow {
  @Field(() => [Int], { description: '1 Monday … 7 Sunday.' })
  days!: number[];
  @Field(() => String, { description: 'HH:MM.' })
  start!: string;
  @Field(() => String, { description: 'HH:MM; at or before the start: on the next day.' })
  end!: string;
}

@ObjectType({ simpleResolvers: true })
export class WeeklyHours implements Hours {
  @Field(() => String, { nullable: true, description: 'IANA; null: the tenant’s, or the recipient’s own.' })
  timeZone!: string | null;
  @Field(() => [OpeningWindow])
  windows!: OpeningWindow[];
}
@InputType()
export class WeeklyHoursInput implements Hours {
  @Field(() => String, { nullable: true, description: 'IANA; null: the tenant’s, or the recipient’s own.' })
  timeZone!: string | null;
  @Field(() => [OpeningWindowInput])
  windows!: OpeningWindowInput[];
}

@ObjectType({ simpleResolvers: true, description: 'What a caller gets when the agent cannot talk.' })
export class Fallback implements CallFallback {
  @Field(() => FallbackAction)
  action!: CallFallback['action'];
  @Field(() => String, { nullable: true })
  message!: string | null;
  @Field(() => String, { nullable: true })
  target!: string | null;
}
@InputType()
export class FallbackInput {
  @Field(() => FallbackAction)
  action!: CallFallback['action'];
  @Field(() => String, { nullable: true, description: 'Needed for `message`; spoken first otherwise.' })
  message?: string | null;
  @Field(() => String, { nullable: true, description: 'Number or SIP address for `transfer`.' })
  target?: string | null;
}

@ObjectType({ simpleResolvers: true })
export class OutsideDestination {
  @Field(() => OutsideAction)
  action!: BusinessHours['outside']['action'];
  @Field(() => String, { nullable: true })
  message!: string | null;
  @Field(() => String, { nullable: true })
  target!: string | null;
}
@InputType()
export class OutsideDestinationInput {
  @Field(() => OutsideAction)
  action!: BusinessHours['outside']['action'];
  @Field(() => String, { nullable: true })
  message?: string | null;
  @Field(() => String, { nullable: true, description: 'Number for `transfer`, agent key for `agent`.' })
  target?: string | null;
}

@ObjectType('BusinessHours', { simpleResolvers: true })
export class BusinessHoursType extends WeeklyHours {
  @Field(() => OutsideDestination)
  outside!: OutsideDestination;
}
@InputType()
export class BusinessHoursInput extends WeeklyHoursInput {
  @Field(() => OutsideDestinationInput)
  outside!: OutsideDestinationInput;
}
