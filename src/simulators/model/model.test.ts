import { connect } from 'node:net';
import OpenAI from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ModelClient, SESSION } from '../../../test/testkit/model-client.js';
import { until } from '../../../test/testkit/until.js';
import { OpenAIText } from '../../adapters/model/openai-text.js';
import { AudioLibrary } from '../audio/library.js';
import { script } from './dialogue.js';
import { noModelFaults } from './faults.js';
import { ModelSimulator } from './server.js';

const library = new AudioLibrary(8);
const simulator = new ModelSimulator({ library });
beforeAll(() => simulator.start());
afterAll(() => simulator.stop());
beforeEach(() => {
  Object.assign(simulator.faults, noModelFaults());
  simulator.dialogue = script([]);
  simulator.violations.length = 0;
});

describe('the model simulator', () => {
  it('runs a whole turn in the documented order, and hears what was said', async () => {
    simulator.dialogue = script(['Your order is on its way.']);
    const client = await ModelClient.ready(simulator);
    client.say('order-status');
    await client.event('response.done');
    const order = client.types().filter((t) => !/delta|rate_limits|transcription|^session/.test(t));
    expect(order).toEqual([
      'input_audio_buffer.speech_started',
      'input_audio_buffer.speech_stopped',
      'input_audio_buffer.committed',
      'conversation.item.added',
      'conversation.item.done',
      'response.created',
      'response.output_item.added',
      'conversation.item.added',
      'response.content_part.added',
      'response.output_audio.done',
      'response.output_audio_transcript.done',
      'response.content_part.done',
      'conversation.item.done',
      'response.output_item.done',
      'response.done',
    ]);
    const heard = await client.event('conversation.item.input_audio_transcription.completed');
    expect(heard.transcript).toBe('Hi, I would like to know where my order is.');
    expect(client.audioBytes).toBe('Your order is on its way.'.length * 8 * 8);
    expect(simulator.violations).toEqual([]);
    client.connection.close();
    await until(() => client.closed, 'the close');
  });

  it('cancels with the whole cascade when it is spoken over, and checks truncation', async () => {
    simulator.dialogue = script(['A very long story that goes on and on. '.repeat(400)]);
    const client = await ModelClient.ready(simulator);
    client.connection.send({ type: 'response.create' });
    await until(() => client.audioBytes > 0, 'audio');
    client.say('wait-a-moment');
    const done = (await client.event('response.done')).response as {
      status: string;
      status_details: { reason: string };
      output: { id: string }[];
    };
    expect(done).toMatchObject({ status: 'cancelled', status_details: { reason: 'turn_detected' } });
    expect(client.types()).toContain('response.output_audio_transcript.done');
    client.connection.send({
      type: 'conversation.item.truncate',
      item_id: done.output[0]!.id,
      content_index: 0,
      audio_end_ms: 9_999_999,
    });
    expect((await client.event('error')).error).toMatchObject({
      code: null,
      message: expect.stringContaining('already shorter'),
    });
    client.connection.send({
      type: 'conversation.item.truncate',
      item_id: done.output[0]!.id,
      content_index: 0,
      audio_end_ms: 5,
    });
    expect(await client.event('conversation.item.truncated')).toMatchObject({ audio_end_ms: 5 });
    client.connection.close();
  });

  it('calls functions, and takes their results', async () => {
    simulator.dialogue = script([
      {
        calls: [
          { name: 'lookup', arguments: { id: 1 } },
          { name: 'lookup', arguments: { id: 2 } },
        ],
      },
      'Done.',
    ]);
    const client = await ModelClient.ready(simulator);
    client.connection.send({ type: 'response.create' });
    await client.event('response.done');
    const calls = client.events
      .filter((e) => e.type === 'response.output_item.done')
      .map((e) => e.item as { call_id: string; status: string; arguments: string });
    expect(calls.map((c) => [c.status, c.arguments])).toEqual([
      ['completed', '{"id":1}'],
      ['completed', '{"id":2}'],
    ]);
    for (const call of calls)
      client.connection.send({
        type: 'conversation.item.create',
        item: { type: 'function_call_output', call_id: call.call_id, output: '{}' },
      });
    client.connection.send({ type: 'response.create' });
    await until(() => client.types().filter((t) => t === 'response.done').length === 2, 'the second response');
    expect(simulator.violations).toEqual([]);
    client.connection.close();
  });

  it('refuses what the protocol refuses, and keeps the session', async () => {
    simulator.dialogue = script(['Something long enough to still be running. '.repeat(20)]);
    const client = await ModelClient.ready(simulator);
    const wrong = [
      { type: 'session.update', session: { audio: {} } },
      { type: 'session.update', session: { type: 'realtime', modalities: ['audio'] } },
      { type: 'session.update', session: { type: 'realtime', model: 'other' } },
      { type: 'session.update', session: { type: 'realtime', audio: { input: { format: { type: 'g711_ulaw' } } } } },
      { type: 'response.cancel' },
      {
        type: 'conversation.item.create',
        item: { type: 'message', role: 'assistant', content: [{ type: 'output_audio', transcript: 'x' }] },
      },
      { type: 'input_audio_buffer.append', audio: '***' },
      { type: 'input_audio_buffer.commit' },
      { type: 'nonsense' },
    ];
    for (const event of wrong) client.connection.send(event);
    client.connection.send({ type: 'response.create' });
    client.connection.send({ type: 'response.create' });
    await until(
      () => client.types().filter((t) => t === 'error').length === wrong.length + 1,
      () => client.events.filter((e) => e.type === 'error'),
    );
    const codes = client.events.filter((e) => e.type === 'error').map((e) => (e.error as { code: string }).code);
    expect(codes).toContain('conversation_already_has_active_response');
    expect(codes).toContain('response_cancel_not_active');
    expect(client.closed).toBeNull();
    client.connection.close();
  });

  it('speaks to the official client', async () => {
    simulator.dialogue = script(['Hello.']);
    const port = Number(new URL(simulator.baseUrl).port);
    const openai = new OpenAI({ apiKey: simulator.apiKey, baseURL: `http://127.0.0.1:${port}/v1` });
    const socket = new OpenAIRealtimeWS(
      { model: 'gpt-realtime', options: { createConnection: () => connect(port, '127.0.0.1') } as never },
      openai,
    );
    const types: string[] = [];
    socket.on('error', (error) => types.push(`error ${error.message}`));
    socket.on('event', (event) => {
      types.push(event.type);
      if (event.type === 'session.created') socket.send({ type: 'session.update', session: SESSION as never });
      if (event.type === 'session.updated') socket.send({ type: 'response.create' });
    });
    await until(
      () => types.includes('response.done'),
      () => types,
    );
    expect(types.filter((t) => t.startsWith('error'))).toEqual([]);
    socket.close();
  });

  it('plays each fault: refused upgrades, failing transcripts, death, expiry', async () => {
    const stranger = new ModelClient(simulator, 'wrong');
    expect(await until(() => stranger.closed, 'the refusal')).toMatchObject({ code: 1006, httpStatus: 401 });
    simulator.faults.transcripts = 'failed';
    const client = await ModelClient.ready(simulator);
    client.say('hello');
    await client.event('conversation.item.input_audio_transcription.failed');
    simulator.sessions.at(-1)!.expire();
    expect(await until(() => client.closed, 'the expiry')).toMatchObject({ code: 1001 });
    expect(client.events.find((e) => e.type === 'error')?.error).toMatchObject({ code: 'session_expired' });
    const other = await ModelClient.ready(simulator);
    simulator.sessions.at(-1)!.die();
    expect(await until(() => other.closed, 'the death')).toMatchObject({ code: 1006 });
  });

  it('can be left while it is still connecting', async () => {
    simulator.faults.stallUpgrade = true;
    const client = new ModelClient(simulator);
    client.connection.close();
    expect(client.closed).toMatchObject({ code: 1006 });
    await until(() => simulator.openSessions === 0, 'no session');
  });

  it('stops although an upgrade was never answered', async () => {
    const stalling = await new ModelSimulator({ library }).start();
    stalling.faults.stallUpgrade = true;
    const client = new ModelClient(stalling);
    await until(() => stalling.stalledUpgrades === 1);
    await stalling.stop();
    expect(await until(() => client.closed)).toMatchObject({ code: 1006 });
  });
});

