import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Call } from '../../entities/index.js';
import { AppError } from '../../lib/errors.js';
import type { CallbackView } from '../../services/callbacks.js';
import { CallType } from '../call/call.type.js';
import { byCreation, PageArgs, toConnection, type Connection } from '../common/connection.js';
import type { GraphqlContext } from '../context.js';
import {
  CallbackTaskConnection,
  CallbackTaskFilter,
  CallbackTaskType,
  CreateCallbackTaskInput,
  UpdateCallbackTaskInput,
} from './callback.type.js';

@Resolver(() => CallbackTaskType)
export class CallbackResolver {
  @Query(() => CallbackTaskConnection)
  async callbackTasks(
    @Arg('filter', () => CallbackTaskFilter, { nullable: true }) filter: CallbackTaskFilter | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Connection<CallbackView>> {
    return toConnection(await services.calls.callbacks.page(viewer, filter ?? {}, page), page, byCreation);
  }

  @Query(() => CallbackTaskType, { nullable: true })
  async callbackTask(
    @Arg('id', () => ID) id: string,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<CallbackView | null> {
    try {
      return await services.calls.callbacks.get(viewer, id);
    } catch (error) {
      if (error instanceof AppError && error.code === 'NOT_FOUND') return null;
      throw error;
    }
  }

  @Mutation(() => CallbackTaskType)
  createCallbackTask(
    @Arg('input', () => CreateCallbackTaskInput) input: CreateCallbackTaskInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<CallbackView> {
    return services.calls.callbacks.create(viewer, input);
  }

  @Mutation(() => CallbackTaskType)
  updateCallbackTask(
    @Arg('id', () => ID) id: string,
    @Arg('input', () => UpdateCallbackTaskInput) input: UpdateCallbackTaskInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<CallbackView> {
    return services.calls.callbacks.update(viewer, id, input);
  }

  @Mutation(() => CallbackTaskType, {
    description: 'Of claims at the same moment one wins; the others are a CONFLICT.',
  })
  claimCallbackTask(
    @Arg('id', () => ID) id: string,
    @Arg('assignee', () => String, { nullable: true, description: 'Default: the credential.' })
    assignee: string | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<CallbackView> {
    return services.calls.callbacks.claim(viewer, id, assignee);
  }

  @Mutation(() => CallbackTaskType, {
    nullable: true,
    description: 'Takes the most urgent open task that is due and assigned to nobody else. Null: there is none.',
  })
  claimNextCallbackTask(
    @Arg('tenantId', () => ID, { nullable: true }) tenantId: string | null,
    @Arg('queue', () => String, { nullable: true, description: 'Default: any.' }) queue: string | null,
    @Arg('assignee', () => String, { nullable: true, description: 'Default: the credential.' })
    assignee: string | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<CallbackView | null> {
    return services.calls.callbacks.claimNext(viewer, { tenantId, queue, assignee });
  }

  @FieldResolver(() => CallType, { nullable: true })
  call(@Root() task: CallbackView, @Ctx() { loaders }: GraphqlContext): Promise<Call | null> | null {
    return task.callId == null ? null : loaders.call.load(task.callId as string);
  }
  @FieldResolver(() => CallType, { nullable: true })
  resultCall(@Root() task: CallbackView, @Ctx() { loaders }: GraphqlContext): Promise<Call | null> | null {
    return task.resultCallId == null ? null : loaders.call.load(task.resultCallId);
  }
}
