import { Arg, Args, Ctx, ID, Int, Mutation, Query, Resolver, Root, Subscription } from 'type-graphql';
import type { WebhookDelivery, WebhookEndpoint } from '../../entities/index.js';
import { followChanges } from '../../live/changes.js';
import type { FeedIterator } from '../../live/feed-reader.js';
import { requireScope, tenantOf } from '../../services/viewer.js';
import { UNSETTLED } from '../../services/webhook-deliveries.js';
import { byCreation, PageArgs, toConnection, type Connection } from '../common/connection.js';
import { DateTime } from '../common/scalars.js';
import type { GraphqlContext } from '../context.js';
import {
  CreateWebhookEndpointInput,
  CreateWebhookEndpointPayload,
  UpdateWebhookEndpointInput,
  WebhookDeliveryConnection,
  WebhookDeliveryFilter,
  WebhookDeliveryType,
  WebhookEndpointConnection,
  WebhookEndpointType,
} from './webhook.type.js';

type EndpointWithSecret = { endpoint: WebhookEndpoint; secret: string };

async function deliveryFeed(
  { tenantId }: { tenantId?: string | null },
  { viewer, services }: GraphqlContext,
): Promise<FeedIterator<WebhookDelivery>> {
  requireScope(viewer, 'webhooks:read');
  const only = viewer.kind === 'tenant' ? tenantOf(viewer, tenantId) : (tenantId ?? null);
  return followChanges(services.context.topics, {
    topic: 'webhookDeliveryChanged',
    keyOf: (message) => (only === null || message.tenantId === only ? message.deliveryId : null),
    snapshot: () => services.webhookDeliveries.unsettled(viewer, only),
    load: (id) => services.webhookDeliveries.find(viewer, id),
    stateOf: ({ id, status, updatedAt }) => ({
      key: id,
      finished: !UNSETTLED.includes(status),
      version: `${status} ${updatedAt.getTime()}`,
    }),
  });
}

@Resolver()
export class WebhookResolver {
  @Query(() => WebhookEndpointConnection)
  async webhookEndpoints(
    @Arg('tenantId', () => ID, { nullable: true }) tenantId: string | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Connection<WebhookEndpoint>> {
    return toConnection(await services.webhookEndpoints.page(viewer, tenantId, page), page, byCreation);
  }

  @Query(() => WebhookDeliveryConnection)
  async webhookDeliveries(
    @Arg('filter', () => WebhookDeliveryFilter, { nullable: true }) filter: WebhookDeliveryFilter | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Connection<WebhookDelivery>> {
    return toConnection(await services.webhookDeliveries.page(viewer, filter ?? {}, page), page, byCreation);
  }

  @Mutation(() => CreateWebhookEndpointPayload)
  async createWebhookEndpoint(
    @Arg('tenantId', () => ID) tenantId: string,
    @Arg('input', () => CreateWebhookEndpointInput) input: CreateWebhookEndpointInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<EndpointWithSecret> {
    const { id } = await services.tenants.get(viewer, tenantId);
    return services.webhookEndpoints.create(viewer, id, input);
  }

  @Mutation(() => WebhookEndpointType)
  updateWebhookEndpoint(
    @Arg('id', () => ID) id: string,
    @Arg('input', () => UpdateWebhookEndpointInput) input: UpdateWebhookEndpointInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<WebhookEndpoint> {
    return services.webhookEndpoints.update(viewer, id, input);
  }

  @Mutation(() => WebhookEndpointType, {
    description: 'With its log of deliveries; what still waits for it is not sent. To keep both, disable it.',
  })
  deleteWebhookEndpoint(
    @Arg('id', () => ID) id: string,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<WebhookEndpoint> {
    return services.webhookEndpoints.remove(viewer, id);
  }

  @Mutation(() => CreateWebhookEndpointPayload, {
    description: 'A new secret; the one before signs along until the overlap is over.',
  })
  rotateWebhookSecret(
    @Arg('id', () => ID) id: string,
    @Arg('overlapSeconds', () => Int, { nullable: true, description: 'A day, unless given; at most 30 days.' })
    overlapSeconds: number | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<EndpointWithSecret> {
    return services.webhookEndpoints.rotateSecret(viewer, id, overlapSeconds ?? undefined);
  }

  @Mutation(() => WebhookDeliveryType, {
    description: 'Sends an event again, with the same id; to one endpoint, or to all that it went to.',
  })
  redeliverWebhookEvent(
    @Arg('eventId', () => ID) eventId: string,
    @Arg('endpointId', () => ID, { nullable: true }) endpointId: string | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<WebhookDelivery> {
    return services.webhookDeliveries.redeliver(viewer, eventId, endpointId ?? null);
  }

  @Mutation(() => Int, {
    description:
      'Sends everything again whose last attempt since then failed, to endpoints that are enabled; gives how many, at most ' +
      '10,000 at once.',
  })
  redeliverFailedWebhooks(
    @Arg('since', () => DateTime) since: Date,
    @Arg('tenantId', () => ID, { nullable: true }) tenantId: string | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<number> {
    return services.webhookDeliveries.redeliverFailed(viewer, tenantId, since);
  }

  @Subscription(() => WebhookDeliveryType, {
    subscribe: ({ args, context }) => deliveryFeed(args as { tenantId?: string | null }, context as GraphqlContext),
    description: 'What is not settled first, then each delivery after every attempt.',
  })
  webhookDeliveryUpdated(
    @Arg('tenantId', () => ID, { nullable: true }) _tenantId: string | null,
    @Root() delivery: WebhookDelivery,
  ): WebhookDelivery {
    return delivery;
  }
}
