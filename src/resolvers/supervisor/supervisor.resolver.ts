import { Arg, Ctx, ID, Mutation, Resolver } from 'type-graphql';
import type { Call } from '../../entities/index.js';
import type { Supervised } from '../../services/supervisor.js';
import { CallType } from '../call/call.type.js';
import { PhoneNumber } from '../common/scalars.js';
import type { GraphqlContext } from '../context.js';
import { SupervisorActed } from '../session/session-event.type.js';
import { viewOfEvent } from '../session/session-event.view.js';

/** Every act takes an id of the client's choice, a UUID: repeated with the same one, it acts once. */
const CommandId = (): ReturnType<typeof Arg> =>
  Arg('commandId', () => ID, { nullable: true, description: 'A UUID. Repeated with the same one, it acts once.' });

@Resolver()
export class SupervisorResolver {
  @Mutation(() => CallType, { description: 'Hangs up; also a call that still rings.' })
  endCall(
    @Arg('callId', () => ID) callId: string,
    @CommandId() commandId: string | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Call> {
    return callOf(services.calls.supervisor.endCall(viewer, callId, { commandId }));
  }

  @Mutation(() => CallType, { description: 'Sends the caller to another number.' })
  transferCall(
    @Arg('callId', () => ID) callId: string,
    @Arg('to', () => PhoneNumber) to: string,
    @Arg('warm', () => Boolean, {
      defaultValue: false,
      nullable: true,
      description: 'The person is called first and told what it is about, while the agent stays with the caller.',
    })
    warm: boolean | null,
    @CommandId() commandId: string | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Call> {
    return callOf(services.calls.supervisor.transferCall(viewer, callId, { to, warm, commandId }));
  }

  @Mutation(() => CallType, {
    description: 'Transfers for a reason. Without a target: to the call’s transfer number; without one it is recorded.',
  })
  escalateCall(
    @Arg('callId', () => ID) callId: string,
    @Arg('reason', () => String) reason: string,
    @Arg('target', () => String, { nullable: true, description: 'E.164.' }) target: string | null,
    @CommandId() commandId: string | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Call> {
    return callOf(services.calls.supervisor.escalateCall(viewer, callId, { reason, target, commandId }));
  }

  @Mutation(() => SupervisorActed, { description: 'The agent speaks these words.' })
  sayToCaller(
    @Arg('callId', () => ID) callId: string,
    @Arg('text', () => String) text: string,
    @CommandId() commandId: string | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<SupervisorActed> {
    return eventOf(services.calls.supervisor.sayToCaller(viewer, callId, { text, commandId }));
  }

  @Mutation(() => SupervisorActed, { description: 'An instruction that the caller does not hear.' })
  whisperToAgent(
    @Arg('callId', () => ID) callId: string,
    @Arg('text', () => String) text: string,
    @CommandId() commandId: string | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<SupervisorActed> {
    return eventOf(services.calls.supervisor.whisperToAgent(viewer, callId, { text, commandId }));
  }

  @Mutation(() => SupervisorActed, { description: 'The agent falls silent; the caller is still transcribed.' })
  muteAgent(
    @Arg('callId', () => ID) callId: string,
    @CommandId() commandId: string | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<SupervisorActed> {
    return eventOf(services.calls.supervisor.muteAgent(viewer, callId, { commandId }));
  }

  @Mutation(() => SupervisorActed)
  unmuteAgent(
    @Arg('callId', () => ID) callId: string,
    @CommandId() commandId: string | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<SupervisorActed> {
    return eventOf(services.calls.supervisor.unmuteAgent(viewer, callId, { commandId }));
  }

  @Mutation(() => CallType, { description: 'A person joins, the agent falls silent.' })
  takeOver(
    @Arg('callId', () => ID) callId: string,
    @Arg('to', () => PhoneNumber, {
      nullable: true,
      description: 'The supervisor’s phone. Without one the supervisor speaks by sayToCaller.',
    })
    to: string | null,
    @CommandId() commandId: string | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Call> {
    return callOf(services.calls.supervisor.takeOver(viewer, callId, { to, commandId }));
  }

  @Mutation(() => CallType, { description: 'The agent has the word again.' })
  handBack(
    @Arg('callId', () => ID) callId: string,
    @CommandId() commandId: string | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Call> {
    return callOf(services.calls.supervisor.handBack(viewer, callId, { commandId }));
  }
}

async function callOf(act: Promise<Supervised>): Promise<Call> {
  return (await act).call;
}

/** Acts of a conversation always have their entry: without one they were refused. */
async function eventOf(act: Promise<Supervised>): Promise<SupervisorActed> {
  return viewOfEvent((await act).event!) as SupervisorActed;
}
