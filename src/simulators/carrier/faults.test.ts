import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TwimlGateway } from '../../../test/testkit/twiml-gateway.js';
import { until } from '../../../test/testkit/until.js';
import { TwilioCarrier } from '../../adapters/telephony/twilio-carrier.js';
import type { NewCarrierCall } from '../../ports/carrier.js';
import { ScriptedCaller, type Step } from './caller.js';
import { noCarrierFaults } from './faults.js';
import { CarrierSimulator } from './server.js';
import { WebhookClient } from './webhook-client.js';

const account = { accountSid: `AC${'3'.repeat(32)}`, authToken: 'token' };
const NUMBER = '+15555550100';
const PHONE = '+15555550199';
const HANG_UP = '<Response><Hangup/></Response>';

const gateway = new TwimlGateway(account.authToken);
const carrier = new CarrierSimulator({ speed: 10, sayMsPerCharacter: 0, ringMs: 1 });
let twilio: TwilioCarrier;
let impatient: TwilioCarrier;
beforeAll(async () => {
  await gateway.start();
  await carrier.start();
  carrier.tokens.set(account.accountSid, account.authToken);
  carrier.numbers.set(NUMBER, {
    accountSid: account.accountSid,
    voiceUrl: `${gateway.origin}/voice`,
    fallbackUrl: `${gateway.origin}/fallback`,
    statusCallback: `${gateway.origin}/status`,
  });
  twilio = new TwilioCarrier({ baseUrl: carrier.baseUrl });
  impatient = new TwilioCarrier({ baseUrl: carrier.baseUrl, timeoutMs: 200 });
});
afterAll(async () => {
  await carrier.stop();
  await gateway.stop();
});
beforeEach(() => {
  gateway.reset();
  carrier.behaviours.clear();
  Object.assign(carrier.faults, noCarrierFaults());
  gateway.answers.set('/fallback', '<Response><Say>Please call again</Say></Response>');
});

const inbound = (steps: Step[] = []) =>
  carrier.placeInboundCall({ from: PHONE, to: NUMBER, handset: new ScriptedCaller(steps), forwardedFrom: '+1555' });
const dial = (over: Partial<NewCarrierCall> = {}) =>
  twilio.createCall(account, {
    to: PHONE,
    from: NUMBER,
    url: `${gateway.origin}/voice`,
    fallbackUrl: `${gateway.origin}/fallback`,
    statusCallback: `${gateway.origin}/status`,
    timeoutSeconds: 5,
    ...over,
  });
const callOf = (sid: string) => carrier.calls.find((call) => call.sid === sid)!;
const stream = () =>
  gateway.answers.set(
    '/voice',
    `<Response><Connect action="/after"><Stream url="${gateway.socketOrigin}/media" statusCallback="/stream"/></Connect></Response>`,
  );

describe('a document that cannot be used', () => {
  it.each([
    ['an error', { status: 500 }, '11200'],
    ['a redirect', { status: 302 }, '11200'],
    ['JSON', { type: 'application/json', body: '{}' }, '12300'],
    ['broken XML', '<Response><Say>', '12100'],
    ['an unknown verb', '<Response><Sing/></Response>', '12100'],
    ['a cut connection', null, '11205'],
  ])('(%s) leads to the fallback, which learns why; the request is not repeated', async (_, answer, code) => {
    gateway.answers.set('/voice', answer);
    const call = await inbound();
    expect(gateway.hits.filter(({ path }) => path === '/voice')).toHaveLength(1);
    expect(gateway.at('/fallback')).toMatchObject([{ ErrorCode: code, ErrorUrl: `${gateway.origin}/voice` }]);
    expect([call.said, call.badAnswers.length]).toEqual([['Please call again'], 1]);
  });

  it('has one fallback: when that fails as well, the call has failed', async () => {
    gateway.answers.set('/voice', { status: 500 });
    gateway.answers.set('/fallback', { status: 500 });
    const call = await inbound();
    expect(call.statuses).toEqual(['ringing', 'failed']);
    expect(call.badAnswers).toHaveLength(2);
  });

  it('is asked for again only when no connection came about', async () => {
    const client = new WebhookClient(false);
    gateway.answers.set('/voice', null);
    await expect(client.post(`${gateway.origin}/voice`, '', {})).rejects.toMatchObject({ unconnected: false });
    await expect(client.post('http://127.0.0.1:1/', '', {})).rejects.toMatchObject({ unconnected: true });
  });
});

