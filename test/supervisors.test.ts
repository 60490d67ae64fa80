import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuditEntry, Call, CallCommand, SessionEvent, VoiceSession } from '../src/entities/index.js';
import { newId } from '../src/lib/ids.js';
import { MemoryBus } from '../src/pubsub/memory.js';
import { ScriptedCaller, type Step } from '../src/simulators/carrier/caller.js';
import type { SimulatedCall } from '../src/simulators/carrier/call.js';
import { switchFaultsOn } from './testkit/faults.js';
import { ADMIN_KEY, seedCallable, startGateway, type TestGateway } from './testkit/gateway.js';
import { follow, graphql, must, socketClient } from './testkit/graphql.js';
import { sessionEventsSubscription } from './testkit/operations.js';
import { until } from './testkit/until.js';

/** `owner` holds the calls; `other` shares database and bus with it, and nothing else. */
let owner: TestGateway;
let other: TestGateway;
let acme: Awaited<ReturnType<typeof seedCallable>>;
let globex: Awaited<ReturnType<typeof seedCallable>>;
const DESK = '+15555550700';
beforeAll(async () => {
  const bus = process.env.REDIS_URL ? {} : { bus: new MemoryBus() };
  const timing = { recorderBatchMs: 10, sweepIntervalMs: 500, commandAckMs: 15_000, emptyRoomMs: 2_000 };
  const overrides = { ...bus, timing };
  owner = await startGateway({ overrides });
  other = await startGateway({ database: owner.database, overrides });
  acme = await seedCallable(owner);
  switchFaultsOn(owner);
  globex = await seedCallable(owner, 'globex', '+15555559876');
});
afterAll(async () => {
  await other.stop();
  await owner.stop();
});

const em = () => owner.database.database.em({ all: true });
let callers = 0;

interface Talk {
  call: SimulatedCall;
  caller: ScriptedCaller;
  row: Call;
  session: VoiceSession;
  over: Promise<unknown>;
}

/** Somebody who has called, was greeted, and stays on the line. */
async function talk(steps: Step[] = [{ pause: 600_000 }], to = acme.number): Promise<Talk> {
  const caller = new ScriptedCaller([{ waitForAgent: 300 }, ...steps]);
  const call = owner.carrier.startInboundCall({ from: `+1555555${4_000 + callers++}`, to, handset: caller });
  const over = call.run();
  const session = await until(
    () => em().findOne(VoiceSession, { callSid: call.sid, turnCount: { $gte: 1 } }),
    'the greeting',
  );
  return { call, caller, over, session, row: await em().findOneOrFail(Call, { callSid: call.sid }) };
}
const say = (name: string): Step => ({ say: owner.model.library.clip(name) });
const log = ({ session }: Talk) => em().find(SessionEvent, { sessionId: session.id }, { orderBy: { seq: 'asc' } });
const acts = async (t: Talk) =>
  (await log(t)).filter(({ type }) => type === 'SupervisorActed').map(({ payload }) => payload.action);
/** What the audit log says of this call, oldest first. */
const audited = async ({ row }: Talk) =>
  (await em().find(AuditEntry, { subjectId: row.id }, { orderBy: { createdAt: 'asc', id: 'asc' } })).map(
    ({ action }) => action,
  );
const post = (gateway: TestGateway, t: Talk, act: string, body: object = {}, key = acme.key) =>
  gateway.call('POST', `/api/v1/calls/${t.call.sid}/${act}`, { key, body });
/** The model session that talks to the newest caller. */
const model = () => owner.model.sessions.at(-1)!;
const heardByModel = () => JSON.stringify(model().conversation.items);
const turns = async (t: Talk) =>
  (await owner.call('GET', `/api/v1/voice-sessions/${t.session.id}`, { key: acme.key })).body.transcript as {
    role: string;
    content: string;
  }[];

