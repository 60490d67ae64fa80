import { Arg, Args, Ctx, FieldResolver, ID, Int, Query, Resolver, Root, Subscription } from 'type-graphql';
import type { AgentVersion, Call, Evaluation, ToolCall, Turn, VoiceSession } from '../../entities/index.js';
import { mapFeed, turnsOf, type FeedIterator } from '../../live/feed-reader.js';
import { invalid } from '../../lib/errors.js';
import { requireScope } from '../../services/viewer.js';
import { AgentVersionType } from '../agent/agent.type.js';
import { CallType } from '../call/call.type.js';
import { PageArgs, toConnection, type Connection } from '../common/connection.js';
import type { GraphqlContext } from '../context.js';
import { SessionEnded, SessionEvent } from './session-event.type.js';
import { viewOfEvent, viewOfTurn } from './session-event.view.js';
import { activeSessionsFeed } from './session.feeds.js';
import {
  EvaluationType,
  ToolCallType,
  TranscriptTurn,
  VoiceSessionConnection,
  VoiceSessionFilter,
  VoiceSessionType,
} from './session.type.js';

interface FollowArgs {
  sessionId: string;
  after: number;
  partial?: boolean;
}

/** The feed of one session that this viewer may see. Throws FORBIDDEN, NOT_FOUND, VALIDATION_FAILED. */
async function follow({ sessionId, after, partial = false }: FollowArgs, { viewer, services }: GraphqlContext) {
  requireScope(viewer, 'live:read');
  if (after < 0) throw invalid({ path: 'after', message: 'must not be negative' });
  await services.sessionsQuery.get(viewer, sessionId);
  return services.feeds.follow(sessionId, after, { partials: partial });
}

async function followEvents(args: FollowArgs, context: GraphqlContext): Promise<FeedIterator<SessionEvent>> {
  return mapFeed(await follow(args, context), (item) => ('event' in item ? viewOfEvent(item.event) : null));
}

async function followTurns(args: FollowArgs, context: GraphqlContext): Promise<FeedIterator<TranscriptTurn>> {
  const { sessionId, after, partial = false } = args;
  return mapFeed(turnsOf(await follow(args, context), { after, partials: partial }), (turn) =>
    viewOfTurn(sessionId, turn, turn.seq),
  );
}

@Resolver(() => VoiceSessionType)
export class VoiceSessionResolver {
  @Query(() => VoiceSessionType, { nullable: true })
  voiceSession(
    @Arg('id', () => ID) id: string,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<VoiceSession | null> {
    return services.sessionsQuery.find(viewer, id);
  }

  @Query(() => VoiceSessionConnection)
  async voiceSessions(
    @Arg('filter', () => VoiceSessionFilter, { nullable: true }) filter: VoiceSessionFilter | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Connection<VoiceSession>> {
    return toConnection(await services.sessionsQuery.page(viewer, filter ?? {}, page), page, (row) => row.startedAt);
  }

  @Query(() => [VoiceSessionType])
  activeSessions(
    @Arg('tenantId', () => ID, { nullable: true }) tenantId: string | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<VoiceSession[]> {
    return services.sessionsQuery.active(viewer, { tenantId });
  }

  @FieldResolver(() => String, { description: 'Empty: the model’s default.' })
  voice(@Root() session: VoiceSession): string {
    return session.voice ?? '';
  }
  @FieldResolver(() => [TranscriptTurn])
  turns(@Root() session: VoiceSession, @Ctx() { loaders }: GraphqlContext): Promise<Turn[]> {
    return loaders.turns.load(session.id);
  }
  @FieldResolver(() => [ToolCallType])
  toolCalls(@Root() session: VoiceSession, @Ctx() { loaders }: GraphqlContext): Promise<ToolCall[]> {
    return loaders.toolCalls.load(session.id);
  }
  @FieldResolver(() => [EvaluationType])
  evaluations(@Root() session: VoiceSession, @Ctx() { loaders }: GraphqlContext): Promise<Evaluation[]> {
    return loaders.evaluations.load(session.id);
  }
  @FieldResolver(() => CallType, { nullable: true })
  call(@Root() session: VoiceSession, @Ctx() { loaders }: GraphqlContext): Promise<Call | null> {
    return loaders.call.load(session.callId);
  }
  @FieldResolver(() => AgentVersionType, { nullable: true })
  agentVersion(@Root() session: VoiceSession, @Ctx() { loaders }: GraphqlContext): Promise<AgentVersion | null> | null {
    return session.agentVersionId == null ? null : loaders.agentVersion.load(session.agentVersionId);
  }

  @Subscription(() => SessionEvent, {
    subscribe: ({ args, context }) => followEvents(args as FollowArgs, context as GraphqlContext),
    description:
      'First what is stored after `after`, then live; ordered by seq, each once; completes when the session has ended.',
  })
  sessionEvents(
    @Arg('sessionId', () => ID) _sessionId: string,
    @Arg('after', () => Int, { defaultValue: 0 }) _after: number,
    @Root() event: SessionEvent,
  ): SessionEvent {
    return event;
  }

  @Subscription(() => TranscriptTurn, {
    subscribe: ({ args, context }) => followTurns(args as FollowArgs, context as GraphqlContext),
    description: 'The conversation alone. With partial: true also the growing text of the current turn.',
  })
  transcriptTurns(
    @Arg('sessionId', () => ID) _sessionId: string,
    @Arg('after', () => Int, { defaultValue: 0 }) _after: number,
    @Arg('partial', () => Boolean, { defaultValue: false }) _partial: boolean,
    @Root() turn: TranscriptTurn,
  ): TranscriptTurn {
    return turn;
  }
}

@Resolver()
export class ActiveSessionsResolver {
  @Subscription(() => [VoiceSessionType], {
    name: 'activeSessions',
    subscribe: ({ args, context }) =>
      activeSessionsFeed(args as { tenantId?: string | null }, context as GraphqlContext),
    description: 'The live sessions now, and again whenever one of them changes.',
  })
  watchActiveSessions(
    @Arg('tenantId', () => ID, { nullable: true }) _tenantId: string | null,
    @Root() sessions: VoiceSession[],
  ): VoiceSession[] {
    return sessions;
  }
}

@Resolver(() => SessionEnded)
export class SessionEndedResolver {
  @FieldResolver(() => VoiceSessionType)
  session(@Root() ended: SessionEnded, @Ctx() { viewer, services }: GraphqlContext): Promise<VoiceSession> {
    return services.sessionsQuery.get(viewer, ended.sessionId);
  }
}
