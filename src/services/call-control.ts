import { Call, type AgentTool, type AgentVersion } from '../entities/index.js';
import { AppError } from '../lib/errors.js';
import { CarrierError, type Carrier, type CarrierCallUpdate } from '../ports/carrier.js';
import type { BroughtPerson, CallControl, CallPlan, HttpTool } from '../ports/media-session.js';
import type { EndReason } from '../ports/session-events.js';
import { fallbackTwiml } from './call-answers.js';
import { loadCallSetting, ownNumber } from './call-setting.js';
import type { CallbackDesk, DoNotCallList } from './caller-wishes.js';
import type { CarrierAccounts } from './carrier-accounts.js';
import type { ServiceContext } from './context.js';
import type { DiagnosticSink } from './diagnostics.js';
import type { Fallbacks } from './fallbacks.js';
import type { HttpToolRunner } from './http-tool.js';
import type { OwnerBeats } from './owner-beats.js';
import { roomOf, type PersonLegs } from './person-legs.js';
import type { BatchingRecorder } from './session-recorder.js';
import type { StreamEnds } from './stream-ends.js';
import { callbackUrl } from './telephony-urls.js';
import { conference, dial, hangup, response } from './twiml.js';

export interface CallControlServices {
  carrier: Carrier;
  accounts: CarrierAccounts;
  fallbacks: Fallbacks;
  tools: HttpToolRunner;
  desk: CallbackDesk;
  doNotCall: DoNotCallList;
  diagnostics: DiagnosticSink;
  streamEnds: StreamEnds;
  beats: OwnerBeats;
  legs: PersonLegs;
}

/** Twilio's code for a call that is not in a state to be changed, and for one it does not know. */
const NOT_ACTIVE_CODES: ReadonlySet<number | null> = new Set([21220, 20404]);

/** How long a caller's wish not to be called is tried to be stored, and the longest pause between two attempts. */
const WISH_PATIENCE_MS = 600_000;
const WISH_PAUSE_MS = 15_000;

/** One owner's hands on one call. Everything is safe to repeat; an old owner's hands reach nothing. */
export class OwnedCall implements CallControl {
  /** Set before the carrier is asked: our own redirect also makes Twilio say `stop` (trap 35). */
  private leaving: EndReason | null = null;
  private readonly tools: Map<string, AgentTool>;

  constructor(
    private readonly context: ServiceContext,
    private readonly services: CallControlServices,
    private readonly plan: CallPlan,
    version: AgentVersion | null,
    private readonly recorder: BatchingRecorder,
    private readonly letGo: () => void,
  ) {
    this.tools = new Map(version?.tools.map((tool) => [tool.name, tool]));
  }

  async hangUp(): Promise<void> {
    try {
      await this.leave('INTENT', async () => ({ status: 'completed' }));
    } catch (error) {
      // Hanging up a call that is over already is what was wanted.
      if (!(error instanceof AppError && error.code === 'CALL_NOT_ACTIVE')) throw error;
    }
  }

  async transfer(target: string): Promise<void> {
    await this.leave('TRANSFERRED', async (call) => ({
      twiml: response(
        dial({
          to: target,
          callerId: ownNumber(call),
          action: callbackUrl(this.context.settings, 'transfer-status', call.id),
        }),
        hangup(),
      ),
    }));
  }

  async bringPerson(person: BroughtPerson): Promise<void> {
    if (this.plan.synthetic) throw new AppError('UNPROCESSABLE', 'Nobody can be brought into a synthetic call');
    await this.services.legs.dial(await this.call(), this.plan.sessionId, person);
  }

  async joinPerson(commandId: string): Promise<void> {
    await this.leave('TRANSFERRED', async (call) => ({
      twiml: response(
        conference(roomOf(commandId), { action: callbackUrl(this.context.settings, 'transfer-status', call.id) }),
        hangup(),
      ),
    }));
  }

  dismissPerson(commandId: string): Promise<void> {
    return this.services.legs.dismiss(commandId);
  }

