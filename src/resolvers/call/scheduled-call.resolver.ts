import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Call } from '../../entities/index.js';
import type { ScheduledCallView } from '../../services/scheduled-calls.js';
import { byCreation, PageArgs, toConnection, type Connection } from '../common/connection.js';
import type { GraphqlContext } from '../context.js';
import { CallType } from './call.type.js';
import { ScheduledCallConnection, ScheduledCallFilter, ScheduledCallType } from './scheduled-call.type.js';

@Resolver(() => ScheduledCallType)
export class ScheduledCallResolver {
  @Query(() => ScheduledCallConnection)
  async scheduledCalls(
    @Arg('filter', () => ScheduledCallFilter, { nullable: true }) filter: ScheduledCallFilter | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Connection<ScheduledCallView>> {
    return toConnection(await services.calls.scheduledCalls.page(viewer, filter ?? {}, page), page, byCreation);
  }

  @Mutation(() => ScheduledCallType, { description: 'After this it is certain not to be dialled.' })
  cancelScheduledCall(
    @Arg('id', () => ID) id: string,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<ScheduledCallView> {
    return services.calls.scheduledCalls.cancel(viewer, id);
  }

  @FieldResolver(() => CallType, { nullable: true })
  call(@Root() scheduled: ScheduledCallView, @Ctx() { loaders }: GraphqlContext): Promise<Call | null> | null {
    return scheduled.callId == null ? null : loaders.call.load(scheduled.callId);
  }
}