describe('a call', () => {
  it('that is rejected first of all was never answered', async () => {
    gateway.answers.set('/voice', '<Response><Reject reason="busy"/></Response>');
    const { sid, statuses } = await inbound();
    expect(statuses).toEqual(['ringing', 'busy']);
    await until(() => gateway.at('/status', sid).length > 0, 'the callback');
    expect(gateway.at('/voice')[0]).toMatchObject({
      CallStatus: 'ringing',
      Direction: 'inbound',
      ForwardedFrom: '+1555',
    });
    expect(gateway.at('/status', sid)).toMatchObject([
      { CallStatus: 'busy', SipResponseCode: '486', CallDuration: '0' },
    ]);
  });

  it('lasts no longer than its limit', async () => {
    gateway.answers.set('/voice', '<Response><Pause length="3600"/></Response>');
    const { sid } = await dial({ timeLimitSeconds: 1 });
    await callOf(sid).ended;
    expect(callOf(sid).statuses).toEqual(['queued', 'initiated', 'ringing', 'in-progress', 'completed']);
  });

  it('waits for its turn; one that is canceled in the queue tells nobody', async () => {
    const slow = await new CarrierSimulator({ callsPerSecond: 0.001, ringMs: 0 }).start();
    slow.tokens.set(account.accountSid, account.authToken);
    slow.numbers.set(NUMBER, carrier.numbers.get(NUMBER)!);
    gateway.answers.set('/voice', HANG_UP);
    const client = new TwilioCarrier({ baseUrl: slow.baseUrl });
    const call = { to: PHONE, from: NUMBER, url: `${gateway.origin}/voice`, timeoutSeconds: 5 };
    const urls = { fallbackUrl: call.url, statusCallback: `${gateway.origin}/status` };
    await client.createCall(account, { ...call, ...urls });
    const second = await client.createCall(account, { ...call, ...urls, statusCallback: `${gateway.origin}/second` });
    await slow.calls[0]!.ended;
    expect(await client.fetchCall(account, second.sid)).toMatchObject({ status: 'queued' });
    await client.updateCall(account, second.sid, { status: 'canceled' });
    expect(slow.calls[1]!.statuses).toEqual(['queued', 'canceled']);
    await slow.stop();
    expect(gateway.at('/second')).toEqual([]);
  });

  it('cannot be redirected before it is answered, nor canceled after', async () => {
    carrier.behaviours.set(PHONE, { ringMs: 60_000 });
    const { sid } = await dial({ timeoutSeconds: 600 });
    await expect(twilio.updateCall(account, sid, { twiml: HANG_UP })).rejects.toMatchObject({ code: 21220 });
    await twilio.updateCall(account, sid, { status: 'canceled' });
    expect(callOf(sid).status).toBe('canceled');
    carrier.behaviours.clear();
    gateway.answers.set('/voice', '<Response><Pause length="3600"/></Response>');
    const other = await dial();
    await until(() => callOf(other.sid).status === 'in-progress', 'the answer');
    expect(await twilio.updateCall(account, other.sid, { status: 'canceled' })).toMatchObject({
      status: 'in-progress',
    });
    gateway.answers.set('/new', '<Response><Say>New</Say></Response>');
    await twilio.updateCall(account, other.sid, { url: `${gateway.origin}/new` });
    await callOf(other.sid).ended;
    expect(callOf(other.sid).said).toEqual(['New']);
  });
});

