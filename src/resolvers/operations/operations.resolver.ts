import { Arg, Args, Ctx, ID, Mutation, Query, Resolver, Root, Subscription } from 'type-graphql';
import type { AuditEntry, Diagnostic } from '../../entities/index.js';
import { MAX_PAGE } from '../../lib/cursor.js';
import { followChanges } from '../../live/changes.js';
import type { FeedIterator } from '../../live/feed-reader.js';
import type { AuthTransportReport } from '../../services/auth-transport.js';
import { requireScope, tenantOf } from '../../services/viewer.js';
import { byCreation, PageArgs, toConnection, type Connection } from '../common/connection.js';
import type { GraphqlContext } from '../context.js';
import { AuthTransport } from './auth-transport.type.js';
import {
  AuditEntryConnection,
  AuditFilter,
  DiagnosticConnection,
  DiagnosticFilter,
  DiagnosticType,
} from './operations.type.js';

async function diagnosticFeed(
  { tenantId }: { tenantId?: string | null },
  { viewer, services }: GraphqlContext,
): Promise<FeedIterator<Diagnostic>> {
  requireScope(viewer, 'operations:read');
  const only = viewer.kind === 'tenant' ? tenantOf(viewer, tenantId) : (tenantId ?? null);
  return followChanges(services.context.topics, {
    topic: 'diagnosticRaised',
    keyOf: (message) => (only === null || message.tenantId === only ? message.diagnosticId : null),
    snapshot: async () =>
      (await services.diagnosticsQuery.page(viewer, { tenantId: only, resolved: false }, { first: MAX_PAGE })).rows,
    load: (id) => services.diagnosticsQuery.find(viewer, id, only),
    stateOf: ({ id, resolvedAt, count, lastSeenAt }) => ({
      key: id,
      finished: resolvedAt != null,
      version: `${count} ${lastSeenAt.getTime()}`,
    }),
  });
}

@Resolver()
export class OperationsResolver {
  @Query(() => DiagnosticConnection)
  async diagnostics(
    @Arg('filter', () => DiagnosticFilter, { nullable: true }) filter: DiagnosticFilter | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Connection<Diagnostic>> {
    return toConnection(
      await services.diagnosticsQuery.page(viewer, filter ?? {}, page),
      page,
      (row) => row.lastSeenAt,
    );
  }

  @Mutation(() => DiagnosticType, { description: 'It opens again by itself when it happens again.' })
  resolveDiagnostic(@Arg('id', () => ID) id: string, @Ctx() { viewer, services }: GraphqlContext): Promise<Diagnostic> {
    return services.diagnosticsQuery.resolve(viewer, id);
  }

  @Query(() => AuthTransport, { description: 'For admins.' })
  authTransport(@Ctx() { viewer, services }: GraphqlContext): Promise<AuthTransportReport> {
    return services.authTransport.report(viewer);
  }

  @Query(() => AuditEntryConnection, { description: 'For admins.' })
  async auditLog(
    @Arg('filter', () => AuditFilter, { nullable: true }) filter: AuditFilter | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Connection<AuditEntry>> {
    return toConnection(await services.auditQuery.page(viewer, filter ?? {}, page), page, byCreation);
  }

  @Subscription(() => DiagnosticType, {
    subscribe: ({ args, context }) => diagnosticFeed(args as { tenantId?: string | null }, context as GraphqlContext),
    description: 'The open ones first, then each when it is raised.',
  })
  diagnosticRaised(
    @Arg('tenantId', () => ID, { nullable: true }) _tenantId: string | null,
    @Root() diagnostic: Diagnostic,
  ): Diagnostic {
    return diagnostic;
  }
}
