import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Agent, Scenario } from '../../entities/index.js';
import { recordedMs } from '../../services/scenarios.js';
import { AgentType } from '../agent/agent.type.js';
import { byCreation, PageArgs, toConnection, type Connection } from '../common/connection.js';
import type { GraphqlContext } from '../context.js';
import {
  CallerLine,
  CreateScenarioInput,
  ScenarioConnection,
  ScenarioType,
  UpdateScenarioInput,
} from './scenario.type.js';

@Resolver(() => ScenarioType)
export class ScenarioResolver {
  @Query(() => ScenarioType)
  scenario(@Arg('id', () => ID) id: string, @Ctx() { viewer, services }: GraphqlContext): Promise<Scenario> {
    return services.scenarios.get(viewer, id);
  }

  @Query(() => ScenarioConnection)
  async scenarios(
    @Arg('tenantId', () => ID, { nullable: true }) tenantId: string | null,
    @Arg('agentId', () => ID, { nullable: true }) agentId: string | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Connection<Scenario>> {
    return toConnection(await services.scenarios.page(viewer, { tenantId, agentId }, page), page, byCreation);
  }

  @FieldResolver(() => AgentType, { nullable: true })
  agent(@Root() scenario: Scenario, @Ctx() { loaders }: GraphqlContext): Promise<Agent | null> {
    return loaders.agent.load(scenario.agentId);
  }
  @FieldResolver(() => [CallerLine])
  callerLines(@Root() scenario: Scenario): CallerLine[] {
    return scenario.callerLines.map(({ text, audio }) => ({
      text,
      recordedMs: audio === null ? null : recordedMs(audio),
    }));
  }

  @Mutation(() => ScenarioType)
  createScenario(
    @Arg('input', () => CreateScenarioInput) input: CreateScenarioInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Scenario> {
    return services.scenarios.create(viewer, input);
  }

  @Mutation(() => ScenarioType)
  updateScenario(
    @Arg('id', () => ID) id: string,
    @Arg('input', () => UpdateScenarioInput) input: UpdateScenarioInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Scenario> {
    return services.scenarios.update(viewer, id, input);
  }

  @Mutation(() => ScenarioType, { description: 'Only one that was never run; others are set inactive.' })
  deleteScenario(@Arg('id', () => ID) id: string, @Ctx() { viewer, services }: GraphqlContext): Promise<Scenario> {
    return services.scenarios.remove(viewer, id);
  }
}
