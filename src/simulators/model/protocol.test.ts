import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { ModelClient } from '../../../test/testkit/model-client.js';
import { until } from '../../../test/testkit/until.js';
import type { RealtimeClientEvent } from '../../ports/realtime-model.js';
import { AudioLibrary } from '../audio/library.js';
import { script, type DialogueContext } from './dialogue.js';
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

const update = (session: object): RealtimeClientEvent => ({
  type: 'session.update',
  session: { type: 'realtime', ...session },
});
const create = (item: object): RealtimeClientEvent => ({ type: 'conversation.item.create', item });
const input = (settings: object): object => ({ audio: { input: settings } });

describe('the protocol, refused', () => {
  const CASES: readonly (readonly [string, object, { code: string | null; param?: string }])[] = [
    [
      'a session without its type',
      { type: 'session.update', session: {} },
      { code: 'missing_required_parameter', param: 'session.type' },
    ],
    [
      'an unknown parameter',
      update({ modalities: ['audio'] }),
      { code: 'unknown_parameter', param: 'session.modalities' },
    ],
    [
      'an unknown parameter deep inside',
      update(input({ transcription: { model: 'whisper-1', lang: 'en' } })),
      { code: 'unknown_parameter', param: 'session.audio.input.transcription.lang' },
    ],
    [
      'a format of the beta',
      update(input({ format: { type: 'g711_ulaw' } })),
      { code: 'invalid_value', param: 'session.audio.input.format.type' },
    ],
    ['a rate for µ-law', update(input({ format: { type: 'audio/pcmu', rate: 8_000 } })), { code: 'unknown_parameter' }],
    ['both modalities', update({ output_modalities: ['text', 'audio'] }), { code: 'invalid_value' }],
    [
      'a threshold out of range',
      update(input({ turn_detection: { type: 'server_vad', threshold: 2 } })),
      { code: 'invalid_value' },
    ],
    [
      'eagerness of server_vad',
      update(input({ turn_detection: { type: 'server_vad', eagerness: 'low' } })),
      { code: 'unknown_parameter' },
    ],
    [
      'idle_timeout_ms of semantic_vad',
      update(input({ turn_detection: { type: 'semantic_vad', idle_timeout_ms: 5_000 } })),
      { code: 'unknown_parameter' },
    ],
    ['a voice that nobody has', update({ audio: { output: { voice: 'nobody' } } }), { code: 'invalid_value' }],
    [
      'a tool without a name',
      update({ tools: [{ type: 'function' }] }),
      { code: 'missing_required_parameter', param: 'session.tools[0].name' },
    ],
    ['too many tokens', update({ max_output_tokens: 5_000 }), { code: 'invalid_value' }],
    ['another model', update({ model: 'other' }), { code: 'cannot_update_model' }],
    [
      'a parameter of the event itself',
      { type: 'response.cancel', item_id: 'x' },
      { code: 'unknown_parameter', param: 'item_id' },
    ],
    [
      'an unknown parameter of a response',
      { type: 'response.create', response: { modalities: ['audio'] } },
      { code: 'unknown_parameter' },
    ],
    ['no item', { type: 'conversation.item.create' }, { code: 'missing_required_parameter', param: 'item' }],
    [
      'an id that is too long',
      create({ id: 'x'.repeat(33), type: 'message', role: 'user', content: [] }),
      { code: 'invalid_value', param: 'item.id' },
    ],
    ['content that is no list', create({ type: 'message', role: 'user', content: 'x' }), { code: 'invalid_type' }],
    ['content that is nothing', create({ type: 'message', role: 'user', content: [null] }), { code: 'invalid_type' }],
    [
      'audio of an assistant',
      create({ type: 'message', role: 'assistant', content: [{ type: 'output_audio', transcript: 'x' }] }),
      { code: 'invalid_value' },
    ],
    [
      'the result of no call',
      create({ type: 'function_call_output', call_id: 'call_0', output: '{}' }),
      { code: 'invalid_tool_call_id' },
    ],
    [
      'a place after no item',
      { ...create({ type: 'message', role: 'user', content: [] }), previous_item_id: 'nowhere' },
      { code: 'item_not_found' },
    ],
    [
      'an item that is not there',
      { type: 'conversation.item.retrieve', item_id: 'nowhere' },
      { code: 'item_not_found' },
    ],
    ['nothing to commit', { type: 'input_audio_buffer.commit' }, { code: 'input_audio_buffer_commit_empty' }],
    [
      'a playback buffer that a WebSocket does not have',
      { type: 'output_audio_buffer.clear' },
      { code: 'invalid_value' },
    ],
    ['nothing to cancel', { type: 'response.cancel' }, { code: 'response_cancel_not_active' }],
    ['an event named like a method', { type: 'toString' }, { code: 'invalid_value', param: 'type' }],
  ];

  it('answers each mistake with an error that names it, and the session lives on', async () => {
    const client = await ModelClient.ready(simulator);
    CASES.forEach(([, event], index) => client.connection.send({ ...event, event_id: `c${index}` } as never));
    await client.nth('error', CASES.length);
    for (const [index, [name, , expected]] of CASES.entries()) {
      const { code, param, event_id } = client.errors[index]!;
      expect({ name, event_id, code, ...(expected.param === undefined ? {} : { param }) }).toEqual({
        name,
        event_id: `c${index}`,
        ...expected,
      });
    }
    expect(simulator.violations).toHaveLength(CASES.length);
    client.connection.send({ type: 'response.create' });
    await client.event('response.done');
    client.connection.close();
  });

  it('survives messages that are no events at all', async () => {
    const socket = new WebSocket(`${simulator.realtimeUrl}?model=m`, {
      headers: { authorization: `Bearer ${simulator.apiKey}` },
    });
    const errors: string[] = [];
    socket.on('message', (data: Buffer) => {
      const event = JSON.parse(data.toString()) as { type: string; error?: { code: string } };
      if (event.type === 'error') errors.push(event.error!.code);
    });
    await until(() => socket.readyState === socket.OPEN);
    const nonsense = ['null', '7', '[]', '"x"', '{', '{}', '{"type":"session.update","session":null}'];
    for (const text of nonsense) socket.send(text);
    socket.send(Buffer.from([1, 2, 3]), { binary: true });
    await until(() => errors.length === nonsense.length + 1);
    expect(new Set(errors)).toEqual(new Set(['invalid_json', 'invalid_value', 'invalid_type']));
    socket.terminate();
  });

  it('reports audio that would be misread: before session.updated, or as 24 kHz PCM', async () => {
    const client = new ModelClient(simulator);
    await client.event('session.created');
    client.connection.appendAudio('AAAA');
    client.connection.send(update({ instructions: 'x' }));
    await client.event('session.updated');
    client.connection.appendAudio('AAAA');
    await until(() => simulator.violations.length === 2);
    expect(simulator.violations[0]).toBe('audio appended before session.updated');
    expect(simulator.violations[1]).toContain('audio/pcm');
    client.connection.close();
  });
});

