import { Call, VoiceSession } from '../entities/index.js';
import { AppError } from '../lib/errors.js';
import { derivedId } from '../lib/ids.js';
import { CarrierError, type Carrier, type CarrierAccount } from '../ports/carrier.js';
import type { CommandAction } from '../ports/live-calls.js';
import type { BroughtPerson } from '../ports/media-session.js';
import { fallbackTwiml, PERSON, TRANSFER_FAILED_MESSAGE, type CallAnswer } from './call-answers.js';
import type { CallCommands } from './call-commands.js';
import type { KnownCall } from './call-continuations.js';
import type { CallLookup } from './call-lookup.js';
import { ownNumber } from './call-setting.js';
import { isTerminal, statusOf } from './call-states.js';
import type { CarrierAccounts } from './carrier-accounts.js';
import type { CarrierIdentity } from './carrier-identity.js';
import type { ServiceContext } from './context.js';
import type { DiagnosticSink } from './diagnostics.js';
import type { Briefings } from './person-briefing.js';
import { findVisit, hasCaller, isWanted, type Visit } from './person-visits.js';
import { phoneAnswer } from './stream-answer.js';
import { loadRuntimeConfig, telephonyOf } from './telephony.js';
import { callbackUrl, legUrl } from './telephony-urls.js';

export interface PersonLegServices {
  carrier: Carrier;
  accounts: CarrierAccounts;
  commands: CallCommands;
  briefings: Briefings;
  diagnostics: DiagnosticSink;
  lookup: CallLookup;
}

/** A phone that this process had dialled. */
interface Leg {
  sid: string;
  callId: string;
  sessionId: string;
  account: CarrierAccount;
}

const RING_SECONDS = 30;
/** How often the legs of this process are compared with their calls. */
const WATCH_MS = 2_000;
/** The owner may be busy with the carrier, or the call is just moving to another one. */
const CONNECT_TRIES = 3;
const SYSTEM = 'system:telephone';
/** What the log and the diagnostic say of it, beside Twilio's words for calls that were not answered. */
const ANSWERING_MACHINE = 'answering-machine';

/** The room in which a person and the caller meet. */
export const roomOf = (commandId: string): string => `trunkline-${commandId}`;

/**
 * The phones of people whom supervisors bring into calls. Each is a call of its own, known by the command that asked for
 * it, so that any process can answer its webhooks; news for the owner of the caller's call travel as commands.
 */
export class PersonLegs {
  private readonly legs = new Map<string, Leg>();
  private watch: NodeJS.Timeout | null = null;
  private readonly rooms = new Set<NodeJS.Timeout>();

  constructor(
    private readonly context: ServiceContext,
    private readonly services: PersonLegServices,
  ) {}

  /** Nobody is watched any more. */
  stop(): void {
    this.unwatch();
    for (const timer of this.rooms) clearTimeout(timer);
    this.rooms.clear();
  }

  private unwatch(): void {
    if (this.watch !== null) clearInterval(this.watch);
    this.watch = null;
  }

  /** Dials, once. Throws UNPROCESSABLE, CARRIER_REJECTED, CARRIER_UNAVAILABLE. */
  async dial(call: Call, sessionId: string, { commandId, target, briefed }: BroughtPerson): Promise<void> {
    const { carrier, accounts, briefings } = this.services;
    const { settings, database } = this.context;
    const from = ownNumber(call);
    const em = database.em({ tenantId: call.tenantId });
    const account = await accounts.forCall(em, call);
    if (account === null) throw new AppError('CARRIER_UNAVAILABLE', 'The credentials of this call are gone');
    if (from === null) throw new AppError('UNPROCESSABLE', 'This call has no number of its own to dial from');
    const at = { callId: call.id, commandId };
    const { machineDetection } = telephonyOf(await loadRuntimeConfig(em, call.tenantId));
    try {
      const { sid } = await carrier.createCall(account, {
        to: target,
        from,
        url: legUrl(settings, 'join-call', at),
        fallbackUrl: callbackUrl(settings, 'fallback-call', call.id),
        statusCallback: legUrl(settings, 'leg-status', at),
        timeoutSeconds: RING_SECONDS,
        machineDetection,
      });
      if (briefed) void briefings.prepare(commandId, sessionId);
      this.legs.set(commandId, { sid, callId: call.id, sessionId, account });
      this.watch ??= setInterval(() => void this.compare(), WATCH_MS).unref();
    } catch (error) {
      throw error instanceof CarrierError ? refusedDial(error) : error;
    }
  }

