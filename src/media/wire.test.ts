import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { StreamDoor, type StreamSession } from '../../test/testkit/stream-door.js';
import { until } from '../../test/testkit/until.js';
import { OpenAIRealtime } from '../adapters/model/openai-realtime.js';
import { silentLogger } from '../ports/logger.js';
import type { CallPlan } from '../ports/media-session.js';
import { AudioLibrary } from '../simulators/audio/library.js';
import { ScriptedCaller, type Step } from '../simulators/carrier/caller.js';
import { noCarrierFaults, type CarrierFaults } from '../simulators/carrier/faults.js';
import { MediaStream } from '../simulators/carrier/media-stream.js';
import { Pacer } from '../simulators/carrier/pacer.js';
import { script, type Reply } from '../simulators/model/dialogue.js';
import { noModelFaults } from '../simulators/model/faults.js';
import { ModelSimulator } from '../simulators/model/server.js';

/** The bridge between the two simulators, over real sockets: what unit tests of each machine cannot show. */
const library = new AudioLibrary(30);
const simulator = new ModelSimulator({ library });
const pacer = new Pacer(2);
let door: StreamDoor;

beforeAll(async () => {
  await simulator.start();
  const { apiKey, realtimeUrl: url } = simulator;
  door = await StreamDoor.open(new OpenAIRealtime({ apiKey, url, provider: 'simulator', log: silentLogger }));
});
afterAll(async () => {
  await door.close();
  await simulator.stop();
});
beforeEach(() => {
  Object.assign(simulator.faults, noModelFaults());
  simulator.violations.length = 0;
});

interface Call {
  session: StreamSession;
  stream: MediaStream;
  caller: ScriptedCaller;
  /** What the caller heard, as somebody would write it down. */
  heard: () => string;
}

function call(steps: Step[], plan: Partial<CallPlan> = {}, faults: Partial<CarrierFaults> = {}): Call {
  const { session, token, streamSid } = door.session({ greeting: 'Acme, good morning.', ...plan });
  const caller = new ScriptedCaller(steps);
  const stream = new MediaStream({
    url: door.url,
    signature: 'AC1 /media-stream',
    accountSid: 'AC1',
    callSid: 'CA1',
    streamSid,
    parameters: { stream_token: token },
    handset: caller,
    pacer,
    faults: { ...noCarrierFaults(), ...faults },
  });
  // As the carrier does: hanging up ends the stream.
  session.control.hangUp = () => {
    session.control.done.push('hangUp');
    stream.stop('hang-up');
    return Promise.resolve();
  };
  return { session, stream, caller, heard: () => library.transcribe(Buffer.concat(caller.heard)) };
}

const say = (clip: string): Step => ({ say: library.clip(clip) });
const story = (session: StreamSession): string[] => session.recorder.story;
const over = async ({ session, stream }: Call): Promise<void> => {
  await stream.ended;
  await until(
    () => session.ended,
    () => [session.recorder.events, simulator.violations],
  );
  expect(stream.warnings).toEqual([]);
};

