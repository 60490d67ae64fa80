import { CarrierError, type Carrier, type CarrierAccount } from '../ports/carrier.js';
import type { SyntheticCaller } from '../ports/synthetic-caller.js';
import { SYNTHETIC_ACCOUNT_SID } from './synthetic-account.js';

/**
 * The carrier for everything but synthetic calls: what is asked about one of those goes to whoever plays it in this
 * process, and never to a real carrier, whoever asks.
 */
export function besideSynthetic(carrier: Carrier, caller: SyntheticCaller | null): Carrier {
  const synthetic: Carrier = {
    createCall: refuse,
    fetchCall: async () => null,
    listCalls: async () => [],
    updateCall: async (_account, sid, update) => {
      if (caller?.update(sid, update) !== true) return refuse();
      const status = 'status' in update ? update.status : 'in-progress';
      return { sid, status, to: '', from: '', durationSeconds: null, createdAt: null };
    },
    fetchNumber: async () => null,
    probe: async () => {},
  };
  const of = (account: CarrierAccount): Carrier => (account.accountSid === SYNTHETIC_ACCOUNT_SID ? synthetic : carrier);
  return {
    createCall: (account, call) => of(account).createCall(account, call),
    fetchCall: (account, sid) => of(account).fetchCall(account, sid),
    listCalls: (account, filter) => of(account).listCalls(account, filter),
    updateCall: (account, sid, update) => of(account).updateCall(account, sid, update),
    fetchNumber: (account, number) => of(account).fetchNumber(account, number),
    probe: (account) => of(account).probe(account),
  };
}

/** As Twilio refuses a call that it does not know. */
async function refuse(): Promise<never> {
  throw new CarrierError('rejected', 'This synthetic call has no line', 20404, 404);
}
