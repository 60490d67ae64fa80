import twilioPackage from 'twilio';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TwimlGateway } from '../../../test/testkit/twiml-gateway.js';
import { until } from '../../../test/testkit/until.js';
import { ScriptedCaller, type Step } from './caller.js';
import type { SimulatedCall } from './call.js';
import { CarrierSimulator } from './server.js';

/** Phones that talk to each other: bridges and conferences, through the package that the gateway uses. */
const SID = `AC${'2'.repeat(32)}`;
const TOKEN = 'token';
const NUMBER = '+15555550100';
const CALLER = '+15555550199';
const HUMAN = '+15555550177';

const gateway = new TwimlGateway(TOKEN);
const carrier = new CarrierSimulator({ speed: 10, sayMsPerCharacter: 0, bridgedMs: 5, ringMs: 1 });
const client = twilioPackage(SID, TOKEN);
beforeAll(async () => {
  await gateway.start();
  await carrier.start();
  client.api.baseUrl = carrier.baseUrl;
  carrier.tokens.set(SID, TOKEN);
  carrier.numbers.set(NUMBER, {
    accountSid: SID,
    voiceUrl: `${gateway.origin}/voice`,
    fallbackUrl: null,
    statusCallback: null,
  });
});
afterAll(async () => {
  await carrier.stop();
  await gateway.stop();
});
beforeEach(() => {
  gateway.reset();
  carrier.behaviours.clear();
  gateway.answers.set('/after', '<Response><Say>Goodbye</Say></Response>');
});

const tone = (byte: number) => Buffer.alloc(1_600, byte);
/** True when this tone reached them. */
const heardTone = (caller: ScriptedCaller, byte: number) => caller.heard.some((frame) => frame.includes(byte));
const calling = (steps: Step[] = []) => {
  const caller = new ScriptedCaller(steps);
  const call = carrier.startInboundCall({ from: CALLER, to: NUMBER, handset: caller });
  return { caller, call, over: call.run() };
};
const answering = (number: string, steps: Step[], ringMs?: number) => {
  const person = new ScriptedCaller(steps);
  carrier.behaviours.set(number, { handset: () => person, ...(ringMs === undefined ? {} : { ringMs }) });
  return person;
};
const legTo = (number: string): SimulatedCall => carrier.calls.findLast((call) => call.options.to === number)!;
const dialing = (attributes = '', number = '') =>
  gateway.answers.set(
    '/voice',
    `<Response><Dial action="/after" ${attributes}><Number ${number}>${HUMAN}</Number></Dial></Response>`,
  );

describe('a dialled number', () => {
  it('hears the caller and is heard, in a leg of its own with callbacks of its own', async () => {
    dialing(`callerId="${NUMBER}"`, 'statusCallback="/leg" statusCallbackEvent="initiated ringing answered completed"');
    const human = answering(HUMAN, [{ pause: 100 }, { say: tone(2) }, { pause: 400 }, { hangUp: true }]);
    const { caller, call, over } = calling([{ pause: 100 }, { say: tone(1) }]);
    await over;
    expect([heardTone(human, 1), heardTone(caller, 2), heardTone(caller, 1)]).toEqual([true, true, false]);
    const leg = legTo(HUMAN);
    expect(leg.options).toMatchObject({ from: NUMBER, direction: 'outbound-dial', parentSid: call.sid });
    await until(() => gateway.at('/leg').length === 4, 'the callbacks of the leg');
    expect(gateway.at('/leg').every((fields) => fields.ParentCallSid === call.sid)).toBe(true);
    expect(gateway.at('/after')).toMatchObject([
      { CallSid: call.sid, DialCallSid: leg.sid, DialCallStatus: 'completed', DialBridged: 'true' },
    ]);
    expect(call.said).toEqual(['Goodbye']);
    expect((await client.calls(leg.sid).fetch()).parentCallSid).toBe(call.sid);
  });

  it.each(['busy', 'no-answer', 'failed'] as const)('that is %s is told to the action', async (answers) => {
    dialing();
    carrier.behaviours.set(HUMAN, { answers });
    await calling().over;
    expect(gateway.at('/after')).toMatchObject([{ DialCallStatus: answers, DialBridged: 'false' }]);
    expect(gateway.at('/after')[0]).not.toHaveProperty('DialCallDuration');
  });

  it('rings no longer than it may', async () => {
    dialing('timeout="1"');
    answering(HUMAN, [], 60_000);
    await calling().over;
    expect(gateway.at('/after')).toMatchObject([{ DialCallStatus: 'no-answer' }]);
  });

  it('hears its own document first, alone; hanging up in it means never having spoken', async () => {
    dialing('', 'url="/whisper"');
    gateway.answers.set('/whisper', '<Response><Say>A caller about an order</Say></Response>');
    answering(HUMAN, [{ hangUp: true }]);
    const { call, over } = calling();
    await over;
    expect([legTo(HUMAN).said, call.said]).toEqual([['A caller about an order'], ['Goodbye']]);
    expect(gateway.at('/whisper')[0]).toMatchObject({ CallSid: legTo(HUMAN).sid, ParentCallSid: call.sid });
    gateway.answers.set('/whisper', '<Response><Hangup/></Response>');
    await calling().over;
    expect(gateway.at('/after').at(-1)).toMatchObject({ DialCallStatus: 'completed', DialBridged: 'false' });
  });

  it('stops ringing when the caller hangs up; the action is asked, its answer not run', async () => {
    dialing();
    answering(HUMAN, [], 60_000);
    const { call, over } = calling();
    await until(() => legTo(HUMAN).status === 'ringing', 'the ringing');
    call.hangUp();
    await over;
    expect(legTo(HUMAN).status).toBe('canceled');
    expect(gateway.at('/after')).toMatchObject([{ CallStatus: 'completed', DialCallStatus: 'canceled' }]);
    expect(call.said).toEqual([]);
  });

  it('is let go when the caller is redirected', async () => {
    dialing();
    answering(HUMAN, []);
    const { call, over } = calling();
    await until(() => legTo(HUMAN).status === 'in-progress', 'the conversation');
    await client.calls(call.sid).update({ twiml: '<Response><Say>Back again</Say></Response>' });
    await over;
    expect([legTo(HUMAN).status, call.said, gateway.at('/after')]).toEqual(['completed', ['Back again'], []]);
  });
});