describe('a supervisor at any process', () => {
  it('speaks through the agent and whispers to it; both are logged, and audited with who and from where', async () => {
    const t = await talk();
    const said = await post(other, t, 'say', { text: 'One moment please.' });
    expect(said).toMatchObject({ status: 200, body: { ok: true, call_sid: t.call.sid, status: 'in-progress' } });
    await until(async () => (await turns(t)).some(({ content }) => content === 'One moment please.'), 'the words');
    const { whisperToAgent } = await must(
      other,
      `mutation ($id: ID!) { whisperToAgent(callId: $id, text: "Offer a refund") { seq action by text commandId } }`,
      { id: t.row.id },
      acme.key,
    );
    expect(whisperToAgent).toMatchObject({ action: 'WHISPER', text: 'Offer a refund' });
    await until(() => heardByModel().includes('Offer a refund'), 'the whisper');
    const events = await log(t);
    expect(events.find(({ seq }) => seq === whisperToAgent.seq)).toMatchObject({
      type: 'SupervisorActed',
      payload: { action: 'WHISPER', by: whisperToAgent.by, commandId: whisperToAgent.commandId },
    });
    expect((await turns(t)).some(({ content }) => content.includes('refund'))).toBe(false);
    const entries = await em().find(AuditEntry, { subjectId: t.row.id }, { orderBy: { createdAt: 'asc' } });
    expect(entries).toMatchObject([
      { action: 'call.said', actor: whisperToAgent.by, address: '127.0.0.1', after: { text: 'One moment please.' } },
      { action: 'call.whispered', tenantId: 'acme', subjectType: 'call' },
    ]);
    await post(owner, t, 'end');
    await t.over;
  });

  it('silences the agent, which still listens, and gives it the word again', async () => {
    const t = await talk([
      { pause: 2_000 },
      say('order-status'),
      { pause: 4_000 },
      say('order-status'),
      { pause: 600_000 },
    ]);
    expect((await post(other, t, 'mute')).status).toBe(200);
    await until(async () => (await turns(t)).some(({ role }) => role === 'user'), 'the caller');
    await until(async () => (await turns(t)).filter(({ role }) => role === 'user').length === 2, 'the caller again');
    expect((await turns(t)).filter(({ role }) => role === 'assistant')).toHaveLength(1);
    await post(other, t, 'say', { text: 'A colleague is listening.' });
    await until(async () => (await turns(t)).at(-1)!.content === 'A colleague is listening.', 'the only words');
    await must(other, `mutation ($id: ID!) { unmuteAgent(callId: $id) { seq } }`, { id: t.row.id }, acme.key);
    await must(other, `mutation ($id: ID!) { takeOver(callId: $id) { id escalated } }`, { id: t.row.id }, acme.key);
    const { handBack } = await must(
      other,
      `mutation ($id: ID!) { handBack(callId: $id) { escalated } }`,
      { id: t.row.id },
      acme.key,
    );
    expect(handBack.escalated).toBe(true);
    await post(owner, t, 'end');
    await t.over;
    expect(await acts(t)).toEqual(['MUTE', 'SAY', 'UNMUTE', 'TAKE_OVER', 'HAND_BACK', 'END']);
    expect(await audited(t)).toEqual([
      'call.agent_muted',
      'call.said',
      'call.agent_unmuted',
      'call.taken_over',
      'call.handed_back',
      'call.ended',
    ]);
  });

  it('transfers: the caller is sent on, the call is escalated, the tenant hears of it', async () => {
    const t = await talk();
    const { status, body } = await post(other, t, 'transfer', { to: DESK });
    expect({ status, escalated: body.escalated }).toEqual({ status: 200, escalated: true });
    await t.over;
    expect(t.call.dialed).toEqual([DESK]);
    const session = await until(
      () => em().findOne(VoiceSession, { id: t.session.id, status: 'COMPLETED' }),
      'the end of the session',
    );
    expect(session).toMatchObject({ endReason: 'TRANSFERRED', escalated: true });
    expect(await audited(t)).toEqual(['call.transferred']);
    const story = (await log(t)).map(({ type }) => type).filter((type) => /Supervisor|Escalated|Ended/.test(type));
    expect(story).toEqual(['SessionEscalated', 'SupervisorActed', 'SessionEnded']);
    const sent = await em().execute(
      `select payload from tenant_event where event = 'voice.call.escalated' and payload->'data'->>'call_sid' = ?`,
      [t.call.sid],
    );
    expect(sent).toMatchObject([{ payload: { data: { target: DESK, initiated_by: 'supervisor' } } }]);
  });

  it('escalates: without any number it is recorded, and the agent stays', async () => {
    const t = await talk();
    const { escalateCall } = await must(
      other,
      `mutation ($id: ID!) { escalateCall(callId: $id, reason: "angry") { escalated status } }`,
      { id: t.row.id },
      acme.key,
    );
    expect(escalateCall).toEqual({ escalated: true, status: 'IN_PROGRESS' });
    const escalation = (await log(t)).find(({ type }) => type === 'SessionEscalated')!.payload.escalation;
    expect(escalation).toMatchObject({ reason: 'angry', action: 'RECORD', target: null, initiatedBy: 'SUPERVISOR' });
    const { endCall } = await must(
      other,
      `mutation ($id: ID!) { endCall(callId: $id) { id } }`,
      { id: t.row.id },
      acme.key,
    );
    expect(endCall.id).toBe(t.row.id);
    await t.over;
    expect(
      await until(() => em().findOne(VoiceSession, { id: t.session.id, status: 'COMPLETED' }), 'the end'),
    ).toMatchObject({
      endReason: 'INTENT',
    });
    expect(await audited(t)).toEqual(['call.escalated', 'call.ended']);
    expect(await post(other, t, 'say', { text: 'late' })).toMatchObject({
      status: 409,
      body: { code: 'CALL_NOT_ACTIVE' },
    });
    expect(await post(other, t, 'end')).toMatchObject({ status: 409, body: { code: 'CALL_NOT_ACTIVE' } });
    expect(await acts(t)).toEqual(['ESCALATE', 'END']);
  });

  it('ends a call that still rings, which no process owns', async () => {
    owner.carrier.behaviours.set('+15555550701', { ringMs: 600_000 });
    const made = await owner.call('POST', '/api/v1/make-call', { key: acme.key, body: { to: '+15555550701' } });
    const ringing = owner.carrier.calls.find(({ sid }) => sid === made.body.call_sid)!;
    await until(() => ringing.status === 'ringing', 'the ringing');
    const say = await owner.call('POST', `/api/v1/calls/${ringing.sid}/say`, { key: acme.key, body: { text: 'Hi' } });
    expect(say).toMatchObject({ status: 409, body: { code: 'CALL_NOT_ACTIVE' } });
    const ended = await owner.call('POST', `/api/v1/calls/${ringing.sid}/end`, { key: acme.key });
    expect(ended).toMatchObject({ status: 200, body: { seq: null } });
    await ringing.ended;
    await until(() => em().findOne(Call, { callSid: ringing.sid, endedAt: { $ne: null } }), 'the end of the call');
  });
});

