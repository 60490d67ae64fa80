import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PgBossJobs } from '../src/adapters/jobs/pg-boss.js';
import {
  Agent,
  AgentVersion,
  Call,
  DoNotCallEntry,
  PhoneRoute,
  Prompt,
  PromptRevision,
  RuntimeConfig,
  SessionEvent,
  VoiceSession,
} from '../src/entities/index.js';
import { seal } from '../src/lib/crypto.js';
import { AppError } from '../src/lib/errors.js';
import { CarrierError } from '../src/ports/carrier.js';
import { silentLogger } from '../src/ports/logger.js';
import type { ClaimedSession } from '../src/ports/media-session.js';
import type { NewSessionEvent } from '../src/ports/session-events.js';
import { TextModelError, type TextModel } from '../src/ports/text-model.js';
import { openSession } from '../src/services/session-open.js';
import { mintStreamToken } from '../src/services/stream-token.js';
import { ACCOUNT, callWorld, seedCallTenant, type CallWorld, type SeededTenant } from './testkit/call-world.js';
import { openTestDatabase, type TestDatabase } from './testkit/database.js';
import { openDoors, streamTokenOf, type TwilioClient } from './testkit/twilio-client.js';
import { until } from './testkit/until.js';

let test: TestDatabase;
let acme: SeededTenant;
let world: CallWorld;
let twilio: TwilioClient;
let jobs: PgBossJobs;
let summarize: (input: string) => Promise<{ summary: string }> = async () => ({ summary: 'A short summary.' });
const textModel: TextModel = {
  provider: 'simulator',
  model: 'text-1',
  complete: <T>({ input }: { input: string }) => summarize(input) as Promise<T>,
  probe: async () => {},
};
beforeAll(async () => {
  test = await openTestDatabase();
  acme = await seedCallTenant(test, 'acme', {
    fallback: { action: 'message', message: 'The agent is gone', target: null },
  });
  jobs = new PgBossJobs(test.database, silentLogger);
  world = callWorld(test, { jobs }, { textModel, modelProvider: 'simulator' });
  const { timing } = world.context.settings;
  timing.resumeGraceAfterStopMs = 100;
  timing.resumeGraceAfterCloseMs = 200;
  timing.endingLookupMs = 50;
  await world.services.afterCall.work();
  await jobs.start();
  twilio = await openDoors(world);
});
afterAll(async () => {
  world.services.streamEnds.close();
  world.services.lookup.close();
  await twilio.app.close();
  await jobs.stop();
  await test.dispose();
});

const em = () => test.database.em({ all: true });
const sessionOf = (callSid: string) => em().findOneOrFail(VoiceSession, { callSid });
const callOf = (callSid: string) => em().findOneOrFail(Call, { callSid });
const logOf = async (sessionId: string) =>
  (await em().find(SessionEvent, { sessionId }, { orderBy: { seq: 'asc' } })).map((event) => event.type);
const eventsOf = (callSid: string, name: string) =>
  world.events.filter(({ event, data }) => event === name && data.call_sid === callSid);

async function incoming(to = acme.route.number): Promise<{ callSid: string; token: string }> {
  const callSid = `CA${randomBytes(16).toString('hex')}`;
  const params = { CallSid: callSid, From: '+15555559999', To: to, CallStatus: 'ringing' };
  world.carrier.put(callSid, 'in-progress');
  return { callSid, token: streamTokenOf(await twilio.post('/api/v1/incoming-call', params)) };
}
async function resume(callSid: string) {
  const { id } = await callOf(callSid);
  return twilio.post(`/api/v1/resume-call?call_id=${id}`, { CallSid: callSid, CallStatus: 'in-progress' });
}
async function callback(callSid: string, status: string, more: Record<string, string> = {}) {
  world.carrier.put(callSid, status);
  const { id } = await callOf(callSid);
  await twilio.post(`/api/v1/call-status?call_id=${id}`, { CallSid: callSid, CallStatus: status, ...more });
}
function claim(callSid: string, token: string | null, accountSid = ACCOUNT.accountSid): Promise<ClaimedSession> {
  const streamSid = `MZ${randomBytes(16).toString('hex')}`;
  return world.services.mediaSessions.claim({ token, callSid, streamSid, accountSid });
}
async function streaming(to?: string) {
  const { callSid, token } = await incoming(to);
  const claimed = await claim(callSid, token);
  claimed.recorder.append(started(claimed));
  return { callSid, claimed };
}
const started = ({ plan }: ClaimedSession): NewSessionEvent => ({
  eventId: `started-${plan.generation}`,
  type: 'SessionStarted',
  at: new Date(),
  payload: { model: plan.model, voice: plan.voice, streamSid: plan.streamSid },
});
const said = (index: number, speaker: 'CALLER' | 'AGENT', text: string): NewSessionEvent => ({
  eventId: `turn-${index}`,
  type: 'TurnCompleted',
  at: new Date(),
  payload: {
    turn: {
      id: `0197a2f0-0000-7000-8000-${randomBytes(6).toString('hex')}`,
      index,
      speaker,
      text,
      final: true,
      interrupted: false,
      startedAtMs: index * 1_000,
      endedAtMs: index * 1_000 + 900,
      latencyMs: null,
    },
  },
});
async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => null,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(AppError);
  return (error as AppError).code;
}
const ended = (callSid: string) => until(async () => (await sessionOf(callSid)).status !== 'ACTIVE', 'the end');
const completed = async (callSid: string) => {
  await until(() => eventsOf(callSid, 'voice.call.completed').length > 0, 'voice.call.completed');
  return eventsOf(callSid, 'voice.call.completed')[0]!.data;
};