describe('the fault switchboard', () => {
  it('doubles webhooks under one token, and callbacks under their own', async () => {
    Object.assign(carrier.faults, { doubledWebhooks: true, doubledCallbacks: true, callbackDelayMs: 5 });
    gateway.answers.set('/voice', HANG_UP);
    const { sid } = await inbound();
    const tokens = (path: string) =>
      gateway.hits.filter((hit) => hit.path === path && hit.fields.CallSid === sid).map((hit) => hit.idempotencyToken);
    await until(() => tokens('/status').length === 2, 'both callbacks');
    expect([tokens('/voice').length, new Set(tokens('/voice')).size]).toEqual([2, 1]);
    expect(gateway.at('/status', sid).map(({ SequenceNumber }) => SequenceNumber)).toEqual(['0', '0']);
  });

  it('loses the answer of an update that was done, and answers others late', async () => {
    gateway.answers.set('/voice', '<Response><Pause length="3600"/></Response>');
    const { sid } = await dial();
    await until(() => callOf(sid).status === 'in-progress', 'the answer');
    carrier.faults.update = 'lost-answer';
    await expect(impatient.updateCall(account, sid, { status: 'completed' })).rejects.toMatchObject({
      failure: 'unknown',
    });
    await until(() => callOf(sid).over, 'the update');
    carrier.faults.slowAnswersMs = 5_000;
    await expect(impatient.probe(account)).rejects.toMatchObject({ failure: 'unknown' });
    Object.assign(carrier.faults, { slowAnswersMs: 0, fetch: 503 });
    await expect(twilio.fetchCall(account, sid)).rejects.toMatchObject({ failure: 'unknown', status: 503 });
  });

  it('refuses to stream, and goes on with the action', async () => {
    carrier.faults.refuseStreams = true;
    stream();
    gateway.answers.set('/after', HANG_UP);
    const { sid } = await inbound();
    expect([gateway.upgrades.length, gateway.at('/after').length]).toEqual([0, 1]);
    const told = await until(() => gateway.at('/stream', sid)[0], 'the stream error');
    expect([told.StreamEvent, told.StreamError]).toEqual(['stream-error', expect.stringContaining('31920')]);
  });

  it('bunches late frames without changing their order, and loses dropped ones for good', async () => {
    carrier.faults.lateFrames = 0.5;
    stream();
    await inbound([{ pause: 400 }, { dropFrames: 200 }, { pause: 400 }, { hangUp: true }]);
    await until(() => gateway.of('stop').length === 1, 'the end');
    const stamps = gateway.of('media').map(({ media }) => Number(media.timestamp));
    expect(stamps).toEqual(stamps.toSorted((a, b) => a - b));
    expect(Math.max(...stamps.slice(1).map((stamp, at) => stamp - stamps[at]!))).toBeGreaterThanOrEqual(200);
    const chunks = gateway.of('media').map(({ media }) => Number(media.chunk));
    expect(chunks).toEqual(chunks.map((_, at) => at + 1));
  });

  it('kills a socket without a close frame, and the call goes on; a frozen one says nothing more', async () => {
    stream();
    gateway.answers.set('/after', HANG_UP);
    await inbound([{ pause: 100 }, { breakSocket: true }]);
    expect([gateway.of('stop').length, gateway.at('/after').length]).toEqual([0, 1]);
    gateway.reset();
    stream();
    const frozen = carrier.startInboundCall({
      from: PHONE,
      to: NUMBER,
      handset: new ScriptedCaller([{ pause: 100 }, { freezeSocket: true }]),
    });
    const over = frozen.run();
    await until(() => (frozen.options.handset as ScriptedCaller).done, 'the end of the script');
    expect([frozen.over, gateway.sockets[0]!.readyState]).toEqual([false, 1]);
    frozen.hangUp();
    await over;
  });

  it('records where the caller was cut off', async () => {
    stream();
    const caller = new ScriptedCaller([]);
    const call = carrier.startInboundCall({ from: PHONE, to: NUMBER, handset: caller });
    const over = call.run();
    const start = await until(() => gateway.of('start')[0], 'the start');
    const send = (message: object) =>
      gateway.sockets[0]!.send(JSON.stringify({ ...message, streamSid: start.streamSid }));
    send({ event: 'media', media: { payload: Buffer.alloc(800, 3).toString('base64') } });
    await until(() => caller.heard.length === 5, 'what was said');
    send({ event: 'media', media: { payload: Buffer.alloc(80_000, 3).toString('base64') } });
    send({ event: 'clear' });
    await until(() => caller.cuts.length === 1, 'the interruption');
    call.hangUp();
    await over;
    expect(caller.cuts[0]! + call.streams[0]!.clearedBytes).toBe(80_800);
  });
});
