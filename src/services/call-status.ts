import { Call } from '../entities/index.js';
import { isUuid } from '../lib/ids.js';
import { lockCall, type CallProgress } from './call-progress.js';
import { statusOf } from './call-states.js';
import { mayReport, type CarrierIdentity } from './carrier-identity.js';
import type { ServiceContext } from './context.js';

/** A status callback, parsed. Everything but the sid may be missing or strange. */
export interface StatusCallback {
  /** From the callback URL; null for calls that the carrier began. */
  callId: string | null;
  callSid: string;
  /** Twilio's word. */
  status: string;
  sequence: number | null;
  /** `CallDuration`, seconds. */
  durationSeconds: number | null;
  /** When it happened; null: now. */
  at: Date | null;
  errorCode: string | null;
}

/** Status callbacks: unordered, repeated, late, and sometimes the first to know a call's sid. */
export class CallStatusCallbacks {
  constructor(
    private readonly context: ServiceContext,
    private readonly progress: CallProgress,
  ) {}

  /** Applies the callback; false when it is about no call of ours, which the carrier is not told. */
  async receive(identity: CarrierIdentity, callback: StatusCallback): Promise<boolean> {
    const { database, clock, log } = this.context;
    const status = statusOf(callback.status);
    const id = await this.find(callback);
    if (status === null || id === null) {
      log.info({ callId: callback.callId, known: id !== null }, 'status callback ignored');
      return false;
    }
    const announce = await database.em({ all: true }).transactional(async (em) => {
      const call = await lockCall(em, id);
      if (call === null || !mayReport(identity, call)) return null;
      // Another leg (the person that a transfer dialled) must not end the caller's own.
      if (call.callSid != null && call.callSid !== callback.callSid) return null;
      return this.progress.apply(em, call, {
        status,
        sequence: callback.sequence,
        at: callback.at ?? clock.now(),
        durationSeconds: callback.durationSeconds,
        callSid: callback.callSid,
        errorCode: callback.errorCode,
      });
    });
    await announce?.();
    return announce !== null;
  }

  private async find({ callId, callSid }: StatusCallback): Promise<string | null> {
    if (callId !== null) return isUuid(callId) ? callId : null;
    return (await this.context.database.em({ all: true }).findOne(Call, { callSid }))?.id ?? null;
  }
}
