import { Call, VoiceSession } from '../entities/index.js';
import { AppError, notFound } from '../lib/errors.js';
import { isUuid, newId } from '../lib/ids.js';
import { Check } from '../lib/validation.js';
import { CarrierError, type Carrier } from '../ports/carrier.js';
import { acknowledgementId, type CommandAction } from '../ports/live-calls.js';
import type { StoredSessionEvent } from '../ports/session-events.js';
import { audit } from './audit-log.js';
import type { CallCommands } from './call-commands.js';
import { refusedByCarrier } from './call-control.js';
import type { CallLookup } from './call-lookup.js';
import { isTerminal } from './call-states.js';
import type { CarrierAccounts } from './carrier-accounts.js';
import type { ServiceContext } from './context.js';
import type { DoNotCall } from './do-not-call.js';
import { hasLiveStream } from './session-end.js';
import type { SessionLog } from './session-log.js';
import { actorOf, emFor, requireScope, type Viewer } from './viewer.js';

/** Every act may carry an id of the client's choice (a UUID): repeated with it, it acts once. */
export interface ActInput {
  commandId?: string | null;
}

/** What came of an act: the call afterwards, and the entry in its log. Null: the call has no log (any more). */
export interface Supervised {
  call: Call;
  commandId: string;
  event: StoredSessionEvent | null;
}

export interface SupervisorServices {
  commands: CallCommands;
  carrier: Carrier;
  accounts: CarrierAccounts;
  lookup: CallLookup;
  sessionLog: SessionLog;
  /** Binds whoever is called, also by a transfer. Calling hours do not: they protect customers, not colleagues. */
  doNotCall: Pick<DoNotCall, 'check'>;
}

/** What an act needs besides the call, checked. */
interface Wanted {
  action: Act;
  text?: string | null;
  target?: string | null;
}

type Act = Exclude<CommandAction, 'CONNECT' | 'TRANSFER_FAILED' | 'PHONE_LEFT'>;

const MAX_SAID = 1_000;
const MAX_WHISPERED = 2_000;
const MAX_REASON = 500;

/** The word of the audit log for each act. */
const AUDITED: Record<Act, string> = {
  END: 'call.ended',
  TRANSFER: 'call.transferred',
  WARM_TRANSFER: 'call.transferred_warm',
  ESCALATE: 'call.escalated',
  SAY: 'call.said',
  WHISPER: 'call.whispered',
  MUTE: 'call.agent_muted',
  UNMUTE: 'call.agent_unmuted',
  TAKE_OVER: 'call.taken_over',
  HAND_BACK: 'call.handed_back',
};

/**
 * People who step into a running call. Each act needs `operations:write`, takes the call by id or sid, and throws
 * NOT_FOUND, CALL_NOT_ACTIVE (409), VALIDATION_FAILED, DO_NOT_CALL, COMMAND_NOT_ACKNOWLEDGED, or what the carrier's refusal became.
 */
export class Supervisor {
  constructor(
    private readonly context: ServiceContext,
    private readonly services: SupervisorServices,
  ) {}

  /** Hangs up. Also a call that still rings, or that was transferred and is nobody's conversation any more. */
  endCall(viewer: Viewer, ref: string, input: ActInput): Promise<Supervised> {
    return this.act(viewer, ref, input, () => ({ action: 'END' }));
  }

  /**
   * Sends the caller to a number at once. `warm`: that person is called first and told what it is about, while the agent
   * stays with the caller; the caller follows when they have heard it.
   */
  transferCall(
    viewer: Viewer,
    ref: string,
    input: ActInput & { to: string; warm?: boolean | null },
  ): Promise<Supervised> {
    return this.act(viewer, ref, input, (check) => ({
      action: input.warm === true ? 'WARM_TRANSFER' : 'TRANSFER',
      target: check.phone('to', input.to),
    }));
  }

  /** The same, for a reason; without a target to the call's own transfer number, and without one it is recorded only. */
  escalateCall(
    viewer: Viewer,
    ref: string,
    input: ActInput & { reason: string; target?: string | null },
  ): Promise<Supervised> {
    return this.act(viewer, ref, input, (check) => ({
      action: 'ESCALATE',
      text: check.text('reason', input.reason, MAX_REASON),
      target: input.target == null ? null : check.phone('target', input.target),
    }));
  }

  /** The agent's voice says these words to the caller, after what it is saying now. */
  sayToCaller(viewer: Viewer, ref: string, input: ActInput & { text: string }): Promise<Supervised> {
    return this.act(viewer, ref, input, (check) => ({ action: 'SAY', text: check.text('text', input.text, MAX_SAID) }));
  }

  /** An instruction to the agent that the caller does not hear. */
  whisperToAgent(viewer: Viewer, ref: string, input: ActInput & { text: string }): Promise<Supervised> {
    return this.act(viewer, ref, input, (check) => ({
      action: 'WHISPER',
      text: check.text('text', input.text, MAX_WHISPERED),
    }));
  }

  /** The agent falls silent at once; the caller is still transcribed. */
  muteAgent(viewer: Viewer, ref: string, input: ActInput): Promise<Supervised> {
    return this.act(viewer, ref, input, () => ({ action: 'MUTE' }));
  }

  unmuteAgent(viewer: Viewer, ref: string, input: ActInput): Promise<Supervised> {
    return this.act(viewer, ref, input, () => ({ action: 'UNMUTE' }));
  }

