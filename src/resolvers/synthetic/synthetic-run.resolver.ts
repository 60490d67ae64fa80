import { Arg, Args, Ctx, FieldResolver, ID, Int, Mutation, Query, Resolver, Root, Subscription } from 'type-graphql';
import type { AgentVersion, Call, Scenario, SyntheticCall, SyntheticRun, VoiceSession } from '../../entities/index.js';
import { followChanges } from '../../live/changes.js';
import type { FeedIterator } from '../../live/feed-reader.js';
import { AgentVersionType } from '../agent/agent.type.js';
import { CallType } from '../call/call.type.js';
import { byCreation, PageArgs, toConnection, type Connection } from '../common/connection.js';
import type { GraphqlContext } from '../context.js';
import { VoiceSessionType } from '../session/session.type.js';
import { ScenarioType } from './scenario.type.js';
import {
  SyntheticCallType,
  SyntheticRunConnection,
  SyntheticRunFilter,
  SyntheticRunType,
} from './synthetic-run.type.js';

/** The run now, and again whenever it or one of its calls changes. Throws FORBIDDEN, NOT_FOUND. */
async function runFeed(
  { runId }: { runId: string },
  { viewer, services }: GraphqlContext,
): Promise<FeedIterator<SyntheticRun>> {
  const { id } = await services.syntheticRuns.get(viewer, runId);
  const load = () => services.syntheticRuns.get(viewer, id);
  return followChanges(services.context.topics, {
    topic: 'syntheticRunChanged',
    channel: id,
    keyOf: () => id,
    snapshot: async () => [await load()],
    load,
    // A run is in its snapshot also when it is over: it is shown again only when something about it is new.
    stateOf: ({ status, passed, failed }) => ({ key: id, finished: false, version: `${status} ${passed} ${failed}` }),
  });
}

@Resolver(() => SyntheticRunType)
export class SyntheticRunResolver {
  @Query(() => SyntheticRunType)
  syntheticRun(@Arg('id', () => ID) id: string, @Ctx() { viewer, services }: GraphqlContext): Promise<SyntheticRun> {
    return services.syntheticRuns.get(viewer, id);
  }

  @Query(() => SyntheticRunConnection)
  async syntheticRuns(
    @Arg('filter', () => SyntheticRunFilter, { nullable: true }) filter: SyntheticRunFilter | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Connection<SyntheticRun>> {
    return toConnection(await services.syntheticRuns.page(viewer, filter ?? {}, page), page, byCreation);
  }

  @Mutation(() => SyntheticRunType, {
    description:
      'Calls this version through the gateway’s own doors; its scenarios take turns. Nothing reaches a carrier.',
  })
  startSyntheticRun(
    @Arg('agentVersionId', () => ID) agentVersionId: string,
    @Arg('count', () => Int, { defaultValue: 20 }) count: number,
    @Arg('scenarioIds', () => [ID], { nullable: true, description: 'Default: every active one of the agent.' })
    scenarioIds: string[] | null,
    @Arg('concurrency', () => Int, { nullable: true, description: 'Calls at once; 5 by default.' })
    concurrency: number | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<SyntheticRun> {
    return services.syntheticRuns.start(viewer, { agentVersionId, count, scenarioIds, concurrency });
  }

  @Mutation(() => SyntheticRunType, { description: 'What waits is not placed, what runs is hung up.' })
  cancelSyntheticRun(
    @Arg('id', () => ID) id: string,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<SyntheticRun> {
    return services.syntheticRuns.cancel(viewer, id);
  }

  @FieldResolver(() => Boolean, {
    description: 'Played against the built-in model simulator: no evidence for a launch gate, except in a sandbox.',
  })
  simulatedModel(@Root() run: SyntheticRun): boolean {
    return run.simulated;
  }
  @FieldResolver(() => [SyntheticCallType], { description: 'In the order in which they are placed.' })
  calls(@Root() run: SyntheticRun, @Ctx() { loaders }: GraphqlContext): Promise<SyntheticCall[]> {
    return loaders.syntheticCalls.load(run.id);
  }
  @FieldResolver(() => AgentVersionType, { nullable: true })
  agentVersion(@Root() run: SyntheticRun, @Ctx() { loaders }: GraphqlContext): Promise<AgentVersion | null> {
    return loaders.agentVersion.load(run.agentVersionId);
  }

  @Subscription(() => SyntheticRunType, {
    subscribe: ({ args, context }) => runFeed(args as { runId: string }, context as GraphqlContext),
    description: 'The run now, then every change of it and its calls; each message is the whole current state.',
  })
  syntheticRunUpdated(@Arg('runId', () => ID) _runId: string, @Root() run: SyntheticRun): SyntheticRun {
    return run;
  }
}

@Resolver(() => SyntheticCallType)
export class SyntheticCallResolver {
  @FieldResolver(() => [String], { description: 'Why it failed; empty when it passed or is not over.' })
  failures(@Root() { checks }: SyntheticCall): string[] {
    return checks.filter((check) => !check.passed).map((check) => check.detail);
  }
  @FieldResolver(() => ScenarioType, { nullable: true })
  scenario(@Root() call: SyntheticCall, @Ctx() { loaders }: GraphqlContext): Promise<Scenario | null> {
    return loaders.scenario.load(call.scenarioId);
  }
  @FieldResolver(() => CallType, { nullable: true })
  call(@Root() { callId }: SyntheticCall, @Ctx() { loaders }: GraphqlContext): Promise<Call | null> | null {
    return callId == null ? null : loaders.call.load(callId);
  }
  @FieldResolver(() => VoiceSessionType, { nullable: true })
  session(@Root() { callId }: SyntheticCall, @Ctx() { loaders }: GraphqlContext): Promise<VoiceSession | null> | null {
    return callId == null ? null : loaders.sessionOfCall.load(callId);
  }
}
