import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildApp } from '../app.js';
import { startSimulation } from '../app/simulation.js';
import { loadConfig } from '../config.js';
import { silentLogger } from '../ports/logger.js';
import { ScriptedCaller, type Step } from '../simulators/carrier/caller.js';
import { followSession } from './follow-session.js';
import { seedDemo, type DemoTenant } from './seed.js';

/**
 * `npm run demo`: a gateway on the embedded database with both ends simulated, one inbound and one outbound call through
 * its real doors, their transcripts as they are spoken, and everything needed to look further. Stays until Ctrl-C.
 */
const ADMIN_KEY = 'demo-admin-key-0000';
const ADMIN_PASSWORD = 'demo';
const CALLER = '+15555550142';
const CUSTOMER = '+15555555678';
const PATIENCE_MS = 60_000;

const print = (line = ''): void => void process.stdout.write(`${line}\n`);

const dataDir = mkdtempSync(join(tmpdir(), 'trunkline-demo-'));
const simulation = await startSimulation({ carrier: true, model: true });
const { library } = simulation.model!;
const carrier = simulation.carrier!;
const config = loadConfig({
  HOST: process.env.HOST ?? '127.0.0.1',
  PORT: process.env.PORT ?? '8080',
  DATA_DIR: dataDir,
  ADMIN_API_KEY: ADMIN_KEY,
  ADMIN_PASSWORD,
  SIMULATE: 'carrier,model',
  LOG_LEVEL: 'silent',
});
const app = await buildApp(config, { simulation, log: silentLogger });

let leaving = false;
const leave = (code: number): void => {
  if (leaving) return;
  leaving = true;
  void app
    .stop(0)
    .then(() => simulation.stop())
    .catch(() => {})
    .finally(() => {
      rmSync(dataDir, { recursive: true, force: true });
      process.exit(code);
    });
};
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => leave(0));

try {
  const origin = await app.start();
  const demo = await seedDemo(app, origin, ADMIN_KEY, carrier);
  print('Trunkline demo: BOTH ENDS ARE SIMULATED. No telephone rings and no speech model is asked;');
  print('the carrier and the model are stand-ins that speak the real wire protocols on this machine.');
  await inboundCall(origin, demo);
  await outboundCall(origin, demo);
  whatNext(origin, demo);
} catch (error) {
  const inUse = (error as { code?: string }).code === 'EADDRINUSE';
  console.error(inUse ? `Port ${config.port} is in use; try: PORT=8090 npm run demo` : error);
  leave(1);
}

function say(name: string): Step {
  return { say: library.clip(name) };
}

async function inboundCall(origin: string, demo: DemoTenant): Promise<void> {
  print(`\n-- inbound: ${CALLER} calls ${demo.number}`);
  const handset = new ScriptedCaller([
    { waitForAgent: 700 },
    say('order-status'),
    { waitForAgent: 900 },
    say('thanks-goodbye'),
    { waitForAgent: 900, orAfter: 15_000 },
    { hangUp: true },
  ]);
  await Promise.all([
    carrier.placeInboundCall({ from: CALLER, to: demo.number, handset }),
    watchNewSession(origin, demo),
  ]);
}

async function outboundCall(origin: string, demo: DemoTenant): Promise<void> {
  print(`\n-- outbound: ${demo.number} calls ${CUSTOMER}`);
  carrier.behaviours.set(CUSTOMER, {
    handset: () =>
      new ScriptedCaller([
        { waitForAgent: 700 },
        say('confirm-appointment'),
        { waitForAgent: 900, orAfter: 15_000 },
        { hangUp: true },
      ]),
  });
  const watching = watchNewSession(origin, demo);
  const response = await fetch(`${origin}/api/v1/make-call`, {
    method: 'POST',
    headers: { authorization: `Bearer ${demo.key}`, 'content-type': 'application/json', 'idempotency-key': 'demo-1' },
    body: JSON.stringify({
      to: CUSTOMER,
      agent_key: 'front_desk',
      greeting: 'Hi, this is Acme calling to confirm your appointment.',
    }),
  });
  if (!response.ok) throw new Error(`make-call answered ${response.status}: ${await response.text()}`);
  await watching;
}

/** Waits for the tenant's next session and prints its conversation until it has ended. */
async function watchNewSession(origin: string, demo: DemoTenant): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const [session] = await app.services.sessionsQuery.active(demo.viewer, {});
    if (session !== undefined) return followSession(origin, demo.key, session.id, print);
    if (Date.now() > deadline) throw new Error('no call came about within a minute');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function whatNext(origin: string, demo: DemoTenant): void {
  const bearer = `-H 'Authorization: Bearer ${demo.key}'`;
  print(`
Both calls are over; the gateway stays up. What to try next:

  console           ${origin}/console      (user admin, password ${ADMIN_PASSWORD})
  GraphiQL          ${origin}/graphiql     (headers: {"authorization": "Bearer ${demo.key}"})
  GraphQL           ${origin}/graphql      (subscriptions: the same address over WebSocket)
  REST, with docs   ${origin}/swagger-ui
  health            ${origin}/health/ready

  tenant key        ${demo.key}
  admin key         ${ADMIN_KEY}   (header x-admin-key)

  curl -s ${bearer} ${origin}/api/v1/call-logs
  curl -s ${bearer} ${origin}/api/v1/voice-sessions
  curl -s -X POST ${bearer} -H 'content-type: application/json' \\
    -d '{"to":"${CUSTOMER}","agent_key":"front_desk"}' ${origin}/api/v1/make-call

Ctrl-C ends it; nothing is left behind.`);
}
