import { Arg, Args, Ctx, FieldResolver, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Evaluation, VoiceSession } from '../../entities/index.js';
import { byCreation, PageArgs, toConnection, type Connection } from '../common/connection.js';
import type { GraphqlContext } from '../context.js';
import {
  EvaluationConnection,
  EvaluationFilter,
  EvaluationType,
  RecordEvaluationInput,
  VoiceSessionType,
} from '../session/session.type.js';

@Resolver(() => EvaluationType)
export class EvaluationResolver {
  @Query(() => EvaluationConnection)
  async evaluations(
    @Arg('filter', () => EvaluationFilter, { nullable: true }) filter: EvaluationFilter | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Connection<Evaluation>> {
    return toConnection(await services.evaluations.page(viewer, filter ?? {}, page), page, byCreation);
  }

  @Mutation(() => EvaluationType, { description: 'By a person, of a session that is over; it becomes REVIEWED.' })
  recordEvaluation(
    @Arg('input', () => RecordEvaluationInput) input: RecordEvaluationInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Evaluation> {
    return services.evaluations.record(viewer, input);
  }

  @FieldResolver(() => VoiceSessionType, { nullable: true })
  session(@Root() evaluation: Evaluation, @Ctx() { loaders }: GraphqlContext): Promise<VoiceSession | null> {
    return loaders.session.load(evaluation.sessionId);
  }
}