describe('a media stream', () => {
  it('gets the plan of its call: the request first, then the version, then the tenant', async () => {
    const tenant = await seedCallTenant(test, 'planned', {
      prompt: null,
      voice: 'cedar',
      greeting: 'Hello from the version',
      promptVariables: { product: 'shoes', colour: 'red' },
      intents: [{ name: 'order', description: null, tools: ['lookup'] }],
      maxDurationSeconds: 90,
    });
    const writer = em();
    writer.create(RuntimeConfig, {
      tenantId: 'planned',
      model: 'gpt-realtime-2',
      voice: 'ash',
      systemPromptKey: 'front_desk_v1',
      telephony: { transferNumber: '+15555550100' },
    });
    const prompt = writer.create(Prompt, {
      tenantId: 'planned',
      key: 'front_desk_v1',
      name: 'Front',
      publishedRevision: 2,
    });
    await writer.flush();
    writer.create(PromptRevision, {
      tenantId: 'planned',
      promptId: prompt.id,
      number: 2,
      text: 'You are {{agent_name}} of {{tenant_name}}; you sell {{colour}} {{product}}.{{ unknown }}',
      variables: [],
      createdBy: 'test',
    });
    await writer.flush();
    const { callSid, token } = await incoming(tenant.route.number);
    const promptVariables = { customer_name: 'Ann', colour: 'blue', nobody_asked: 'x' };
    await em().nativeUpdate(Call, { callSid }, { greeting: 'Hello {{customer_name}}', promptVariables });
    const { plan } = await claim(callSid, token);
    expect(plan).toMatchObject({
      model: 'gpt-realtime-2',
      voice: 'cedar',
      greeting: 'Hello Ann',
      instructions: 'You are Front desk of planned; you sell blue shoes.',
      transferTarget: '+15555550100',
      maxDurationMs: 90_000,
      intents: { order: ['lookup'] },
      generation: 1,
      resumed: false,
      history: [],
    });
  });

  it('has the whole contract of the version, and the transfer number of its route before the tenant’s', async () => {
    const contract = {
      consentLine: 'This call is recorded.',
      language: 'de-DE',
      turnDetection: { type: 'semantic_vad', eagerness: 'low' },
      escalationRules: [
        { trigger: 'payment', repeated: 2, action: 'transfer' as const, target: '+15555550101', intents: [] },
      ],
      successSignals: ['resolved'],
      tools: [
        {
          name: 'lookup',
          description: 'Looks up',
          parameters: { type: 'object', properties: {} },
          url: 'https://tools.example/lookup',
          method: 'POST' as const,
          timeoutMs: 2_000,
          secretHeader: 'x-key',
          secretSealed: 'sealed',
        },
      ],
    };
    const tenant = await seedCallTenant(test, 'contracted', contract, { transferNumber: '+15555550102' });
    const writer = em();
    writer.create(RuntimeConfig, { tenantId: tenant.tenantId, telephony: { transferNumber: '+15555550103' } });
    await writer.flush();
    const planOf = async () => {
      const { callSid, token } = await incoming(tenant.route.number);
      return (await claim(callSid, token)).plan;
    };
    const { tools, ...rest } = contract;
    const { secretSealed: _, ...tool } = tools[0]!;
    // The secret stays behind: the engine has no use for it.
    expect(await planOf()).toMatchObject({ ...rest, transferTarget: '+15555550102' });
    expect((await planOf()).tools).toEqual([tool]);
    await em().nativeUpdate(PhoneRoute, { id: tenant.route.id }, { transferNumber: null });
    expect((await planOf()).transferTarget).toBe('+15555550103');
  });

  it('knows, when it is resumed, which intent was named and which concerns came up', async () => {
    const { callSid, claimed } = await streaming();
    const at = new Date();
    const concern = { concern: 'payment', detail: null, count: 1, source: 'AGENT' } as const;
    claimed.recorder.append({ eventId: 'i1', type: 'IntentIdentified', at, payload: { intent: 'order' } });
    claimed.recorder.append({ eventId: 'c1', type: 'ConcernRaised', at, payload: concern });
    await claimed.recorder.flush();
    const { plan } = await claim(callSid, streamTokenOf(await resume(callSid)));
    expect(plan).toMatchObject({
      resumed: true,
      currentIntent: 'order',
      marks: [
        { kind: 'intent', name: 'order' },
        { kind: 'concern', name: 'payment' },
      ],
    });
  });

  it('needs the token of its own call, in time, and once', async () => {
    const { callSid, token } = await incoming();
    const other = await incoming();
    expect(await codeOf(claim(callSid, null))).toBe('UNAUTHENTICATED');
    expect(await codeOf(claim(callSid, 'garbage'))).toBe('UNAUTHENTICATED');
    expect(await codeOf(claim(callSid, other.token))).toBe('UNAUTHENTICATED');
    expect(await codeOf(claim(callSid, token, `AC${'0'.repeat(32)}`))).toBe('UNAUTHENTICATED');
    const { id } = await callOf(callSid);
    const { settings } = world.context;
    const old = mintStreamToken(
      settings.streamTokenSecret,
      { callId: id, callSid, kind: 'initial' },
      new Date(Date.now() - 120_000),
    );
    expect(await codeOf(claim(callSid, old))).toBe('UNAUTHENTICATED');
    const { control } = await claim(callSid, token);
    await control.streamEnded({ by: 'close', ended: null });
    expect(await codeOf(claim(callSid, token))).toBe('UNAUTHENTICATED');
  });

  it('is the only one of its call, until a token of the resume route takes over', async () => {
    const { callSid, claimed } = await streaming();
    claimed.recorder.append(said(0, 'CALLER', 'My name is Tom'));
    await claimed.recorder.flush();
    let letGo = 0;
    claimed.recorder.onSuperseded(() => letGo++);
    const again = streamTokenOf(
      await twilio.post('/api/v1/incoming-call', { CallSid: callSid, From: '+15555559999', To: acme.route.number }),
    );
    expect(await codeOf(claim(callSid, again))).toBe('CONFLICT');
    const second = await claim(callSid, streamTokenOf(await resume(callSid)));
    expect(second.plan).toMatchObject({
      generation: 2,
      resumed: true,
      nextTurnIndex: 1,
      history: [{ text: 'My name is Tom', speaker: 'CALLER' }],
    });
    await until(() => letGo === 1, 'the old owner to let go');
    const late = await world.services.sessionLog.append(claimed.plan.sessionId, 1, [said(1, 'AGENT', 'too late')]);
    expect(late).toEqual({ outcome: 'refused', because: 'superseded' });
    await claimed.control.streamEnded({ by: 'close', ended: 'MEDIA_LOST' });
    expect(await sessionOf(callSid)).toMatchObject({ status: 'ACTIVE', ownerGeneration: 2 });
  });

  it('is noticed as taken over by the next beat when the bus lost the message', async () => {
    const { callSid, claimed } = await streaming();
    let letGo = 0;
    claimed.recorder.onSuperseded(() => letGo++);
    await claimed.control.beat();
    expect(letGo).toBe(0);
    await em().nativeUpdate(VoiceSession, { callSid }, { ownerGeneration: 7 });
    await claimed.control.beat();
    expect(letGo).toBe(1);
  });

  it('shows signs of life together with the other calls of the process; each learns only of itself', async () => {
    const streams = [await streaming(), await streaming(), await streaming()];
    const letGo: string[] = [];
    for (const { callSid, claimed } of streams) claimed.recorder.onSuperseded(() => letGo.push(callSid));
    const lost = streams[1]!.callSid;
    const long = new Date(Date.now() - 60_000);
    await em().nativeUpdate(VoiceSession, { callSid: { $in: streams.map((s) => s.callSid) } }, { ownerBeatAt: long });
    await em().nativeUpdate(VoiceSession, { callSid: lost }, { ownerGeneration: 7 });
    await Promise.all(streams.map(({ claimed }) => claimed.control.beat()));
    expect(letGo).toEqual([lost]);
    for (const { callSid } of streams) {
      const { ownerBeatAt } = await sessionOf(callSid);
      expect(ownerBeatAt!.getTime() > long.getTime()).toBe(callSid !== lost);
    }
  });

  it('answers the call, and the tenant hears of it once', async () => {
    const { callSid, claimed } = await streaming();
    expect(await callOf(callSid)).toMatchObject({ status: 'IN_PROGRESS' });
    expect((await callOf(callSid)).answeredAt).not.toBeNull();
    await claim(callSid, streamTokenOf(await resume(callSid)));
    expect(eventsOf(callSid, 'voice.call.started')).toMatchObject([
      { tenantId: 'acme', data: { stream_sid: claimed.plan.streamSid, tenant_id: 'acme' } },
    ]);
  });

  it('is refused once the call is over', async () => {
    const { callSid, token } = await incoming();
    await callback(callSid, 'completed');
    expect(await codeOf(claim(callSid, token))).toBe('CALL_NOT_ACTIVE');
    expect(await logOf((await sessionOf(callSid)).id)).toEqual(['SessionEnded']);
  });
});