it('a call that was transferred is still hung up by endCall, though no process owns it', async () => {
  const t = await talk();
  const colleague = '+15555550702';
  owner.carrier.behaviours.set(colleague, { handset: () => new ScriptedCaller([{ pause: 600_000 }]) });
  await post(other, t, 'transfer', { to: colleague });
  await until(() => em().findOne(VoiceSession, { id: t.session.id, endReason: 'TRANSFERRED' }), 'the transfer');
  expect(await post(other, t, 'say', { text: 'Hello?' })).toMatchObject({ status: 409 });
  // At the process whose carrier holds this call.
  expect(await post(owner, t, 'end')).toMatchObject({ status: 200, body: { seq: null } });
  await t.over;
  expect(await audited(t)).toEqual(['call.transferred', 'call.ended']);
  await until(() => em().findOne(Call, { id: t.row.id, status: 'COMPLETED' }), 'the end of the call');
});

describe('a warm transfer', () => {
  const PERSON = '+15555550710';
  const legTo = (number: string) => owner.carrier.calls.findLast((call) => call.options.to === number)!;
  const transcribed = (person: ScriptedCaller) => owner.model.library.transcribe(Buffer.concat(person.heard));

  it('tells the person first what it is about, then brings the caller; whisper and transfer are logged in order', async () => {
    const t = await talk([say('order-status'), { pause: 60_000 }]);
    await until(async () => (await turns(t)).length >= 3, 'the answer');
    const person = new ScriptedCaller([
      { pause: 1_500 },
      say('confirm-appointment'),
      { pause: 2_000 },
      { hangUp: true },
    ]);
    owner.carrier.behaviours.set(PERSON, { handset: () => person });
    await post(other, t, 'whisper', { text: 'Be kind' });
    const { transferCall } = await must(
      other,
      `mutation ($id: ID!, $to: PhoneNumber!) { transferCall(callId: $id, to: $to, warm: true) { status escalated } }`,
      { id: t.row.id, to: PERSON },
      acme.key,
    );
    expect(transferCall).toEqual({ status: 'IN_PROGRESS', escalated: true });
    await t.over;
    const leg = legTo(PERSON);
    expect(leg.options).toMatchObject({ from: acme.number, direction: 'outbound-api' });
    expect(leg.said.join(' ')).toContain('Hi, I would like to know where my order is.');
    expect([leg.badAnswers, leg.warnings, t.call.badAnswers, t.call.warnings]).toEqual([[], [], [], []]);
    expect(transcribed(t.caller)).toContain(owner.model.library.text('confirm-appointment'));
    const [room] = owner.carrier.conferences.slice(-1);
    expect(room).toMatchObject({ status: 'completed', endingCallSid: leg.sid });
    const session = await until(() => em().findOne(VoiceSession, { id: t.session.id, status: 'COMPLETED' }), 'the end');
    expect(session).toMatchObject({ endReason: 'TRANSFERRED', escalated: true });
    const { client } = socketClient(other, { authorization: `Bearer ${acme.key}` });
    const seen: string[] = [];
    for await (const { sessionEvents } of follow(client, sessionEventsSubscription, { sessionId: t.session.id }))
      seen.push(sessionEvents.__typename);
    await client.dispose();
    expect(seen.filter((type) => /Supervisor|Escalated|Ended/.test(type))).toEqual([
      'SupervisorActed',
      'SupervisorActed',
      'SessionEscalated',
      'SessionEnded',
    ]);
    expect(await acts(t)).toEqual(['WHISPER', 'TRANSFER']);
    expect(await audited(t)).toEqual(['call.whispered', 'call.transferred_warm']);
    const sent = await em().execute(
      `select payload from tenant_event where event = 'voice.call.escalated' and payload->'data'->>'call_sid' = ?`,
      [t.call.sid],
    );
    expect(sent).toMatchObject([{ payload: { data: { target: PERSON, initiated_by: 'supervisor' } } }]);
  });

  it.each([
    ['no-answer', { answers: 'no-answer' }],
    ['busy', { answers: 'busy' }],
    ['answering-machine', { answeredBy: 'machine_start' }],
    ['answering-machine', { answeredBy: 'fax' }],
  ] as const)(
    'to somebody who does not come (%s, %o) leaves the caller with the agent, and tells nobody about them',
    async (why, behaviour) => {
      const t = await talk();
      owner.carrier.behaviours.set(PERSON, behaviour);
      expect((await post(other, t, 'transfer', { to: PERSON, warm: true })).status).toBe(200);
      await until(async () => (await acts(t)).includes('HAND_BACK'), 'the way back');
      expect(await acts(t)).toEqual(['TRANSFER', 'HAND_BACK']);
      expect([t.call.over, legTo(PERSON).said]).toEqual([false, []]);
      await until(() => heardByModel().includes('did not come'), 'the model to hear of it');
      const { body } = await owner.admin('GET', '/diagnostics?tenant_id=acme');
      const raised = body.data.find(({ code }: { code: string }) => code === 'transfer_failed');
      expect(raised.detail).toEqual({ call_id: t.row.id, dial_status: why });
      await post(owner, t, 'end');
      await t.over;
    },
  );

  it.each([
    ['nobody can tell who answered', 'unknown', null],
    ['the tenant wants no detection', 'machine_start', false],
  ] as const)('takes whoever answers for a person where %s', async (_what, answeredBy, machine_detection) => {
    const set = await owner.admin('PUT', '/tenants/acme/runtime-config', { telephony: { machine_detection } });
    expect(set.status).toBe(200);
    const t = await talk();
    owner.carrier.behaviours.set(PERSON, { answeredBy, handset: () => new ScriptedCaller([{ pause: 60_000 }]) });
    expect((await post(other, t, 'transfer', { to: PERSON, warm: true })).status).toBe(200);
    await until(() => em().findOne(VoiceSession, { id: t.session.id, endReason: 'TRANSFERRED' }), 'the transfer');
    expect(legTo(PERSON).said).toHaveLength(1);
    t.call.hangUp();
    await t.over;
    await legTo(PERSON).ended;
    await owner.admin('PUT', '/tenants/acme/runtime-config', { telephony: { machine_detection: null } });
  });

  it('to two people at once brings the caller to the first who comes, and lets the other go', async () => {
    const t = await talk();
    const late = '+15555550711';
    owner.carrier.behaviours.set(late, { ringMs: 600_000 });
    owner.carrier.behaviours.set(PERSON, { handset: () => new ScriptedCaller([{ pause: 600_000 }]) });
    for (const to of [late, PERSON]) expect((await post(other, t, 'transfer', { to, warm: true })).status).toBe(200);
    await legTo(late).ended;
    expect(legTo(late).statuses).not.toContain('in-progress');
    expect([legTo(PERSON).status, t.call.over]).toEqual(['in-progress', false]);
    t.call.hangUp();
    await t.over;
    await legTo(PERSON).ended;
  });

  it('that was taken back meanwhile connects nobody', async () => {
    const t = await talk();
    owner.carrier.behaviours.set(PERSON, { ringMs: 700 });
    await post(other, t, 'transfer', { to: PERSON, warm: true });
    expect((await post(other, t, 'hand-back')).status).toBe(200);
    await legTo(PERSON).ended;
    expect([legTo(PERSON).statuses.includes('in-progress'), legTo(PERSON).said]).toEqual([true, []]);
    expect((await post(other, t, 'say', { text: 'Still here.' })).status).toBe(200);
    expect(t.call.over).toBe(false);
    await post(owner, t, 'end');
    await t.over;
  });

  it('to somebody who hangs up while the caller is on the way leaves nobody waiting in an empty room', async () => {
    const t = await talk();
    /** Leaves as soon as they are in the room, and the carrier’s word about it is lost. */
    class Fickle extends ScriptedCaller {
      override tick(heard: Buffer | null) {
        owner.carrier.faults.callbacks = 'dropped';
        return super.tick(heard);
      }
    }
    owner.carrier.behaviours.set(PERSON, { handset: () => new Fickle([{ hangUp: true }]) });
    await post(other, t, 'transfer', { to: PERSON, warm: true });
    await t.over;
    switchFaultsOn(owner);
    expect(t.call.said.join(' ')).toContain('nobody could take your call');
  });

  it('stops ringing when the caller has hung up', async () => {
    const t = await talk();
    owner.carrier.behaviours.set(PERSON, { ringMs: 600_000 });
    await post(other, t, 'transfer', { to: PERSON, warm: true });
    await until(() => legTo(PERSON)?.status === 'ringing', 'the ringing');
    t.call.hangUp();
    await t.over;
    await legTo(PERSON).ended;
    expect(legTo(PERSON).status).not.toBe('in-progress');
  });

  it('is refused by the carrier in the same words as any dial', async () => {
    const t = await talk();
    owner.carrier.faults.createCall = 400;
    try {
      expect(await post(other, t, 'transfer', { to: PERSON, warm: true })).toMatchObject({
        status: 422,
        body: { code: 'CARRIER_REJECTED' },
      });
    } finally {
      owner.carrier.faults.createCall = null;
    }
    expect(await acts(t)).toEqual([]);
    await post(owner, t, 'end');
    await t.over;
  });
});

