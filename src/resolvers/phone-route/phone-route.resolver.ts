import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Agent, PhoneRoute } from '../../entities/index.js';
import type { RouteVerification } from '../../services/route-verification.js';
import { AgentType } from '../agent/agent.type.js';
import { byCreation, PageArgs, toConnection, type Connection } from '../common/connection.js';
import { PhoneNumber } from '../common/scalars.js';
import type { GraphqlContext } from '../context.js';
import {
  CreatePhoneRouteInput,
  PhoneRouteConnection,
  PhoneRouteType,
  PhoneRouteVerification,
  UpdatePhoneRouteInput,
} from './phone-route.type.js';

@Resolver(() => PhoneRouteType)
export class PhoneRouteResolver {
  @Query(() => PhoneRouteType, { nullable: true, description: 'By id, or by number.' })
  phoneRoute(
    @Arg('id', () => ID, { nullable: true }) id: string | null,
    @Arg('number', () => PhoneNumber, { nullable: true }) number: string | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<PhoneRoute | null> {
    return services.phoneRoutes.find(viewer, { id, number });
  }

  @Query(() => PhoneRouteConnection)
  async phoneRoutes(
    @Arg('tenantId', () => ID, { nullable: true }) tenantId: string | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Connection<PhoneRoute>> {
    return toConnection(await services.phoneRoutes.page(viewer, tenantId, page), page, byCreation);
  }

  @FieldResolver(() => AgentType, { nullable: true })
  agent(@Root() route: PhoneRoute, @Ctx() { loaders }: GraphqlContext): Promise<Agent | null> {
    return loaders.agent.load(route.agentId);
  }

  @Mutation(() => PhoneRouteType)
  createPhoneRoute(
    @Arg('input', () => CreatePhoneRouteInput) input: CreatePhoneRouteInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<PhoneRoute> {
    return services.phoneRoutes.create(viewer, input);
  }

  @Mutation(() => PhoneRouteType)
  updatePhoneRoute(
    @Arg('id', () => ID) id: string,
    @Arg('input', () => UpdatePhoneRouteInput) input: UpdatePhoneRouteInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<PhoneRoute> {
    return services.phoneRoutes.update(viewer, id, input);
  }

  @Mutation(() => PhoneRouteType)
  deletePhoneRoute(@Arg('id', () => ID) id: string, @Ctx() { viewer, services }: GraphqlContext): Promise<PhoneRoute> {
    return services.phoneRoutes.remove(viewer, id);
  }

  @Mutation(() => PhoneRouteVerification, { description: 'Asks the carrier whether the number points here.' })
  verifyPhoneRoute(
    @Arg('id', () => ID) id: string,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<RouteVerification> {
    return services.phoneRoutes.verify(viewer, id);
  }
}
