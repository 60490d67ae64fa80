import { Arg, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { AgentVersion, Approval } from '../../entities/index.js';
import type { LaunchReport } from '../../services/launch-gates.js';
import { AgentVersionType } from '../agent/agent.type.js';
import type { GraphqlContext } from '../context.js';
import { ApprovalType, LaunchReportType } from './launch.type.js';

@Resolver(() => LaunchReportType)
export class LaunchResolver {
  @Query(() => LaunchReportType, { description: 'Each launch gate, its evidence and what is missing, as of now.' })
  launchReport(
    @Arg('agentVersionId', () => ID) agentVersionId: string,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<LaunchReport> {
    return services.launchGates.report(viewer, agentVersionId);
  }

  @FieldResolver(() => AgentVersionType, { nullable: true })
  agentVersion(@Root() report: LaunchReport, @Ctx() { loaders }: GraphqlContext): Promise<AgentVersion | null> {
    return loaders.agentVersion.load(report.agentVersionId);
  }

  @Mutation(() => ApprovalType, {
    description: 'Of the version as it is now; one before of the same name is replaced.',
  })
  approveAgentVersion(
    @Arg('agentVersionId', () => ID) agentVersionId: string,
    @Arg('name', () => String, { description: 'One of the tenant’s required approvals.' }) name: string,
    @Arg('note', () => String, { nullable: true }) note: string | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Approval> {
    return services.approvals.give(viewer, agentVersionId, name, note);
  }

  @Mutation(() => ApprovalType, { description: 'A version that is live stays so.' })
  withdrawApproval(
    @Arg('agentVersionId', () => ID) agentVersionId: string,
    @Arg('name', () => String) name: string,
    @Arg('note', () => String, { nullable: true }) note: string | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Approval> {
    return services.approvals.withdraw(viewer, agentVersionId, name, note);
  }
}