it('says who answered, in the first webhook and at the end, where a call asks for it', async () => {
  gateway.answers.set('/joined', '<Response><Hangup/></Response>');
  const dialled = async (answeredBy: 'machine_start' | undefined, more: object) => {
    carrier.behaviours.set(HUMAN, answeredBy === undefined ? {} : { answeredBy });
    const { sid } = await client.calls.create({
      to: HUMAN,
      from: NUMBER,
      url: `${gateway.origin}/joined`,
      statusCallback: `${gateway.origin}/status`,
      ...more,
    });
    await legTo(HUMAN).ended;
    await until(() => gateway.at('/status', sid).length > 0, 'the status callback');
    return [...gateway.at('/joined', sid), ...gateway.at('/status', sid), await client.calls(sid).fetch()];
  };
  expect(await dialled('machine_start', { machineDetection: 'Enable' })).toMatchObject([
    { CallStatus: 'in-progress', AnsweredBy: 'machine_start', MachineDetectionDuration: '4000' },
    { CallStatus: 'completed', AnsweredBy: 'machine_start' },
    { answeredBy: 'machine_start' },
  ]);
  expect((await dialled(undefined, { machineDetection: 'Enable' }))[0]).toMatchObject({ AnsweredBy: 'human' });
  const [first, last] = await dialled('machine_start', {});
  expect([first, last].map((fields) => (fields as Record<string, string>).AnsweredBy)).toEqual([undefined, undefined]);
});

it('warns of attributes and words that TwiML does not have', async () => {
  gateway.answers.set(
    '/voice',
    '<Response><Say voize="x">Hi</Say><Dial timeout="1"><Conference beep="maybe" statusCallbackEvent="join arrive">x</Conference></Dial></Response>',
  );
  const { call, over } = calling();
  await until(() => carrier.conferences.at(-1)?.participants.length === 1, 'the participant');
  call.hangUp();
  await over;
  expect(call.warnings).toEqual([
    '12200 <Say> has no attribute voize',
    '12200 beep of <Conference> is not maybe',
    '12200 statusCallbackEvent of <Conference> is not arrive',
  ]);
});