  async runFallback(cause: string): Promise<void> {
    const { tenantId, callId, model } = this.plan;
    void this.services.diagnostics.raise({
      tenantId,
      code: 'model_lost',
      severity: 'CRITICAL',
      message: 'A caller was left without an agent, because no session of the speech model could be had.',
      action:
        'Look at the cause: http_404 is a model that the version names wrongly, http_401 the key, others pass by.',
      detail: { callId, model, cause },
      dedupeKey: `model_lost:${tenantId}:${cause}`,
    });
    await this.leave('MODEL_LOST', async (call) => {
      const setting = await loadCallSetting(this.em(), call);
      return {
        twiml: fallbackTwiml(await this.services.fallbacks.prepare(call, setting, 'the agent could not go on')),
      };
    });
  }

  runHttpTool(tool: HttpTool, args: unknown, signal: AbortSignal): Promise<{ ok: boolean; result: unknown }> {
    return this.services.tools.run(tool, this.tools.get(tool.name), args, this.plan, signal);
  }

  async createCallback(request: Parameters<CallControl['createCallback']>[0]): Promise<void> {
    await this.services.desk.createCallback({ call: await this.call(), ...request });
  }

  /** Tried again, also after the end of the call: nobody asks in vain because the database is away for a minute. */
  async addToDoNotCall(reason: string): Promise<void> {
    const { clock, log } = this.context;
    const { callId, tenantId } = this.plan;
    const end = clock.monotonicMs() + WISH_PATIENCE_MS;
    for (let pause = 200; ; pause = Math.min(pause * 2, WISH_PAUSE_MS)) {
      try {
        return await this.services.doNotCall.addCustomer(await this.call(), reason);
      } catch (error) {
        const over = clock.monotonicMs() >= end;
        log[over ? 'error' : 'warn']({ err: error, callId, tenantId }, 'a wish not to be called could not be stored');
        if (over) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, pause).unref());
    }
  }

  async streamEnded({ by, ended }: { by: 'stop' | 'close'; ended: EndReason | null }): Promise<void> {
    // The session's last event comes after everything that was said.
    await this.recorder.flush();
    const { sessionId, callId, generation } = this.plan;
    await this.services.streamEnds.ended({ sessionId, callId, generation, by, reason: ended ?? this.leaving });
    this.letGo();
  }

  async beat(): Promise<void> {
    const { sessionId, generation } = this.plan;
    // Taken over or ended meanwhile, and the message about it was lost.
    if (!(await this.services.beats.beat(sessionId, generation))) this.recorder.supersede();
  }

  /** Sends the caller elsewhere. A carrier that fails leaves the call where it was. */
  private async leave(reason: EndReason, update: (call: Call) => Promise<CarrierCallUpdate>): Promise<void> {
    const before = this.leaving;
    this.leaving = reason;
    try {
      const call = await this.call();
      const account = await this.services.accounts.forCall(this.em(), call);
      if (account === null) throw new AppError('CARRIER_UNAVAILABLE', 'The credentials of this call are gone');
      await this.services.carrier.updateCall(account, this.plan.callSid, await update(call));
    } catch (error) {
      this.leaving = before;
      throw error instanceof CarrierError ? refusedByCarrier(error) : error;
    }
  }

  private call(): Promise<Call> {
    return this.em().findOneOrFail(Call, { id: this.plan.callId });
  }

  private em() {
    return this.context.database.em({ tenantId: this.plan.tenantId });
  }
}

/** What a failed change of a live call means to whoever asked for it. */
export function refusedByCarrier(error: CarrierError): AppError {
  if (error.failure !== 'rejected')
    return new AppError('CARRIER_UNAVAILABLE', 'The carrier did not answer', { retryAfterSeconds: 2, cause: error });
  return NOT_ACTIVE_CODES.has(error.code) || error.status === 404
    ? new AppError('CALL_NOT_ACTIVE', 'The call is over', { cause: error })
    : new AppError('CARRIER_REJECTED', `The carrier refused: ${error.message}`, {
        extra: { carrier_code: error.code ?? error.status },
        cause: error,
      });
}
