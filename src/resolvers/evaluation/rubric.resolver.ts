import { Arg, Ctx, FieldResolver, Float, ID, Mutation, Resolver, Root } from 'type-graphql';
import type { Agent, Rubric } from '../../entities/index.js';
import type { Calibration as Agreement, EvaluationSummary as Summary } from '../../services/evaluation-stats.js';
import { AgentType } from '../agent/agent.type.js';
import { DateTime } from '../common/scalars.js';
import type { GraphqlContext } from '../context.js';
import { Calibration, EvaluationSummary, RubricInput, RubricType } from './rubric.type.js';

@Resolver(() => AgentType)
export class RubricResolver {
  @FieldResolver(() => RubricType, { nullable: true, description: 'Null: calls are judged by people alone.' })
  rubric(@Root() agent: Agent, @Ctx() { viewer, services }: GraphqlContext): Promise<Rubric | null> {
    return services.rubrics.find(viewer, agent.id);
  }

  @FieldResolver(() => [EvaluationSummary], { description: 'Of each version that was judged, newest first.' })
  evaluationSummaries(
    @Root() agent: Agent,
    @Arg('since', () => DateTime, { nullable: true }) since: Date | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Summary[]> {
    return services.evaluationStats.summaries(viewer, agent.id, { since });
  }

  @FieldResolver(() => Calibration)
  calibration(
    @Root() agent: Agent,
    @Arg('since', () => DateTime, { nullable: true }) since: Date | null,
    @Arg('agentVersionId', () => ID, { nullable: true }) agentVersionId: string | null,
    @Arg('tolerance', () => Float, { nullable: true, description: '0-1; missing: 0.2.' }) tolerance: number | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Agreement> {
    return services.evaluationStats.calibration(viewer, agent.id, { since, agentVersionId, tolerance });
  }

  @Mutation(() => RubricType, { description: 'Replaces it; from now on calls of this agent are judged automatically.' })
  setRubric(
    @Arg('agentId', () => ID) agentId: string,
    @Arg('input', () => RubricInput) input: RubricInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Rubric> {
    return services.rubrics.set(viewer, agentId, input);
  }

  @Mutation(() => RubricType)
  deleteRubric(
    @Arg('agentId', () => ID) agentId: string,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Rubric> {
    return services.rubrics.remove(viewer, agentId);
  }
}
