import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Call, SessionEvent, VoiceSession } from '../src/entities/index.js';
import { MemoryBus } from '../src/pubsub/memory.js';
import type { SimulatedCall } from '../src/simulators/carrier/call.js';
import { ScriptedCaller, type Step } from '../src/simulators/carrier/caller.js';
import { LiveListener } from './testkit/live-listener.js';
import { switchFaultsOn } from './testkit/faults.js';
import { seedCallable, startGateway, type TestGateway } from './testkit/gateway.js';
import { must, socketClient } from './testkit/graphql.js';
import { until } from './testkit/until.js';

/** Calls live at `owner`; supervisors ask at `other`, which shares database, bus and public address with it. */
let owner: TestGateway;
let other: TestGateway;
let acme: Awaited<ReturnType<typeof seedCallable>>;
beforeAll(async () => {
  const bus = process.env.REDIS_URL ? {} : { bus: new MemoryBus() };
  const overrides = { ...bus, timing: { recorderBatchMs: 10, sweepIntervalMs: 500, commandAckMs: 15_000 } };
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  const { port } = front.address() as AddressInfo;
  const env = { PUBLIC_URL: `http://127.0.0.1:${port}`, STREAM_TOKEN_SECRET: 'shared-by-both-processes-of-this-test' };
  owner = await startGateway({ env, overrides });
  other = await startGateway({ env, database: owner.database, overrides });
  behind = owner;
  acme = await seedCallable(owner);
  switchFaultsOn(owner);
});
afterAll(async () => {
  await other.stop();
  await owner.stop();
  front.close();
});

/** What stands before the two processes: new connections of the carrier go to `behind`. */
let behind: TestGateway;
const front = createServer((client) => {
  const upstream = connect(Number(new URL(behind.origin).port), '127.0.0.1');
  client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy());
  upstream.on('error', () => client.destroy()).on('close', () => client.destroy());
  client.pipe(upstream).pipe(client);
});

const PHONE = '+15555550720';
const em = () => owner.database.database.em({ all: true });
const say = (name: string): Step => ({ say: owner.model.library.clip(name) });
const textOf = (name: string) => owner.model.library.text(name);
const transcribed = (person: ScriptedCaller) => owner.model.library.transcribe(Buffer.concat(person.heard));
let callers = 0;

/** A person whose next words the test decides. */
class Person extends ScriptedCaller {
  private next: ScriptedCaller | null = null;
  constructor() {
    super([]);
  }
  speak(name: string): void {
    this.next = new ScriptedCaller([say(name)]);
  }
  hangUp(): void {
    this.next = new ScriptedCaller([{ hangUp: true }]);
  }
  breakSocket(): void {
    this.next = new ScriptedCaller([{ breakSocket: true }]);
  }
  override tick(heard: Buffer | null) {
    if (heard !== null) this.heard.push(heard);
    return this.next?.tick(null) ?? { frame: null };
  }
}

interface Talk {
  call: SimulatedCall;
  caller: Person;
  row: Call;
  session: VoiceSession;
  over: Promise<unknown>;
}
async function talk(): Promise<Talk> {
  const caller = new Person();
  const call = owner.carrier.startInboundCall({
    from: `+1555555${7_000 + callers++}`,
    to: acme.number,
    handset: caller,
  });
  const over = call.run();
  const session = await until(() => em().findOne(VoiceSession, { callSid: call.sid }), 'the session');
  // Heard to its end: a person who comes earlier cuts it off.
  await until(() => em().findOne(SessionEvent, { sessionId: session.id, type: 'TurnCompleted' }), 'the greeting');
  return { call, caller, over, session, row: await em().findOneOrFail(Call, { callSid: call.sid }) };
}
/** Takes over with a phone, and waits until its person hears the caller's line. */
async function takenOver(t: Talk): Promise<{ person: Person; leg: SimulatedCall }> {
  const person = new Person();
  owner.carrier.behaviours.set(PHONE, { handset: () => person });
  const { takeOver } = await must(
    other,
    `mutation ($id: ID!, $to: PhoneNumber) { takeOver(callId: $id, to: $to) { status escalated } }`,
    { id: t.row.id, to: PHONE },
    acme.key,
  );
  expect(takeOver).toEqual({ status: 'IN_PROGRESS', escalated: true });
  await until(() => person.heard.length > 10, 'the line');
  return { person, leg: owner.carrier.calls.findLast((call) => call.options.to === PHONE)! };
}
const acts = async (t: Talk) =>
  (
    await em().find(SessionEvent, { sessionId: t.session.id, type: 'SupervisorActed' }, { orderBy: { seq: 'asc' } })
  ).map(({ payload }) => payload as { action: string; by: string });
