import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuditEntry, Call, CallbackTask, SessionEvent, TenantEvent, VoiceSession } from '../src/entities/index.js';
import { openGate } from '../src/services/call-gate.js';
import { createCallServices } from '../src/services/call-services.js';
import { ScriptedCaller, type Step } from '../src/simulators/carrier/caller.js';
import { noCarrierFaults } from '../src/simulators/carrier/faults.js';
import { noModelFaults } from '../src/simulators/model/faults.js';
import { script, type Reply } from '../src/simulators/model/dialogue.js';
import { ADMIN_KEY, seedCallable, startGateway, type TestGateway } from './testkit/gateway.js';
import { graphql, must, socketClient } from './testkit/graphql.js';
import { MovableClock } from './testkit/movable-clock.js';
import { until } from './testkit/until.js';

const clock = new MovableClock();
let gateway: TestGateway;
let acme: Awaited<ReturnType<typeof seedCallable>>;
let globex: Awaited<ReturnType<typeof seedCallable>>;
beforeAll(async () => {
  gateway = await startGateway({ overrides: { clock } });
  acme = await seedCallable(gateway, 'acme', '+15555551234', {
    escalation_rules: [{ trigger: 'payment', action: 'callback', target: 'billing' }],
  });
  globex = await seedCallable(gateway, 'globex', '+15555559999');
});
afterAll(() => gateway.stop());

let numbers = 0;
const freshNumber = () => `+1555558${String(1_000 + numbers++)}`;
const em = () => gateway.database.database.em({ all: true });
const api = (method: string, path = '', body?: unknown, key = acme.key) =>
  gateway.call(method, `/api/v1/callbacks${path}`, { key, body });
const create = async (fields: object = {}) =>
  (await api('POST', '', { number: freshNumber(), reason: 'invoice', ...fields })).body;
const taskOf = async (id: string) => (await api('GET', `/${id}`)).body;
const callsTo = (to: string) => gateway.carrier.calls.filter((call) => call.options.to === to);
const sweep = () => gateway.app.services.calls.dueDials.sweep();
const say = (name: string): Step => ({ say: gateway.model.library.clip(name) });

/** Somebody calls, says this, and leaves when the callback is noted; gives the tasks of the call. */
async function promisedBy(from: string, ...said: Step[]) {
  const call = gateway.carrier.startInboundCall({
    from,
    to: acme.number,
    handset: new ScriptedCaller([{ waitForAgent: 400 }, ...said, { pause: 120_000 }]),
  });
  const over = call.run();
  const { id: callId } = await until(() => em().findOne(Call, { callSid: call.sid }), 'the call');
  const tasks = async () => (await api('GET', `?call_id=${callId}`)).body.data;
  await until(async () => (await tasks()).length > 0, 'the callback');
  call.hangUp();
  await over;
  await until(() => em().findOne(VoiceSession, { callId, endedAt: { $ne: null } }), 'its end', 30_000);
  return { callId, callSid: call.sid, tasks: await tasks() };
}
const escalations = async (callSid: string) =>
  (await em().find(TenantEvent, { event: 'voice.call.escalated' }))
    .map((event) => (event.payload as any).data)
    .filter((data) => data.call_sid === callSid);

