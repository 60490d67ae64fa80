import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Call, SessionEvent, VoiceSession, WebhookDelivery } from '../../src/entities/index.js';
import type { SimulatedCall } from '../../src/simulators/carrier/call.js';
import { ScriptedCaller, type Step } from '../../src/simulators/carrier/caller.js';
import { seededChance } from '../../src/simulators/carrier/chance.js';
import { startBalancer, type Balancer } from '../testkit/balancer.js';
import { switchFaultsOn } from '../testkit/faults.js';
import { startGatewayProcess, type GatewayProcess } from '../testkit/gateway-process.js';
import { ACCOUNT, ADMIN_KEY, restAt, seedCallable, startGateway, type TestGateway } from '../testkit/gateway.js';
import { follow, socketClient } from '../testkit/graphql.js';
import { sessionEventsSubscription, transcriptSubscription } from '../testkit/operations.js';
import { until } from '../testkit/until.js';

// Starting processes takes a while on a busy machine.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 120_000 });

/** Other shapes by hand: `KILLS=3 CALLS_PER_KILL=6`. */
const KILLS = Number(process.env.KILLS ?? 20);
const CALLS_PER_KILL = Number(process.env.CALLS_PER_KILL ?? 1);
/** A call takes more than so many steps: within those of all calls of a round the process is killed. */
const STEPS_PER_CALL = 8;
/** The next call begins at most so many steps after the one before. */
const STEPS_BETWEEN = 4;
const STATUS_ORDER = ['DIALING', 'UNKNOWN', 'QUEUED', 'RINGING', 'IN_PROGRESS', 'COMPLETED'];

let balancer: Balancer;
/** The process that stays. */
let steady: TestGateway;
let acme: Awaited<ReturnType<typeof seedCallable>>;
const children: GatewayProcess[] = [];
const received: any[] = [];
const receiver = createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  received.push(JSON.parse(Buffer.concat(chunks).toString()));
  response.writeHead(204).end();
});

beforeAll(async () => {
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  balancer = await startBalancer();
  steady = await startGateway({
    env: {
      PUBLIC_URL: balancer.origin,
      STREAM_TOKEN_SECRET: 'stream-secret-of-these-tests'.padEnd(40, '.'),
      WEBHOOK_RETRY_SCHEDULE: '0,1,1,1,1',
    },
    // A living owner beats every 5 s.
    overrides: {
      timing: { ownerDeadAfterMs: 9_000, silentCallLookupMs: 2_000, dialUnknownAfterMs: 4_000, sweepIntervalMs: 500 },
    },
  });
  acme = await seedCallable(steady);
  switchFaultsOn(steady);
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
  await steady.admin('PUT', '/tenants/acme/runtime-config', { webhook_url: url });
});
afterAll(async () => {
  for (const child of children) child.signal('SIGKILL');
  await Promise.all(children.map((child) => child.exited));
  await steady.stop();
  await balancer.close();
  receiver.closeAllConnections();
  await new Promise((resolve) => receiver.close(resolve));
});

/** Another process, which gets what the carrier and the tenants send as long as it takes connections. */
async function another(env: Record<string, string> = {}): Promise<GatewayProcess> {
  const child = await startGatewayProcess(steady, env);
  children.push(child);
  balancer.upstreams = [child.origin, steady.origin];
  return child;
}

const say = (name: string): Step => ({ say: steady.model.library.clip(name) });
const conversation = (...clips: string[]) =>
  new ScriptedCaller([
    { waitForAgent: 400, orAfter: 8_000 },
    ...clips.flatMap((clip): Step[] => [say(clip), { waitForAgent: 600, orAfter: 8_000 }]),
    { hangUp: true },
  ]);
const inbound = (handset = conversation('order-status', 'thanks-goodbye')) => {
  const call = steady.carrier.startInboundCall({ from: '+15555550321', to: acme.number, handset });
  return { call, over: call.run() };
};
const em = () => steady.database.database.em({ all: true });
const sessionOf = (callSid: string) => em().findOne(VoiceSession, { callSid });
/** The session once another process streams it. */
const streamedElsewhere = (callSid: string) =>
  until(
    async () => {
      const session = await sessionOf(callSid);
      const { processId } = steady.app.services.context.settings;
      return session?.ownerId != null && session.ownerId !== processId ? session : null;
    },
    'a stream',
    60_000,
  );
const eventsOf = (sessionId: string) => em().find(SessionEvent, { sessionId }, { orderBy: { seq: 'asc' } });
/** What calls have done so far: dials, model sessions, events of their logs. */
const steps = async () =>
  steady.carrier.createRequests + steady.model.sessions.length + (await em().count(SessionEvent));
/** So many steps later: a moment in the life of the calls, on a slow machine the same as on a fast one. Or all are over. */
const stepsAfter = async (from: number, more: number) =>
  until(
    async () => (await steps()) >= from + more || steady.carrier.calls.every((call) => call.over),
    'the calls to go on',
    60_000,
  );