describe('the end of a session', () => {
  it('comes at once when somebody wanted it, as the last event, and the caller is hung up on', async () => {
    const { callSid, claimed } = await streaming();
    claimed.recorder.append(said(0, 'AGENT', 'Goodbye'));
    await claimed.control.streamEnded({ by: 'close', ended: 'INTENT' });
    const session = await sessionOf(callSid);
    expect(session).toMatchObject({ status: 'COMPLETED', endReason: 'INTENT', turnCount: 1 });
    expect(await logOf(session.id)).toEqual(['SessionStarted', 'TurnCompleted', 'SessionEnded']);
    expect((await resume(callSid)).body).toContain('<Response><Hangup/></Response>');
    await claimed.control.streamEnded({ by: 'stop', ended: 'MODEL_LOST' });
    expect(await logOf(session.id)).toHaveLength(3);
  });

  it('is followed by that of the call, of which nobody tells us, as soon as the carrier knows', async () => {
    const { callSid, claimed } = await streaming();
    const before = world.carrier.fetches;
    await claimed.control.streamEnded({ by: 'stop', ended: 'INTENT' });
    await until(() => world.carrier.fetches > before + 1, 'the second question');
    expect(await callOf(callSid)).toMatchObject({ status: 'IN_PROGRESS' });
    world.carrier.put(callSid, 'completed', { durationSeconds: 7 });
    expect(await completed(callSid)).toMatchObject({ status: 'completed', duration_seconds: 7 });
  });

  it('gives a caller whose agent was lost the fallback of the version', async () => {
    const { callSid, claimed } = await streaming();
    await claimed.control.streamEnded({ by: 'close', ended: 'MODEL_LOST' });
    expect(await sessionOf(callSid)).toMatchObject({ status: 'FAILED', endReason: 'MODEL_LOST' });
    expect((await resume(callSid)).body).toContain('The agent is gone');
  });

  it('waits for the resume route after a stop, then asks the carrier', async () => {
    const { callSid, claimed } = await streaming();
    await claimed.control.streamEnded({ by: 'stop', ended: null });
    expect(await sessionOf(callSid)).toMatchObject({ status: 'ACTIVE' });
    world.carrier.put(callSid, 'completed', { durationSeconds: 12 });
    await ended(callSid);
    expect(await sessionOf(callSid)).toMatchObject({ status: 'COMPLETED', endReason: 'CALL_ENDED' });
    expect(await callOf(callSid)).toMatchObject({ status: 'COMPLETED', durationSeconds: 12 });
  });

  it('is not decided by the clock while the carrier says that the call goes on', async () => {
    const { callSid, claimed } = await streaming();
    const before = world.carrier.fetches;
    await claimed.control.streamEnded({ by: 'stop', ended: null });
    await until(() => world.carrier.fetches > before, 'the question');
    const second = await claim(callSid, streamTokenOf(await resume(callSid)));
    expect(second.plan.generation).toBe(2);
  });

  it('is left to the owner of a live stream, who still holds words that were spoken', async () => {
    const { callSid, claimed } = await streaming();
    await claimed.recorder.flush();
    await callback(callSid, 'completed', { CallDuration: '3' });
    expect(await sessionOf(callSid)).toMatchObject({ status: 'ACTIVE' });
    claimed.recorder.append(said(0, 'CALLER', 'Bye then'));
    await claimed.control.streamEnded({ by: 'stop', ended: null });
    expect(await logOf(claimed.plan.sessionId)).toEqual([
      'SessionStarted',
      'CallStatusChanged',
      'TurnCompleted',
      'SessionEnded',
    ]);
  });

  it('is no condition for that of a call which no agent answered', async () => {
    const closed = await seedCallTenant(test, 'closed');
    await em().nativeUpdate(Agent, { id: closed.agent.id }, { publishedVersionId: null });
    const callSid = `CA${randomBytes(16).toString('hex')}`;
    world.carrier.put(callSid, 'in-progress');
    const params = { CallSid: callSid, From: '+15555559999', To: closed.route.number, CallStatus: 'ringing' };
    expect((await twilio.post('/api/v1/incoming-call', params)).body).toContain('<Hangup/>');
    world.carrier.put(callSid, 'completed', { durationSeconds: 4 });
    expect(await completed(callSid)).toMatchObject({ voice_session_id: null, duration_seconds: 4 });
  });

  it('comes with the fallback when the stream is resumed more than three times a minute', async () => {
    const { callSid } = await streaming();
    for (let i = 0; i < 3; i++) await claim(callSid, streamTokenOf(await resume(callSid)));
    expect((await resume(callSid)).body).toContain('The agent is gone');
    expect(await sessionOf(callSid)).toMatchObject({ status: 'FAILED', endReason: 'MEDIA_LOST', resumeCount: 3 });
  });
});

