import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PgBossJobs } from '../../src/adapters/jobs/pg-boss.js';
import { TwilioCarrier } from '../../src/adapters/telephony/twilio-carrier.js';
import { Call, Diagnostic, VoiceSession } from '../../src/entities/index.js';
import { silentLogger } from '../../src/ports/logger.js';
import type { MakeCallResult } from '../../src/services/make-call.js';
import { ScriptedCaller } from '../../src/simulators/carrier/caller.js';
import { noCarrierFaults } from '../../src/simulators/carrier/faults.js';
import { CarrierSimulator } from '../../src/simulators/carrier/server.js';
import {
  ACCOUNT,
  callWorld,
  seedCallTenant,
  viewerOf,
  type CallWorld,
  type SeededTenant,
} from '../testkit/call-world.js';
import { openTestDatabase, type TestDatabase } from '../testkit/database.js';
import { openDoors, type TwilioClient } from '../testkit/twilio-client.js';
import { until } from '../testkit/until.js';

/** Twilio's package, its REST API and its signed webhooks on real sockets; only the media socket does not exist here. */
let test: TestDatabase;
let acme: SeededTenant;
let carrier: CarrierSimulator;
let world: CallWorld;
let doors: TwilioClient;
let jobs: PgBossJobs;
beforeAll(async () => {
  test = await openTestDatabase();
  acme = await seedCallTenant(test, 'acme', {
    fallback: { action: 'message', message: 'No agent today', target: null },
  });
  carrier = await new CarrierSimulator({ sayMsPerCharacter: 0, ringMs: 10, speed: 20 }).start();
  carrier.tokens.set(ACCOUNT.accountSid, ACCOUNT.authToken);
  jobs = new PgBossJobs(test.database, silentLogger);
  world = callWorld(test, { jobs }, { carrier: new TwilioCarrier({ baseUrl: carrier.baseUrl, timeoutMs: 2_000 }) });
  await world.services.afterCall.work();
  await jobs.start();
  doors = await openDoors(world, { listen: true });
  const { publicUrl } = world.context.settings;
  carrier.numbers.set(acme.route.number, {
    accountSid: ACCOUNT.accountSid,
    voiceUrl: `${publicUrl}/api/v1/incoming-call`,
    fallbackUrl: `${publicUrl}/api/v1/fallback-call`,
    statusCallback: `${publicUrl}/api/v1/call-status`,
  });
});
afterEach(() => Object.assign(carrier.faults, noCarrierFaults()));
afterAll(async () => {
  await carrier.stop();
  await doors.app.close();
  await jobs.stop();
  await test.dispose();
});

let numbers = 0;
const freshNumber = () => `+1555557${String(1_000 + numbers++)}`;
const em = () => test.database.em({ all: true });
const dial = (to: string, key: string | null = null) => world.services.makeCall.makeCall(viewerOf('acme'), { to }, key);
const finished = (id: string) =>
  until(async () => {
    const call = await em().findOneOrFail(Call, { id });
    return call.completedEventSent && call;
  }, 'the call to be over');
const eventsOf = (call: Call) =>
  world.events.filter(({ event, data }) => event === 'voice.call.completed' && data.call_id === call.id);

describe('at the carrier', () => {
  it('50 identical requests with one key are one call', async () => {
    const before = carrier.createRequests;
    const to = freshNumber();
    const results = await Promise.all(Array.from({ length: 50 }, () => dial(to, 'fifty')));
    expect(carrier.createRequests - before).toBe(1);
    expect(carrier.calls.filter((call) => call.options.to === to)).toHaveLength(1);
    expect(results.filter((r: MakeCallResult) => !r.duplicate)).toHaveLength(1);
    expect(new Set(results.map((r) => r.call.callSid)).size).toBe(1);
  });

  it('a call whose answer is lost is one call, found by its callbacks', async () => {
    carrier.faults.createCall = 'lost-answer';
    const to = freshNumber();
    carrier.behaviours.set(to, { answers: 'busy' });
    const { call } = await dial(to, 'lost');
    carrier.faults.createCall = null;
    const again = await dial(to, 'lost');
    expect(again).toMatchObject({ duplicate: true, call: { id: call.id } });
    const row = await finished(call.id);
    expect(row).toMatchObject({ status: 'BUSY', callSid: carrier.calls.find((c) => c.options.to === to)!.sid });
    expect(carrier.calls.filter((c) => c.options.to === to)).toHaveLength(1);
  });

  it('a call whose answer and callbacks are all lost is found by asking', async () => {
    Object.assign(carrier.faults, { createCall: 'lost-answer', callbacks: 'dropped' });
    const to = freshNumber();
    carrier.behaviours.set(to, { answers: 'no-answer' });
    const { call, unknown } = await dial(to);
    expect(unknown).toBe(true);
    const made = carrier.calls.find((c) => c.options.to === to)!;
    await until(() => made.over, 'the unanswered call');
    await world.services.reconciler.sweep();
    expect(await finished(call.id)).toMatchObject({ status: 'NO_ANSWER', callSid: made.sid });
  });

  it('refusals are told apart: what certainly did nothing frees the key', async () => {
    const to = freshNumber();
    carrier.faults.createCall = 429;
    await expect(dial(to, 'limited')).rejects.toMatchObject({ code: 'CARRIER_UNAVAILABLE' });
    carrier.faults.createCall = 400;
    await expect(dial(to, 'limited')).rejects.toMatchObject({ code: 'CARRIER_REJECTED' });
    carrier.faults.createCall = 503;
    expect(await dial(to, 'limited')).toMatchObject({ unknown: true, duplicate: false });
    expect(await dial(to, 'limited')).toMatchObject({ unknown: true, duplicate: true });
  });

  it.each(['busy', 'no-answer', 'failed'] as const)(
    'a call that ends %s does so once, however its callbacks are shuffled and doubled',
    async (answers) => {
      Object.assign(carrier.faults, { callbacks: 'shuffled', doubledCallbacks: true });
      const to = freshNumber();
      carrier.behaviours.set(to, { answers });
      const { call } = await dial(to);
      const row = await finished(call.id);
      expect(row.status).toBe({ busy: 'BUSY', 'no-answer': 'NO_ANSWER', failed: 'FAILED' }[answers]);
      expect(eventsOf(row)).toHaveLength(1);
    },
  );

  it.each(['inbound', 'outbound'] as const)(
    'an %s caller whose media stream cannot be opened hears the fallback after the resumes, and the session failed',
    async (direction) => {
      carrier.faults.doubledWebhooks = direction === 'inbound';
      const other = freshNumber();
      if (direction === 'outbound') await dial(other);
      else await carrier.placeInboundCall({ from: other, to: acme.route.number, handset: new ScriptedCaller([]) });
      const made = carrier.calls.find((c) => c.options.to === other || c.options.from === other)!;
      await until(() => made.over, 'the call to be over');
      expect(made.said).toEqual(['No agent today']);
      expect(made.badAnswers).toEqual([]);
      expect(made.streams.length).toBeGreaterThan(1);
      const row = await finished((await em().findOneOrFail(Call, { callSid: made.sid })).id);
      expect(row).toMatchObject({ status: 'COMPLETED', direction: direction.toUpperCase() });
      expect(await em().findOneOrFail(VoiceSession, { callId: row.id })).toMatchObject({
        status: 'FAILED',
        endReason: 'MEDIA_LOST',
      });
      expect(eventsOf(row)).toHaveLength(1);
      expect(await em().count(Diagnostic, { code: 'stream_error', tenantId: 'acme' })).toBe(1);
    },
  );
});
