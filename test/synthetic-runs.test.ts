import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seedCallable, startGateway, type TestGateway } from './testkit/gateway.js';
import { until } from './testkit/until.js';

const HUMAN = '+15555550177';
const THANKS = 'Great, thank you. Goodbye.';
const PAY = 'I want to pay my bill with a credit card.';

let gateway: TestGateway;
let acme: Awaited<ReturnType<typeof seedCallable>>;
/** What the tenant's systems were asked. */
const asked: { path: string; headers: Record<string, unknown> }[] = [];
const systems = createServer((request, response) => {
  asked.push({ path: request.url!, headers: request.headers });
  response.writeHead(200, { 'content-type': 'application/json' }).end('{"status":"shipped"}');
});
let system: string;

const contract = () => ({
  tools: [
    { name: 'order_lookup', description: 'Finds an order', url: `${system}/tool`, parameters: { type: 'object' } },
  ],
  intents: [{ name: 'order_status', tools: ['order_lookup'] }, { name: 'payment' }, { name: 'opening_hours' }],
  escalation_rules: [{ trigger: 'payment', action: 'transfer', target: HUMAN }],
});

beforeAll(async () => {
  await new Promise<void>((resolve) => systems.listen(0, '127.0.0.1', resolve));
  system = `http://127.0.0.1:${(systems.address() as AddressInfo).port}`;
  gateway = await startGateway({ speed: 4 });
  acme = await seedCallable(gateway, 'acme', '+15555551234', contract());
  await gateway.admin('PUT', '/tenants/acme/runtime-config', { webhook_url: `${system}/hook` });
});
afterAll(async () => {
  await gateway.stop();
  systems.closeAllConnections();
  await new Promise((resolve) => systems.close(resolve));
});

const admin = async (method: string, path: string, body?: unknown) => {
  const answer = await gateway.admin(method, path, body);
  if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
};
let names = 0;
const scenario = async (fields: object) =>
  (
    await admin('POST', '/scenarios', {
      agent_id: acme.agent.id,
      name: `scenario ${++names}`,
      intent: 'order_status',
      active: false,
      ...fields,
    })
  ).id as string;
const lines = (...texts: string[]) => texts.map((text) => ({ text }));
const start = async (scenarioIds: string[], count = scenarioIds.length, more: object = {}) =>
  (
    await admin('POST', `/agent-versions/${acme.version.id}/synthetic-runs`, {
      scenario_ids: scenarioIds,
      count,
      ...more,
    })
  ).id as string;
const ended = (runId: string) =>
  until(
    async () => {
      const run = await admin('GET', `/synthetic-runs/${runId}`);
      return ['completed', 'canceled', 'failed'].includes(run.status) ? run : null;
    },
    'the end of the run',
    60_000,
  );

describe('a run of synthetic calls', () => {
  it('passes when the agent does in every scenario what is expected of it', async () => {
    const clip = (name: string) => ({
      text: gateway.model.library.text(name),
      audio: gateway.model.library.clip(name).toString('base64'),
    });
    const recorded = await scenario({
      caller_lines: [clip('order-status'), clip('thanks-goodbye')],
      expected_outcome: 'resolved',
      expected_tools: ['order_lookup', 'record_outcome'],
      must_say: ['on its way'],
      must_not_say: ['refund'],
    });
    const spoken = await scenario({ intent: 'payment', caller_lines: lines(PAY), escalation_path: 'payment' });
    const persona = await scenario({
      intent: 'opening_hours',
      persona: `You are Ann, in a hurry.\nCALLER LINES:\n- When are you open on Saturday?\n- ${THANKS}`,
      must_say: ['from nine to four'],
      expected_outcome: 'resolved',
    });
    const run = await ended(await start([recorded, spoken, persona]));
    expect(run.calls.map((call: any) => [call.intent, call.status, call.failures])).toEqual([
      ['order_status', 'passed', []],
      ['payment', 'passed', []],
      ['opening_hours', 'passed', []],
    ]);
    expect(run).toMatchObject({ status: 'completed', count: 3, passed: 3, failed: 0, simulated_model: false });
    expect(gateway.model.violations).toEqual([]);
  });
});
