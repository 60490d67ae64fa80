import type { Call, CallFallback, OutsideDestination } from '../entities/index.js';
import {
  CALL_BACK_MESSAGE,
  chooseFallback,
  LAST_RESORT_MESSAGE,
  TRANSFER_MESSAGE,
  type SpokenFallback,
} from './call-answers.js';
import { ownNumber, type CallSetting } from './call-setting.js';
import type { CallLookup } from './call-lookup.js';
import type { CallbackDesk } from './caller-wishes.js';
import type { ServiceContext } from './context.js';
import { callbackUrl } from './telephony-urls.js';

const STANDARD_MESSAGES: ReadonlySet<string> = new Set([LAST_RESORT_MESSAGE, CALL_BACK_MESSAGE, TRANSFER_MESSAGE]);

/** What a caller gets when no agent can talk: decided from the configuration, and promises written down. */
export class Fallbacks {
  constructor(
    private readonly context: ServiceContext,
    private readonly desk: CallbackDesk,
    private readonly lookup: Pick<CallLookup, 'followEnd'>,
  ) {}

  /** `outside` is the destination of closed hours, which comes first. A promised callback becomes a task. */
  async prepare(
    call: Call,
    setting: CallSetting,
    why: string,
    outside: OutsideDestination | null = null,
  ): Promise<SpokenFallback> {
    const { version, route, telephony } = setting;
    const chosen = chooseFallback([outside, version?.fallback, route?.fallback], telephony.fallbackMessage);
    const target =
      chosen.action === 'transfer' ? (chosen.target ?? route?.transferNumber ?? telephony.transferNumber) : null;
    const promised = chosen.action === 'callback' && (await this.promiseCallback(call, why, chosen.target));
    const message = chosen.message ?? this.standardMessage(chosen, target, promised);
    // After a message the call is over, and nobody need tell us. After a transfer somebody asks what comes next.
    if (target == null) this.lookup.followEnd(call.id);
    return {
      message,
      // The gateway's own sentences are English, whatever the agent speaks.
      language: STANDARD_MESSAGES.has(message) ? null : (version?.language ?? null),
      transfer:
        target == null
          ? null
          : {
              to: target,
              callerId: ownNumber(call),
              statusUrl: callbackUrl(this.context.settings, 'transfer-status', call.id),
            },
    };
  }

  private standardMessage({ action }: CallFallback, target: string | null, promised: boolean): string {
    if (action === 'transfer' && target !== null) return TRANSFER_MESSAGE;
    return promised ? CALL_BACK_MESSAGE : LAST_RESORT_MESSAGE;
  }

  /** The caller waits on the line: a task that cannot be written must not leave them in silence. */
  private async promiseCallback(call: Call, why: string, queue: string | null): Promise<boolean> {
    try {
      await this.desk.createCallback({ call, reason: why, dueAt: null, note: null, origin: 'FALLBACK', queue });
      return true;
    } catch (error) {
      this.context.log.error({ err: error, callId: call.id, tenantId: call.tenantId }, 'callback task not written');
      return false;
    }
  }
}
