import { randomBytes } from 'node:crypto';
import type { CarrierAccount } from '../ports/carrier.js';
import { AudioLibrary } from '../simulators/audio/library.js';
import { CarrierSimulator } from '../simulators/carrier/server.js';
import { ModelSimulator } from '../simulators/model/server.js';

/** The built-in simulators of a process; each speaks its wire on a port of the loopback address. */
export interface Simulation {
  carrier: CarrierSimulator | null;
  /** The account that the simulated carrier knows. */
  account: CarrierAccount | null;
  model: ModelSimulator | null;
  stop(): Promise<void>;
}

/** The simulated account. A fixed SID, so that a restart finds its own rows; the token lives as long as the process. */
export const SIMULATED_ACCOUNT_SID = `AC${'5'.repeat(32)}`;

export async function startSimulation(wanted: { carrier: boolean; model: boolean }): Promise<Simulation> {
  const library = new AudioLibrary();
  const carrier = wanted.carrier ? await new CarrierSimulator({ everyNumber: true }).start() : null;
  const model = wanted.model ? await new ModelSimulator({ library }).start() : null;
  const account =
    carrier === null ? null : { accountSid: SIMULATED_ACCOUNT_SID, authToken: randomBytes(16).toString('hex') };
  if (carrier !== null && account !== null) carrier.tokens.set(account.accountSid, account.authToken);
  return {
    carrier,
    account,
    model,
    stop: async () => {
      await carrier?.stop();
      await model?.stop();
    },
  };
}
