import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeModel, audio } from '../../test/testkit/media-doubles.js';
import { StreamClient, StreamDoor, refusedUpgrade } from '../../test/testkit/stream-door.js';
import { until } from '../../test/testkit/until.js';
import type { StreamRouteOptions } from './stream-route.js';

const model = new FakeModel();
const doors: StreamDoor[] = [];
let door: StreamDoor;
const openDoor = async (options: Partial<StreamRouteOptions> = {}): Promise<StreamDoor> => {
  const opened = await StreamDoor.open(model, options);
  doors.push(opened);
  return opened;
};
beforeAll(async () => {
  door = await openDoor();
});
afterAll(() => Promise.all(doors.map((opened) => opened.close())));

const closed = (client: StreamClient): Promise<number> => until(() => client.closedWith, 'the socket to be closed');

describe('the door of media streams', () => {
  it('exchanges the token of <Parameter> for a session, and the bridge hears what follows', async () => {
    const { session, token, streamSid } = door.session();
    const client = await StreamClient.open(door.url);
    client.start(streamSid, token);
    await until(() => door.registry.get(session.plan.sessionId!));
    expect(session.claims).toEqual([{ token, callSid: 'CA1', streamSid, accountSid: 'AC1' }]);
    client.send({ event: 'dtmf', streamSid, dtmf: { digit: '7' } });
    await until(() => session.recorder.all('DtmfReceived').length === 1);
    client.send({ event: 'stop', streamSid, stop: {} });
    expect(await closed(client)).toBe(1000);
    await until(() => session.ended);
    expect(session.control.deeds).toEqual(['streamEnded stop null']);
    await until(() => door.registry.size === 0);
  });

  it('understands ?stream_token= as well', async () => {
    const { session, token, streamSid } = door.session();
    const client = await StreamClient.open(`${door.url}?stream_token=${token}`);
    client.start(streamSid, null);
    await until(() => session.recorder.all('SessionStarted').length === 1);
    client.socket.terminate();
    await until(() => session.ended);
    expect(session.control.deeds).toEqual(['streamEnded close null']);
  });

  it.each([
    ['UNAUTHENTICATED', 4401],
    ['NOT_FOUND', 4404],
    ['CONFLICT', 4409],
    ['CALL_NOT_ACTIVE', 4410],
    ['INTERNAL', 1011],
  ] as const)('closes a stream that is refused with %s: %i', async (code, closeCode) => {
    const { token, streamSid } = door.session();
    door.refuse(token, code);
    const client = await StreamClient.open(door.url);
    client.start(streamSid, token);
    expect(await closed(client)).toBe(closeCode);
  });

  it('refuses a stream without a token', async () => {
    const client = await StreamClient.open(door.url);
    client.start('MZ0', null);
    expect(await closed(client)).toBe(4401);
  });

  it('waits for start no longer than it must, whatever else is said', async () => {
    const impatient = await openDoor({ startTimeoutMs: 100 });
    const client = await StreamClient.open(impatient.url);
    client.send({ event: 'connected' });
    client.send({ event: 'media', streamSid: 'MZ1', media: { payload: audio(20), timestamp: '20' } });
    expect(await closed(client)).toBe(4408);
    const talkative = await StreamClient.open(door.url);
    for (let i = 0; i < 30; i += 1) talkative.send({ event: 'connected' });
    expect(await closed(talkative)).toBe(4429);
  });

  it('keeps what the caller says while the claim runs, and forgets nothing of its end', async () => {
    const { session, token, streamSid } = door.session();
    let release = (): void => {};
    session.gate = new Promise((resolve) => (release = resolve));
    const client = await StreamClient.open(door.url);
    client.start(streamSid, token);
    await until(() => session.claims.length === 1);
    client.send({ event: 'dtmf', streamSid, dtmf: { digit: '1' } });
    client.send({ event: 'stop', streamSid, stop: {} });
    client.socket.close();
    await until(() => door.route.size === 0);
    const before = model.connections.length;
    release();
    await until(() => session.ended);
    expect(session.recorder.all('DtmfReceived')).toEqual([{ digit: '1' }]);
    expect(session.control.deeds).toEqual(['streamEnded stop null']);
    expect(model.connections.slice(before).every((connection) => connection.closed)).toBe(true);
  });

  it('tolerates garbage and binary, and counts them', async () => {
    const { session, token, streamSid } = door.session();
    const client = await StreamClient.open(door.url);
    client.start(streamSid, token);
    await until(() => session.recorder.all('SessionStarted').length === 1);
    const before = door.malformed;
    for (const junk of ['{', 'null', '{"event":"media"}']) client.socket.send(junk);
    client.socket.send(Buffer.from([0xff, 0x00, 0xfe]));
    client.socket.send(Buffer.from([0xff, 0xfe]), { binary: false });
    client.send({ event: 'dtmf', streamSid, dtmf: { digit: '9' } });
    await until(() => session.recorder.all('DtmfReceived').length === 1);
    expect(door.malformed - before).toBe(5);
    client.socket.close();
  });

  it('ends the one stream that sends too much at once or too often, and no other', async () => {
    const good = door.session();
    const other = await StreamClient.open(door.url);
    other.start(good.streamSid, good.token);
    await until(() => good.session.recorder.all('SessionStarted').length === 1);
    const big = await StreamClient.open(door.url);
    big.socket.send('x'.repeat(70_000));
    expect(await closed(big)).toBe(1009);
    const { token, streamSid, session } = door.session();
    const flood = await StreamClient.open(door.url);
    flood.start(streamSid, token);
    await until(() => session.recorder.all('SessionStarted').length === 1);
    const frame = { event: 'media', streamSid, media: { track: 'inbound', timestamp: '0', payload: audio(20) } };
    for (let i = 0; i < 20_000 && flood.closedWith === null; i += 1) {
      flood.send(frame);
      if (i % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await closed(flood)).toBe(4429);
    await until(() => session.ended);
    other.send({ event: 'dtmf', streamSid: good.streamSid, dtmf: { digit: '3' } });
    await until(() => good.session.recorder.all('DtmfReceived').length === 1);
    other.socket.close();
  });

  it('verifies the signature of an upgrade when there is one, and demands it where that is set', async () => {
    const strict = await openDoor({ signatureRequired: true });
    expect(await refusedUpgrade(strict.url)).toBe(403);
    const forged = await StreamClient.open(strict.url, { headers: { 'x-twilio-signature': 'forged' } });
    const { token, streamSid, session } = strict.session();
    forged.start(streamSid, token);
    expect(await closed(forged)).toBe(4401);
    expect(session.claims).toEqual([]);
    const signed = await StreamClient.open(strict.url, { headers: { 'x-twilio-signature': 'AC1 /media-stream' } });
    signed.start(streamSid, token);
    await until(() => session.claims.length === 1);
    signed.socket.close();
  });

  it('takes nobody in while it drains, and hands over those who are still talking', async () => {
    const leaving = await openDoor();
    const { token, streamSid, session } = leaving.session();
    const client = await StreamClient.open(leaving.url);
    client.start(streamSid, token);
    await until(() => session.recorder.all('SessionStarted').length === 1);
    leaving.route.drain();
    expect(await refusedUpgrade(leaving.url)).toBe(503);
    await leaving.registry.drain(50);
    expect(session.control.deeds).toEqual(['streamEnded close null']);
    await closed(client);
  });

  it('survives any sequence of messages', async () => {
    const streamSid = 'MZfuzz';
    const anyMessage = fc.oneof(
      fc.string(),
      fc.json(),
      fc
        .record({
          event: fc.constantFrom('connected', 'start', 'media', 'mark', 'dtmf', 'stop', 'clear', 'constructor'),
          streamSid: fc.oneof(fc.constant(streamSid), fc.anything()),
          start: fc.anything(),
          media: fc.oneof(fc.anything(), fc.record({ payload: fc.string(), timestamp: fc.anything() })),
          mark: fc.anything(),
          dtmf: fc.anything(),
        })
        .map((message) => JSON.stringify(message, (_key, value: unknown) => (typeof value === 'bigint' ? 0 : value))),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(anyMessage, { maxLength: 15 }), async (messages) => {
        const { session, token } = door.session({ streamSid });
        const client = await StreamClient.open(door.url);
        client.start(streamSid, token);
        for (const message of messages) client.socket.send(message);
        client.socket.close();
        await until(() => session.ended);
      }),
      { numRuns: 40 },
    );
    expect(door.route.size).toBeLessThan(50);
  });
});