describe('a command', () => {
  it('that is repeated with its id acts once, also after the end of the call', async () => {
    const t = await talk();
    const command_id = newId();
    const answers = await Promise.all(
      [owner, other, other].map((gateway) => post(gateway, t, 'say', { text: 'Only once.', command_id })),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(new Set(answers.map(({ body }) => body.seq)).size).toBe(1);
    expect(await post(other, t, 'say', { text: 'Something else.', command_id })).toMatchObject({
      status: 409,
      body: { code: 'IDEMPOTENCY_CONFLICT' },
    });
    expect(await acts(t)).toEqual(['SAY']);
    expect(await em().count(AuditEntry, { subjectId: t.row.id })).toBe(1);
    const end = newId();
    await post(other, t, 'end', { command_id: end });
    await t.over;
    expect(await post(other, t, 'end', { command_id: end })).toMatchObject({ status: 200, body: { command_id: end } });
  });

  it('that nobody takes in time says so, and does nothing when it arrives late', async () => {
    const t = await talk();
    const { commands } = owner.app.services.calls;
    commands.stop();
    const command_id = newId();
    const { timing } = other.app.services.context.settings;
    timing.commandAckMs = 500;
    const lost = await post(other, t, 'say', { text: 'Too late.', command_id });
    timing.commandAckMs = 15_000;
    expect(lost).toMatchObject({
      status: 503,
      body: { code: 'COMMAND_NOT_ACKNOWLEDGED', retryable: true, command_id },
    });
    expect(lost.headers.get('retry-after')).toBe('1');
    await commands.serve(owner.app.media!.registry);
    await owner.app.services.context.topics.publish('callCommand', { sessionId: t.session.id, commandId: command_id });
    await post(other, t, 'whisper', { text: 'in between' });
    expect(await acts(t)).toEqual(['WHISPER']);
    expect(await em().findOne(CallCommand, { id: command_id })).toMatchObject({ state: 'EXPIRED' });
    // Repeated, it is given its time once more.
    expect((await post(other, t, 'say', { text: 'Too late.', command_id })).status).toBe(200);
    await em().execute(
      `update call_command set state = 'PENDING', expires_at = now() - interval '1 second' where id = ?`,
      [command_id],
    );
    await owner.app.services.context.topics.publish('callCommand', { sessionId: t.session.id, commandId: command_id });
    await post(other, t, 'mute');
    expect(await acts(t)).toEqual(['WHISPER', 'SAY', 'MUTE']);
    await post(owner, t, 'end');
    await t.over;
  });

  it('that the carrier refuses comes back as the refusal, and the agent stays with the caller', async () => {
    const t = await talk();
    owner.carrier.faults.update = 400;
    try {
      expect(await post(other, t, 'transfer', { to: DESK })).toMatchObject({
        status: 422,
        body: { code: 'CARRIER_REJECTED' },
      });
    } finally {
      owner.carrier.faults.update = null;
    }
    expect(await acts(t)).toEqual([]);
    expect((await post(other, t, 'say', { text: 'Still here.' })).status).toBe(200);
    await post(owner, t, 'end');
    await t.over;
  });

  it('calls nobody who must not be called', async () => {
    const t = await talk();
    const number = '+15555550799';
    const dnc = await owner.call('POST', '/api/v1/dnc', {
      key: acme.key,
      body: { number, reason: 'left the company' },
    });
    expect(dnc.status).toBe(200);
    for (const [act, body] of [
      ['transfer', { to: number }],
      ['transfer', { to: number, warm: true }],
      ['escalate', { reason: 'x', target: number }],
      ['take-over', { to: number }],
    ] as const)
      expect(await post(other, t, act, body)).toMatchObject({ status: 422, body: { code: 'DO_NOT_CALL' } });
    expect(await acts(t)).toEqual([]);
    await post(owner, t, 'end');
    await t.over;
  });

  it('needs the scope, its own tenant, and sense', async () => {
    const t = await talk();
    const { body } = await owner.admin('POST', '/tenants/acme/api-keys', {
      name: 'reader',
      scopes: ['calls:read', 'operations:read'],
    });
    expect(await post(other, t, 'end', {}, body.key)).toMatchObject({
      status: 403,
      body: { required_scope: 'operations:write' },
    });
    expect((await post(other, t, 'end', {}, globex.key)).status).toBe(404);
    const foreign = await graphql(
      other,
      `
        mutation ($id: ID!) {
          endCall(callId: $id) {
            id
          }
        }
      `,
      { id: t.row.id },
      globex.key,
    );
    expect(foreign.errors![0]!.extensions.code).toBe('NOT_FOUND');
    for (const [act, wrong, path] of [
      ['say', { text: ' ' }, 'text'],
      ['transfer', { to: 'desk' }, 'to'],
      ['escalate', { reason: 'x', target: '12' }, 'target'],
      ['mute', { command_id: 'one' }, 'command_id'],
    ] as const)
      expect(await post(other, t, act, wrong)).toMatchObject({ status: 400, body: { details: [{ path }] } });
    const admin = await other.call('POST', `/api/v1/admin/calls/${t.row.id}/end`, {
      headers: { 'x-admin-key': ADMIN_KEY },
    });
    expect(admin).toMatchObject({ status: 200, body: { call_id: t.row.id } });
    await t.over;
  });
});
