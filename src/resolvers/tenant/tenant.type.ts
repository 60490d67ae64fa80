import { Field, Float, ID, Int, ObjectType } from 'type-graphql';
import type { TenantStatus as Status } from '../../entities/index.js';
import { connectionType } from '../common/connection.js';
import { TenantStatus } from '../common/enums.js';
import { WeeklyHours } from '../common/hours.type.js';
import { DateTime } from '../common/scalars.js';

@ObjectType('Tenant', { simpleResolvers: true, description: 'A customer of this installation.' })
export class TenantType {
  @Field(() => ID, { description: 'A slug chosen at creation.' })
  id!: string;
  @Field(() => String)
  name!: string;
  @Field(() => TenantStatus)
  status!: Status;
  @Field(() => Boolean, { description: 'Synthetic runs against the simulator count as evidence here.' })
  sandbox!: boolean;
  @Field(() => String, { description: 'IANA.' })
  timeZone!: string;
  @Field(() => DateTime)
  createdAt!: Date;
  @Field(() => DateTime)
  updatedAt!: Date;
}
export const TenantConnection = connectionType('Tenant', () => TenantType);

@ObjectType({ simpleResolvers: true })
export class Telephony {
  @Field(() => String, { nullable: true })
  fromNumber?: string | null;
  @Field(() => String, { nullable: true })
  transferNumber?: string | null;
  @Field(() => Int, { nullable: true })
  ringTimeoutSeconds?: number | null;
  @Field(() => Int, { nullable: true })
  maxDurationSeconds?: number | null;
  @Field(() => String, { nullable: true })
  fallbackMessage?: string | null;
  @Field(() => WeeklyHours, { nullable: true })
  callingHours?: WeeklyHours | null;
  @Field(() => String, { nullable: true })
  callbackQueue?: string | null;
  @Field(() => Int, { nullable: true })
  callbackSlaMinutes?: number | null;
  @Field(() => Boolean, { nullable: true })
  callbackAutoDial?: boolean | null;
  @Field(() => Boolean, { nullable: true })
  machineDetection?: boolean | null;
}

@ObjectType({ simpleResolvers: true, description: 'Launch gates where they differ from the built-in ones.' })
export class Governance {
  @Field(() => Int, { nullable: true })
  minimumSyntheticCalls?: number | null;
  @Field(() => Float, { nullable: true })
  minimumSignatureRate?: number | null;
  @Field(() => Int, { nullable: true })
  minimumSignatureSample?: number | null;
  @Field(() => Float, { nullable: true })
  minimumMeanScore?: number | null;
  @Field(() => Int, { nullable: true, description: 'Calls that the mean score comes from, at least.' })
  minimumEvaluatedCalls?: number | null;
  @Field(() => [String], { nullable: true })
  requiredApprovals?: string[] | null;
  @Field(() => Int, { nullable: true, description: 'How many different admins give the approvals, at least.' })
  minimumApprovers?: number | null;
}

@ObjectType({ simpleResolvers: true, description: 'Something that was accepted, but is probably not meant.' })
export class Warning {
  @Field(() => String)
  path!: string;
  @Field(() => String)
  message!: string;
}

@ObjectType('RuntimeConfig', {
  simpleResolvers: true,
  description:
    'Defaults of a tenant’s calls. Model, voice and prompt are for versions in draft: one that leaves DRAFT keeps them.',
})
export class RuntimeConfigType {
  @Field(() => ID)
  tenantId!: string;
  @Field(() => String, { nullable: true })
  model!: string | null;
  @Field(() => String, { nullable: true })
  voice!: string | null;
  @Field(() => String, { nullable: true })
  systemPromptKey!: string | null;
  @Field(() => String, { nullable: true })
  webhookUrl!: string | null;
  @Field(() => Telephony)
  telephony!: Telephony;
  @Field(() => Governance)
  governance!: Governance;
  @Field(() => [Warning], { description: 'Of the change just made.' })
  warnings!: Warning[];
  @Field(() => String, {
    nullable: true,
    description: 'Signing secret of webhookUrl, when this change first set it; never shown again.',
  })
  webhookSecret!: string | null;
}

@ObjectType('ApiKey', { simpleResolvers: true })
export class ApiKeyType {
  @Field(() => ID)
  id!: string;
  @Field(() => ID)
  tenantId!: string;
  @Field(() => String)
  name!: string;
  @Field(() => String)
  environment!: string;
  @Field(() => String, { description: 'First characters of the key, to tell keys apart.' })
  prefix!: string;
  @Field(() => [String])
  scopes!: string[];
  @Field(() => Boolean, { description: 'A raw bearer token of old clients.' })
  legacy!: boolean;
  @Field(() => DateTime, { nullable: true })
  expiresAt!: Date | null;
  @Field(() => DateTime, { nullable: true })
  lastUsedAt!: Date | null;
  @Field(() => DateTime, { nullable: true })
  revokedAt!: Date | null;
  @Field(() => DateTime)
  createdAt!: Date;
}
export const ApiKeyConnection = connectionType('ApiKey', () => ApiKeyType);

@ObjectType({ simpleResolvers: true })
export class CreateApiKeyPayload {
  @Field(() => ApiKeyType)
  apiKey!: object;
  @Field(() => String, { description: 'The key itself; never shown again.' })
  secret!: string;
}

@ObjectType('TwilioCredential', { simpleResolvers: true, description: 'The token itself is sealed and never shown.' })
export class TwilioCredentialType {
  @Field(() => ID)
  id!: string;
  @Field(() => ID)
  tenantId!: string;
  @Field(() => String)
  accountSid!: string;
  @Field(() => DateTime, { nullable: true, description: 'Replaced by a newer one; verifies signatures until then.' })
  retiresAt!: Date | null;
  @Field(() => DateTime)
  createdAt!: Date;
}

@ObjectType('TestNumber', { simpleResolvers: true, description: 'A phone that uncleared versions may call.' })
export class TestNumberType {
  @Field(() => ID)
  id!: string;
  @Field(() => ID)
  tenantId!: string;
  @Field(() => String)
  number!: string;
  @Field(() => String, { nullable: true })
  label!: string | null;
  @Field(() => DateTime)
  createdAt!: Date;
}

@ObjectType('ApiAccessRequest', { simpleResolvers: true })
export class ApiAccessRequestType {
  @Field(() => ID)
  id!: string;
  @Field(() => String)
  name!: string;
  @Field(() => String)
  email!: string;
  @Field(() => String, { nullable: true })
  company!: string | null;
  @Field(() => String, { nullable: true })
  useCase!: string | null;
  @Field(() => String, { description: 'open, accepted or declined.' })
  status!: string;
  @Field(() => DateTime)
  createdAt!: Date;
}
export const ApiAccessRequestConnection = connectionType('ApiAccessRequest', () => ApiAccessRequestType);