describe('the text model', () => {
  const text = () =>
    new OpenAIText({ apiKey: simulator.apiKey, model: 'gpt-text', baseUrl: simulator.baseUrl, provider: 'simulator' });
  const schema = {
    type: 'object',
    properties: { summary: { type: 'string' } },
    required: ['summary'],
    additionalProperties: false,
  };
  const ask = () =>
    text().complete<{ summary: string }>({ instructions: 'x', input: 'caller: where is it?', schemaName: 's', schema });

  it('answers in the form that was asked for', async () => {
    expect((await ask()).summary).toContain('where is it?');
    await text().probe();
  });

  it('says whether trying again makes sense', async () => {
    for (const [status, retryable] of [
      [500, true],
      [429, true],
      [400, false],
    ] as const) {
      simulator.textFaults.status = status;
      await expect(ask()).rejects.toMatchObject({ retryable });
    }
    simulator.textFaults.status = null;
    simulator.textFaults.invalidJson = true;
    await expect(ask()).rejects.toMatchObject({ retryable: true });
    simulator.textFaults.invalidJson = false;
  });
});

describe('heard audio', () => {
  it('is transcribed as far as it was heard, and only if it arrived unchanged', () => {
    const audio = library.clip('long-story');
    expect(library.transcribe(audio)).toBe(library.text('long-story'));
    const half = library.transcribe(audio.subarray(0, audio.length / 2));
    expect(library.text('long-story').startsWith(half)).toBe(true);
    expect(half.length).toBeGreaterThan(30);
    expect(library.transcribe(Buffer.from(audio.map((b) => b ^ 1)))).toBe('');
  });
});
