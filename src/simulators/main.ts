import { AudioLibrary } from './audio/library.js';
import { CarrierSimulator } from './carrier/server.js';
import { ModelSimulator } from './model/server.js';

/**
 * `npm run sim`: both simulators on fixed ports of the loopback address, for a gateway that runs elsewhere on this
 * machine. Ports: SIM_CARRIER_PORT (9101) and SIM_MODEL_PORT (9102).
 */
const ACCOUNT_SID = `AC${'5'.repeat(32)}`;
const AUTH_TOKEN = 'simulated-auth-token';

const carrier = await new CarrierSimulator({
  port: Number(process.env.SIM_CARRIER_PORT ?? 9101),
  everyNumber: true,
}).start();
const model = await new ModelSimulator({
  port: Number(process.env.SIM_MODEL_PORT ?? 9102),
  library: new AudioLibrary(),
}).start();
carrier.tokens.set(ACCOUNT_SID, AUTH_TOKEN);

process.stdout.write(`Simulated carrier and model are up; start the gateway with:

  TWILIO_ACCOUNT_SID=${ACCOUNT_SID} TWILIO_AUTH_TOKEN=${AUTH_TOKEN} TWILIO_API_BASE_URL=${carrier.baseUrl} \\
  OPENAI_API_KEY=${model.apiKey} OPENAI_REALTIME_URL=${model.realtimeUrl} OPENAI_BASE_URL=${model.baseUrl} npm start

Ctrl-C ends them.
`);

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => void Promise.all([carrier.stop(), model.stop()]).finally(() => process.exit(0)));
