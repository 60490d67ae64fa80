import { Field, ID, InputType, ObjectType } from 'type-graphql';
import type { RouteDirection as Direction } from '../../entities/index.js';
import type { NewPhoneRoute, PhoneRouteChange } from '../../services/phone-routes.js';
import type { CarrierNumber } from '../../ports/carrier.js';
import { connectionType } from '../common/connection.js';
import { RouteDirection } from '../common/enums.js';
import { BusinessHoursInput, BusinessHoursType, Fallback, FallbackInput } from '../common/hours.type.js';
import { DateTime, PhoneNumber } from '../common/scalars.js';

@ObjectType('PhoneRoute', { simpleResolvers: true, description: 'A phone number and who answers it.' })
export class PhoneRouteType {
  @Field(() => ID)
  id!: string;
  @Field(() => ID)
  tenantId!: string;
  @Field(() => PhoneNumber)
  number!: string;
  @Field(() => RouteDirection)
  direction!: Direction;
  @Field(() => ID)
  agentId!: string;
  @Field(() => ID, { nullable: true })
  agentVersionId!: string | null;
  @Field(() => Boolean, { description: 'The one that makeCall takes when from is not given.' })
  isDefault!: boolean;
  @Field(() => BusinessHoursType, { nullable: true, description: 'Null: always open.' })
  businessHours!: BusinessHoursType | null;
  @Field(() => Fallback, { nullable: true })
  fallback!: Fallback | null;
  @Field(() => String, { nullable: true })
  transferNumber!: string | null;
  @Field(() => Boolean)
  active!: boolean;
  @Field(() => DateTime)
  createdAt!: Date;
  @Field(() => DateTime)
  updatedAt!: Date;
}
export const PhoneRouteConnection = connectionType('PhoneRoute', () => PhoneRouteType);

@InputType({ description: 'A field that is left out stays as it is.' })
export class UpdatePhoneRouteInput implements PhoneRouteChange {
  @Field(() => RouteDirection, { nullable: true })
  direction?: Direction | null;
  @Field(() => String, { nullable: true })
  agentKey?: string | null;
  @Field(() => ID, { nullable: true })
  agentId?: string | null;
  @Field(() => ID, { nullable: true, description: 'Pins a version that is cleared.' })
  agentVersionId?: string | null;
  @Field(() => Boolean, { nullable: true })
  isDefault?: boolean | null;
  @Field(() => BusinessHoursInput, { nullable: true })
  businessHours?: BusinessHoursInput | null;
  @Field(() => FallbackInput, { nullable: true })
  fallback?: FallbackInput | null;
  @Field(() => PhoneNumber, { nullable: true })
  transferNumber?: string | null;
  @Field(() => Boolean, { nullable: true })
  active?: boolean | null;
  @Field(() => Boolean, { nullable: true, description: 'Lets callers in although a launch gate about them fails.' })
  force?: boolean | null;
  @Field(() => String, { nullable: true, description: 'Needed with force; goes on the audit log.' })
  reason?: string | null;
}
@InputType()
export class CreatePhoneRouteInput extends UpdatePhoneRouteInput implements NewPhoneRoute {
  @Field(() => ID, { nullable: true, description: 'Named by admins.' })
  tenantId?: string | null;
  @Field(() => PhoneNumber)
  number!: string;
}

@ObjectType('CarrierNumber', { simpleResolvers: true, description: 'A number as the carrier has it.' })
export class CarrierNumberType implements CarrierNumber {
  @Field(() => String)
  sid!: string;
  @Field(() => String)
  phoneNumber!: string;
  @Field(() => String, { nullable: true })
  voiceUrl!: string | null;
  @Field(() => String, { nullable: true })
  voiceMethod!: string | null;
  @Field(() => String, { nullable: true })
  voiceFallbackUrl!: string | null;
  @Field(() => String, { nullable: true, description: 'A TwiML App whose URLs count instead.' })
  voiceApplicationSid!: string | null;
  @Field(() => String, { nullable: true, description: 'A SIP trunk that takes the calls instead.' })
  trunkSid!: string | null;
}

@ObjectType({ simpleResolvers: true })
export class PhoneRouteVerification {
  @Field(() => Boolean)
  ok!: boolean;
  @Field(() => CarrierNumberType, { nullable: true, description: 'Null: the account does not own the number.' })
  found!: CarrierNumber | null;
  @Field(() => String)
  expectedVoiceUrl!: string;
  @Field(() => String)
  expectedFallbackUrl!: string;
  @Field(() => [String], { description: 'What to set at the carrier.' })
  problems!: string[];
}