const collect = async <T>(source: AsyncIterable<T>): Promise<T[]> => {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
};

describe('two processes', () => {
  it('show a call that runs on one to a subscriber on the other, complete and in order', async () => {
    await another();
    const { client } = socketClient(steady, { authorization: `Bearer ${acme.key}` });
    const changes = client.iterate<any>({ query: 'subscription { callUpdated { callSid status } }' });
    const { call, over } = inbound();
    const { id: sessionId } = await streamedElsewhere(call.sid);
    const events = collect(follow(client, sessionEventsSubscription, { sessionId }));
    const turns = collect(follow(client, transcriptSubscription, { sessionId, partial: true }));
    const statuses: string[] = [];
    do {
      const { callUpdated } = (await changes.next()).value.data;
      if (callUpdated.callSid === call.sid) statuses.push(callUpdated.status);
    } while (statuses.at(-1) !== 'COMPLETED');
    await over;

    const seen = (await events).map(({ sessionEvents }) => sessionEvents);
    expect(seen.map(({ seq, __typename }) => [seq, __typename])).toEqual(
      (await eventsOf(sessionId)).map(({ seq, type }) => [seq, type]),
    );
    expect(seen.at(-1)!.__typename).toBe('SessionEnded');
    const words = (await turns).map(({ transcriptTurns }) => transcriptTurns);
    expect(words.filter(({ final }) => final).map(({ text }) => text)).toEqual(
      seen.flatMap((event) => (event.__typename === 'TurnCompleted' ? [event.turn.text] : [])),
    );
    // Growing text is in no table: only the bus brings it here.
    expect(words.some(({ final }) => !final)).toBe(true);
    expect(statuses).toEqual(statuses.toSorted((a, b) => STATUS_ORDER.indexOf(a) - STATUS_ORDER.indexOf(b)));
    await client.dispose();
  });

  it('close the subscriptions of a key that the other one revoked', async () => {
    const child = children[0] ?? (await another());
    for (const [here, there] of [
      [steady, child],
      [child, steady],
    ] as const) {
      const { key, id } = (await here.admin('POST', '/tenants/acme/api-keys', { name: 'short' })).body;
      const { client, closed } = socketClient(here, { authorization: `Bearer ${key}` });
      await client.iterate<any>({ query: 'subscription { activeSessions { id } }' }).next();
      expect((await there.admin('DELETE', `/tenants/acme/api-keys/${id}`)).status).toBe(200);
      expect(await closed).toBe(4403);
      await client.dispose();
    }
  });
});

describe('a process that is killed', () => {
  it('loses no call, no event and dials nobody twice', async () => {
    const seed = Date.now() % 1_000_000;
    const chance = seededChance(seed);
    const callers: { call: SimulatedCall; over: Promise<void> }[] = [];
    const dialled: string[] = [];
    const answers: Promise<number>[] = [];
    for (let round = 0; round < KILLS; round += 1) {
      const child = (round === 0 ? children[0] : undefined) ?? (await another());
      const begun = await steps();
      const moment = Math.floor(chance() * STEPS_PER_CALL * CALLS_PER_KILL);
      let killed: Promise<void> | null = null;
      for (let n = 0; n < CALLS_PER_KILL; n += 1) {
        if ((round + n) % 2 === 0) callers.push(inbound());
        else {
          const number = `+1555556${1_000 + dialled.length}`;
          dialled.push(number);
          steady.carrier.behaviours.set(number, { handset: () => conversation('order-status', 'thanks-goodbye') });
          answers.push(dial(number));
        }
        killed ??= stepsAfter(begun, moment).then(() => child.signal('SIGKILL'));
        await stepsAfter(await steps(), Math.floor(chance() * STEPS_BETWEEN));
      }
      await killed;
      expect(await child.exited).toBeNull();
    }
    const answered = await Promise.all(answers);
    await Promise.all(callers.map(({ over }) => over));
    await Promise.all(steady.carrier.calls.map((call) => call.ended));

    const made = steady.carrier.calls.filter((call) => dialled.includes(call.options.to));
    for (const [index, status] of answered.entries()) {
      const calls = made.filter((call) => call.options.to === dialled[index]).length;
      // 202: the process died between its row and the carrier. Nobody can know that, so nobody sends it again.
      expect([status, calls], `seed ${seed}: ${dialled[index]}`).toEqual(status === 202 ? [202, 0] : [200, 1]);
    }
    for (const { sid, said, badAnswers } of [...callers.map(({ call }) => call), ...made]) {
      const what = `seed ${seed}: the end of ${sid}, ${badAnswers.join(', ')}`;
      const call = await em().findOne(Call, { callSid: sid });
      if (call !== null) await expectWhole(call, what);
      // The process died before it wrote that somebody called: they heard the fallback, and that was all. Unless it was
      // still dying when it was asked for that, too: then the carrier itself has to apologise.
      else expect(said.length > 0 || badAnswers.length > 1, what).toBe(true);
    }
    expect(await em().count(VoiceSession, { status: 'ACTIVE' })).toBe(0);
    const unsent = () => em().count(WebhookDelivery, { status: { $ne: 'DELIVERED' } });
    await until(async () => (await unsent()) === 0, 'every event to be sent', 120_000);
    // Some of them were in the middle of a conversation, and went on with it here.
    expect(await em().count(VoiceSession, { resumeCount: { $gt: 0 }, status: 'COMPLETED' })).toBeGreaterThan(0);
  });

  /** As a client that wants one call: asks with one key until it is answered. 202 after a long time without certainty. */
  async function dial(to: string): Promise<number> {
    const { call } = restAt(balancer.origin);
    const request = { key: acme.key, headers: { 'idempotency-key': to }, body: { to } };
    const end = Date.now() + 60_000;
    const ask = async () => {
      const status = (await call('POST', '/api/v1/make-call', request).catch(() => null))?.status;
      return status === 202 && Date.now() < end ? null : status;
    };
    return until(ask, `an answer about ${to}`, 120_000);
  }

  /** Its one last event was delivered, and its log ends with its session, without a hole. */
  async function expectWhole(call: Call, what: string): Promise<void> {
    const completed = () =>
      received.filter(({ event, data }) => event === 'voice.call.completed' && data.call_id === call.id);
    await until(() => completed().length > 0, what, 120_000);
    expect(new Set(completed().map(({ id }) => id)).size, what).toBe(1);
    const session = await em().findOne(VoiceSession, { callId: call.id });
    if (session === null) return;
    expect(session.status, what).not.toBe('ACTIVE');
    const events = await eventsOf(session.id);
    expect([what, ...events.map(({ seq }) => seq)]).toEqual([what, ...events.map((_, index) => index + 1)]);
    expect([what, ...events.filter(({ type }) => type === 'SessionEnded')]).toEqual([what, events.at(-1)]);
  }
});