describe('a callback task', () => {
  it('of the API has everything that people need, and moves as its states allow', async () => {
    clock.set('2026-11-30T10:00:00Z');
    const task = await create({ queue: 'billing', priority: 1, due_at: '2026-11-30T12:00:00Z', note: 'after lunch' });
    expect(task).toMatchObject({
      ok: true,
      state: 'open',
      origin: 'api',
      queue: 'billing',
      priority: 1,
      due_at: '2026-11-30T12:00:00.000Z',
      sla_due_at: null,
      sla_breached: false,
      auto_dial: false,
      notes: [{ text: 'after lunch', by: expect.stringMatching(/^key:/) }],
    });
    const states = async (...words: string[]) => {
      const { body } = await api('POST', '', { number: freshNumber(), reason: 'x' });
      const seen: number[] = [];
      for (const state of words) seen.push((await api('PATCH', `/${body.id}`, { state })).status);
      return seen;
    };
    expect(await states('claimed', 'open', 'claimed', 'done', 'done', 'open')).toEqual([200, 200, 200, 200, 200, 409]);
    expect(await states('canceled', 'claimed', 'done')).toEqual([200, 409, 409]);
    expect(await states('claimed', 'claimed')).toEqual([200, 409]);
    const closed = (await api('PATCH', `/${task.id}`, { state: 'done', note: 'reached' })).body;
    expect(closed).toMatchObject({ state: 'done', closed_at: expect.any(String), notes: [{}, { text: 'reached' }] });
    // What is closed takes notes and nothing else.
    expect((await api('PATCH', `/${task.id}`, { priority: 2 })).status).toBe(409);
    expect((await api('PATCH', `/${task.id}`, { note: 'thanked us' })).status).toBe(200);
    const trail = await em().find(AuditEntry, { subjectId: task.id }, { orderBy: { createdAt: 'asc' } });
    expect(trail.map((entry) => entry.action)).toEqual(['callback.created', 'callback.done', 'callback.updated']);
  });

  it('is in the state that every allowed step led to, whatever is asked of it', async () => {
    const words = ['open', 'claimed', 'done', 'canceled'] as const;
    type Word = (typeof words)[number];
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 6 }), async (asked) => {
        const { id } = await create();
        let state: Word = 'open';
        for (const next of asked) {
          const closed = state === 'done' || state === 'canceled';
          const allowed: boolean = closed ? next === state : !(state === 'claimed' && next === 'claimed');
          const answer = await api('PATCH', `/${id}`, { state: next });
          expect([answer.status, answer.body.state]).toEqual(allowed ? [200, next] : [409, state]);
          if (allowed) state = next;
          const { claimed_at, closed_at } = await taskOf(id);
          if (state === 'claimed') expect(claimed_at).not.toBeNull();
          if (state === 'open') expect(claimed_at).toBeNull();
          expect(closed_at !== null).toBe(state === 'done' || state === 'canceled');
        }
      }),
      { numRuns: 12 },
    );
  });

  it('breaks its promise visibly', async () => {
    clock.set('2026-11-30T10:00:00Z');
    const late = await create({ queue: 'sla', sla_due_at: '2026-11-30T11:00:00Z' });
    const kept = await create({ queue: 'sla', sla_due_at: '2026-11-30T11:00:00Z' });
    await api('PATCH', `/${kept.id}`, { state: 'done' });
    clock.set('2026-11-30T11:00:01Z');
    const breached = async (is: boolean) =>
      (await api('GET', `?queue=sla&sla_breached=${is}`)).body.data.map((row: { id: string }) => row.id);
    expect([await breached(true), await breached(false)]).toEqual([[late.id], [kept.id]]);
    expect([(await taskOf(late.id)).sla_breached, (await taskOf(kept.id)).sla_breached]).toEqual([true, false]);
    await api('PATCH', `/${late.id}`, { state: 'done' });
    expect(await taskOf(late.id)).toMatchObject({ state: 'done', sla_breached: true });
  });

  it('tells operators of a broken promise, once for each queue, until it is kept', async () => {
    clock.set('2026-11-30T10:00:00Z');
    const promised = { queue: 'promised', sla_due_at: '2026-11-30T11:00:00Z' };
    const [first, second] = [await create(promised), await create(promised)];
    const look = () => gateway.app.infrastructure.jobs.send('callback-promises', {});
    const told = async (resolved = false) =>
      (await gateway.admin('GET', `/diagnostics?code=callback_overdue&resolved=${resolved}`)).body.data.find(
        (row: any) => row.detail.queue === 'promised',
      );
    const { client } = socketClient(gateway, { authorization: `Bearer ${acme.key}` });
    const feed = client.iterate<any>({
      query: 'subscription { diagnosticRaised { code severity tenantId action detail resolvedAt } }',
    });
    const heard = async (): Promise<any> => {
      for (;;) {
        const { diagnosticRaised: seen } = (await feed.next()).value.data;
        if (seen.code === 'callback_overdue' && seen.detail.queue === 'promised') return seen;
      }
    };
    // On time there is nothing to tell: what is heard first is of the minute after.
    await look();
    clock.set('2026-11-30T11:00:01Z');
    await look();
    expect(await heard()).toMatchObject({
      severity: 'WARNING',
      tenantId: 'acme',
      resolvedAt: null,
      action: expect.stringContaining('sla_breached'),
      detail: { overdue: 2, oldestCallbackId: expect.any(String), overdueSince: '2026-11-30T11:00:00.000Z' },
    });
    expect(await told()).toMatchObject({ count: 1, tenant_id: 'acme' });
    // Told once, however often somebody looks; a task that breaks its promise later is news.
    await look();
    const third = await create({ ...promised, sla_due_at: '2026-11-30T11:10:00Z' });
    clock.set('2026-11-30T11:10:01Z');
    await look();
    expect((await heard()).detail.overdue).toBe(3);
    expect((await told()).count).toBe(2);
    // One is kept, one put off, one goes to other people: nobody waits here any more.
    await api('PATCH', `/${first.id}`, { state: 'done' });
    await api('PATCH', `/${second.id}`, { sla_due_at: '2026-11-30T12:00:00Z' });
    await api('PATCH', `/${third.id}`, { queue: 'elsewhere' });
    await look();
    expect((await heard()).resolvedAt).not.toBeNull();
    expect(await told(true)).toMatchObject({ count: 2 });
    const others = await gateway.admin('GET', '/diagnostics?code=callback_overdue&resolved=false');
    expect(others.body.data.map((row: any) => row.detail.queue)).toContain('elsewhere');
    // The new promise can be broken, too.
    clock.set('2026-11-30T12:00:01Z');
    await look();
    expect(await heard()).toMatchObject({ resolvedAt: null, detail: { overdue: 1, oldestCallbackId: second.id } });
    await client.dispose();
  });

  it('is claimed by one of fifty who ask at once, and the most urgent ones by one each', async () => {
    clock.set('2026-11-30T10:00:00Z');
    const { id } = await create();
    const claims = await Promise.all(
      Array.from({ length: 50 }, (_, i) => api('PATCH', `/${id}`, { state: 'claimed', assignee: `agent-${i}` })),
    );
    const won = claims.filter(({ status }) => status === 200);
    expect(won).toHaveLength(1);
    expect(claims.filter(({ status }) => status === 409)).toHaveLength(49);
    const { assignee } = won[0]!.body;
    expect(claims.every(({ status, body }) => status === 200 || body.assignee === assignee)).toBe(true);
    expect((await taskOf(id)).assignee).toBe(assignee);

    const rest = [await create({ queue: 'next' }), await create({ queue: 'next', priority: 2 })];
    const urgent = await create({ queue: 'next', priority: 1 });
    await create({ queue: 'next', priority: 1, due_at: '2026-12-01T10:00:00Z' });
    // Another's is nobody else's to take.
    const bobs = await create({ queue: 'next', priority: 1, assignee: 'bob' });
    const query = 'mutation { claimNextCallbackTask(queue: "next", assignee: "ann") { id state assignee } }';
    const first = (await must(gateway, query, {}, acme.key)).claimNextCallbackTask;
    expect(first).toEqual({ id: urgent.id, state: 'CLAIMED', assignee: 'ann' });
    const taken = await Promise.all(Array.from({ length: 6 }, () => must(gateway, query, {}, acme.key)));
    const ids = taken.map((data) => data.claimNextCallbackTask?.id).filter(Boolean);
    expect(ids.toSorted()).toEqual(rest.map((task) => task.id).toSorted());
    const { callback } = (await api('POST', '/claim', { queue: 'next', assignee: 'bob' })).body;
    expect(callback).toMatchObject({ id: bobs.id, assignee: 'bob' });
    // Who lets a task go may say for whom.
    const handed = (await api('PATCH', `/${bobs.id}`, { state: 'open', assignee: 'ann' })).body;
    expect(handed).toMatchObject({ state: 'open', assignee: 'ann', claimed_at: null });
    expect((await must(gateway, query, {}, acme.key)).claimNextCallbackTask.id).toBe(bobs.id);
    expect((await api('PATCH', `/${bobs.id}`, { state: 'open' })).body.assignee).toBeNull();
  });

  it('belongs to its tenant, needs the scopes, and names what is wrong', async () => {
    const { id } = await create();
    expect((await api('GET', `/${id}`, undefined, globex.key)).status).toBe(404);
    expect((await api('PATCH', `/${id}`, { state: 'claimed' }, globex.key)).status).toBe(404);
    expect((await api('GET', '', undefined, globex.key)).body.total).toBe(0);
    const { key } = (await gateway.admin('POST', '/tenants/acme/api-keys', { name: 'r', scopes: ['calls:read'] })).body;
    expect((await api('GET', '', undefined, key)).body.required_scope).toBe('operations:read');
    expect((await api('PATCH', `/${id}`, { state: 'claimed' }, key)).body.required_scope).toBe('operations:write');
    const wrong = await api('POST', '', { reason: ' ', number: '12', priority: 0, due_at: 'tomorrow' });
    expect(wrong.body.details.map((d: { path: string }) => d.path)).toEqual(['due_at']);
    const more = await api('POST', '', { reason: ' ', number: '12', priority: 0 });
    expect(more.body.details.map((d: { path: string }) => d.path).toSorted()).toEqual(['number', 'priority', 'reason']);
    const foreign = await gateway.call('POST', '/api/v1/callbacks', {
      headers: { 'x-admin-key': ADMIN_KEY },
      body: { tenant_id: 'globex', reason: 'x', call_id: (await em().findOne(Call, { tenantId: 'acme' }))?.id ?? id },
    });
    expect(foreign.status).toBe(404);
    const mutation = 'mutation ($id: ID!) { claimCallbackTask(id: $id) { assignee } }';
    expect((await graphql(gateway, mutation, { id }, globex.key)).errors![0]!.extensions.code).toBe('NOT_FOUND');
    expect((await must(gateway, mutation, { id }, acme.key)).claimCallbackTask.assignee).toMatch(/^key:/);
    expect((await graphql(gateway, mutation, { id }, acme.key)).errors![0]!.extensions.code).toBe('CONFLICT');
    expect((await must(gateway, `{ callbackTask(id: "${id}") { id } }`, {}, globex.key)).callbackTask).toBeNull();
  });
});

