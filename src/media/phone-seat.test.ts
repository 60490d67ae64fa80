import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BridgeBench, audio } from '../../test/testkit/media-doubles.js';

const PHONE = '+15555550100';
const command = { by: 'anna', text: null, target: null, commandId: 'c' };
const takeOver = (bench: BridgeBench, commandId: string) =>
  bench.bridge.command({ ...command, action: 'TAKE_OVER', target: PHONE, commandId });
const handBack = (bench: BridgeBench) => bench.bridge.command({ ...command, action: 'HAND_BACK', commandId: 'back' });
/** Whether the model was last told to listen without answering. */
const silenced = (bench: BridgeBench) =>
  bench.model.connections[0]!.all('session.update')
    .map((update) => JSON.stringify(update))
    .findLast((update) => update.includes('create_response'))!
    .includes('"create_response":false');

describe('a phone that takes a call over', () => {
  it('silences the agent when it joins, not while it rings', async () => {
    const bench = new BridgeBench();
    await takeOver(bench, 'p1');
    expect(bench.control.deeds).toEqual([`bringPerson ${PHONE} p1`]);
    expect(silenced(bench)).toBe(false);
    expect(bench.bridge.phonePresent('p1')).toBe(true);
    expect(silenced(bench)).toBe(true);
    bench.bridge.phoneAudio('p1', audio(20));
    bench.bridge.phoneAudio('p2', audio(40));
    expect(bench.socket.audioMs).toBe(20);
    await handBack(bench);
    expect([silenced(bench), bench.control.deeds.at(-1)]).toEqual([false, 'dismissPerson p1']);
    expect(bench.bridge.phonePresent('p1')).toBe(false);
  });

  it('is lost when it says nothing for six seconds; one that hung up gives the word back at once', async () => {
    const bench = new BridgeBench();
    await takeOver(bench, 'p1');
    bench.bridge.phonePresent('p1');
    bench.pass(5_000);
    bench.bridge.phonePresent('p1');
    bench.pass(5_000);
    expect(silenced(bench)).toBe(true);
    bench.pass(2_000);
    expect(silenced(bench)).toBe(false);
    await takeOver(bench, 'p2');
    bench.bridge.phonePresent('p2');
    bench.bridge.phoneGone('p2');
    expect(bench.recorder.all('SupervisorActed').map(({ action, by }) => [action, by])).toEqual([
      ['TAKE_OVER', 'anna'],
      ['HAND_BACK', 'system:telephone'],
      ['TAKE_OVER', 'anna'],
      ['HAND_BACK', 'system:telephone'],
    ]);
  });

  it('is expected back where the call goes on, and the agent is silent until then', () => {
    const bench = new BridgeBench({ resumed: true, silenced: true, phoneId: 'p1' });
    expect(silenced(bench)).toBe(true);
    bench.pass(7_000);
    expect(silenced(bench)).toBe(false);
    expect(bench.recorder.all('SupervisorActed')).toMatchObject([{ action: 'HAND_BACK', by: 'system:telephone' }]);
  });

  it('writes down what its person says, in its own session, and tells the agent', async () => {
    const bench = new BridgeBench();
    await takeOver(bench, 'p1');
    bench.bridge.phonePresent('p1');
    const listening = bench.session;
    expect(bench.model.connections).toHaveLength(2);
    bench.bridge.phoneAudio('p1', 'AAAA');
    listening.open();
    bench.bridge.phoneAudio('p1', 'BBBB');
    expect(listening.appended).toEqual(['AAAA', 'BBBB']);
    listening.hear('u1', 'I will take care of it');
    expect(bench.recorder.story).toEqual(['0 SUPERVISOR I will take care of it']);
    expect(bench.model.connections[0]!.texts).toEqual([
      'system: A colleague said to the caller: I will take care of it',
    ]);
    // It is tried three times; then the person is heard all the same.
    for (let lost = 0; lost < 3; lost++) bench.session.die();
    expect(bench.model.connections).toHaveLength(4);
    bench.bridge.phoneAudio('p1', audio(20));
    expect(bench.bridge.isLive).toBe(true);
    bench.stop();
    expect(bench.session.closed || listening.closed).toBe(true);
  });

  it('is not sent away: not by the agent’s goodbye, not by its rules, not by the clock', async () => {
    const bench = new BridgeBench({
      maxDurationMs: 60_000,
      escalationRules: [{ trigger: 'low_confidence', repeated: 1, action: 'end', target: null, intents: [] }],
    });
    bench.session.call('r1', [{ id: 'c1', name: 'end_call', args: {} }]);
    await new Promise((resolve) => setImmediate(resolve));
    bench.session.speak('r2', 'Goodbye', 200, { metadata: bench.metadata });
    await takeOver(bench, 'p1');
    const stay = (ms: number): void => {
      for (let passed = 0; passed < ms; passed += 1_000) {
        bench.bridge.phonePresent('p1');
        bench.pass(1_000);
      }
    };
    stay(2_000);
    bench.model.connections[0]!.event({
      type: 'conversation.item.input_audio_transcription.failed',
      item_id: 'u1',
      content_index: 0,
    });
    stay(90_000);
    expect(bench.control.deeds).toEqual([`bringPerson ${PHONE} p1`]);
    const heard: string[] = [];
    bench.bridge.addTap((side) => heard.push(side));
    bench.bridge.phoneAudio('p1', audio(20));
    expect(heard).toEqual(['supervisor']);
    await handBack(bench);
    bench.pass(60_000);
    expect(bench.control.deeds).toContain('hangUp');
  });

  it('keeps the caller when the model is lost; the fallback comes when the word is given back', async () => {
    const bench = new BridgeBench();
    await takeOver(bench, 'p1');
    bench.bridge.phonePresent('p1');
    bench.model.connections[0]!.die({ httpStatus: 401 });
    expect(bench.control.deeds).toEqual([`bringPerson ${PHONE} p1`]);
    bench.bridge.phoneAudio('p1', audio(20));
    expect(bench.socket.audioMs).toBe(20);
    bench.bridge.phoneGone('p1');
    expect(bench.control.deeds.at(-1)).toBe('runFallback http_401');
  });

  it('is the only one, whatever phones say in whatever order, and silence means that one is there', async () => {
    const phone = fc.constantFrom('p1', 'p2', 'p3');
    const step = fc.oneof(
      fc.record({ does: fc.constant('take over' as const), phone }),
      fc.record({ does: fc.constant('present' as const), phone }),
      fc.record({ does: fc.constant('gone' as const), phone }),
      fc.record({ does: fc.constant('hand back' as const), phone }),
      fc.record({ does: fc.constant('wait' as const), phone }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const bench = new BridgeBench();
        let seated: string | null = null;
        const letGo = new Set<string>();
        let rings: string | null = null;
        let answers = 0;
        const free = (): void => {
          for (const id of [seated, rings]) if (id !== null) letGo.add(id);
          seated = rings = null;
        };
        for (const { does, phone: id } of steps) {
          if (does === 'take over') {
            const taken = seated !== null || rings !== null;
            const done = await takeOver(bench, id).then(
              () => true,
              () => false,
            );
            expect(done).toBe(!taken);
            if (done) rings = id;
          } else if (does === 'present') {
            const welcome = !letGo.has(id) && (seated === null || seated === id);
            expect(bench.bridge.phonePresent(id)).toBe(welcome);
            if (welcome) [seated, rings] = [id, null];
          } else if (does === 'gone') {
            bench.bridge.phoneGone(id);
            if (id === (seated ?? rings)) free();
          } else if (does === 'hand back') {
            await handBack(bench);
            free();
          } else {
            bench.pass(7_000);
            if (seated !== null) free();
          }
          expect(silenced(bench)).toBe(seated !== null);
          // A model that is asked for words gives some; one that never does is given up, and the call with it.
          const asked = bench.model.connections[0]!.all('response.create');
          const { metadata } = (asked.at(-1)?.['response'] ?? {}) as { metadata?: unknown };
          if (asked.length > answers) bench.model.connections[0]!.speak(`r${(answers += 1)}`, 'Yes', 20, { metadata });
        }
      }),
      { numRuns: 100 },
    );
  });
});
