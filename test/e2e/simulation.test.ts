import { afterAll, beforeAll, expect, it } from 'vitest';
import { startSimulation, type Simulation } from '../../src/app/simulation.js';
import { seedCallable, startGateway, type TestGateway } from '../testkit/gateway.js';
import { until } from '../testkit/until.js';

/** What `npm start` gives to somebody without any account. */
let simulation: Simulation;
let gateway: TestGateway;
beforeAll(async () => {
  simulation = await startSimulation({ carrier: true, model: true });
  gateway = await startGateway({ env: { SIMULATE: 'carrier,model' }, overrides: { simulation } });
}, 60_000);
afterAll(async () => {
  await gateway?.stop();
  await simulation?.stop();
});

it('dials for a tenant that was just made, from the number of its phone route', async () => {
  const { key } = await seedCallable(gateway);
  const body = { to: '+15555550188', agent_key: 'front_desk' };
  const made = await gateway.call('POST', '/api/v1/make-call', { key, body });
  expect(made).toMatchObject({ status: 200, body: { ok: true, from: '+15555551234' } });
  const spoken = async () => {
    const { data } = (await gateway.call('GET', '/api/v1/voice-sessions', { key })).body;
    return data[0]?.transcript[0]?.content;
  };
  await until(async () => (await spoken()) === 'Hello, how can I help you?', 'the greeting', 30_000);
}, 60_000);
