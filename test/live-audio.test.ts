import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { ApiKey, Call } from '../src/entities/index.js';
import { MemoryBus } from '../src/pubsub/memory.js';
import { ScriptedCaller, type Step } from '../src/simulators/carrier/caller.js';
import { switchFaultsOn } from './testkit/faults.js';
import { LiveListener, type LiveListenerOptions } from './testkit/live-listener.js';
import { ADMIN_KEY, seedCallable, startGateway, type TestGateway } from './testkit/gateway.js';
import { until } from './testkit/until.js';

/** Calls live at `owner`; people listen at `other`, which shares database and bus with it. */
let owner: TestGateway;
let other: TestGateway;
let acme: Awaited<ReturnType<typeof seedCallable>>;
let globex: Awaited<ReturnType<typeof seedCallable>>;
beforeAll(async () => {
  const bus = process.env.REDIS_URL ? {} : { bus: new MemoryBus() };
  owner = await startGateway({ overrides: bus });
  const liveAudioTiming = { credentialMs: 300, pingMs: 3_000, recheckMs: 200 };
  other = await startGateway({ database: owner.database, overrides: { ...bus, liveAudioTiming } });
  acme = await seedCallable(owner);
  globex = await seedCallable(owner, 'globex', '+15555559876');
  switchFaultsOn(owner);
});
afterAll(async () => {
  await other.stop();
  await owner.stop();
});

class Listener extends LiveListener {
  constructor(call: string, options: Partial<LiveListenerOptions> = {}) {
    super(other, call, { key: acme.key, ...options });
  }
}
/** What somebody who hears this side would write down. */
const textOf = (listener: Listener, side: string) => owner.model.library.transcribe(listener.audio(side));

const say = (name: string): Step => ({ say: owner.model.library.clip(name) });
let callers = 0;
async function call(steps: Step[]) {
  const handset = new ScriptedCaller(steps);
  const made = owner.carrier.startInboundCall({ from: `+1555555${6_000 + callers++}`, to: acme.number, handset });
  const over = made.run();
  const em = owner.database.database.em({ all: true });
  const row = await until(() => em.findOne(Call, { callSid: made.sid, status: 'IN_PROGRESS' }), 'the call');
  await until(() => owner.app.media!.registry.size > 0 && row, 'the bridge');
  return { made, over, id: row.id };
}

describe('live listening', () => {
  it('gives both sides with their times, at another process, until the call is over', async () => {
    const { made, over, id } = await call([{ pause: 3_000 }, say('order-status'), { pause: 16_000 }, { hangUp: true }]);
    const admin = new Listener(id, { key: null, first: JSON.stringify({ 'x-admin-key': ADMIN_KEY }) });
    const listener = new Listener(made.sid);
    expect(await listener.closed).toBe(1000);
    await over;
    expect(listener.messages[0]).toMatchObject({
      type: 'started',
      call_id: id,
      call_sid: made.sid,
      format: { encoding: 'audio/x-mulaw', sample_rate: 8_000, channels: 1 },
    });
    expect(listener.messages.at(-1)).toEqual({ type: 'ended' });
    expect(textOf(listener, 'caller')).toContain('Hi, I would like to know where my order is.');
    expect(textOf(listener, 'agent')).toContain('Your order is on its way and arrives in two days.');
    const caller = listener.messages.filter((m) => m.side === 'caller').map((m) => m.timestamp_ms);
    expect(caller).toEqual(caller.toSorted((a, b) => a - b));
    // What the agent says arrives at once, and is dated when it is heard.
    const agent = listener.messages.filter((m) => m.side === 'agent' && m.type === 'media');
    expect(new Set(agent.map((m) => m.timestamp_ms)).size).toBeGreaterThan(2);
    expect(await admin.closed).toBe(1000);
    expect(textOf(admin, 'caller')).toBe(textOf(listener, 'caller'));
    await until(() => owner.app.services.calls.liveAudio.tapped === 0, 'the tap to be closed');
    // Who listened to whom is nobody's secret.
    const { body } = await owner.admin('GET', `/audit-log?subject_id=${id}&action=call.listened`);
    expect(body.data.map((entry: { address: string }) => entry.address)).toEqual(['127.0.0.1', '127.0.0.1']);
    expect(new Set(body.data.map((entry: { actor: string }) => entry.actor)).size).toBe(2);
  });

  it('drops a listener who takes nothing, and the call goes on', { timeout: 90_000 }, async () => {
    const { made, over } = await call([{ pause: 600_000 }]);
    const slow = new Listener(made.sid);
    const quick = new Listener(made.sid);
    await until(() => slow.messages.length > 5 && quick.messages.length > 5, 'the first frames');
    slow.socket.pause();
    const listeners = async () =>
      /^trunkline_audio_listeners (\d+)$/m.exec((await other.call('GET', '/metrics')).body)![1];
    expect(await listeners()).toBe('2');
    await until(async () => (await listeners()) === '1', 'the slow one to be dropped');
    const heard = quick.messages.length;
    await until(() => quick.messages.length > heard + 200, 'the call to go on');
    // Whoever comes back soon enough learns why.
    slow.socket.resume();
    expect(await slow.closed).toBe(1013);
    expect(quick.socket.readyState).toBe(WebSocket.OPEN);
    expect(made.over).toBe(false);
    made.hangUp();
    expect(await quick.closed).toBe(1000);
    await over;
  });

  it('ends with the credential', async () => {
    const { made, over } = await call([{ pause: 600_000 }]);
    const { key, id } = (await owner.admin('POST', '/tenants/acme/api-keys', { name: 'short', scopes: ['live:read'] }))
      .body;
    const brief = (await owner.admin('POST', '/tenants/acme/api-keys', { name: 'brief' })).body;
    const revoked = new Listener(made.sid, { key });
    const expired = new Listener(made.sid, {
      key: null,
      first: JSON.stringify({ authorization: `Bearer ${brief.key}` }),
    });
    await until(() => revoked.messages.length > 1 && expired.messages.length > 0, 'both listeners');
    const em = owner.database.database.em({ all: true });
    await em.nativeUpdate(ApiKey, { id: brief.id }, { expiresAt: new Date() });
    await owner.admin('DELETE', `/tenants/acme/api-keys/${id}`);
    expect(await revoked.closed).toBe(4403);
    expect(await expired.closed).toBe(4403);
    made.hangUp();
    await over;
  });

  it('is refused without a credential, a scope, the tenant’s own call, or a conversation', async () => {
    const { made, over } = await call([{ pause: 600_000 }]);
    const narrow = (await owner.admin('POST', '/tenants/acme/api-keys', { name: 'n', scopes: ['calls:read'] })).body
      .key;
    const codeOf = (...listener: ConstructorParameters<typeof Listener>) => new Listener(...listener).closed;
    expect(await codeOf(made.sid, { key: 'wrong' })).toBe(4401);
    expect(await codeOf(made.sid, { key: null })).toBe(4401);
    expect(await codeOf(made.sid, { key: null, first: 'null' })).toBe(4401);
    expect(await codeOf(made.sid, { key: null, first: '{"authorization":7}' })).toBe(4401);
    expect(await codeOf(made.sid, { key: null, first: 'x'.repeat(5_000) })).not.toBe(1000);
    expect(await codeOf(made.sid, { key: narrow })).toBe(4403);
    expect(await codeOf(made.sid, { key: globex.key })).toBe(4404);
    expect(await codeOf('')).toBe(4400);
    made.hangUp();
    await over;
    await until(async () => (await codeOf(made.sid)) === 4410, 'the end of the conversation');
  });
});