describe('a process that is asked to leave', () => {
  it('takes no new calls, lets those that run come to their end, and exits with 0', async () => {
    const child = await another({ DRAIN_SECONDS: '60' });
    const { call, over } = inbound();
    await streamedElsewhere(call.sid);
    child.signal('SIGTERM');
    await until(async () => (await child.call('GET', '/health/ready')).status === 503, 'the refusal of readiness');
    expect((await child.call('GET', '/health/ready')).body).toMatchObject({ draining: true });
    const late = inbound();
    await late.over;
    expect(late.call.streams).toEqual([]);
    expect(late.call.said).not.toEqual([]);
    const dialled = await child.call('POST', '/api/v1/make-call', { key: acme.key, body: { to: '+15555569999' } });
    expect([dialled.status, dialled.body.code]).toEqual([503, 'UNAVAILABLE']);
    expect(await child.exited).toBe(0);
    await over;
    expect(await sessionOf(call.sid)).toMatchObject({ status: 'COMPLETED', resumeCount: 0 });
    expect(call.streams).toHaveLength(1);
  });

  it('leads calls that go on for too long to another one, which goes on with the same session', async () => {
    const child = await another({ DRAIN_SECONDS: '1' });
    const { call, over } = inbound(conversation('order-status', 'opening-hours', 'long-story', 'thanks-goodbye'));
    await streamedElsewhere(call.sid);
    child.signal('SIGTERM');
    expect(await child.exited).toBe(0);
    await over;
    const session = await until(async () => {
      const row = await sessionOf(call.sid);
      return row!.status === 'ACTIVE' ? null : row;
    }, 'the end of the session');
    expect(session).toMatchObject({ status: 'COMPLETED', ownerGeneration: 2 });
    expect(call.streams).toHaveLength(2);
    expect(call.badAnswers).toEqual([]);
  });
});

describe('what a process says', () => {
  it('holds nobody’s number, words or keys', () => {
    const lines = children.flatMap((child) => child.said);
    expect(lines.length).toBeGreaterThan(children.length);
    const secrets = [acme.key, ADMIN_KEY, ACCOUNT.authToken, steady.env.STREAM_TOKEN_SECRET!];
    const words = ['where my order is', 'arrives in two days', 'how can I help'];
    for (const line of lines) {
      expect(line).not.toMatch(/\+1\d{10}/);
      for (const never of [...secrets, ...words]) expect(line).not.toContain(never);
    }
  });

  it('names every wrong variable, and leaves with 1', () => {
    const { status, stderr } = spawnSync(process.execPath, ['dist/main.js'], {
      env: { PORT: 'eighty', ENCRYPTION_KEY: 'short', DATA_DIR: '/dev/null' },
      encoding: 'utf8',
    });
    expect(status).toBe(1);
    for (const name of ['PORT', 'ENCRYPTION_KEY', 'STREAM_TOKEN_SECRET']) expect(stderr).toContain(`- ${name} `);
  });
});
