import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  AgentVersion,
  Call,
  CallbackTask,
  Diagnostic,
  PhoneRoute,
  RuntimeConfig,
  SignatureCheck,
  Tenant,
  TwilioCredential,
  VoiceSession,
} from '../src/entities/index.js';
import { seal } from '../src/lib/crypto.js';
import { openGate } from '../src/services/call-gate.js';
import { ACCOUNT, callWorld, seedCallTenant, seedDraft, viewerOf, type SeededTenant } from './testkit/call-world.js';
import { openTestDatabase, type TestDatabase } from './testkit/database.js';
import { openDoors, streamTokenOf, type TwilioClient } from './testkit/twilio-client.js';
import { until } from './testkit/until.js';

let test: TestDatabase;
let acme: SeededTenant;
let twilio: TwilioClient;
let world: ReturnType<typeof callWorld>;
beforeAll(async () => {
  test = await openTestDatabase();
  acme = await seedCallTenant(test, 'acme');
  world = callWorld(test);
  twilio = await openDoors(world);
});
afterAll(async () => {
  await twilio.app.close();
  await test.dispose();
});

const newSid = () => `CA${randomBytes(16).toString('hex')}`;
const all = () => test.database.em({ all: true });
const rows = (callSid: string) => all().find(Call, { callSid });
const INCOMING = '/api/v1/incoming-call';
const form = (to: string, more: Record<string, string> = {}) => ({
  CallSid: newSid(),
  From: '+15555559999',
  To: to,
  CallStatus: 'ringing',
  Direction: 'inbound',
  ...more,
});

describe('an incoming call', () => {
  it('is written with its session and connected to the media stream', async () => {
    const params = form(acme.route.number);
    const answer = await twilio.post(INCOMING, params);
    expect(answer).toMatchObject({ status: 200, type: 'text/xml; charset=utf-8' });
    const [call] = await rows(params.CallSid);
    expect(call).toMatchObject({ status: 'RINGING', direction: 'INBOUND', agentVersionId: acme.version.id });
    expect(answer.body).toContain('<Stream url="wss://voice.test/media-stream"');
    expect(answer.body).toContain(`<Redirect method="POST">https://voice.test/api/v1/resume-call?call_id=${call!.id}`);
    expect(streamTokenOf(answer).length).toBeLessThan(500);
    const session = await all().findOneOrFail(VoiceSession, { callId: call!.id });
    expect(session).toMatchObject({ status: 'ACTIVE', model: 'gpt-realtime', voice: 'alloy', callSid: params.CallSid });
  });

  it('is one call however often and however simultaneously it is delivered', async () => {
    const params = form(acme.route.number);
    const answers = await Promise.all(Array.from({ length: 8 }, () => twilio.post(INCOMING, params)));
    expect(await rows(params.CallSid)).toHaveLength(1);
    expect(new Set(answers.map(streamTokenOf)).size).toBe(8);
  });

  it('stores and does nothing before the signature holds', async () => {
    const params = form(acme.route.number);
    for (const token of [null, 'wrong']) expect((await twilio.post(INCOMING, params, { token })).status).toBe(403);
    expect((await twilio.post(INCOMING, params, { accountSid: `AC${'9'.repeat(32)}` })).status).toBe(403);
    expect(await rows(params.CallSid)).toHaveLength(0);
    await until(async () => (await all().findOne(Diagnostic, { code: 'invalid_signature' }))?.count === 3, 'the alarm');
  });

  it('is refused as a whole when it is too large or no form', async () => {
    const large = await twilio.post(INCOMING, form(acme.route.number, { Extra: 'x'.repeat(70_000) }));
    expect(large.status).toBe(413);
    const json = await twilio.app.inject({ method: 'POST', url: INCOMING, payload: { CallSid: 'CA1' } });
    expect(json.statusCode).toBe(415);
  });

  it('answers at the old path, which says where the new one is', async () => {
    const answer = await twilio.post('/incoming-call', form(acme.route.number));
    expect(streamTokenOf(answer)).toBeTruthy();
    expect(answer.headers).toMatchObject({ link: '</api/v1/incoming-call>; rel="successor-version"' });
    expect(answer.headers.deprecation).toBeTruthy();
  });

  it('takes whatever the carrier calls a caller', async () => {
    for (const From of ['anonymous', 'client:jenny', 'sip:tom@example.com', '+266696687', '']) {
      const params = form(acme.route.number, { From, NewField: 'ünïcode & more', Empty: '' });
      streamTokenOf(await twilio.post(INCOMING, params));
      expect((await rows(params.CallSid))[0]!.fromNumber).toBe(From);
    }
  });

  it('hears a safe message on an unknown number, and an operator learns of it', async () => {
    const answer = await twilio.post(INCOMING, form('+15555550000'));
    expect(answer.body).toMatch(/<Say>.+<\/Say><Hangup\/>/);
    expect(await all().findOne(Diagnostic, { dedupeKey: 'unknown_number:+15555550000' })).not.toBeNull();
  });
});