  /** Nobody needs this person any more. A phone that this process did not dial is let go by its stream and webhooks. */
  async dismiss(commandId: string): Promise<void> {
    await this.context.topics.publish('phoneDismissed', { phoneId: commandId }).catch(() => {});
    const leg = this.legs.get(commandId);
    if (leg === undefined) return;
    this.legs.delete(commandId);
    await this.hangUp(leg.account, leg.sid);
  }

  /**
   * The person answered, unless it is too late: they hear what it is about and wait for the caller, or take the call over.
   * A machine is told nothing; the end of its call then brings the agent back. Also asked when the stream of a phone is
   * over.
   */
  async answered(
    identity: CarrierIdentity,
    known: KnownCall,
    commandId: string | null,
    answeredBy: string,
  ): Promise<CallAnswer> {
    if (isMachine(answeredBy)) return { kind: 'hang-up' };
    const visit = await findVisit(this.em(), identity, known, commandId);
    if (visit === null || !(await isWanted(this.em(), visit))) return { kind: 'hang-up' };
    const { call, session, command } = visit;
    if (command.action === 'TAKE_OVER')
      return phoneAnswer(this.context, { callId: call.id, commandId: command.id, callSid: known.callSid });
    return {
      kind: 'brief',
      words: await this.services.briefings.words(command, call, session),
      language: null,
      room: roomOf(command.id),
      statusUrl: legUrl(this.context.settings, 'conference-status', { callId: call.id, commandId: command.id }),
    };
  }

  /** The person's own call is over: when they are still needed, the agent goes on without them. */
  async legStatus(
    identity: CarrierIdentity,
    known: KnownCall,
    commandId: string | null,
    leg: { status: string; answeredBy: string },
  ): Promise<void> {
    const status = statusOf(leg.status);
    if (status === null || !isTerminal(status)) return;
    const word = isMachine(leg.answeredBy) ? ANSWERING_MACHINE : leg.status;
    const visit = await findVisit(this.em(), identity, known, commandId);
    if (visit === null || !(await isWanted(this.em(), visit))) return;
    const { call, command } = visit;
    const tookOver = command.action === 'TAKE_OVER';
    // Whoever took a call over may also leave it.
    if (!tookOver || word !== 'completed') await this.raise(call, word);
    const action = tookOver ? 'PHONE_LEFT' : 'TRANSFER_FAILED';
    await this.tellOwner(visit, { action, by: SYSTEM, text: word, target: command.id });
  }

  private raise(call: Call, word: string): Promise<void> {
    return this.services.diagnostics.raise({
      tenantId: call.tenantId,
      code: 'transfer_failed',
      severity: 'WARNING',
      message: 'A person was called into a conversation and did not come; the agent stays with the caller.',
      action: 'Check the number that was called and who answers it.',
      detail: { callId: call.id, dialStatus: word },
    });
  }

  /** The person has heard what it is about and waits in the room: now the caller joins them. */
  async conferenceStatus(
    identity: CarrierIdentity,
    known: KnownCall,
    commandId: string | null,
    { event, label }: { event: string; label: string },
  ): Promise<void> {
    if (event !== 'participant-join' || label !== PERSON) return;
    const visit = await findVisit(this.em(), identity, known, commandId);
    // A callback that comes twice is about a transfer that is done.
    if (visit === null || (await hasCaller(this.em(), visit.session.id, visit.command.id))) return;
    const { call, command } = visit;
    const connect = { action: 'CONNECT', by: command.by, text: command.id, target: command.target ?? null } as const;
    const waits = await isWanted(this.em(), visit);
    for (let attempt = 1; waits && attempt <= CONNECT_TRIES; attempt++)
      if (await this.tellOwner(visit, connect)) return this.lookAfter(call, known.callSid);
    // The caller has left or stays with the agent, or nobody can bring them.
    const account = await this.services.accounts.forCall(this.em(), call);
    if (account !== null) await this.hangUp(account, known.callSid);
  }

