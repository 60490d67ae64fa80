import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TwimlGateway } from '../../../test/testkit/twiml-gateway.js';
import { until } from '../../../test/testkit/until.js';
import { twilioSignatures } from '../../adapters/telephony/signatures.js';
import { TwilioCarrier } from '../../adapters/telephony/twilio-carrier.js';
import { ScriptedCaller, type Step } from './caller.js';
import { noCarrierFaults } from './faults.js';
import { CarrierSimulator } from './server.js';

const account = { accountSid: `AC${'1'.repeat(32)}`, authToken: 'token' };
const NUMBER = '+15555550100';
const PHONE = '+15555550199';

const gateway = new TwimlGateway(account.authToken);
const carrier = new CarrierSimulator({ speed: 10, sayMsPerCharacter: 0, bridgedMs: 10, ringMs: 1 });
let twilio: TwilioCarrier;
beforeAll(async () => {
  await gateway.start();
  await carrier.start();
  carrier.tokens.set(account.accountSid, account.authToken);
  carrier.numbers.set(NUMBER, {
    accountSid: account.accountSid,
    voiceUrl: `${gateway.origin}/voice`,
    fallbackUrl: `${gateway.origin}/fallback`,
    statusCallback: null,
  });
  twilio = new TwilioCarrier({ baseUrl: carrier.baseUrl, timeoutMs: 1_000 });
});
afterAll(async () => {
  await carrier.stop();
  await gateway.stop();
});
beforeEach(() => {
  Object.assign(carrier.faults, noCarrierFaults());
  gateway.reset();
});
const stream = (extra = '') =>
  `<Response><Connect><Stream url="${gateway.origin.replace('http', 'ws')}/media?token=lost" statusCallback="${gateway.origin}/stream"><Parameter name="stream_token" value="a&amp;b"/></Stream></Connect>${extra}</Response>`;
const inbound = (steps: readonly Step[]) =>
  carrier.placeInboundCall({ from: PHONE, to: NUMBER, handset: new ScriptedCaller(steps) });
const dial = () =>
  twilio.createCall(account, {
    to: PHONE,
    from: NUMBER,
    url: `${gateway.origin}/voice`,
    fallbackUrl: `${gateway.origin}/fallback`,
    statusCallback: `${gateway.origin}/status`,
    timeoutSeconds: 5,
  });

