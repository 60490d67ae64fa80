import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import {
  DELIVERY_STATUSES,
  type DeliveryStatus as Status,
  type WebhookAttempt as Attempt,
} from '../../entities/index.js';
import type { DeliveryFilter } from '../../services/webhook-deliveries.js';
import type { WebhookEndpointInput } from '../../services/webhook-endpoints.js';
import { connectionType } from '../common/connection.js';
import { enumOf } from '../common/enums.js';
import { DateTime } from '../common/scalars.js';

export const DeliveryStatus = enumOf(
  'WebhookDeliveryStatus',
  DELIVERY_STATUSES,
  'FAILED: it will be tried again. DEAD_LETTER: it will not, unless somebody asks.',
);

@ObjectType('WebhookEndpoint', { simpleResolvers: true, description: 'Where a tenant’s events go.' })
export class WebhookEndpointType {
  @Field(() => ID)
  id!: string;
  @Field(() => ID)
  tenantId!: string;
  @Field(() => String)
  url!: string;
  @Field(() => [String], { description: 'Names of events; empty: every event.' })
  events!: string[];
  @Field(() => Boolean)
  enabled!: boolean;
  @Field(() => String, { nullable: true, description: 'Why the gateway disabled it.' })
  disabledReason!: string | null;
  @Field(() => String, { nullable: true })
  description!: string | null;
  @Field(() => Boolean, { description: 'It is the webhook_url of the runtime config.' })
  fromRuntimeConfig!: boolean;
  @Field(() => DateTime, { nullable: true, description: 'Until then the secret before the last rotation signs along.' })
  previousSecretExpiresAt!: Date | null;
  @Field(() => DateTime)
  createdAt!: Date;
  @Field(() => DateTime)
  updatedAt!: Date;
}
export const WebhookEndpointConnection = connectionType('WebhookEndpoint', () => WebhookEndpointType);

@ObjectType({ simpleResolvers: true })
export class WebhookAttempt implements Attempt {
  @Field(() => String, { description: 'RFC 3339.' })
  at!: string;
  @Field(() => Int, { nullable: true, description: 'Null: there was no answer.' })
  statusCode!: number | null;
  @Field(() => String, { nullable: true })
  error!: string | null;
  @Field(() => Int)
  latencyMs!: number;
  @Field(() => String, { nullable: true, description: 'The beginning of what the endpoint answered.' })
  responseExcerpt!: string | null;
}

@ObjectType('WebhookDelivery', { simpleResolvers: true, description: 'One event on its way to one endpoint.' })
export class WebhookDeliveryType {
  @Field(() => ID)
  id!: string;
  @Field(() => ID)
  tenantId!: string;
  @Field(() => ID, { description: 'The webhook-id that receivers deduplicate by.' })
  eventId!: string;
  @Field(() => ID)
  endpointId!: string;
  @Field(() => String)
  event!: string;
  @Field(() => DeliveryStatus)
  status!: Status;
  @Field(() => Int)
  attemptCount!: number;
  @Field(() => DateTime, { nullable: true, description: 'Null once it is settled.' })
  nextAttemptAt!: Date | null;
  @Field(() => Int, { nullable: true })
  lastStatusCode!: number | null;
  @Field(() => String, { nullable: true })
  lastError!: string | null;
  @Field(() => Int, { nullable: true })
  lastLatencyMs!: number | null;
  @Field(() => DateTime, { nullable: true })
  deliveredAt!: Date | null;
  @Field(() => [WebhookAttempt], { description: 'The newest 50, oldest first.' })
  attempts!: WebhookAttempt[];
  @Field(() => DateTime)
  createdAt!: Date;
  @Field(() => DateTime)
  updatedAt!: Date;
}
export const WebhookDeliveryConnection = connectionType('WebhookDelivery', () => WebhookDeliveryType);

@InputType()
export class WebhookDeliveryFilter implements DeliveryFilter {
  @Field(() => ID, { nullable: true })
  tenantId?: string | null;
  @Field(() => ID, { nullable: true })
  endpointId?: string | null;
  @Field(() => ID, { nullable: true })
  eventId?: string | null;
  @Field(() => DeliveryStatus, { nullable: true })
  status?: Status | null;
}

@InputType({ description: 'A field that is left out stays as it is.' })
export class UpdateWebhookEndpointInput implements WebhookEndpointInput {
  @Field(() => String, { nullable: true })
  url?: string | null;
  @Field(() => [String], { nullable: true, description: 'Empty: every event.' })
  events?: string[] | null;
  @Field(() => Boolean, { nullable: true })
  enabled?: boolean | null;
  @Field(() => String, { nullable: true })
  description?: string | null;
}
@InputType()
export class CreateWebhookEndpointInput extends UpdateWebhookEndpointInput {
  @Field(() => String)
  declare url: string;
}

@ObjectType({ simpleResolvers: true })
export class CreateWebhookEndpointPayload {
  @Field(() => WebhookEndpointType)
  endpoint!: WebhookEndpointType;
  @Field(() => String, { description: 'whsec_… (Standard Webhooks); shown once.' })
  secret!: string;
}