  /**
   * A person who hangs up while the caller is on the way to them leaves an empty room, in which the caller would wait for
   * ever. Later the room ends with them.
   */
  private lookAfter(call: Call, legSid: string): void {
    const { carrier, accounts, lookup } = this.services;
    const look = async (): Promise<void> => {
      this.rooms.delete(timer);
      const account = await accounts.forCall(this.em(), call);
      if (account === null || call.callSid == null) return;
      const leg = await carrier.fetchCall(account, legSid);
      const status = statusOf(leg?.status ?? '');
      if (status === null || !isTerminal(status) || isTerminal((await lookup.ask(call)).status)) return;
      const apology = { message: TRANSFER_FAILED_MESSAGE, language: null, transfer: null };
      await carrier.updateCall(account, call.callSid, { twiml: fallbackTwiml(apology) });
      await this.raise(call, 'left');
      lookup.followEnd(call.id);
    };
    const timer = setTimeout(
      () =>
        void look().catch((error: unknown) =>
          this.context.log.warn({ err: error, callId: call.id }, 'nobody looked after a caller who was transferred'),
        ),
      this.context.settings.timing.emptyRoomMs,
    ).unref();
    this.rooms.add(timer);
  }

  /** True when it stands in the log. */
  private async tellOwner(
    { call, session, command }: Visit,
    news: { action: CommandAction; by: string; text: string | null; target: string | null },
  ): Promise<boolean> {
    try {
      const id = derivedId(command.id, news.action);
      await this.services.commands.send({ id, tenantId: call.tenantId, sessionId: session.id, ...news });
      return true;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      this.context.log.warn({ err: error, callId: call.id, action: news.action }, 'the owner of a call took no news');
      return false;
    }
  }

  /** Phones whose call is gone are hung up: nobody waits for a caller who left. */
  private async compare(): Promise<void> {
    for (const [commandId, leg] of this.legs)
      try {
        const em = this.em();
        const call = await em.findOneOrFail(Call, { id: leg.callId });
        const session = await em.findOneOrFail(VoiceSession, { id: leg.sessionId });
        // Whoever has the caller is let go with the call; of several who were called the others are at once.
        const withCaller = session.status === 'ACTIVE' || (await hasCaller(em, session.id, commandId));
        if (isTerminal(call.status) || !withCaller) await this.dismiss(commandId);
      } catch (error) {
        this.context.log.warn({ err: error, callId: leg.callId }, 'a phone could not be compared with its call');
      }
    if (this.legs.size === 0) this.unwatch();
  }

  private async hangUp(account: CarrierAccount, sid: string): Promise<void> {
    try {
      await this.services.carrier.updateCall(account, sid, { status: 'completed' });
    } catch (error) {
      // One that is over already is what was wanted.
      if (!(error instanceof CarrierError) || error.failure !== 'rejected')
        this.context.log.warn({ err: error }, 'a phone could not be hung up');
    }
  }

  private em() {
    return this.context.database.em({ all: true });
  }
}

/** `AnsweredBy`: human, unknown, fax, machine_start, machine_end_beep … Whoever may be a person is one. */
function isMachine(answeredBy: string): boolean {
  return answeredBy === 'fax' || answeredBy.startsWith('machine');
}

function refusedDial(error: CarrierError): AppError {
  return error.failure === 'rejected'
    ? new AppError('CARRIER_REJECTED', `The carrier refused to call this person: ${error.message}`, {
        extra: { carrier_code: error.code ?? error.status },
        cause: error,
      })
    : new AppError('CARRIER_UNAVAILABLE', 'The carrier did not say that it calls this person', {
        retryAfterSeconds: 2,
        cause: error,
      });
}