it.each([
  ['only calls out', { direction: 'OUTBOUND' } as const],
  ['is switched off', { active: false }],
])('a number whose route %s is nobody’s for callers', async (name, route) => {
  const tenant = await seedCallTenant(test, `mute-${name.split(' ', 1)[0]}`, {}, route);
  expect((await twilio.post(INCOMING, form(tenant.route.number))).body).toMatch(/<Say>.+<\/Say><Hangup\/>/);
  expect(await all().count(Call, { tenantId: tenant.tenantId })).toBe(0);
});

describe('a caller whom no agent can answer', () => {
  it('hears the destination of closed hours, else the version, else the route, else the tenant, else the gateway', async () => {
    const message = (text: string) => ({ action: 'message' as const, message: text, target: null });
    const closed = { timeZone: 'UTC', windows: [], outside: message('Closed') };
    const tenant = await seedCallTenant(
      test,
      'speaks',
      { fallback: message('From the version') },
      { fallback: message('From the route'), businessHours: closed },
    );
    const config = all();
    config.create(RuntimeConfig, { tenantId: tenant.tenantId, telephony: { fallbackMessage: 'From the tenant' } });
    await config.flush();
    const heard = async () =>
      /<Say>(.+)<\/Say>/.exec((await twilio.post(INCOMING, form(tenant.route.number))).body)![1];
    expect(await heard()).toBe('Closed');
    await all().nativeUpdate(PhoneRoute, { id: tenant.route.id }, { businessHours: null });
    await all().nativeUpdate(Tenant, { id: tenant.tenantId }, { status: 'SUSPENDED' });
    expect(await heard()).toBe('From the version');
    await all().nativeUpdate(AgentVersion, { id: tenant.version.id }, { fallback: null });
    expect(await heard()).toBe('From the route');
    await all().nativeUpdate(PhoneRoute, { id: tenant.route.id }, { fallback: null });
    expect(await heard()).toBe('From the tenant');
    await all().nativeDelete(RuntimeConfig, { tenantId: tenant.tenantId });
    expect(await heard()).toMatch(/^We are sorry/);
  });

  it('hears the fallback of the route: a message, a transfer, or a promised callback that becomes a task', async () => {
    const message = await seedCallTenant(
      test,
      'closed-message',
      { language: 'de' },
      {
        fallback: { action: 'message', message: 'Gone fishing', target: null },
      },
    );
    const transfer = await seedCallTenant(
      test,
      'closed-transfer',
      {},
      {
        fallback: { action: 'transfer', message: null, target: '+15555550123' },
      },
    );
    const callback = await seedCallTenant(
      test,
      'closed-callback',
      { language: 'de' },
      {
        fallback: { action: 'callback', message: null, target: null },
      },
    );
    for (const { tenantId } of [message, transfer, callback])
      await all().nativeUpdate(Tenant, { id: tenantId }, { status: 'SUSPENDED' });
    expect((await twilio.post(INCOMING, form(message.route.number))).body).toContain(
      '<Say language="de-DE">Gone fishing</Say>',
    );
    const dialled = await twilio.post(INCOMING, form(transfer.route.number));
    expect(dialled.body).toContain(`<Dial callerId="${transfer.route.number}"`);
    expect(dialled.body).toContain('<Number>+15555550123</Number>');
    const promised = form(callback.route.number);
    // The gateway's own words are English.
    expect((await twilio.post(INCOMING, promised)).body).toMatch(/<Say>[^<]*call you back/);
    const [call] = await rows(promised.CallSid);
    expect(call!.errorCode).toBe('tenant_suspended');
    expect(await all().findOne(CallbackTask, { callId: call!.id })).toMatchObject({
      number: '+15555559999',
      origin: 'FALLBACK',
    });
  });

  it.each([
    ['while the gateway shuts down', { ...openGate, draining: () => true }],
    ['without a model', { ...openGate, modelConfigured: () => false }],
    ['while the model is down', { ...openGate, modelDown: () => true }],
  ])('hears words %s', async (_, gate) => {
    const doors = await openDoors(callWorld(test, {}, { gate }));
    const answer = await doors.post(INCOMING, form(acme.route.number));
    expect(answer).toMatchObject({ status: 200 });
    expect(answer.body).toContain('<Say>');
    await doors.app.close();
  });

  it('hears words when the agent has no version that is cleared for customers', async () => {
    const raw = await seedCallTenant(test, 'unproven');
    const draft = await seedDraft(test, raw);
    const em = all();
    await em.nativeUpdate(AgentVersion, { id: raw.version.id }, { clearedAt: null });
    await em.nativeUpdate(PhoneRoute, { id: raw.route.id }, { agentVersionId: draft.id });
    expect((await twilio.post(INCOMING, form(raw.route.number))).body).toContain('<Say>');
  });

  it('is led elsewhere outside of business hours', async () => {
    const never = { timeZone: 'UTC', windows: [] };
    const closed = await seedCallTenant(
      test,
      'hours-closed',
      {},
      {
        businessHours: { ...never, outside: { action: 'message', message: 'We open at nine', target: null } },
      },
    );
    const night = await seedCallTenant(
      test,
      'hours-night',
      {},
      {
        businessHours: { ...never, outside: { action: 'agent', message: null, target: 'front_desk' } },
      },
    );
    const params = form(closed.route.number);
    expect((await twilio.post(INCOMING, params)).body).toContain('We open at nine');
    expect((await rows(params.CallSid))[0]).toMatchObject({ errorCode: null });
    streamTokenOf(await twilio.post(INCOMING, form(night.route.number)));
  });

  it('is received by the clock of the tenant where the hours name no zone', async () => {
    // Fourteen hours ahead: what is open there now is closed by any other clock of this test.
    const timeZone = 'Pacific/Kiritimati';
    const clock = (minutes: number) =>
      new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit' }).format(
        Date.now() + minutes * 60_000,
      );
    const windows = [{ days: [1, 2, 3, 4, 5, 6, 7], start: clock(-60), end: clock(60) }];
    const outside = { action: 'message' as const, message: 'Closed', target: null };
    const island = await seedCallTenant(test, 'island', {}, { businessHours: { timeZone: null, windows, outside } });
    expect((await twilio.post(INCOMING, form(island.route.number))).body).toContain('Closed');
    await all().nativeUpdate(Tenant, { id: island.tenantId }, { timeZone });
    streamTokenOf(await twilio.post(INCOMING, form(island.route.number)));
    await all().nativeUpdate(
      PhoneRoute,
      { id: island.route.id },
      { businessHours: { timeZone: 'UTC', windows, outside } },
    );
    expect((await twilio.post(INCOMING, form(island.route.number))).body).toContain('Closed');
  });

  it('hears words when the database is away or too slow', async () => {
    const broken = callWorld(test);
    broken.services.inbound.incoming = () => Promise.reject(new Error('connection lost'));
    const slow = callWorld(test);
    slow.services.inbound.incoming = () => new Promise(() => {});
    for (const [sick, patience] of [
      [broken, 5_000],
      [slow, 30],
    ] as const) {
      const doors = await openDoors(sick, { patienceMs: patience });
      expect(await doors.post(INCOMING, form(acme.route.number))).toMatchObject({ status: 200 });
      await doors.app.close();
    }
  });

  it('hears words from the fallback URL of a process that can read no token', async () => {
    const sick = callWorld(test);
    sick.services.accounts.tokensOf = () => Promise.reject(new Error('no database'));
    const doors = await openDoors(sick);
    const answer = await doors.post('/api/v1/fallback-call', { CallSid: newSid(), ErrorCode: '11200' });
    expect(answer.body).toContain('<Say>We are sorry');
    await doors.app.close();
  });
});

