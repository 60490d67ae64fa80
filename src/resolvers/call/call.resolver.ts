import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root, Subscription } from 'type-graphql';
import type { AgentVersion, Call, VoiceSession } from '../../entities/index.js';
import { followChanges } from '../../live/changes.js';
import type { FeedIterator } from '../../live/feed-reader.js';
import { invalid } from '../../lib/errors.js';
import { UNFINISHED_CALL_STATUSES } from '../../services/calls-query.js';
import { shownScheduledCall } from '../../services/scheduled-calls.js';
import { requireScope, tenantOf } from '../../services/viewer.js';
import { AgentVersionType } from '../agent/agent.type.js';
import { byCreation, PageArgs, toConnection, type Connection } from '../common/connection.js';
import type { GraphqlContext } from '../context.js';
import { VoiceSessionType } from '../session/session.type.js';
import { CallConnection, CallFilter, CallType, MakeCallInput, MakeCallPayload } from './call.type.js';

/** Calls that are not over first, then each call whenever it changes. */
async function callFeed(
  { filter }: { filter?: CallFilter | null },
  { viewer, services }: GraphqlContext,
): Promise<FeedIterator<Call>> {
  requireScope(viewer, 'calls:read');
  const narrowed = filter ?? {};
  const only = viewer.kind === 'tenant' ? tenantOf(viewer, narrowed.tenantId) : (narrowed.tenantId ?? null);
  return followChanges(services.context.topics, {
    topic: 'callChanged',
    keyOf: (message) => (only === null || message.tenantId === only ? message.callId : null),
    snapshot: () => services.callsQuery.unfinished(viewer, narrowed),
    load: (id) => services.callsQuery.matching(viewer, narrowed, id),
    stateOf: ({ id, status, updatedAt }) => ({
      key: id,
      finished: !(UNFINISHED_CALL_STATUSES as readonly string[]).includes(status),
      version: `${status} ${updatedAt.getTime()}`,
    }),
  });
}

@Resolver(() => CallType)
export class CallResolver {
  @Query(() => CallType, { nullable: true, description: 'By id or by callSid.' })
  call(
    @Arg('id', () => ID, { nullable: true }) id: string | null,
    @Arg('callSid', () => String, { nullable: true }) callSid: string | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Call | null> {
    if ((id == null) === (callSid == null)) throw invalid({ path: 'id', message: 'give either id or callSid' });
    return services.callsQuery.find(viewer, { id, callSid });
  }

  @Query(() => CallConnection)
  async calls(
    @Arg('filter', () => CallFilter, { nullable: true }) filter: CallFilter | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Connection<Call>> {
    return toConnection(await services.callsQuery.page(viewer, filter ?? {}, page), page, byCreation);
  }

  @Mutation(() => MakeCallPayload, { description: 'With an idempotency key it is safe to repeat.' })
  async makeCall(
    @Arg('input', () => MakeCallInput) input: MakeCallInput,
    @Arg('idempotencyKey', () => String, { nullable: true }) idempotencyKey: string | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<MakeCallPayload> {
    const { makeCall } = services.calls;
    const made = await makeCall.callOrSchedule(viewer, input, idempotencyKey ?? null);
    const { call, duplicate } = made;
    return { call, duplicate, scheduledCall: 'scheduled' in made ? shownScheduledCall(made.scheduled) : null };
  }

  @FieldResolver(() => AgentVersionType, { nullable: true })
  agentVersion(@Root() call: Call, @Ctx() { loaders }: GraphqlContext): Promise<AgentVersion | null> | null {
    return call.agentVersionId == null ? null : loaders.agentVersion.load(call.agentVersionId);
  }
  @FieldResolver(() => VoiceSessionType, { nullable: true })
  session(@Root() call: Call, @Ctx() { loaders }: GraphqlContext): Promise<VoiceSession | null> {
    return loaders.sessionOfCall.load(call.id);
  }

  @Subscription(() => CallType, {
    subscribe: ({ args, context }) => callFeed(args as { filter?: CallFilter | null }, context as GraphqlContext),
    description: 'Calls that are not over first, then every change; each message is the whole current state.',
  })
  callUpdated(
    @Arg('filter', () => CallFilter, { nullable: true }) _filter: CallFilter | null,
    @Root() call: Call,
  ): Call {
    return call;
  }
}
