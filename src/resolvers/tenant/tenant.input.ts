import { Field, Float, ID, InputType, Int } from 'type-graphql';
import type { GovernanceSettings, TelephonyDefaults } from '../../entities/index.js';
import type { NewApiKey } from '../../services/api-keys.js';
import type { RuntimeConfigInput as Config } from '../../services/runtime-configs.js';
import type { NewTenant, TenantChange } from '../../services/tenants.js';
import type { TwilioCredentialInput as Credential } from '../../services/twilio-credentials.js';
import { WeeklyHoursInput } from '../common/hours.type.js';
import { DateTime } from '../common/scalars.js';

@InputType()
export class CreateTenantInput implements NewTenant {
  @Field(() => ID, { description: 'Slug; appears in URLs and events and never changes.' })
  id!: string;
  @Field(() => String)
  name!: string;
  @Field(() => Boolean, { nullable: true })
  sandbox?: boolean | null;
  @Field(() => String, { nullable: true, description: 'IANA; default UTC.' })
  timeZone?: string | null;
}
@InputType()
export class UpdateTenantInput implements TenantChange {
  @Field(() => String, { nullable: true })
  name?: string | null;
  @Field(() => String, { nullable: true })
  timeZone?: string | null;
}

@InputType()
export class TelephonyInput implements TelephonyDefaults {
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
  @Field(() => WeeklyHoursInput, { nullable: true })
  callingHours?: WeeklyHoursInput | null;
  @Field(() => String, { nullable: true, description: 'For callback tasks that an agent, rule or fallback makes.' })
  callbackQueue?: string | null;
  @Field(() => Int, { nullable: true, description: 'Their SLA, counted from when they are due.' })
  callbackSlaMinutes?: number | null;
  @Field(() => Boolean, { nullable: true, description: 'Whether they dial by themselves.' })
  callbackAutoDial?: boolean | null;
  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether phones of people who are brought into calls are tested for answering machines; they are.',
  })
  machineDetection?: boolean | null;
}
@InputType()
export class GovernanceInput implements GovernanceSettings {
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
@InputType({ description: 'A field that is left out stays as it is; null clears it.' })
export class RuntimeConfigInput implements Config {
  @Field(() => String, { nullable: true })
  model?: string | null;
  @Field(() => String, { nullable: true })
  voice?: string | null;
  @Field(() => String, { nullable: true })
  systemPromptKey?: string | null;
  @Field(() => String, { nullable: true })
  webhookUrl?: string | null;
  @Field(() => TelephonyInput, { nullable: true })
  telephony?: TelephonyInput | null;
  @Field(() => GovernanceInput, { nullable: true })
  governance?: GovernanceInput | null;
}

@InputType()
export class CreateApiKeyInput implements NewApiKey {
  @Field(() => String)
  name!: string;
  @Field(() => String, { nullable: true, description: 'A label, part of the key: live (default), test …' })
  environment?: string | null;
  @Field(() => [String], { nullable: true, description: 'Default: all of them.' })
  scopes?: string[] | null;
  @Field(() => DateTime, { nullable: true })
  expiresAt?: Date | null;
}
@InputType()
export class ImportBearerTokenInput {
  @Field(() => String)
  name!: string;
  @Field(() => String)
  token!: string;
  @Field(() => String, { nullable: true, description: 'A label; default legacy.' })
  environment?: string | null;
  @Field(() => [String], { nullable: true })
  scopes?: string[] | null;
  @Field(() => DateTime, { nullable: true })
  expiresAt?: Date | null;
}
@InputType()
export class TwilioCredentialInput implements Credential {
  @Field(() => String)
  accountSid!: string;
  @Field(() => String)
  authToken!: string;
  @Field(() => Int, {
    nullable: true,
    description: 'How long the token before stays valid for signatures; default a day.',
  })
  overlapSeconds?: number | null;
}
@InputType()
export class TestNumberInput {
  @Field(() => String)
  number!: string;
  @Field(() => String, { nullable: true })
  label?: string | null;
}