describe('a conference', () => {
  const room = (attributes = '') =>
    gateway.answers.set(
      '/voice',
      `<Response><Dial action="/after"><Conference statusCallback="${gateway.origin}/room" statusCallbackEvent="start end join leave mute hold" ${attributes}>room &amp; board</Conference></Dial></Response>`,
    );
  const conference = () => carrier.conferences.at(-1)!;
  const joined = (call: SimulatedCall) =>
    until(() => conference()?.participants.some((p) => p.call === call && p.joined), 'the participant');
  const add = async (number: string, options: object = {}) => {
    const made = await client
      .conferences(conference().sid)
      .participants.create({ from: NUMBER, to: number, ...options });
    const call = carrier.calls.find(({ sid }) => sid === made.callSid)!;
    return { made, call };
  };

  it('joins those who dial in and those who are dialled; the last to leave ends it', async () => {
    room();
    const { caller, call, over } = calling([{ waitForAgent: 100 }, { say: tone(1) }]);
    await joined(call);
    const human = answering(HUMAN, [{ say: tone(2) }, { waitForAgent: 100 }, { hangUp: true }]);
    const { made, call: leg } = await add(HUMAN, { label: 'human', statusCallback: `${gateway.origin}/leg` });
    expect(made).toMatchObject({ label: 'human', status: 'queued', muted: false, conferenceSid: conference().sid });
    await leg.ended;
    expect([heardTone(caller, 2), heardTone(human, 1)]).toEqual([true, true]);
    call.hangUp();
    await over;
    await until(
      () => gateway.at('/room').length === 6,
      () => gateway.at('/room'),
    );
    const told = gateway.at('/room').toSorted((a, b) => Number(a.SequenceNumber) - Number(b.SequenceNumber));
    expect(told.map((fields) => fields.StatusCallbackEvent)).toEqual([
      'participant-join',
      'participant-join',
      'conference-start',
      'participant-leave',
      'participant-leave',
      'conference-end',
    ]);
    expect(told[1]).toMatchObject({ ParticipantLabel: 'human', CallSid: leg.sid, FriendlyName: 'room & board' });
    expect(told.at(-1)).toMatchObject({
      ReasonConferenceEnded: 'last-participant-left',
      CallSidEndingConference: call.sid,
    });
    expect(call.warnings).toEqual([]);
    expect(gateway.at('/after')).toMatchObject([{ DialCallStatus: 'answered' }]);
    await until(() => gateway.at('/leg').length === 1, 'the callback of the participant’s call');
    expect(await client.conferences(conference().sid).fetch()).toMatchObject({
      status: 'completed',
      callSidEndingConference: call.sid,
    });
  });

  it('lets nobody hear who is muted or on hold, and only one hear who coaches', async () => {
    room();
    const { caller, call, over } = calling();
    await joined(call);
    const human = answering(HUMAN, [{ pause: 10_000 }, { say: tone(2) }]);
    const { call: leg } = await add(HUMAN);
    await joined(leg);
    const coach = answering('+15555550166', [{ say: Buffer.alloc(80_000, 3) }]);
    const { call: whisperer } = await add('+15555550166', { coaching: true, callSidToCoach: leg.sid });
    await joined(whisperer);
    await until(() => heardTone(human, 3), 'the coach');
    expect(heardTone(caller, 3)).toBe(false);
    const participants = client.conferences(conference().sid).participants;
    expect(await participants(leg.sid).update({ muted: true })).toMatchObject({ muted: true, hold: false });
    expect(await participants(call.sid).update({ hold: true })).toMatchObject({ hold: true });
    gateway.answers.set('/announce', '<Response><Say>One moment</Say></Response>');
    await participants(call.sid).update({ announceUrl: `${gateway.origin}/announce` });
    await until(() => call.said.includes('One moment'), 'the announcement');
    expect((await participants.list()).map((p) => p.callSid).toSorted()).toEqual(
      [call.sid, leg.sid, whisperer.sid].toSorted(),
    );
    expect(await participants(whisperer.sid).remove()).toBe(true);
    await whisperer.ended;
    expect(coach.heard.length).toBe(0);
    await client.conferences(conference().sid).update({ status: 'completed' });
    await over;
    expect(leg.over).toBe(true);
  });

  it('is over for all when somebody leaves who ends it; the others go on with their documents', async () => {
    room();
    const { call, over } = calling();
    await joined(call);
    answering(HUMAN, [{ pause: 100 }, { hangUp: true }]);
    await add(HUMAN, { endConferenceOnExit: true });
    await over;
    expect(call.said).toEqual(['Goodbye']);
    expect(conference().reasonEnded).toBe('participant-with-end-conference-on-exit-left');
    expect(await client.conferences.list({ friendlyName: 'room & board', status: 'in-progress' })).toEqual([]);
    await expect(client.conferences('room & board').participants.list()).rejects.toMatchObject({ status: 404 });
  });
});