  /** A person takes the conversation. Without a number the agent falls silent, and the person speaks by `sayToCaller`. */
  takeOver(viewer: Viewer, ref: string, input: ActInput & { to?: string | null }): Promise<Supervised> {
    return this.act(viewer, ref, input, (check) => ({
      action: 'TAKE_OVER',
      target: input.to == null ? null : check.phone('to', input.to),
    }));
  }

  /** The agent has the word again. */
  handBack(viewer: Viewer, ref: string, input: ActInput): Promise<Supervised> {
    return this.act(viewer, ref, input, () => ({ action: 'HAND_BACK' }));
  }

  private async act(viewer: Viewer, ref: string, input: ActInput, read: (check: Check) => Wanted): Promise<Supervised> {
    requireScope(viewer, 'operations:write');
    const check = new Check();
    const { action, text = null, target = null } = read(check);
    check.when(input.commandId != null && !isUuid(input.commandId), 'commandId', 'must be a UUID');
    check.done();
    const call = await this.find(viewer, ref);
    const session = await this.em(call).findOne(VoiceSession, { callId: call.id });
    const commandId = input.commandId?.toLowerCase() ?? newId();
    const repeated = input.commandId != null && (await this.services.commands.known(call.tenantId, commandId));
    if (!repeated) this.refuseWhatIsOver(call, session, action);
    const wanted = { action, text, target };
    const event =
      session === null || (!repeated && action === 'END' && !this.isOwned(session))
        ? await this.hangUp(viewer, call, session, commandId)
        : await this.services.commands.send(
            { id: commandId, tenantId: call.tenantId, sessionId: session.id, by: actorOf(viewer), ...wanted },
            async (em) => {
              if (target !== null)
                await this.services.doNotCall.check(em, {
                  tenant: { id: call.tenantId },
                  to: target,
                  at: this.context.clock.now(),
                });
              audit(em, viewer, auditOf(call, commandId, wanted));
            },
          );
    return { call: await this.em(call).findOneOrFail(Call, { id: call.id }), commandId, event };
  }

  private async find(viewer: Viewer, ref: string): Promise<Call> {
    const em = emFor(this.context.database, viewer);
    const call = await em.findOne(Call, isUuid(ref) ? { id: ref } : { callSid: ref });
    if (call === null) throw notFound('call');
    return call;
  }

  private refuseWhatIsOver(call: Call, session: VoiceSession | null, action: Act): void {
    if (isTerminal(call.status)) throw new AppError('CALL_NOT_ACTIVE', 'The call is over');
    if (action === 'END') return;
    if (session === null) throw new AppError('CALL_NOT_ACTIVE', 'The call has not been answered yet');
    if (session.status !== 'ACTIVE') throw new AppError('CALL_NOT_ACTIVE', 'The conversation of this call is over');
  }

  private isOwned(session: VoiceSession): boolean {
    const { clock, settings } = this.context;
    return session.status === 'ACTIVE' && hasLiveStream(session, clock.now(), settings.timing.ownerDeadAfterMs);
  }

  /** A call that no process streams: it rings, was transferred, or waits for its stream to come back. */
  private async hangUp(
    viewer: Viewer,
    call: Call,
    session: VoiceSession | null,
    commandId: string,
  ): Promise<StoredSessionEvent | null> {
    const { carrier, accounts, lookup } = this.services;
    if (call.callSid == null || call.synthetic)
      throw new AppError('CALL_NOT_ACTIVE', 'There is no line to hang up yet; try again in a moment');
    const account = await accounts.forCall(this.em(call), call);
    if (account === null) throw new AppError('CARRIER_UNAVAILABLE', 'The credentials of this call are gone');
    const event = await this.record(viewer, call, session, commandId);
    try {
      await carrier.updateCall(account, call.callSid, { status: 'completed' });
    } catch (error) {
      throw error instanceof CarrierError ? refusedByCarrier(error) : error;
    }
    if (!isTerminal((await lookup.ask(call)).status)) lookup.followEnd(call.id);
    return event;
  }

  private async record(
    viewer: Viewer,
    call: Call,
    session: VoiceSession | null,
    commandId: string,
  ): Promise<StoredSessionEvent | null> {
    const by = actorOf(viewer);
    const payload = { action: 'END' as const, by, text: null, target: null, commandId };
    const { database, clock } = this.context;
    const event = { eventId: acknowledgementId(commandId), type: 'SupervisorActed' as const, at: clock.now(), payload };
    const { result, announce } = await database.em({ all: true }).transactional(async (em) => {
      audit(em, viewer, auditOf(call, commandId, { action: 'END', text: null, target: null }));
      await em.flush();
      return session?.status === 'ACTIVE'
        ? this.services.sessionLog.appendWithin(em, session.id, [event])
        : { result: null, announce: null };
    });
    await announce?.();
    return session !== null && result?.outcome === 'stored'
      ? { ...event, sessionId: session.id, seq: result.lastSeq }
      : null;
  }

  private em(call: Call) {
    return this.context.database.em({ tenantId: call.tenantId });
  }
}

function auditOf(call: Call, commandId: string, { action, text, target }: Required<Wanted>) {
  return {
    tenantId: call.tenantId,
    action: AUDITED[action],
    subjectType: 'call',
    subjectId: call.id,
    after: { commandId, ...(text === null ? {} : { text }), ...(target === null ? {} : { target }) },
  };
}