const story = async (t: Talk) =>
  (await em().find(SessionEvent, { sessionId: t.session.id, type: 'TurnCompleted' }, { orderBy: { seq: 'asc' } })).map(
    ({ payload }) => {
      const { speaker, text } = payload.turn as { speaker: string; text: string };
      return `${speaker} ${text}`;
    },
  );
const handBack = (t: Talk) => other.call('POST', `/api/v1/calls/${t.call.sid}/hand-back`, { key: acme.key });
const agentSpeaks = async (t: Talk) => {
  const before = (await story(t)).filter((line) => line.startsWith('AGENT')).length;
  t.caller.speak('order-status');
  await until(
    async () => (await story(t)).filter((line) => line.startsWith('AGENT')).length > before,
    'the agent to answer',
  );
};

describe('a supervisor’s phone that takes a call over', () => {
  it('talks with the caller instead of the agent, also from another process; every word is written down', async () => {
    const t = await talk();
    behind = other;
    const listener = new LiveListener(other, t.call.sid, { key: acme.key });
    await until(() => listener.messages.length > 1, 'the listener');
    const { person, leg } = await takenOver(t);
    expect([owner.app.media!.route.size, other.app.media!.route.size]).toEqual([1, 1]);
    behind = owner;
    expect(leg.options).toMatchObject({ from: acme.number, direction: 'outbound-api' });
    t.caller.speak('order-status');
    await until(() => transcribed(person).includes(textOf('order-status')), 'the caller at the phone');
    person.speak('confirm-appointment');
    await until(() => transcribed(t.caller).includes(textOf('confirm-appointment')), 'the person at the caller');
    await until(
      async () => (await story(t)).includes(`SUPERVISOR ${textOf('confirm-appointment')}`),
      'the words of the person',
    );
    // Who listens in hears all that the caller hears and says.
    const overheard = (side: string) => owner.model.library.transcribe(listener.audio(side));
    expect(overheard('caller')).toContain(textOf('order-status'));
    expect(overheard('supervisor')).toContain(textOf('confirm-appointment'));
    expect(await story(t)).toEqual([
      'AGENT Hello, how can I help you?',
      `CALLER ${textOf('order-status')}`,
      `SUPERVISOR ${textOf('confirm-appointment')}`,
    ]);
    const again = await other.call('POST', `/api/v1/calls/${t.call.sid}/take-over`, {
      key: acme.key,
      body: { to: PHONE },
    });
    expect(again).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
    // Nor does the agent speak into their conversation.
    const unmute = await other.call('POST', `/api/v1/calls/${t.call.sid}/unmute`, { key: acme.key });
    expect(unmute).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
    expect((await handBack(t)).status).toBe(200);
    await leg.ended;
    await until(
      () =>
        JSON.stringify(owner.model.sessions.map((s) => s.conversation.items)).includes(
          'A colleague said to the caller',
        ),
      'the agent to learn of it',
    );
    await until(async () => (await story(t)).at(-1)!.startsWith('AGENT'), 'the agent to carry on by itself');
    await agentSpeaks(t);
    expect((await acts(t)).map(({ action }) => action)).toEqual(['TAKE_OVER', 'HAND_BACK']);
    expect([leg.badAnswers, leg.warnings, t.call.badAnswers, t.call.warnings]).toEqual([[], [], [], []]);
    const sent = await em().execute(
      `select payload from tenant_event where event = 'voice.call.escalated' and payload->'data'->>'call_sid' = ?`,
      [t.call.sid],
    );
    expect(sent).toMatchObject([{ payload: { data: { target: PHONE, initiated_by: 'supervisor' } } }]);
    expect(owner.model.violations).toEqual([]);
    expect(overheard('agent')).not.toBe('');
    t.call.hangUp();
    expect(await listener.closed).toBe(1000);
    await t.over;
  });

  it('is seen live between a whisper and a warm transfer, in the order of what happened', async () => {
    const t = await talk();
    const { client } = socketClient(other, { authorization: `Bearer ${acme.key}` });
    const seen: any[] = [];
    const watched = (async () => {
      const query = `subscription ($id: ID!) { sessionEvents(sessionId: $id) { __typename seq
        ... on SupervisorActed { action } } }`;
      for await (const { data } of client.iterate<any>({ query, variables: { id: t.session.id } }))
        seen.push(data!.sessionEvents);
    })();
    const ask = (act: string, body?: object) =>
      other.call('POST', `/api/v1/calls/${t.call.sid}/${act}`, { key: acme.key, body });
    expect((await ask('whisper', { text: 'Be kind' })).status).toBe(200);
    const { leg } = await takenOver(t);
    expect((await ask('hand-back')).status).toBe(200);
    await leg.ended;
    const colleague = '+15555550721';
    owner.carrier.behaviours.set(colleague, {
      handset: () => new ScriptedCaller([{ pause: 1_500 }, say('confirm-appointment'), { hangUp: true }]),
    });
    expect((await ask('transfer', { to: colleague, warm: true })).status).toBe(200);
    await t.over;
    await watched;
    await client.dispose();
    expect(seen.flatMap(({ action }) => action ?? [])).toEqual(['WHISPER', 'TAKE_OVER', 'HAND_BACK', 'TRANSFER']);
    expect(seen.map(({ seq }) => seq)).toEqual(seen.map((_, index) => index + 1));
    expect(seen.at(-1).__typename).toBe('SessionEnded');
  });

  it('gives the word back when it hangs up, and when nobody answers it or a machine', async () => {
    const t = await talk();
    const { person } = await takenOver(t);
    person.hangUp();
    await until(async () => (await acts(t)).length === 2, 'the way back');
    expect((await acts(t))[1]).toMatchObject({ action: 'HAND_BACK', by: 'system:telephone' });
    await agentSpeaks(t);
    owner.carrier.behaviours.set(PHONE, { answers: 'no-answer' });
    await other.call('POST', `/api/v1/calls/${t.call.sid}/take-over`, { key: acme.key, body: { to: PHONE } });
    await until(async () => (await acts(t)).length === 4, 'the way back again');
    expect((await acts(t)).map(({ action }) => action)).toEqual(['TAKE_OVER', 'HAND_BACK', 'TAKE_OVER', 'HAND_BACK']);
    // An answering machine is nobody: the caller must not have to listen to its greeting.
    owner.carrier.behaviours.set(PHONE, { answeredBy: 'machine_start' });
    await other.call('POST', `/api/v1/calls/${t.call.sid}/take-over`, { key: acme.key, body: { to: PHONE } });
    await until(async () => (await acts(t)).length === 6, 'the way back once more');
    expect((await acts(t))[5]).toMatchObject({ action: 'HAND_BACK', text: 'answering-machine' });
    expect(owner.carrier.calls.findLast((call) => call.options.to === PHONE)!.streams).toEqual([]);
    t.call.hangUp();
    await t.over;
  });

  it('is hung up with the call', async () => {
    const t = await talk();
    const { leg } = await takenOver(t);
    t.call.hangUp();
    await t.over;
    await leg.ended;
    expect(leg.badAnswers).toEqual([]);
  });

  it('stays in the call, and the agent silent, while either media socket breaks and comes back', async () => {
    const t = await talk();
    const { person, leg } = await takenOver(t);
    t.caller.breakSocket();
    await until(() => t.call.streams.length === 2, 'the new stream of the caller');
    await until(
      async () => (await em().findOneOrFail(VoiceSession, { id: t.session.id })).ownerGeneration === 2,
      'the new owner',
    );
    person.breakSocket();
    await until(() => leg.streams.length === 2, 'the new stream of the phone');
    const heard = person.heard.length;
    await until(() => person.heard.length > heard + 20, 'the line');
    t.caller.speak('order-status');
    await until(() => transcribed(person).includes(textOf('order-status')), 'the caller at the phone');
    await until(async () => (await story(t)).some((line) => line.startsWith('CALLER')), 'the words of the caller');
    expect((await story(t)).filter((line) => line.startsWith('AGENT'))).toHaveLength(1);
    expect((await acts(t)).map(({ action }) => action)).toEqual(['TAKE_OVER']);
    t.call.hangUp();
    await t.over;
    await leg.ended;
  });
});
