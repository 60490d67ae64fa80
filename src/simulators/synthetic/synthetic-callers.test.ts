import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OpenAIRealtime } from '../../adapters/model/openai-realtime.js';
import { FRAME_BYTES, FRAME_MS, MULAW_SILENCE } from '../../lib/mulaw.js';
import { silentLogger } from '../../ports/logger.js';
import type { RealtimeHandlers, RealtimeModel } from '../../ports/realtime-model.js';
import { AudioLibrary } from '../audio/library.js';
import { ModelSimulator } from '../model/server.js';
import { ImprovisingCaller } from './improvising-caller.js';
import { SpokenLines } from './spoken-lines.js';

/** A model that says what a test lets it say. */
class PuppetModel implements RealtimeModel {
  readonly provider = 'simulator';
  readonly sent: string[] = [];
  handlers!: RealtimeHandlers;
  connect(_options: object, handlers: RealtimeHandlers) {
    this.handlers = handlers;
    queueMicrotask(() => {
      handlers.onOpen();
      handlers.onEvent({ type: 'session.updated' });
    });
    return {
      send: ({ type }: { type: string }) => void this.sent.push(type),
      appendAudio: () => {},
      bufferedBytes: 0,
      close: () => {},
    };
  }
  speaks(ms: number): void {
    this.handlers.onEvent({ type: 'response.created' });
    const audio = Buffer.alloc(ms * 8, 0x20).toString('base64');
    this.handlers.onAudio({ responseId: 'r', itemId: 'i', contentIndex: 0, audio });
    this.handlers.onEvent({ type: 'response.done' });
  }
  hangsUp(): void {
    this.handlers.onEvent({ type: 'response.output_item.done', item: { type: 'function_call', name: 'hang_up' } });
  }
}

describe('a caller who improvises', () => {
  const voice = Buffer.alloc(FRAME_BYTES, 0x20);
  const ready = async () => {
    const model = new PuppetModel();
    const caller = new ImprovisingCaller(model, { persona: 'Ann', model: 'gpt-realtime' });
    await caller.whenReady();
    return { model, caller };
  };
  /** Ticks of silence until `done`, in milliseconds; fails after a minute. */
  const silenceUntil = (caller: ImprovisingCaller, done: (hungUp: boolean) => boolean): number => {
    for (let ms = FRAME_MS; ms <= 60_000; ms += FRAME_MS) if (done(caller.tick(null).hangUp === true)) return ms;
    throw new Error('nothing happened for a minute');
  };

  it('says the whole thought without a gap, and puts the phone down a moment after the last word', async () => {
    const { model, caller } = await ready();
    caller.tick(voice);
    model.speaks(100);
    model.hangsUp();
    const spoken = Array.from({ length: 5 }, () => caller.tick(null));
    expect(spoken.map(({ frame, hangUp }) => [frame?.every((byte) => byte === 0x20), hangUp])).toEqual(
      spoken.map(() => [true, false]),
    );
    expect(silenceUntil(caller, (hungUp) => hungUp)).toBe(1_500);
    expect(caller.problem).toBeNull();
  });

  it('fills the last frame with silence', async () => {
    const { model, caller } = await ready();
    model.speaks(30);
    expect(caller.tick(null).frame).toEqual(Buffer.alloc(FRAME_BYTES, 0x20));
    expect(caller.tick(null).frame!.filter((byte) => byte === MULAW_SILENCE)).toHaveLength(FRAME_BYTES / 2);
    expect(caller.tick(null).frame).toBeNull();
  });

  it('speaks first to an agent that does not greet, asks into silence, and gives up', async () => {
    const { model, caller } = await ready();
    const asked = () => model.sent.filter((type) => type === 'response.create').length;
    expect(silenceUntil(caller, () => asked() === 1)).toBe(5_000);
    expect(silenceUntil(caller, () => asked() === 2)).toBe(12_000);
    silenceUntil(caller, (hungUp) => hungUp);
    expect([asked(), caller.problem]).toEqual([3, 'Nobody spoke any more, and the caller hung up.']);
  });

  it('leaves at once when there is no voice any more', async () => {
    const { model, caller } = await ready();
    caller.tick(voice);
    model.handlers.onClose({ code: 1006, reason: '', httpStatus: null });
    expect(caller.tick(null).hangUp).toBe(true);
    expect(caller.problem).toContain('1006');
  });
});

describe('lines that are spoken', () => {
  const library = new AudioLibrary(5);
  const server = new ModelSimulator({ library });
  let lines: SpokenLines;
  beforeAll(async () => {
    await server.start();
    const { apiKey, realtimeUrl: url } = server;
    lines = new SpokenLines(new OpenAIRealtime({ apiKey, url, provider: 'simulator', log: silentLogger }));
  });
  afterAll(() => server.stop());

  it('are said word for word, once for all calls', async () => {
    const [first, again] = await Promise.all([
      lines.say('It is "urgent".', 'gpt-realtime'),
      lines.say('It is "urgent".', 'gpt-realtime'),
    ]);
    expect(library.transcribe(first)).toBe('It is "urgent".');
    expect([again === first, server.sessions.length]).toEqual([true, 1]);
  });

  it('are asked for once more when the model says something else, and never passed off as the line', async () => {
    const replies = ['Sure! Hello there.', 'Hello there!'];
    server.dialogue = () => ({ text: replies.shift() ?? 'I am the wrong text.' });
    expect(library.transcribe(await lines.say('Hello there.', 'gpt-realtime'))).toBe('Hello there!');
    await expect(lines.say('Goodbye.', 'gpt-realtime')).rejects.toThrow('something else');
    server.faults.refuseWith = 401;
    await expect(lines.say('Never.', 'gpt-realtime')).rejects.toThrow('401');
  });
});