describe('a callback promised during a call', () => {
  // One promise is one task, whatever the carrier repeats and the model mixes up.
  beforeAll(() => {
    Object.assign(gateway.carrier.faults, { callbacks: 'shuffled', doubledCallbacks: true, doubledWebhooks: true });
    Object.assign(gateway.model.faults, { transcripts: 'reordered', lateDeltas: true, malformed: true });
  });
  afterAll(() => {
    Object.assign(gateway.carrier.faults, noCarrierFaults());
    Object.assign(gateway.model.faults, noModelFaults());
  });

  it('by the agent is a task with the tenant’s defaults, and an escalation of the call', async () => {
    clock.set('2026-11-30T10:00:00Z');
    await gateway.admin('PUT', '/tenants/acme/runtime-config', {
      telephony: { callback_queue: 'front', callback_sla_minutes: 90 },
    });
    const before = gateway.model.dialogue;
    const args = { reason: 'wants an offer', due_at: '2026-12-01T15:00:00+01:00', note: 'speaks German' };
    const replies: (Reply | string)[] = [
      { calls: [{ name: 'request_callback', arguments: args }], thinkMs: 10 },
      'We will call you back.',
    ];
    gateway.model.dialogue = script(replies);
    const { callSid, callId, tasks } = await promisedBy('+15555550701', say('order-status')).finally(
      () => (gateway.model.dialogue = before),
    );
    expect(tasks).toMatchObject([
      {
        origin: 'agent',
        number: '+15555550701',
        reason: 'wants an offer',
        queue: 'front',
        due_at: '2026-12-01T14:00:00.000Z',
        sla_due_at: '2026-12-01T15:30:00.000Z',
        agent_key: 'front_desk',
        notes: [{ by: 'agent', text: 'speaks German' }],
      },
    ]);
    expect(await escalations(callSid)).toMatchObject([{ initiated_by: 'agent', reason: 'wants an offer' }]);
    expect((await em().findOneOrFail(Call, { id: callId })).escalated).toBe(true);
    const session = await em().findOneOrFail(VoiceSession, { callId });
    const [event] = await em().find(SessionEvent, { sessionId: session.id, type: 'SessionEscalated' });
    expect(event!.payload).toMatchObject({ escalation: { action: 'CALLBACK', initiatedBy: 'AGENT' } });
  });

  it('by a rule goes to the queue that the rule names', async () => {
    const { callSid, tasks } = await promisedBy('+15555550702', say('pay-bill'));
    expect(tasks).toMatchObject([{ origin: 'rule', queue: 'billing', number: '+15555550702' }]);
    expect(await escalations(callSid)).toMatchObject([{ initiated_by: 'rule', target: 'billing' }]);
  });

  it('by the fallback of a route is made once, however often the carrier asks', async () => {
    await gateway.admin('PATCH', `/phone-routes/${acme.route.id}`, {
      business_hours: { time_zone: null, windows: [], outside: { action: 'callback', target: 'night' } },
    });
    const from = '+15555550703';
    await gateway.carrier.placeInboundCall({ from, to: acme.number, handset: new ScriptedCaller([]) });
    await gateway.admin('PATCH', `/phone-routes/${acme.route.id}`, { business_hours: null });
    const tasks = await em().find(CallbackTask, { number: from });
    expect(tasks).toMatchObject([{ origin: 'FALLBACK', queue: 'night', reason: 'outside_business_hours' }]);
  });

  it('by a supervisor afterwards is an escalation that the tenant hears of', async () => {
    const call = await em().findOneOrFail(Call, { fromNumber: '+15555550703' });
    expect(call.escalated).toBe(false);
    const query = `mutation ($callId: ID!) {
      createCallbackTask(input: { tenantId: "acme", callId: $callId, reason: "missed", queue: "vip" }) {
        origin number call { id escalated }
      }
    }`;
    const { createCallbackTask } = await must(gateway, query, { callId: call.id });
    expect(createCallbackTask).toEqual({
      origin: 'SUPERVISOR',
      number: '+15555550703',
      call: { id: call.id, escalated: true },
    });
    expect(await escalations(call.callSid!)).toMatchObject([
      { initiated_by: 'supervisor', target: 'vip', reason: 'missed' },
    ]);
    // Several who see the same missed call at once do not stand in each other's way.
    await Promise.all(Array.from({ length: 6 }, () => must(gateway, query, { callId: call.id })));
  });
});

