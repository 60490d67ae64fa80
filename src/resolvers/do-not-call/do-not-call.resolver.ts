import { Arg, Args, Ctx, ID, Mutation, Query, Resolver } from 'type-graphql';
import type { DoNotCallEntry } from '../../entities/index.js';
import type { DoNotCallImport } from '../../services/do-not-call.js';
import { byCreation, PageArgs, toConnection, type Connection } from '../common/connection.js';
import type { GraphqlContext } from '../context.js';
import {
  AddDoNotCallInput,
  DoNotCallEntryConnection,
  DoNotCallEntryType,
  DoNotCallFilter,
  ImportDoNotCallInput,
  ImportDoNotCallPayload,
} from './do-not-call.type.js';

@Resolver()
export class DoNotCallResolver {
  @Query(() => DoNotCallEntryConnection)
  async doNotCallEntries(
    @Arg('filter', () => DoNotCallFilter, { nullable: true }) filter: DoNotCallFilter | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Connection<DoNotCallEntry>> {
    return toConnection(await services.calls.doNotCall.page(viewer, filter ?? {}, page), page, byCreation);
  }

  @Mutation(() => DoNotCallEntryType, {
    description: 'A number that is on the list stays at least as long as it was to.',
  })
  addDoNotCall(
    @Arg('input', () => AddDoNotCallInput) { tenantId, global, ...entry }: AddDoNotCallInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<DoNotCallEntry> {
    return services.calls.doNotCall.add(viewer, { tenantId, global }, entry);
  }

  @Mutation(() => ImportDoNotCallPayload)
  importDoNotCall(
    @Arg('input', () => ImportDoNotCallInput) { entries, ...list }: ImportDoNotCallInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<DoNotCallImport> {
    return services.calls.doNotCall.import(viewer, list, entries);
  }

  @Mutation(() => DoNotCallEntryType, { description: 'By id, or by number on one list.' })
  removeDoNotCall(
    @Arg('id', () => ID, { nullable: true }) id: string | null,
    @Arg('number', () => String, { nullable: true }) number: string | null,
    @Arg('tenantId', () => ID, { nullable: true, description: 'Named by admins with a number.' })
    tenantId: string | null,
    @Arg('global', () => Boolean, { nullable: true }) global: boolean | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<DoNotCallEntry> {
    return services.calls.doNotCall.remove(viewer, { tenantId, global }, { id, number });
  }
}
