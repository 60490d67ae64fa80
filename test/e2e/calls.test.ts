import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ScriptedCaller, type Step } from '../../src/simulators/carrier/caller.js';
import { switchFaultsOn } from '../testkit/faults.js';
import { seedCallable, startGateway, type TestGateway } from '../testkit/gateway.js';
import { until } from '../testkit/until.js';

let gateway: TestGateway;
let acme: Awaited<ReturnType<typeof seedCallable>>;
let secret: string;
const received: { headers: Record<string, string>; body: string }[] = [];
const receiver = createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  received.push({ headers: request.headers as Record<string, string>, body: Buffer.concat(chunks).toString() });
  response.writeHead(204).end();
});

beforeAll(async () => {
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  gateway = await startGateway();
  acme = await seedCallable(gateway);
  switchFaultsOn(gateway);
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  secret = (await gateway.admin('PUT', '/tenants/acme/runtime-config', { webhook_url: url })).body.webhook_secret;
});
afterAll(async () => {
  await gateway.stop();
  receiver.closeAllConnections();
  await new Promise((resolve) => receiver.close(resolve));
});

const say = (name: string): Step => ({ say: gateway.model.library.clip(name) });
const sessionOf = async (callSid: string) => {
  const { body } = await gateway.call('GET', '/api/v1/voice-sessions', { key: acme.key });
  return body.data.find((row: { call_sid: string }) => row.call_sid === callSid);
};
const ended = (callSid: string) =>
  until(
    async () => {
      const session = await sessionOf(callSid);
      return session !== undefined && session.status !== 'active' && session.summary !== null ? session : null;
    },
    'the end of the session',
    30_000,
  );
const eventsOf = (callSid: string) =>
  received.map((r) => JSON.parse(r.body)).filter((event) => event.data.call_sid === callSid);

describe('an inbound call', () => {
  it('is answered, talked through and written down', async () => {
    const call = await gateway.carrier.placeInboundCall({
      from: '+15555550321',
      to: acme.number,
      handset: new ScriptedCaller([
        { waitForAgent: 2_000 },
        say('order-status'),
        { waitForAgent: 2_000 },
        say('thanks-goodbye'),
        { waitForAgent: 600, orAfter: 8_000 },
        { hangUp: true },
      ]),
    });
    const session = await ended(call.sid);
    expect(session.transcript.map((t: { role: string; content: string }) => [t.role, t.content])).toEqual([
      ['assistant', 'Hello, how can I help you?'],
      ['user', 'Hi, I would like to know where my order is.'],
      ['assistant', 'Your order is on its way and arrives in two days.'],
      ['user', 'Great, thank you. Goodbye.'],
      ['assistant', 'You are welcome. Goodbye!'],
    ]);
    expect(session.function_calls.map((f: { name: string }) => f.name)).toEqual(
      expect.arrayContaining(['record_outcome', 'end_call']),
    );
    expect(session).toMatchObject({ status: 'completed', escalated: false });
    // The number has no status callback: nobody but us can tell the tenant that the call is over.
    await until(() => eventsOf(call.sid).some(({ event }) => event === 'voice.call.completed'), 'the last event');
    expect(call.streams[0]!.warnings).toEqual([]);
    expect(call.badAnswers).toEqual([]);
    expect(gateway.model.violations).toEqual([]);
  });

  it('stops talking when it is interrupted, and keeps only what was heard', async () => {
    const call = await gateway.carrier.placeInboundCall({
      from: '+15555550322',
      to: acme.number,
      handset: new ScriptedCaller([
        { whileAgentSpeaks: 300 },
        say('wait-a-moment'),
        { waitForAgent: 2_000 },
        { hangUp: true },
      ]),
    });
    const session = await ended(call.sid);
    expect(session.transcript[0]).toMatchObject({ role: 'assistant', interrupted: true });
    expect('Hello, how can I help you?'.startsWith(session.transcript[0].content)).toBe(true);
    expect(session.transcript[0].content.length).toBeLessThan(26);
    expect(call.streams[0]!.clears).toBeGreaterThan(0);
    expect(call.streams[0]!.clearedBytes).toBeGreaterThan(0);
    expect(gateway.model.violations).toEqual([]);
  });

  it('goes on in the same session when its media socket breaks', async () => {
    const call = await gateway.carrier.placeInboundCall({
      from: '+15555550323',
      to: acme.number,
      handset: new ScriptedCaller([
        { waitForAgent: 2_000 },
        { breakSocket: true },
        { pause: 300 },
        say('order-status'),
        { waitForAgent: 2_000 },
        { hangUp: true },
      ]),
    });
    const session = await ended(call.sid);
    expect(call.streams).toHaveLength(2);
    // The model of the new stream knows what was said on the old one.
    expect(JSON.stringify(gateway.model.sessions.at(-1)!.conversation.items)).toContain('how can I help you?');
    expect(session.transcript.map((t: { content: string }) => t.content)).toEqual([
      'Hello, how can I help you?',
      'Hi, I would like to know where my order is.',
      'Your order is on its way and arrives in two days.',
    ]);
  });

  it('goes on with a new model session when the old one dies', async () => {
    const before = gateway.model.sessions.length;
    const running = gateway.carrier.placeInboundCall({
      from: '+15555550324',
      to: acme.number,
      handset: new ScriptedCaller([
        { waitForAgent: 2_000 },
        { pause: 4_000 },
        say('order-status'),
        { waitForAgent: 2_000 },
        { hangUp: true },
      ]),
    });
    await until(
      () =>
        gateway.model.sessions.length > before &&
        gateway.model.sessions
          .at(-1)!
          .conversation.items.some((i) => i.role === 'assistant' && i.status === 'completed'),
      'the greeting',
    );
    gateway.model.sessions.at(-1)!.die();
    const session = await ended((await running).sid);
    expect(gateway.model.sessions.length).toBe(before + 2);
    expect(session.transcript.at(-1).content).toBe('Your order is on its way and arrives in two days.');
  });

  it('is said goodbye to, never left in silence, when the model cannot be reached', async () => {
    gateway.model.faults.refuseWith = 500;
    try {
      const call = await gateway.carrier.placeInboundCall({
        from: '+15555550325',
        to: acme.number,
        handset: new ScriptedCaller([{ pause: 120_000 }]),
      });
      expect(call.said.join(' ')).not.toBe('');
      expect(call.badAnswers).toEqual([]);
    } finally {
      gateway.model.faults.refuseWith = null;
    }
  });
});