describe('an account of a tenant', () => {
  const accountSid = `AC${'7'.repeat(32)}`;
  let own: SeededTenant;
  beforeAll(async () => {
    own = await seedCallTenant(test, 'own-account');
    const em = all();
    const key = world.context.settings.encryptionKey;
    em.create(TwilioCredential, { tenantId: own.tenantId, accountSid, authTokenSealed: seal(key, 'new') });
    for (const [token, retiresAt] of [
      ['old', new Date(Date.now() + 60_000)],
      ['older', new Date(Date.now() - 60_000)],
    ] as const)
      em.create(TwilioCredential, { tenantId: own.tenantId, accountSid, authTokenSealed: seal(key, token), retiresAt });
    await em.flush();
  });

  it('signs with its own tokens, during a rotation with two, and each check is counted', async () => {
    const statusOf = async (token: string) =>
      (await twilio.post(INCOMING, form(own.route.number), { token, accountSid })).status;
    expect([await statusOf('new'), await statusOf('old'), await statusOf('older')]).toEqual([200, 200, 403]);
    await until(async () => (await all().count(SignatureCheck, { tenantId: own.tenantId })) === 3, 'the evidence');
    expect(await all().count(SignatureCheck, { tenantId: own.tenantId, valid: false })).toBe(1);
  });

  it('keeps its evidence when somebody without its tokens asks and asks', async () => {
    const limited = await openDoors(world, { refused: () => Promise.resolve(false) });
    const count = () => all().count(SignatureCheck, { tenantId: own.tenantId });
    const before = await count();
    for (let i = 0; i < 3; i += 1)
      expect((await limited.post(INCOMING, form(own.route.number), { token: 'guessed', accountSid })).status).toBe(403);
    expect((await twilio.post(INCOMING, form(own.route.number), { token: 'new', accountSid })).status).toBe(200);
    await until(async () => (await count()) === before + 1, 'the signed request as evidence');
    await limited.app.close();
  });

  it('speaks for no other tenant: neither its numbers nor its calls', async () => {
    const stolen = await twilio.post(INCOMING, form(acme.route.number), { token: 'new', accountSid });
    expect(stolen.body).toContain('<Say>');
    const params = form(acme.route.number);
    await twilio.post(INCOMING, params);
    const [call] = await rows(params.CallSid);
    const target = `/api/v1/call-status?call_id=${call!.id}`;
    await twilio.post(target, { CallSid: params.CallSid, CallStatus: 'completed' }, { token: 'new', accountSid });
    await twilio.post(
      `/api/v1/resume-call?call_id=${call!.id}`,
      { CallSid: params.CallSid },
      { token: 'new', accountSid },
    );
    expect((await rows(params.CallSid))[0]).toMatchObject({ status: 'RINGING' });
  });
});