it('ends a synthetic call with its stream: nobody else will ever tell of it', async () => {
  const writer = em();
  const call = writer.create(Call, {
    tenantId: 'acme',
    direction: 'INBOUND',
    status: 'RINGING',
    callSid: `CA${randomBytes(16).toString('hex')}`,
    agentVersionId: acme.version.id,
    synthetic: true,
  });
  await writer.flush();
  const callSid = call.callSid!;
  await openSession(writer, world.context, call, acme.version, null);
  const token = mintStreamToken(
    world.context.settings.streamTokenSecret,
    { callId: call.id, callSid, kind: 'initial' },
    new Date(),
  );
  const { control } = await claim(callSid, token, 'synthetic');
  const before = world.carrier.updated.length;
  await control.hangUp();
  await control.streamEnded({ by: 'close', ended: 'INTENT' });
  expect(await callOf(callSid)).toMatchObject({ status: 'COMPLETED' });
  expect(await sessionOf(callSid)).toMatchObject({ status: 'COMPLETED', endReason: 'INTENT', provider: 'simulator' });
  expect(world.carrier.updated).toHaveLength(before);
  expect(eventsOf(callSid, 'voice.call.started')).toHaveLength(0);
});

describe('what the engine may ask for', () => {
  it('transfers with the tenant’s own number, and the session ends as transferred', async () => {
    const { callSid, claimed } = await streaming();
    await claimed.control.transfer('+15555550177');
    const twiml = JSON.stringify(world.carrier.updated.find((u) => u.callSid === callSid)?.update);
    expect(twiml).toContain(`callerId=\\"${acme.route.number}\\"`);
    expect(twiml).toContain('/api/v1/transfer-status?call_id=');
    await claimed.control.streamEnded({ by: 'stop', ended: null });
    expect(await sessionOf(callSid)).toMatchObject({ status: 'COMPLETED', endReason: 'TRANSFERRED' });
    // The caller talks with whom they were sent to; what comes after that is the end of the call.
    const { id } = await callOf(callSid);
    const ended = await twilio.post(`/api/v1/transfer-status?call_id=${id}`, {
      CallSid: callSid,
      DialCallStatus: 'completed',
    });
    expect(ended.body).toContain('<Response><Hangup/></Response>');
    world.carrier.put(callSid, 'completed', { durationSeconds: 90 });
    expect(await completed(callSid)).toMatchObject({ status: 'completed', duration_seconds: 90 });
  });

  it('hangs up, also on a call that is over already', async () => {
    const { callSid, claimed } = await streaming();
    await claimed.control.hangUp();
    expect(world.carrier.updated.at(-1)).toEqual({ callSid, update: { status: 'completed' } });
    const { updateCall } = world.carrier;
    world.carrier.updateCall = () =>
      Promise.reject(new CarrierError('rejected', 'Call is not in-progress', 21220, 400));
    await claimed.control.hangUp();
    expect(await codeOf(claimed.control.transfer('+15555550177'))).toBe('CALL_NOT_ACTIVE');
    world.carrier.updateCall = () => Promise.reject(new CarrierError('unknown', 'timeout'));
    expect(await codeOf(claimed.control.hangUp())).toBe('CARRIER_UNAVAILABLE');
    world.carrier.updateCall = updateCall;
  });

  it('sends the caller into the fallback, and keeps wishes of the caller', async () => {
    const { callSid, claimed } = await streaming();
    await claimed.control.runFallback('http_404');
    expect(world.carrier.updated.at(-1)).toMatchObject({ callSid, update: { twiml: expect.stringContaining('gone') } });
    // A database that is away for a moment does not make anybody ask in vain.
    const { doNotCall } = world.services;
    const failures = ['connection refused', 'terminating connection'];
    doNotCall.addCustomer = async (...wish) => {
      const failure = failures.shift();
      if (failure !== undefined) throw new Error(failure);
      Reflect.deleteProperty(doNotCall, 'addCustomer');
      return doNotCall.addCustomer(...wish);
    };
    await claimed.control.addToDoNotCall('asked for it');
    expect(failures).toEqual([]);
    await claimed.control.addToDoNotCall('asked again');
    expect(await em().find(DoNotCallEntry, { tenantId: 'acme' })).toMatchObject([
      { number: '+15555559999', source: 'agent' },
    ]);
    await claimed.control.createCallback({
      reason: 'refund',
      dueAt: null,
      note: 'after five',
      origin: 'AGENT',
      queue: null,
    });
  });

  describe('with tools over HTTP', () => {
    let server: Server;
    let origin: string;
    const seen: { method: string; url: string; body: string; secret: unknown }[] = [];
    beforeAll(async () => {
      server = createServer((request, response) => {
        let body = '';
        request.on('data', (chunk: Buffer) => (body += chunk.toString()));
        request.on('end', () => {
          seen.push({ method: request.method!, url: request.url!, body, secret: request.headers['x-tool-secret'] });
          if (request.url === '/large') return response.end('x'.repeat(100_000));
          if (request.url === '/broken') return response.writeHead(500).end('database on fire');
          if (request.url === '/moved') return response.writeHead(302, { location: '/' }).end();
          if (request.url === '/slow') return undefined;
          return response.end(request.url === '/text' ? 'plain words' : '{"status":"shipped"}');
        });
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    afterAll(() => {
      server.closeAllConnections();
      server.close();
    });

    it('sends the arguments and the secret, and tells the model what came of it', async () => {
      const tool = (name: string, path: string, method: 'GET' | 'POST' = 'POST', timeoutMs = 20_000) => ({
        name,
        description: '',
        parameters: {},
        url: origin + path,
        method,
        timeoutMs,
        secretHeader: 'X-Tool-Secret',
      });
      const tools = [
        tool('order', '/order'),
        tool('find', '/find?shop=1', 'GET'),
        tool('text', '/text'),
        tool('large', '/large'),
        tool('broken', '/broken'),
        tool('moved', '/moved'),
        tool('slow', '/slow', 'POST', 80),
      ];
      const secretSealed = seal(world.context.settings.encryptionKey, 's3cret');
      const tenant = await seedCallTenant(test, 'tools');
      await em().nativeUpdate(
        AgentVersion,
        { id: tenant.version.id },
        { tools: tools.map((t) => ({ ...t, secretSealed })) },
      );
      const { claimed } = await streaming(tenant.route.number);
      expect(JSON.stringify(claimed.plan)).not.toContain('v1.');
      const run = (name: string) =>
        claimed.control.runHttpTool(
          claimed.plan.tools.find((t) => t.name === name)!,
          { id: 'A 7', lines: [1] },
          new AbortController().signal,
        );
      expect(await run('order')).toEqual({ ok: true, result: { status: 'shipped' } });
      expect(seen.at(-1)).toEqual({
        method: 'POST',
        url: '/order',
        body: '{"id":"A 7","lines":[1]}',
        secret: 's3cret',
      });
      await run('find');
      expect(seen.at(-1)).toMatchObject({ method: 'GET', url: '/find?shop=1&id=A+7&lines=%5B1%5D' });
      expect(await run('text')).toEqual({ ok: true, result: 'plain words' });
      expect(await run('broken')).toMatchObject({ ok: false, result: { error: expect.stringContaining('500') } });
      for (const name of ['large', 'moved', 'slow']) expect(await run(name), name).toMatchObject({ ok: false });
    });
  });
});

describe('voice.call.completed', () => {
  it('is sent once, with the summary, whatever is repeated', async () => {
    const { callSid, claimed } = await streaming();
    claimed.recorder.append(said(0, 'CALLER', 'Where is my order?'));
    claimed.recorder.append(said(1, 'AGENT', 'It was shipped.'));
    await claimed.control.streamEnded({ by: 'stop', ended: null });
    for (let i = 0; i < 3; i++) await callback(callSid, 'completed', { CallDuration: '21', Duration: '1' });
    const session = await sessionOf(callSid);
    const call = await callOf(callSid);
    expect(await completed(callSid)).toMatchObject({
      stream_sid: claimed.plan.streamSid,
      call_sid: callSid,
      voice_session_id: session.id,
      from_number: '+15555559999',
      to_number: acme.route.number,
      direction: 'inbound',
      status: 'completed',
      duration_seconds: 21,
      escalated: false,
      function_call_count: 0,
      transcript_turn_count: 2,
      summary: 'A short summary.',
    });
    await Promise.all([1, 2, 3].map(() => world.services.afterCall.complete(call.id)));
    expect(eventsOf(callSid, 'voice.call.completed')).toHaveLength(1);
    expect(await callOf(callSid)).toMatchObject({ summary: 'A short summary.' });
  });

  it('does not wait for a summary that takes too long', async () => {
    const { timing } = world.context.settings;
    const [patience, quick] = [timing.completedWaitsForSummaryMs, summarize];
    timing.completedWaitsForSummaryMs = 100;
    let answer: (value: { summary: string }) => void = () => {};
    summarize = () => new Promise((resolve) => (answer = resolve));
    const { callSid, claimed } = await streaming();
    claimed.recorder.append(said(0, 'CALLER', 'Hm'));
    await callback(callSid, 'completed');
    await claimed.control.streamEnded({ by: 'stop', ended: null });
    expect(await completed(callSid)).toMatchObject({ summary: null, transcript_turn_count: 1 });
    answer({ summary: 'Late, but here.' });
    await until(async () => (await sessionOf(callSid)).summary === 'Late, but here.', 'the late summary');
    expect(eventsOf(callSid, 'voice.call.completed')).toHaveLength(1);
    timing.completedWaitsForSummaryMs = patience;
    summarize = quick;
  });

  it('carries an extract, marked as such, when the model refuses', async () => {
    const quick = summarize;
    summarize = () => Promise.reject(new TextModelError('refused', false));
    const { callSid, claimed } = await streaming();
    claimed.recorder.append(said(0, 'CALLER', 'Where is my order?'));
    await callback(callSid, 'completed');
    await claimed.control.streamEnded({ by: 'stop', ended: null });
    expect((await completed(callSid)).summary).toContain('“Where is my order?”');
    expect(await sessionOf(callSid)).toMatchObject({ summarySource: 'extract' });
    summarize = quick;
  });

  it('tells of a call without a session, and not at all of a synthetic one', async () => {
    const writer = em();
    const rows = ['busy', 'synthetic'].map((name) =>
      writer.create(Call, {
        tenantId: 'acme',
        direction: 'OUTBOUND',
        status: 'RINGING',
        callSid: `CA-${name}`,
        synthetic: name === 'synthetic',
      }),
    );
    await writer.flush();
    for (const { id } of rows) await world.services.progress.report(id, { status: 'BUSY', at: new Date() });
    expect(await completed('CA-busy')).toMatchObject({
      status: 'busy',
      duration_seconds: 0,
      stream_sid: null,
      voice_session_id: null,
      summary: null,
    });
    await until(async () => (await callOf('CA-synthetic')).completedEventSent, 'the synthetic call');
    expect(eventsOf('CA-synthetic', 'voice.call.completed')).toHaveLength(0);
  });
});
