import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Agent, AgentVersion, RolloutHistory, RolloutPolicy } from '../../entities/index.js';
import type { AgentGovernance } from '../../services/rollout-governance.js';
import type { ConditionState } from '../../services/version-quality.js';
import { AgentType, AgentVersionType } from '../agent/agent.type.js';
import { byCreation, PageArgs, toConnection, type Connection } from '../common/connection.js';
import type { GraphqlContext } from '../context.js';
import {
  AgentGovernanceConnection,
  RolloutEventConnection,
  RolloutPolicyInput,
  RolloutPolicyType,
  StopCondition,
} from './rollout.type.js';

@Resolver(() => RolloutPolicyType)
export class RolloutPolicyResolver {
  @Mutation(() => RolloutPolicyType, {
    description: 'Starts or changes a canary. Refused while a launch gate fails; force needs a reason.',
  })
  setRolloutPolicy(
    @Arg('agentId', () => ID) agentId: string,
    @Arg('input', () => RolloutPolicyInput) input: RolloutPolicyInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<RolloutPolicy> {
    return services.rollouts.setPolicy(viewer, agentId, input);
  }

  @Mutation(() => AgentType, {
    description:
      'Ends a running candidate; without one, restores the version before. Running calls keep their version.',
  })
  rollbackAgent(
    @Arg('agentId', () => ID) agentId: string,
    @Arg('reason', () => String) reason: string,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Agent> {
    return services.rollouts.rollback(viewer, agentId, reason);
  }

  @Query(() => AgentGovernanceConnection)
  async rolloutGovernance(
    @Arg('tenantId', () => ID, { nullable: true }) tenantId: string | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Connection<AgentGovernance>> {
    return toConnection(await services.rolloutGovernance.page(viewer, tenantId, page), page, byCreation);
  }

  @FieldResolver(() => AgentVersionType, { nullable: true })
  candidateVersion(
    @Root() policy: RolloutPolicy,
    @Ctx() { loaders }: GraphqlContext,
  ): Promise<AgentVersion | null> | null {
    return policy.candidateVersionId == null ? null : loaders.agentVersion.load(policy.candidateVersionId);
  }

  @FieldResolver(() => [StopCondition])
  stopConditions(
    @Root() policy: RolloutPolicy,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<ConditionState[]> {
    return services.rollouts.conditions(viewer, policy);
  }
}

@Resolver(() => AgentType)
export class AgentRolloutResolver {
  @FieldResolver(() => RolloutPolicyType, { nullable: true })
  rolloutPolicy(@Root() agent: Agent, @Ctx() { loaders }: GraphqlContext): Promise<RolloutPolicy | null> {
    return loaders.rolloutPolicy.load(agent.id);
  }

  @FieldResolver(() => RolloutEventConnection, { description: 'Who changed what its traffic reaches, newest first.' })
  async rolloutHistory(
    @Root() agent: Agent,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Connection<RolloutHistory>> {
    return toConnection(await services.rollouts.historyPage(viewer, agent.id, page), page, byCreation);
  }
}