describe('an outbound call', () => {
  it('of a tenant that was suspended while it rang gets the fallback; a conversation that has begun goes on', async () => {
    const { tenantId } = await seedCallTenant(test, 'suspended-late');
    const dial = async (to: string) => (await world.services.makeCall.makeCall(viewerOf(tenantId), { to })).call;
    const [ringing, talking] = [await dial('+15555557010'), await dial('+15555557011')];
    const answer = ({ id, callSid }: Call) =>
      twilio.post(`/api/v1/answer-call?call_id=${id}`, { CallSid: callSid!, CallStatus: 'in-progress' });
    streamTokenOf(await answer(talking));
    await all().nativeUpdate(Tenant, { id: tenantId }, { status: 'SUSPENDED' });
    expect((await answer(ringing)).body).toMatch(/<Say>.+<Hangup\/>/);
    expect(await all().findOne(VoiceSession, { callId: ringing.id })).toBeNull();
    streamTokenOf(await answer(talking));
  });

  it('that is answered while the model is down gets the fallback instead of silence', async () => {
    const { call } = await world.services.makeCall.makeCall(viewerOf('acme'), { to: '+15555557012' });
    const doors = await openDoors(callWorld(test, {}, { gate: { ...openGate, modelDown: () => true } }));
    const params = { CallSid: call.callSid!, CallStatus: 'in-progress' };
    const answer = await doors.post(`/api/v1/answer-call?call_id=${call.id}`, params);
    expect(answer.body).toMatch(/<Say>.+<Hangup\/>/);
    expect((await rows(call.callSid!))[0]).toMatchObject({ errorCode: 'model_down' });
    expect(await all().findOne(VoiceSession, { callId: call.id })).toBeNull();
    await doors.app.close();
  });

  it('gets its session when it is answered, once, and hangs up when it is over', async () => {
    const { call } = await world.services.makeCall.makeCall(viewerOf('acme'), { to: '+15555557001' });
    const target = `/api/v1/answer-call?call_id=${call.id}`;
    const params = { CallSid: call.callSid!, CallStatus: 'in-progress' };
    streamTokenOf(await twilio.post(target, params));
    streamTokenOf(await twilio.post(target, params));
    expect(await all().count(VoiceSession, { callId: call.id })).toBe(1);
    expect((await rows(call.callSid!))[0]).toMatchObject({ status: 'IN_PROGRESS' });
    expect((await twilio.post(target, { ...params, CallSid: newSid() })).body).toContain('<Hangup/>');
    await twilio.post(`/api/v1/call-status?call_id=${call.id}`, { CallSid: call.callSid!, CallStatus: 'completed' });
    expect((await twilio.post(target, params)).body).toContain('<Response><Hangup/></Response>');
  });

  it('follows its callbacks in any order, repeated, and counts seconds', async () => {
    const { call } = await world.services.makeCall.makeCall(viewerOf('acme'), { to: '+15555557002' });
    const news = [
      ['completed', '3', { CallDuration: '49', Duration: '1', SipResponseCode: '200' }],
      ['in-progress', '2', {}],
      ['initiated', '0', {}],
      ['ringing', '1', {}],
    ] as const;
    for (const [CallStatus, SequenceNumber, more] of [...news, ...news])
      expect(
        await twilio.post(`/api/v1/call-status?call_id=${call.id}`, {
          CallSid: call.callSid!,
          CallStatus,
          SequenceNumber,
          Timestamp: `Tue, 03 Nov 2026 10:02:1${SequenceNumber} +0000`,
          ...more,
        }),
      ).toMatchObject({ status: 204, body: '' });
    const [row] = await rows(call.callSid!);
    expect(row).toMatchObject({ status: 'COMPLETED', durationSeconds: 49, errorCode: null });
    expect(row!.endedAt).toEqual(new Date('2026-11-03T10:02:13Z'));
  });

  it('is adopted by its first callback when the answer was lost', async () => {
    const lossy = callWorld(test);
    lossy.carrier.afterCreate = () => {
      throw new Error('lost');
    };
    const { call } = await lossy.services.makeCall.makeCall(viewerOf('acme'), { to: '+15555557003' });
    const CallSid = lossy.carrier.created[0]!.sid;
    await twilio.post(`/api/v1/call-status?call_id=${call.id}`, {
      CallSid,
      CallStatus: 'ringing',
      SequenceNumber: '1',
    });
    expect((await rows(CallSid))[0]).toMatchObject({ id: call.id, status: 'RINGING' });
  });

  it('is not ended by the leg that a transfer dialled', async () => {
    const { call } = await world.services.makeCall.makeCall(viewerOf('acme'), { to: '+15555557004' });
    const other = { CallSid: newSid(), ParentCallSid: call.callSid!, CallStatus: 'completed' };
    await twilio.post(`/api/v1/call-status?call_id=${call.id}`, other);
    expect((await rows(call.callSid!))[0]).toMatchObject({ status: 'QUEUED' });
  });

  it('ignores news of calls that nobody knows', async () => {
    for (const id of ['nonsense', '0197a2f0-0000-7000-8000-000000000001', ''])
      expect(
        await twilio.post(`/api/v1/call-status?call_id=${id}`, { CallSid: newSid(), CallStatus: 'completed' }),
      ).toMatchObject({ status: 204 });
    expect((await twilio.post('/api/v1/answer-call?call_id=x', { CallSid: newSid() })).body).toContain('<Say>');
  });
});