describe('the settings of a session', () => {
  it('merges partial updates, fills in defaults, and locks the voice with the first audio', async () => {
    simulator.dialogue = script(['Hello.']);
    const client = await ModelClient.ready(simulator);
    const turn_detection = { type: 'semantic_vad', eagerness: 'high' };
    client.connection.send(update({ instructions: 'Be brief.', ...input({ turn_detection }) }));
    const { session } = (await client.nth('session.updated', 2)) as { session?: unknown };
    expect(session).toMatchObject({
      instructions: 'Be brief.',
      audio: { input: { format: { type: 'audio/pcmu' } }, output: { voice: 'marin' } },
    });
    expect((session as { audio: { input: { turn_detection: object } } }).audio.input.turn_detection).toEqual({
      ...turn_detection,
      create_response: true,
      interrupt_response: true,
    });
    client.connection.send({ type: 'response.create' });
    await client.event('response.done');
    client.connection.send(update({ audio: { output: { voice: 'cedar' } } }));
    await client.event('error');
    expect(client.errors[0]).toMatchObject({ code: 'cannot_update_voice' });
    client.connection.close();
  });
});

describe('the conversation', () => {
  const words = (id: string): object => ({
    id,
    type: 'message',
    role: 'user',
    content: [{ type: 'input_text', text: id }],
  });

  it('keeps the order that the client asks for, and refuses an id twice', async () => {
    const client = await ModelClient.ready(simulator);
    client.connection.send(create(words('b')));
    client.connection.send({ ...create(words('a')), previous_item_id: 'root' });
    client.connection.send({ ...create(words('ab')), previous_item_id: 'a' });
    client.connection.send(create(words('b')));
    await client.event('error');
    expect(client.errors[0]).toMatchObject({ code: 'item_already_exists' });
    const places = client.events.filter((e) => e.type === 'conversation.item.added').map((e) => e.previous_item_id);
    expect(places).toEqual([null, null, 'a']);
    client.connection.send({ type: 'conversation.item.delete', item_id: 'ab' });
    client.connection.send({ type: 'conversation.item.retrieve', item_id: 'b' });
    expect((await client.event('conversation.item.retrieved')).item).toMatchObject({ id: 'b', status: 'completed' });
    expect(simulator.sessions.at(-1)!.conversation.items.map((item) => item.id)).toEqual(['a', 'b']);
    client.connection.close();
  });

  it('forgets the words of what was truncated', async () => {
    simulator.dialogue = script(['A sentence of some length.']);
    const client = await ModelClient.ready(simulator);
    client.connection.send({ type: 'response.create' });
    const done = await client.event('response.done');
    const [{ id }] = (done.response as { output: [{ id: string }] }).output;
    client.connection.send({ type: 'conversation.item.truncate', item_id: id, content_index: 0, audio_end_ms: 20 });
    client.connection.send({ type: 'conversation.item.retrieve', item_id: id });
    const { item } = (await client.event('conversation.item.retrieved')) as { item?: unknown };
    expect(item).toMatchObject({ content: [{ type: 'output_audio', transcript: null }] });
    client.connection.close();
  });

  it('gives a response its own settings and input, beside the one that speaks', async () => {
    const asked: DialogueContext[] = [];
    simulator.dialogue = (context) => {
      asked.push(context);
      return { text: context.metadata?.topic ?? 'A long answer to nothing in particular. '.repeat(400) };
    };
    const client = await ModelClient.ready(simulator);
    client.connection.send(create(words('a')));
    client.connection.send({ type: 'response.create' });
    await client.event('response.created');
    const response = {
      conversation: 'none',
      metadata: { topic: 'Aside.' },
      output_modalities: ['text'],
      instructions: 'Classify.',
      tool_choice: 'none',
      input: [
        { type: 'item_reference', id: 'a' },
        { type: 'message', role: 'system', content: [{ type: 'input_text', text: 'c' }] },
      ],
    };
    client.connection.send({ type: 'response.create', response });
    const text = await client.event('response.output_text.done');
    expect(text.text).toBe('Aside.');
    const aside = await client.event('response.done');
    expect(aside.response).toMatchObject({ metadata: { topic: 'Aside.' }, conversation_id: null });
    expect(asked[1]).toMatchObject({
      instructions: 'Classify.',
      history: [
        { kind: 'user', text: 'a' },
        { kind: 'system', text: 'c' },
      ],
    });
    client.connection.send({ type: 'response.cancel' });
    expect((await client.nth('response.done', 2)).response).toMatchObject({
      status: 'cancelled',
      status_details: { reason: 'client_cancelled' },
    });
    // What was said aside is no part of the conversation.
    expect(simulator.sessions.at(-1)!.conversation.items).toHaveLength(2);
    expect(simulator.violations).toEqual([]);
    client.connection.close();
  });

  it('stops at max_output_tokens, and counts what it read and wrote', async () => {
    simulator.dialogue = script(['Short.', 'Far too many words for so small a limit. '.repeat(10)]);
    const client = await ModelClient.ready(simulator);
    client.connection.send({ type: 'response.create' });
    const { usage } = (await client.event('response.done')).response as { usage: Record<string, number> };
    expect(usage.total_tokens).toBe(usage.input_tokens! + usage.output_tokens!);
    expect(usage.output_tokens).toBeGreaterThan(0);
    client.connection.send({ type: 'response.create', response: { max_output_tokens: 10 } });
    expect((await client.nth('response.done', 2)).response).toMatchObject({
      status: 'incomplete',
      status_details: { reason: 'max_output_tokens' },
    });
    client.connection.close();
  });
});