describe('a call between two simulators', () => {
  it('greets, answers, uses a tool, says goodbye to its end, and hangs up; nothing is left open', async () => {
    const replies: Reply[] = [
      { calls: [{ name: 'lookup', arguments: { order_id: '4271' } }] },
      { text: 'Your order arrives in two days.' },
      { text: 'You are welcome. Goodbye!', calls: [{ name: 'end_call', arguments: {} }] },
    ];
    simulator.dialogue = script(replies);
    simulator.faults.transcriptDelayMs = 400;
    const lookup = {
      name: 'lookup',
      description: '',
      parameters: {},
      url: '',
      method: 'POST',
      timeoutMs: 5_000,
    } as const;
    const talk = call([{ waitForAgent: 300 }, say('order-status'), { waitForAgent: 600 }, say('thanks-goodbye')], {
      tools: [{ ...lookup, secretHeader: null }],
    });
    await over(talk);
    expect(story(talk.session)).toEqual([
      '0 AGENT Acme, good morning.',
      `1 CALLER ${library.text('order-status')}`,
      '2 AGENT Your order arrives in two days.',
      `3 CALLER ${library.text('thanks-goodbye')}`,
      '4 AGENT You are welcome. Goodbye!',
    ]);
    expect(talk.heard()).toBe('Acme, good morning. Your order arrives in two days. You are welcome. Goodbye!');
    expect(talk.session.recorder.all('ToolCallCompleted').map(({ toolCall }) => toolCall.status)).toEqual([
      'SUCCEEDED',
      'SUCCEEDED',
    ]);
    expect(talk.session.control.deeds).toEqual(['hangUp', 'streamEnded stop INTENT']);
    const answers = talk.session.recorder.all('TurnCompleted').filter(({ turn }) => turn.latencyMs !== null);
    expect(answers).toHaveLength(2);
    expect(simulator.violations).toEqual([]);
    await until(() => simulator.openSessions === 0);
  });

  it('is interrupted: the transcript keeps what the caller heard, and no late audio follows', async () => {
    const long = 'First of all let me explain all of our opening hours for every day of the week and each holiday';
    simulator.dialogue = script([{ text: long }, { text: 'Yes, of course.' }]);
    simulator.faults.lateDeltas = true;
    const talk = call([
      { waitForAgent: 300 },
      say('opening-hours'),
      { whileAgentSpeaks: 900 },
      say('wait-a-moment'),
      { waitForAgent: 500 },
      { hangUp: true },
    ]);
    await over(talk);
    const [, , interrupted] = talk.session.recorder.all('TurnCompleted').sort((a, b) => a.turn.index - b.turn.index);
    expect(interrupted!.turn.interrupted).toBe(true);
    expect(interrupted!.turn.text.length).toBeGreaterThan(10);
    expect(interrupted!.turn.text.length).toBeLessThan(long.length);
    expect(long.startsWith(interrupted!.turn.text)).toBe(true);
    expect(talk.stream.clears).toBe(1);
    expect(talk.stream.clearedBytes).toBeGreaterThan(0);
    expect(talk.heard()).toMatch(/^Acme, good morning\. First of all .*Yes, of course\.$/);
    expect(story(talk.session).at(-1)).toBe('4 AGENT Yes, of course.');
    expect(simulator.violations).toEqual([]);
  });

  it('ends an utterance although the carrier sends nothing for silence', async () => {
    simulator.dialogue = script(['I hear you.']);
    const faults = noCarrierFaults();
    const { session, token, streamSid } = door.session();
    const speech = library.clip('hello').subarray(0, 8_000);
    const caller = new ScriptedCaller([{ say: speech }, { pause: 20 }]);
    const handset = {
      tick: (heard: Buffer | null) => {
        faults.stopFrames = caller.done;
        return caller.tick(heard);
      },
    };
    const parameters = { stream_token: token };
    const ids = { accountSid: 'AC1', callSid: 'CA1', streamSid, signature: 'AC1 /media-stream' };
    const stream = new MediaStream({ ...ids, url: door.url, parameters, handset, pacer, faults });
    await until(
      () => story(session).includes('1 AGENT I hear you.'),
      () => story(session),
    );
    stream.stop('hang-up');
    await until(() => session.ended);
  });

  it('goes on when the model’s socket dies, and does not greet twice', async () => {
    simulator.dialogue = script(['We are open until four.']);
    const talk = call([
      { waitForAgent: 300 },
      { pause: 3_000 },
      say('opening-hours'),
      { waitForAgent: 400 },
      { hangUp: true },
    ]);
    await until(() => story(talk.session).length === 1);
    simulator.sessions.at(-1)!.die();
    await over(talk);
    expect(talk.session.recorder.all('ModelReconnected')).toHaveLength(1);
    expect(story(talk.session)).toEqual([
      '0 AGENT Acme, good morning.',
      `1 CALLER ${library.text('opening-hours')}`,
      '2 AGENT We are open until four.',
    ]);
    expect(simulator.violations).toEqual([]);
  });

  it('falls back when the model answers nobody', async () => {
    simulator.faults.refuseWith = 401;
    const talk = call([]);
    await until(() => talk.session.control.deeds.some((deed) => deed.startsWith('runFallback')));
    talk.stream.stop('redirected');
    await over(talk);
    expect(talk.session.control.deeds.at(-1)).toBe('streamEnded stop MODEL_LOST');
  });
});