describe('what else Twilio says', () => {
  it('raises a diagnostic when a stream fails, and only then', async () => {
    const params = form(acme.route.number);
    await twilio.post(INCOMING, params);
    const [call] = await rows(params.CallSid);
    const target = `/api/v1/stream-status?call_id=${call!.id}`;
    await twilio.post(target, { CallSid: params.CallSid, StreamEvent: 'stream-started' });
    expect(await all().findOne(Diagnostic, { code: 'stream_error' })).toBeNull();
    await twilio.post(target, { CallSid: params.CallSid, StreamEvent: 'stream-error', StreamError: '31920' });
    expect(await all().findOne(Diagnostic, { code: 'stream_error' })).toMatchObject({ tenantId: 'acme' });
  });

  it('lets a transferred caller go when somebody answered, and says so when nobody did', async () => {
    const params = form(acme.route.number);
    await twilio.post(INCOMING, params);
    const [call] = await rows(params.CallSid);
    const after = async (DialCallStatus: string) =>
      (await twilio.post(`/api/v1/transfer-status?call_id=${call!.id}`, { CallSid: params.CallSid, DialCallStatus }))
        .body;
    expect(await after('completed')).toContain('<Response><Hangup/></Response>');
    expect(await after('no-answer')).toContain('nobody could take your call');
  });

  it('verifies the exact URL: another query or path is another signature', async () => {
    const params = { AccountSid: ACCOUNT.accountSid, CallSid: newSid() };
    const signed = await twilio.app.inject({
      method: 'POST',
      url: '/api/v1/resume-call?call_id=1&extra=%20',
      payload: new URLSearchParams(params).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-twilio-signature': 'AAAA' },
    });
    expect(signed.statusCode).toBe(403);
    const encoded = await twilio.post('/api/v1/resume-call?call_id=a%2Fb&x=%20y+z', { CallSid: newSid() });
    expect(encoded.status).toBe(200);
  });
});
