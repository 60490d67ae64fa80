import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ModelClient } from '../../../test/testkit/model-client.js';
import { until } from '../../../test/testkit/until.js';
import { MULAW_BYTES_PER_MS } from '../../lib/mulaw.js';
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

describe('turns of the caller', () => {
  it('are the client’s to end when turn detection is off', async () => {
    simulator.dialogue = script(['I heard you.']);
    const client = await ModelClient.ready(simulator, { turn_detection: null });
    client.say('hello');
    client.connection.send({ type: 'input_audio_buffer.commit' });
    const heard = await client.event('conversation.item.input_audio_transcription.completed');
    expect(heard).toMatchObject({ transcript: library.text('hello'), usage: { type: 'tokens' } });
    expect(client.types()).not.toContain('input_audio_buffer.speech_started');
    expect(client.types()).not.toContain('response.created');
    client.connection.send({ type: 'response.create' });
    await client.event('response.done');
    expect(simulator.violations).toEqual([]);
    client.connection.close();
  });

  it('are only reported when create_response and interrupt_response are off', async () => {
    simulator.dialogue = script(['A very long story that goes on and on. '.repeat(20)]);
    const client = await ModelClient.ready(simulator, {
      turn_detection: { type: 'server_vad', create_response: false, interrupt_response: false },
    });
    client.connection.send({ type: 'response.create' });
    await until(() => client.audioBytes > 0);
    client.say('wait-a-moment');
    await client.event('input_audio_buffer.committed');
    expect((await client.event('response.done')).response).toMatchObject({ status: 'completed' });
    expect(client.types().filter((type) => type === 'response.created')).toHaveLength(1);
    client.connection.close();
  });

  it('are found several in one message, and sounds that are no words are unintelligible', async () => {
    const client = await ModelClient.ready(simulator, {
      turn_detection: { type: 'server_vad', create_response: false },
    });
    const silence = Buffer.alloc(8_000, 0xff);
    const noise = Buffer.from(Uint8Array.from({ length: 4_000 }, (_, i) => (i % 2 === 0 ? 0x10 : 0x90)));
    const both = Buffer.concat([library.clip('hello'), silence, noise, silence]);
    client.connection.appendAudio(both.toString('base64'));
    await client.nth('conversation.item.input_audio_transcription.completed', 2);
    const transcripts = client.events.flatMap((e) =>
      e.type.endsWith('transcription.completed') ? [e.transcript] : [],
    );
    expect(transcripts).toEqual([library.text('hello'), '(unintelligible)']);
    client.connection.close();
  });

  it('are asked for when the caller is silent for idle_timeout_ms after the answer was played', async () => {
    simulator.dialogue = script(['Hello?', 'Are you still there?']);
    const client = await ModelClient.ready(simulator, {
      turn_detection: { type: 'server_vad', idle_timeout_ms: 50 },
    });
    client.connection.send({ type: 'response.create' });
    await client.nth('response.done', 2);
    const { item_id } = await client.event('input_audio_buffer.timeout_triggered');
    expect(await client.event('input_audio_buffer.committed')).toMatchObject({ item_id });
    expect(simulator.violations).toEqual([]);
    client.connection.close();
  });
});

describe('one session’s own faults', () => {
  it('leave the others alone: reordered transcripts, an error event, silence', async () => {
    const turn_detection = { type: 'server_vad', create_response: false };
    const client = await ModelClient.ready(simulator, { turn_detection });
    const session = simulator.sessions.at(-1)!;
    session.faults.transcripts = 'reordered';
    client.say('hello');
    client.say('order-number');
    await client.nth('conversation.item.input_audio_transcription.completed', 2);
    const transcripts = client.events.flatMap((e) =>
      e.type.endsWith('transcription.completed') ? [e.transcript] : [],
    );
    expect(transcripts).toEqual([library.text('order-number'), library.text('hello')]);
    session.emitError({ code: 'server_error', message: 'The server had an error', type: 'server_error' });
    await client.event('error');
    session.faults.stall = true;
    client.connection.send({ type: 'session.update', session: { type: 'realtime' } });
    const other = await ModelClient.ready(simulator);
    other.connection.send({ type: 'response.create' });
    await other.event('response.done');
    await until(() => session.received.length === 2);
    expect(client.types().filter((type) => type === 'session.updated')).toHaveLength(1);
    expect(simulator.faults).toEqual(noModelFaults());
    client.connection.close();
    other.connection.close();
  });

  it('send late deltas after the response was cancelled', async () => {
    simulator.faults.lateDeltas = true;
    simulator.dialogue = script(['A very long story that goes on and on. '.repeat(400)]);
    const client = await ModelClient.ready(simulator);
    client.connection.send({ type: 'response.create' });
    await until(() => client.audioBytes > 0);
    client.connection.send({ type: 'response.cancel' });
    await client.event('response.done');
    client.connection.send({ type: 'session.update', session: { type: 'realtime' } });
    await client.nth('session.updated', 2);
    // One delta of 800 bytes before response.done, one after it.
    const { audioMs } = simulator.sessions.at(-1)!.conversation.items.at(-1)!;
    expect(client.audioBytes).toBe(audioMs! * MULAW_BYTES_PER_MS + 2 * 800);
    client.connection.close();
  });
});
