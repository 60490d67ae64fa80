import { Call } from '../entities/index.js';
import { CarrierError, type Carrier, type CarrierCall } from '../ports/carrier.js';
import type { CallProgress } from './call-progress.js';
import { statusOf } from './call-states.js';
import type { CarrierAccounts } from './carrier-accounts.js';
import type { ServiceContext } from './context.js';

/** Asks the carrier about calls of which nothing is heard, and applies the answer like any other news. */
export class CallLookup {
  constructor(
    private readonly context: ServiceContext,
    private readonly carrier: Carrier,
    private readonly accounts: CarrierAccounts,
    private readonly progress: CallProgress,
  ) {}

  /**
   * Looks the call up by its sid and gives back its state afterwards; as it was when the carrier does not answer or does
   * not know it (it may learn of it later).
   */
  async ask(call: Call): Promise<Call> {
    const em = this.context.database.em({ all: true });
    const account = await this.accounts.forCall(em, call);
    if (account === null || call.callSid == null || call.synthetic) return call;
    await em.nativeUpdate(Call, { id: call.id }, { checkedAt: this.context.clock.now() });
    try {
      const found = await this.carrier.fetchCall(account, call.callSid);
      return found === null ? call : await this.learn(call, found);
    } catch (error) {
      if (!(error instanceof CarrierError)) throw error;
      this.context.log.warn({ err: error, callId: call.id }, 'call look-up failed');
      return call;
    }
  }

  /** Applies what the carrier says about a call; also adopts its sid. */
  async learn(call: Call, found: CarrierCall): Promise<Call> {
    const status = statusOf(found.status);
    if (status === null) return call;
    const applied = await this.progress.report(call.id, {
      status,
      at: this.context.clock.now(),
      durationSeconds: found.durationSeconds,
      callSid: found.sid,
    });
    return applied ?? call;
  }
}