describe('the carrier simulator', () => {
  it('signs its webhooks as the twilio package expects, and runs the TwiML', async () => {
    gateway.answers.set('/voice', '<Response><Say>Hello &amp; welcome</Say><Redirect>/next?a=1</Redirect></Response>');
    gateway.answers.set(
      '/next',
      '<Response><Dial callerId="+1"><Number>+15555550111</Number></Dial><Hangup/></Response>',
    );
    const call = await inbound([]);
    expect(gateway.hits.map((h) => [h.path, h.signed, h.fields.CallStatus])).toEqual([
      ['/voice', true, 'ringing'],
      ['/next?a=1', true, 'in-progress'],
    ]);
    expect([call.said, call.dialed, call.status]).toEqual([['Hello & welcome'], ['+15555550111'], 'completed']);
  });

  it('streams: no query, parameters in start, strings for numbers, frames of 160 bytes, stop at the end', async () => {
    gateway.answers.set('/voice', stream());
    await inbound([{ say: Buffer.alloc(800, 1) }, { dtmf: '5' }, { hangUp: true }]);
    await until(
      () => gateway.of('stop').length === 1,
      () => gateway.messages.at(-1),
    );
    expect(gateway.upgrades[0]!.url).toBe('/media');
    expect(
      twilioSignatures.verify({
        authTokens: ['x', account.authToken],
        signature: String(gateway.upgrades[0]!.headers['x-twilio-signature']),
        url: `${gateway.origin.replace('http', 'ws')}/media`,
        params: {},
      }),
    ).toBe(true);
    expect(gateway.messages[0]).toEqual({ event: 'connected', protocol: 'Call', version: '1.0.0' });
    expect(gateway.of('start')[0]!.start).toMatchObject({
      customParameters: { stream_token: 'a&b' },
      mediaFormat: { encoding: 'audio/x-mulaw' },
    });
    const media = gateway.of('media');
    expect(
      media.every(
        (m) => Buffer.from(m.media.payload, 'base64').length === 160 && typeof m.media.timestamp === 'string',
      ),
    ).toBe(true);
    expect(media.slice(0, 6).map((m) => Buffer.from(m.media.payload, 'base64')[0])).toEqual([1, 1, 1, 1, 1, 255]);
    expect(gateway.of('dtmf')[0]!.dtmf).toEqual({ track: 'inbound_track', digit: '5' });
    const numbers = gateway.messages.slice(1).map((m) => m.sequenceNumber);
    expect(numbers).toEqual(numbers.map((_, i) => String(i + 1)));
  });

  it('plays at the pace of a line, echoes marks where they stand, and flushes on clear', async () => {
    gateway.answers.set('/voice', stream());
    const running = inbound([{ pause: 4_000 }, { hangUp: true }]);
    await until(() => gateway.of('start').length === 1, 'the start');
    const socket = gateway.sockets[0]!;
    const { streamSid } = gateway.of('start')[0]! as unknown as { streamSid: string };
    const send = (message: object) => socket.send(JSON.stringify({ ...message, streamSid }));
    for (const name of ['m1', 'm2']) {
      send({ event: 'media', media: { payload: Buffer.alloc(1_600, 3).toString('base64') } });
      send({ event: 'mark', mark: { name } });
    }
    await until(() => gateway.of('mark').length === 2, 'both marks');
    const at = (name: string) =>
      gateway.messages.findIndex((m) => (m as { mark?: { name: string } }).mark?.name === name);
    expect(gateway.messages.slice(at('m1'), at('m2')).filter((m) => m.event === 'media').length).toBe(10);
    send({ event: 'media', media: { payload: Buffer.alloc(80_000, 3).toString('base64') } });
    send({ event: 'mark', mark: { name: 'far' } });
    send({ event: 'clear' });
    socket.send('garbage');
    socket.send(JSON.stringify({ event: 'clear', streamSid: 'MZwrong' }));
    socket.send('null');
    socket.send(Buffer.from([1, 2, 3]));
    for (const payload of [undefined, 7, '', '!']) send({ event: 'media', media: { payload } });
    send({ event: 'media', media: null });
    send({ event: 'mark', mark: {} });
    send({ event: 'dance' });
    await until(() => at('far') !== -1, 'the flushed mark');
    const call = await running;
    expect(call.streams[0]!.clearedBytes).toBeGreaterThan(60_000);
    expect(call.streams[0]!.warnings).toHaveLength(11);
  });

  it('goes on with the next verb when the server closes, and reports a refused handshake', async () => {
    gateway.answers.set('/voice', stream('<Say>Sorry.</Say>'));
    const running = inbound([{ pause: 60_000 }]);
    await until(() => gateway.sockets[0], 'the stream');
    gateway.sockets[0]!.close();
    expect((await running).said).toEqual(['Sorry.']);
    gateway.refuseUpgrades = true;
    expect((await inbound([])).said).toEqual(['Sorry.']);
    await until(() => gateway.hits.find((h) => h.fields.StreamEvent === 'stream-error'), 'the stream error');
  });

  it('places calls over REST and tells their states in order', async () => {
    gateway.answers.set('/voice', '<Response><Hangup/></Response>');
    const placed = await dial();
    expect(placed).toMatchObject({ status: 'queued', to: PHONE, durationSeconds: null });
    await until(() => gateway.hits.some((h) => h.fields.CallStatus === 'completed'), 'the end');
    const states = gateway.hits
      .filter((h) => h.path === '/status')
      .map((h) => [h.fields.CallStatus, h.fields.SequenceNumber, h.signed]);
    expect(states.toSorted()).toEqual([
      ['completed', '3', true],
      ['in-progress', '2', true],
      ['initiated', '0', true],
      ['ringing', '1', true],
    ]);
    expect(await twilio.fetchCall(account, placed.sid)).toMatchObject({ status: 'completed', durationSeconds: 0 });
    expect(await twilio.fetchCall(account, `CA${'0'.repeat(32)}`)).toBeNull();
    expect(
      (await twilio.listCalls(account, { to: PHONE, from: NUMBER, since: new Date(Date.now() - 60_000) })).map(
        (c) => c.sid,
      ),
    ).toContain(placed.sid);
  });

  it('is redirected and ended by updates', async () => {
    gateway.answers.set('/voice', stream());
    const placed = await dial();
    await until(() => gateway.sockets[0], 'the stream');
    await twilio.updateCall(account, placed.sid, {
      twiml: '<Response><Say>Transferring</Say><Pause length="600"/></Response>',
    });
    const call = carrier.calls.find((c) => c.sid === placed.sid)!;
    await until(() => call.said.includes('Transferring'), 'the new document');
    expect(gateway.of('stop')).toHaveLength(1);
    await twilio.updateCall(account, placed.sid, { status: 'completed' });
    await until(() => call.over, 'the end');
    await expect(twilio.updateCall(account, placed.sid, { status: 'completed' })).rejects.toMatchObject({
      failure: 'rejected',
    });
  });

  it('tells refusals, outages and lost answers apart', async () => {
    const bad = (over: object) =>
      twilio.createCall(account, {
        to: PHONE,
        from: NUMBER,
        url: 'http://x',
        fallbackUrl: 'http://x',
        statusCallback: 'http://x',
        timeoutSeconds: 5,
        ...over,
      });
    await expect(bad({ to: '123' })).rejects.toMatchObject({ failure: 'rejected', code: 21211 });
    await expect(bad({ from: '+15550009999' })).rejects.toMatchObject({ failure: 'rejected', code: 21210 });
    await expect(
      twilio.createCall(
        { ...account, authToken: 'wrong' },
        { to: PHONE, from: NUMBER, url: 'http://x', fallbackUrl: 'x', statusCallback: 'x', timeoutSeconds: 5 },
      ),
    ).rejects.toMatchObject({ code: 20003 });
    for (const [fault, failure] of [
      [429, 'unavailable'],
      [500, 'unknown'],
      ['reset', 'unknown'],
      ['lost-answer', 'unknown'],
    ] as const) {
      carrier.faults.createCall = fault;
      await expect(dial()).rejects.toMatchObject({ failure });
    }
    const nobody = new TwilioCarrier({ baseUrl: 'http://127.0.0.1:1' });
    await expect(nobody.fetchNumber(account, NUMBER)).rejects.toMatchObject({ failure: 'unavailable' });
    carrier.faults.createCall = null;
    expect(await twilio.fetchNumber(account, NUMBER)).toMatchObject({
      voiceUrl: `${gateway.origin}/voice`,
      voiceMethod: 'POST',
    });
    expect(await twilio.fetchNumber(account, '+15550009999')).toBeNull();
    await twilio.probe(account);
  });
});
