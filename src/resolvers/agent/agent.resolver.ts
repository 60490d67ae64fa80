import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Agent, AgentVersion } from '../../entities/index.js';
import { byCreation, PageArgs, toConnection, type Connection } from '../common/connection.js';
import type { GraphqlContext } from '../context.js';
import { CreateAgentInput, CreateAgentVersionInput, UpdateAgentInput, UpdateAgentVersionInput } from './agent.input.js';
import { AgentConnection, AgentType, AgentVersionConnection, AgentVersionType } from './agent.type.js';

@Resolver(() => AgentType)
export class AgentResolver {
  @Query(() => AgentType, { nullable: true, description: 'By key within a tenant, which an admin names; or by id.' })
  agent(
    @Arg('key', () => String, { nullable: true }) key: string | null,
    @Arg('tenantId', () => ID, { nullable: true }) tenantId: string | null,
    @Arg('id', () => ID, { nullable: true }) id: string | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Agent | null> {
    return services.agents.find(viewer, { id, key, tenantId });
  }

  @Query(() => AgentConnection)
  async agents(
    @Arg('tenantId', () => ID, { nullable: true }) tenantId: string | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Connection<Agent>> {
    return toConnection(await services.agents.page(viewer, tenantId, page), page, byCreation);
  }

  @Mutation(() => AgentType)
  createAgent(
    @Arg('input', () => CreateAgentInput) input: CreateAgentInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Agent> {
    return services.agents.create(viewer, input);
  }

  @Mutation(() => AgentType)
  updateAgent(
    @Arg('id', () => ID) id: string,
    @Arg('input', () => UpdateAgentInput) input: UpdateAgentInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Agent> {
    return services.agents.update(viewer, id, input);
  }

  @FieldResolver(() => AgentVersionType, { nullable: true })
  publishedVersion(@Root() agent: Agent, @Ctx() { loaders }: GraphqlContext): Promise<AgentVersion | null> | null {
    return agent.publishedVersionId == null ? null : loaders.agentVersion.load(agent.publishedVersionId);
  }

  @FieldResolver(() => AgentVersionConnection, { description: 'Newest first.' })
  async versions(
    @Root() agent: Agent,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Connection<AgentVersion>> {
    return toConnection(await services.agents.versionPage(viewer, agent.id, page), page, byCreation);
  }
}

@Resolver(() => AgentVersionType)
export class AgentVersionResolver {
  @Query(() => AgentVersionType, { nullable: true })
  agentVersion(@Arg('id', () => ID) id: string, @Ctx() { loaders }: GraphqlContext): Promise<AgentVersion | null> {
    return loaders.agentVersion.load(id);
  }

  @Query(() => String, { description: 'Unified diff of two versions’ contracts.' })
  agentVersionDiff(
    @Arg('from', () => ID) from: string,
    @Arg('to', () => ID) to: string,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<string> {
    return services.agentVersions.diff(viewer, from, to);
  }

  @FieldResolver(() => AgentType, { nullable: true })
  agent(@Root() version: AgentVersion, @Ctx() { loaders }: GraphqlContext): Promise<Agent | null> {
    return loaders.agent.load(version.agentId);
  }

  @Mutation(() => AgentVersionType, { description: 'A new DRAFT.' })
  createAgentVersion(
    @Arg('input', () => CreateAgentVersionInput) input: CreateAgentVersionInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<AgentVersion> {
    return services.agentVersions.create(viewer, input);
  }

  @Mutation(() => AgentVersionType, { description: 'While it is a DRAFT.' })
  updateAgentVersion(
    @Arg('id', () => ID) id: string,
    @Arg('input', () => UpdateAgentVersionInput) input: UpdateAgentVersionInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<AgentVersion> {
    return services.agentVersions.update(viewer, id, input);
  }

  @Mutation(() => AgentVersionType, {
    description: 'Refused while a launch gate fails (LAUNCH_GATES_FAILED names them); force needs a reason.',
  })
  publishAgentVersion(
    @Arg('id', () => ID) id: string,
    @Arg('force', () => Boolean, { nullable: true, defaultValue: false }) force: boolean | null,
    @Arg('reason', () => String, { nullable: true }) reason: string | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<AgentVersion> {
    return services.agentVersions.publish(viewer, id, { force: force ?? false, reason });
  }
}
