import { Call } from '../entities/index.js';
import { CarrierError, type Carrier, type CarrierCall } from '../ports/carrier.js';
import type { CallProgress } from './call-progress.js';
import { isTerminal, statusOf } from './call-states.js';
import type { CarrierAccounts } from './carrier-accounts.js';
import type { ServiceContext } from './context.js';

/** How often a call that ends now is asked about; after that it is one of the silent ones. */
const ENDING_LOOKUPS = 4;

/** Asks the carrier about calls of which nothing is heard, and applies the answer like any other news. */
export class CallLookup {
  /** Calls that are about to end. */
  private readonly endings = new Map<string, NodeJS.Timeout>();

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

  /**
   * Follows a call that is about to end: an inbound one need not have a status callback, and the carrier may know of the
   * end a moment later than we do. Asks until the call is over, each time after twice as long; news from elsewhere save
   * the question.
   */
  followEnd(callId: string, asked = 0): void {
    if (asked >= ENDING_LOOKUPS || this.endings.has(callId)) return;
    const { endingLookupMs } = this.context.settings.timing;
    const look = async (): Promise<void> => {
      this.endings.delete(callId);
      const call = await this.context.database.em({ all: true }).findOne(Call, { id: callId });
      if (call !== null && !isTerminal(call.status) && !isTerminal((await this.ask(call)).status))
        this.followEnd(callId, asked + 1);
    };
    const timer = setTimeout(
      () =>
        void look().catch((error: unknown) =>
          this.context.log.warn({ err: error, callId }, 'the end of a call is not known yet'),
        ),
      endingLookupMs * 2 ** asked,
    );
    this.endings.set(callId, timer.unref());
  }

  /** Stops waiting; calls that have not ended are the reconciler's. */
  close(): void {
    for (const timer of this.endings.values()) clearTimeout(timer);
    this.endings.clear();
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
