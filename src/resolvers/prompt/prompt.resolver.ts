import { Arg, Args, Ctx, FieldResolver, ID, Int, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Prompt, PromptRevision } from '../../entities/index.js';
import { byCreation, PageArgs, toConnection, type Connection } from '../common/connection.js';
import type { GraphqlContext } from '../context.js';
import {
  CreatePromptInput,
  PromptConnection,
  PromptRevisionConnection,
  PromptRevisionInput,
  PromptRevisionType,
  PromptType,
} from './prompt.type.js';

@Resolver(() => PromptType)
export class PromptResolver {
  @Query(() => PromptType, { nullable: true, description: 'By key within a tenant, which an admin names; or by id.' })
  prompt(
    @Arg('key', () => String, { nullable: true }) key: string | null,
    @Arg('tenantId', () => ID, { nullable: true }) tenantId: string | null,
    @Arg('id', () => ID, { nullable: true }) id: string | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Prompt | null> {
    return services.prompts.find(viewer, { id, key, tenantId });
  }

  @Query(() => PromptConnection)
  async prompts(
    @Arg('tenantId', () => ID, { nullable: true }) tenantId: string | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Connection<Prompt>> {
    return toConnection(await services.prompts.page(viewer, tenantId, page), page, byCreation);
  }

  @Query(() => String, { description: 'Unified line diff; empty when the texts are equal.' })
  promptDiff(
    @Arg('promptId', () => ID) promptId: string,
    @Arg('from', () => Int) from: number,
    @Arg('to', () => Int) to: number,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<string> {
    return services.prompts.diff(viewer, promptId, from, to);
  }

  @FieldResolver(() => PromptRevisionConnection, { description: 'Newest first.' })
  async revisions(
    @Root() prompt: Prompt,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Connection<PromptRevision>> {
    return toConnection(await services.prompts.revisionPage(viewer, prompt.id, page), page, byCreation);
  }

  @FieldResolver(() => PromptRevisionType, { description: 'The one of this number.' })
  revision(
    @Root() prompt: Prompt,
    @Arg('number', () => Int) number: number,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<PromptRevision> {
    return services.prompts.revision(viewer, prompt.id, number);
  }

  @Mutation(() => PromptType, { description: 'With its first revision.' })
  createPrompt(
    @Arg('input', () => CreatePromptInput) input: CreatePromptInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Prompt> {
    return services.prompts.create(viewer, input);
  }

  @Mutation(() => PromptRevisionType)
  createPromptRevision(
    @Arg('promptId', () => ID) promptId: string,
    @Arg('input', () => PromptRevisionInput) input: PromptRevisionInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<PromptRevision> {
    return services.prompts.addRevision(viewer, promptId, input);
  }

  @Mutation(() => PromptType)
  publishPromptRevision(
    @Arg('promptId', () => ID) promptId: string,
    @Arg('number', () => Int) number: number,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Prompt> {
    return services.prompts.publish(viewer, promptId, number);
  }
}