describe('a task that dials by itself', () => {
  const settled = async (id: string) => {
    await sweep();
    return taskOf(id);
  };

  it('does so when it is due, once, and is done when somebody answered', async () => {
    clock.set('2026-11-30T10:00:00Z');
    const number = freshNumber();
    gateway.carrier.behaviours.set(number, { handset: () => new ScriptedCaller([{ pause: 200 }, { hangUp: true }]) });
    const task = await create({ number, auto_dial: true, due_at: '2026-11-30T12:00:00Z', agent_key: 'front_desk' });
    await sweep();
    expect(callsTo(number)).toHaveLength(0);
    clock.set('2026-11-30T12:00:01Z');
    // Processes that share nothing but the database look at the same moment.
    const { services, infrastructure } = gateway.app;
    const ports = { carrier: infrastructure.carrier, http: infrastructure.http, textModel: null, gate: openGate };
    const others = [1, 2].map(() => createCallServices(services.context, ports));
    await Promise.all([services.calls, ...others, ...others].map((calls) => calls.dueDials.sweep()));
    expect(callsTo(number)).toHaveLength(1);
    const dialling = await taskOf(task.id);
    expect(dialling).toMatchObject({ assignee: 'auto-dial', dial_attempts: 1, result_call_id: expect.any(String) });
    await callsTo(number)[0]!.ended;
    const done = await until(async () => {
      const now = await settled(task.id);
      return now.state === 'done' ? now : null;
    }, 'the task');
    expect(done.result_call_id).toBe(dialling.result_call_id);
    expect(await em().findOneOrFail(Call, { id: done.result_call_id })).toMatchObject({
      status: 'COMPLETED',
      toNumber: number,
      agentKey: 'front_desk',
    });
    await sweep();
    expect(callsTo(number)).toHaveLength(1);
  });

  it('is dialled by the minute’s job, at the next opening when it is due outside of the hours', async () => {
    clock.set('2026-11-30T03:00:00Z');
    const hours = { time_zone: null, windows: [{ days: [1, 2, 3, 4, 5], start: '09:00', end: '18:00' }] };
    await gateway.admin('PUT', '/tenants/acme/runtime-config', { telephony: { calling_hours: hours } });
    const number = '+12125558123';
    // 03:00 in London, and 22:00 on Sunday in New York: the wake-up of its creation finds it closed.
    const task = await create({ number, auto_dial: true });
    const moved = await until(async () => {
      const now = await taskOf(task.id);
      return now.dial_at === null ? null : now;
    }, 'the refusal');
    expect(moved).toMatchObject({ state: 'open', dial_at: '2026-11-30T14:00:00.000Z', dial_attempts: 0 });
    // Whoever gives it another time does not wait for the refusal of the old one.
    const put = (await api('PATCH', `/${task.id}`, { due_at: '2026-11-30T14:00:00Z' })).body;
    expect(put).toMatchObject({ due_at: '2026-11-30T14:00:00.000Z', dial_at: null });
    clock.set('2026-11-30T14:00:01Z');
    await gateway.app.infrastructure.jobs.send('due-dials', {});
    await until(() => callsTo(number).length === 1, 'the call');
    await gateway.admin('PUT', '/tenants/acme/runtime-config', { telephony: { calling_hours: null } });
    callsTo(number)[0]!.hangUp();
    await until(async () => (await settled(task.id)).state === 'done', 'its end');
  });

  it('is tried again when nobody answers, and left to people after the third time', async () => {
    clock.set('2026-11-30T10:00:00Z');
    const number = freshNumber();
    gateway.carrier.behaviours.set(number, { answers: 'no-answer' });
    const task = await create({ number, auto_dial: true, due_at: '2026-11-30T10:00:00Z' });
    for (const attempt of [1, 2, 3]) {
      const open = await until(async () => {
        const now = await settled(task.id);
        return now.state === 'open' && now.dial_attempts === attempt ? now : null;
      }, `attempt ${attempt}`);
      expect([callsTo(number).length, open.auto_dial]).toEqual([attempt, attempt < 3]);
      expect(open.notes.at(-1).text).toContain(`Attempt ${attempt}: no answer`);
      clock.set(new Date(Date.parse(open.dial_at) + 1_000).toISOString());
    }
    await sweep();
    expect(callsTo(number)).toHaveLength(3);
    // People may send it on its way again.
    await api('PATCH', `/${task.id}`, { auto_dial: true });
    await until(async () => (await settled(task.id)).dial_attempts === 4, 'the fourth');
    expect(callsTo(number)).toHaveLength(4);
  });

  it('is tried again when the customer answered and heard no agent', async () => {
    clock.set('2026-11-30T10:00:00Z');
    const number = freshNumber();
    gateway.carrier.behaviours.set(number, { ringMs: 2_000 });
    const { id } = await create({ number, auto_dial: true, due_at: '2026-11-30T11:00:00Z' });
    clock.set('2026-11-30T11:00:01Z');
    await sweep();
    // Between the dial and the answer nobody is left to talk.
    expect((await gateway.admin('POST', '/tenants/acme/suspend', { reason: 'unpaid' })).status).toBe(200);
    const [call] = callsTo(number);
    await call!.ended;
    expect((await gateway.admin('POST', '/tenants/acme/resume')).status).toBe(200);
    expect(call!.said).not.toEqual([]);
    const open = await until(async () => {
      const now = await settled(id);
      return now.state === 'open' ? now : null;
    }, 'the next attempt');
    expect(open).toMatchObject({ dial_attempts: 1, auto_dial: true, dial_at: expect.any(String) });
    expect(open.notes.at(-1).text).toContain('Attempt 1: tenant suspended');
    await api('PATCH', `/${id}`, { state: 'canceled' });
  });

  it('is not dialled again while nobody knows what became of the last attempt', async () => {
    clock.set('2026-11-30T10:00:00Z');
    const number = freshNumber();
    gateway.carrier.faults.createCall = 'lost-answer';
    const task = await create({ number, auto_dial: true, due_at: '2026-11-30T11:00:00Z' });
    clock.set('2026-11-30T11:00:01Z');
    await sweep();
    gateway.carrier.faults.createCall = null;
    clock.set('2026-11-30T12:00:00Z');
    await sweep();
    expect(callsTo(number)).toHaveLength(1);
    expect(await taskOf(task.id)).toMatchObject({ state: 'claimed', assignee: 'auto-dial', dial_attempts: 1 });
    callsTo(number)[0]!.hangUp();
  });

  it('is left to a person who claimed it, and to people when it cannot be dialled', async () => {
    clock.set('2026-11-30T10:00:00Z');
    const due_at = '2026-11-30T11:00:00Z';
    const [claimed, refused] = [freshNumber(), freshNumber()];
    const held = await create({ number: claimed, auto_dial: true, due_at });
    await api('PATCH', `/${held.id}`, { state: 'claimed' });
    gateway.carrier.faults.createCall = 400;
    const rejected = await create({ number: refused, auto_dial: true, due_at });
    clock.set('2026-11-30T11:00:01Z');
    await sweep();
    gateway.carrier.faults.createCall = null;
    expect(callsTo(claimed)).toHaveLength(0);
    expect(await taskOf(rejected.id)).toMatchObject({
      state: 'open',
      auto_dial: false,
      result_call_id: null,
      notes: [{ by: 'auto-dial', text: expect.stringContaining('CARRIER_REJECTED') }],
    });
  });
});