describe('an outbound call', () => {
  it('dials, greets as asked, and sends its signed events', async () => {
    gateway.carrier.behaviours.set('+15555550400', {
      handset: () =>
        new ScriptedCaller([
          { waitForAgent: 2_000 },
          say('confirm-appointment'),
          { waitForAgent: 2_000 },
          { hangUp: true },
        ]),
    });
    const greeting = 'Hi {{customer_name}}, this is Acme.';
    const body = { to: '+15555550400', agent_key: 'front_desk', greeting, org_id: 'north' };
    const made = await gateway.call('POST', '/api/v1/make-call', {
      key: acme.key,
      headers: { 'idempotency-key': 'order-1' },
      body: { ...body, prompt_variables: { customer_name: 'Ann', order: '7' } },
    });
    expect(made.body).toMatchObject({ ok: true, duplicate: false });
    const again = await gateway.call('POST', '/api/v1/make-call', {
      key: acme.key,
      headers: { 'idempotency-key': 'order-1' },
      body: { ...body, prompt_variables: { order: '7', customer_name: 'Ann' } },
    });
    expect(again.body).toMatchObject({ call_sid: made.body.call_sid, duplicate: true });
    const session = await ended(made.body.call_sid);
    expect(session.transcript[0].content).toBe('Hi Ann, this is Acme.');
    expect(session.transcript.at(-1).content).toBe('Thank you, your appointment is confirmed.');
    await until(
      () => eventsOf(made.body.call_sid).some((e) => e.event === 'voice.call.completed'),
      'the completed event',
    );
    const events = eventsOf(made.body.call_sid);
    expect(events.map((e) => e.event).toSorted()).toEqual(['voice.call.completed', 'voice.call.started']);
    expect(events.find((e) => e.event === 'voice.call.completed').data).toMatchObject({
      direction: 'outbound',
      status: 'completed',
      to_number: '+15555550400',
      voice_session_id: session.id,
      transcript_turn_count: 3,
      summary: session.summary,
    });
    for (const { headers, body } of received) new Webhook(secret).verify(body, headers);
    const log = (await gateway.call('GET', `/api/v1/call-logs/${made.body.call_sid}`, { key: acme.key })).body;
    expect(log).toMatchObject({
      status: 'completed',
      org_id: 'north',
      outcome: 'resolved',
      voice_session_id: session.id,
    });
  });

  it('reports busy and unanswered calls as they were', async () => {
    for (const [number, answers] of [
      ['+15555550401', 'busy'],
      ['+15555550402', 'no-answer'],
    ] as const) {
      gateway.carrier.behaviours.set(number, { answers });
      const made = await gateway.call('POST', '/api/v1/make-call', { key: acme.key, body: { to: number } });
      await until(
        async () =>
          (await gateway.call('GET', `/api/v1/call-logs/${made.body.call_sid}`, { key: acme.key })).body.status ===
          answers,
        answers,
      );
    }
  });
});

describe('the live log over server-sent events', () => {
  it('replays a finished call and ends; Last-Event-ID resumes', async () => {
    const { body } = await gateway.call('GET', '/api/v1/voice-sessions?limit=1', { key: acme.key });
    const url = `/api/v1/live-logs?session_id=${body.data[0].id}`;
    const all = (await gateway.call('GET', url, { key: acme.key })).body as string;
    const ids = [...all.matchAll(/^id: (\d+)$/gm)].map((m) => Number(m[1]));
    expect(ids).toEqual(ids.map((_, i) => i + 1));
    expect(all).toContain('event: SessionEnded');
    const rest = (await gateway.call('GET', url, { key: acme.key, headers: { 'last-event-id': '2' } })).body as string;
    expect([...rest.matchAll(/^id: (\d+)$/gm)].map((m) => Number(m[1]))).toEqual(ids.slice(2));
  });
});
