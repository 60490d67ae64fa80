import { describe, expect, it } from 'vitest';
import { BridgeBench, audio } from '../../test/testkit/media-doubles.js';

const greeting = { greeting: 'Hello, this is Acme.' };

describe('the beginning of a call', () => {
  it('configures the session, then says the consent line and the greeting word for word', () => {
    const bench = new BridgeBench({ ...greeting, consentLine: 'This call is recorded.' });
    expect(bench.session.sent.map((event) => event.type)).toEqual(['session.update', 'response.create']);
    expect(bench.instructions).toEqual(['Say exactly: "This call is recorded. Hello, this is Acme."']);
    expect(bench.recorder.all('SessionStarted')).toEqual([{ model: 'gpt-realtime', voice: null, streamSid: 'MZ1' }]);
  });

  it('waits for the caller when there is no greeting', () => {
    expect(new BridgeBench().instructions).toEqual([]);
  });

  it('holds the caller’s audio back until session.updated, then sends it in order', () => {
    const bench = new BridgeBench({}, { open: false });
    bench.frame('AAAA');
    bench.frame('BBBB');
    bench.session.handlers.onOpen();
    bench.frame('CCCC');
    expect(bench.session.appended).toEqual([]);
    bench.session.event({ type: 'session.updated' });
    bench.frame('DDDD');
    expect(bench.session.appended).toEqual(['AAAA', 'BBBB', 'CCCC', 'DDDD']);
  });

  it('re-seeds a resumed call instead of greeting again, and carries on where it was cut', () => {
    const turn = { id: 't', final: true, startedAtMs: 0, endedAtMs: 1, latencyMs: null };
    const bench = new BridgeBench({
      ...greeting,
      resumed: true,
      nextTurnIndex: 2,
      history: [
        { ...turn, index: 0, speaker: 'AGENT', text: 'Hello', interrupted: false },
        { ...turn, index: 1, speaker: 'CALLER', text: 'Where is my order?', interrupted: false },
      ],
    });
    expect(bench.session.texts).toEqual(['assistant: Hello', 'user: Where is my order?']);
    expect(bench.instructions).toEqual([expect.stringContaining('Carry on')]);
    expect(bench.recorder.all('MediaResumed')).toHaveLength(1);
    bench.session.speak('r1', 'It is on its way.', 100);
    expect(bench.recorder.all('TurnStarted')[0]!.turn.index).toBe(2);
  });
});

describe('a turn', () => {
  it('passes audio through as the base64 that it came in, both ways', () => {
    const bench = new BridgeBench();
    bench.frame('//79');
    bench.session.event({ type: 'response.created', response: { id: 'r1' } });
    bench.session.handlers.onAudio({ responseId: 'r1', itemId: 'i1', contentIndex: 0, audio: '/38A' });
    expect(bench.session.appended).toEqual(['//79']);
    expect(bench.socket.sent[0]).toEqual({ event: 'media', streamSid: 'MZ1', media: { payload: '/38A' } });
  });

  it('is written with its latency once it was heard', () => {
    const bench = new BridgeBench();
    bench.session.hear('u1', 'Where is my order?');
    bench.pass(700);
    bench.session.speak('r1', 'On its way.', 300, { after: 'u1' });
    expect(bench.recorder.story).toEqual(['0 CALLER Where is my order?']);
    bench.pass(300);
    bench.playOut();
    expect(bench.recorder.story).toEqual(['0 CALLER Where is my order?', '1 AGENT On its way.']);
    expect(bench.recorder.all('TurnCompleted')[1]!.turn).toMatchObject({
      latencyMs: 700,
      startedAtMs: 700,
      endedAtMs: 1_000,
      interrupted: false,
    });
    expect(bench.recorder.partials.map((turn) => turn.text)).toEqual(['On its way.']);
  });

  it('keeps its place when the transcript of the caller comes last', () => {
    const bench = new BridgeBench();
    bench.session.hear('u1', null);
    bench.session.speak('r1', 'Hello.', 100, { after: 'u1' });
    bench.playOut();
    const completed = 'conversation.item.input_audio_transcription.completed';
    bench.session.event({ type: completed, item_id: 'u1', transcript: 'Hi' });
    expect(bench.recorder.story).toEqual(['0 CALLER Hi', '1 AGENT Hello.']);
  });

  it('asks for the answer itself when the version’s turn detection does not', () => {
    const bench = new BridgeBench({ turnDetection: { type: 'server_vad', create_response: false } });
    bench.session.hear('u1', 'Hi');
    expect(bench.session.all('response.create')).toHaveLength(1);
  });
});

describe('barge-in', () => {
  it('clears, truncates every item at the milliseconds really played, and drops late deltas', () => {
    const bench = new BridgeBench();
    bench.session.speak('r1', 'one two three four five six seven eight nine ten', 1_000);
    bench.session.speak('r2', 'never heard', 500, { done: false });
    bench.pass(200);
    bench.session.event({ type: 'input_audio_buffer.speech_started', item_id: 'u1' });
    expect(bench.socket.events.at(-1)).toBe('clear');
    expect(bench.session.all('conversation.item.truncate')).toEqual([
      { type: 'conversation.item.truncate', item_id: 'item_r1', content_index: 0, audio_end_ms: 200 },
      { type: 'conversation.item.truncate', item_id: 'item_r2', content_index: 0, audio_end_ms: 0 },
    ]);
    expect(bench.session.all('response.cancel')).toEqual([]);
    const sent = bench.socket.sent.length;
    bench.session.delta('r2', 200);
    expect(bench.socket.sent).toHaveLength(sent);
    bench.session.finish('r2', 'never heard', 'cancelled');
    expect(bench.recorder.story).toEqual(['0 AGENT one two', '1 AGENT ']);
    expect(bench.counts['bargeIn']).toBe(1);
  });

  it('takes the echoes of a clear for what they are', () => {
    const bench = new BridgeBench();
    bench.session.speak('r1', 'Long story.', 5_000);
    bench.session.event({ type: 'input_audio_buffer.speech_started', item_id: 'u1' });
    bench.playOut();
    expect(bench.recorder.all('TurnCompleted').map(({ turn }) => turn.interrupted)).toEqual([true]);
  });

  it('only truncates when generation had already ended, and leaves a fully heard item alone', () => {
    const bench = new BridgeBench();
    bench.session.speak('r1', 'Done.', 400);
    bench.playOut();
    bench.session.event({ type: 'input_audio_buffer.speech_started', item_id: 'u1' });
    expect(bench.session.all('conversation.item.truncate')).toEqual([]);
    expect(bench.socket.events).not.toContain('clear');
    expect(bench.recorder.story).toEqual(['0 AGENT Done.']);
    expect(bench.counts['bargeIn']).toBeUndefined();
  });

  it('cancels the response itself where the model does not', () => {
    const bench = new BridgeBench({ turnDetection: { type: 'server_vad', interrupt_response: false } });
    bench.session.speak('r1', 'Talking', 500, { done: false });
    bench.session.event({ type: 'input_audio_buffer.speech_started', item_id: 'u1' });
    expect(bench.session.all('response.cancel')).toEqual([{ type: 'response.cancel', response_id: 'r1' }]);
    bench.session.event({
      type: 'error',
      error: { type: 'invalid_request_error', code: 'response_cancel_not_active' },
    });
    expect(bench.bridge.isLive).toBe(true);
  });
});

describe('function calls', () => {
  const lookup = {
    name: 'lookup',
    description: '',
    parameters: {},
    url: 'https://x',
    method: 'POST',
    timeoutMs: 1_000,
    secretHeader: null,
  } as const;
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  it('run once each, side by side, with one response.create for the batch', async () => {
    const bench = new BridgeBench({ tools: [lookup] });
    let running = 0;
    let most = 0;
    bench.control.tool = async () => {
      most = Math.max(most, (running += 1));
      await settled();
      running -= 1;
      return { ok: true, result: { eta: '2d' } };
    };
    const twice = { id: 'c1', name: 'lookup', args: { id: 7 } };
    bench.session.call('r1', [twice, twice, { id: 'c2', name: 'lookup', args: {} }]);
    await settled();
    await settled();
    expect(most).toBe(2);
    expect(bench.session.texts).toEqual(['output: {"eta":"2d"}', 'output: {"eta":"2d"}']);
    expect(bench.session.all('response.create')).toHaveLength(1);
    expect(bench.recorder.all('ToolCallCompleted').map(({ toolCall }) => toolCall.status)).toEqual([
      'SUCCEEDED',
      'SUCCEEDED',
    ]);
  });

  it('do not run when their response was cancelled in the middle of the arguments', async () => {
    const bench = new BridgeBench({ tools: [lookup] });
    bench.session.event({ type: 'response.function_call_arguments.done', call_id: 'c1', arguments: '{"id":' });
    bench.session.call('r1', [{ id: 'c1', name: 'lookup', args: {}, status: 'incomplete' }], 'cancelled');
    await settled();
    expect(bench.recorder.all('ToolCallStarted')).toEqual([]);
    expect(bench.session.all('response.create')).toEqual([]);
  });

  it('deliver their result although the response was cancelled afterwards', async () => {
    const bench = new BridgeBench({ tools: [lookup] });
    bench.session.call('r1', [{ id: 'c1', name: 'lookup', args: {} }], 'cancelled');
    await settled();
    expect(bench.session.texts).toEqual(['output: {"eta":"2d"}']);
  });

  it('tell a new model session in words what they found for the lost one', async () => {
    const bench = new BridgeBench({ tools: [lookup] });
    bench.session.call('r1', [{ id: 'c1', name: 'lookup', args: {} }]);
    bench.session.die();
    bench.session.open();
    await settled();
    expect(bench.session.texts).toEqual(['system: The tool lookup answered: {"eta":"2d"}']);
  });

  it('fail in words: unknown tools, broken JSON, too slow, refused by the intent', async () => {
    const bench = new BridgeBench({
      tools: [lookup, { ...lookup, name: 'pay' }],
      intents: { order: ['lookup'], bill: ['pay'] },
    });
    bench.control.tool = () => new Promise(() => {});
    bench.session.call('r1', [
      { id: 'c1', name: 'nonsense', args: {} },
      { id: 'c2', name: 'lookup', args: 'no object' },
      { id: 'c3', name: 'set_intent', args: { intent: 'order' } },
      { id: 'c4', name: 'pay', args: {} },
      { id: 'c5', name: 'lookup', args: {} },
      { id: 'c6', name: 'set_intent', args: { intent: '__proto__' } },
    ]);
    await settled();
    bench.pass(4_000);
    await settled();
    const outcome = new Map(
      bench.recorder.all('ToolCallCompleted').map(({ toolCall }) => [toolCall.modelCallId, toolCall]),
    );
    expect([...outcome].sort().map(([id, call]) => [id, call.status])).toEqual([
      ['c1', 'FAILED'],
      ['c2', 'FAILED'],
      ['c3', 'SUCCEEDED'],
      ['c4', 'REFUSED'],
      ['c5', 'FAILED'],
      ['c6', 'FAILED'],
    ]);
    expect(bench.recorder.all('IntentIdentified')).toEqual([{ intent: 'order' }]);
    expect(bench.session.all('response.create')).toHaveLength(1);
  });

  it('are cut short when the call ends, and are recorded before the end is reported', async () => {
    const bench = new BridgeBench({ tools: [lookup] });
    bench.control.tool = () => new Promise(() => {});
    bench.session.call('r1', [{ id: 'c1', name: 'lookup', args: {} }]);
    bench.stop();
    await bench.bridge.gone;
    expect(bench.recorder.all('ToolCallCompleted')).toHaveLength(1);
    expect(bench.control.deeds).toEqual(['streamEnded stop null']);
  });
});

describe('how the agent ends a call', () => {
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const endCall = [{ id: 'c1', name: 'end_call', args: { reason: 'done' } }];

  it('lets its goodbye be heard before it hangs up', async () => {
    const bench = new BridgeBench();
    bench.session.call('r1', endCall);
    await settled();
    expect(bench.instructions).toEqual([expect.stringContaining('goodbye')]);
    bench.session.speak('r2', 'Goodbye!', 800, { metadata: bench.metadata });
    bench.pass(500);
    expect(bench.control.deeds).toEqual([]);
    bench.playOut();
    expect(bench.control.deeds).toEqual(['hangUp']);
    bench.stop();
    await bench.bridge.gone;
    expect(bench.control.deeds).toEqual(['hangUp', 'streamEnded stop INTENT']);
  });

  it('asks for no second goodbye when the response that hung up had one', async () => {
    const bench = new BridgeBench();
    bench.session.speak('r1', 'Bye!', 400, { done: false });
    bench.session.call('r1', endCall);
    bench.session.finish('r1', 'Bye!');
    await settled();
    expect(bench.instructions).toEqual([]);
    expect(bench.control.deeds).toEqual([]);
    bench.playOut();
    expect(bench.control.deeds).toEqual(['hangUp']);
  });

  it('does not wait for ever for a goodbye that nobody hears', async () => {
    const bench = new BridgeBench();
    bench.session.call('r1', endCall);
    await settled();
    bench.pass(16_000);
    expect(bench.control.deeds).toEqual(['hangUp']);
  });

  it('goes on when the caller interrupts the goodbye, and hangs up after a long silence', async () => {
    const bench = new BridgeBench();
    bench.session.call('r1', endCall);
    await settled();
    bench.session.speak('r2', 'Goodbye!', 2_000, { metadata: bench.metadata });
    bench.session.hear('u1', 'Wait!');
    expect(bench.session.texts.at(-1)).toContain('interrupted your goodbye');
    bench.pass(3_000);
    bench.session.speak('r3', 'Yes?', 400);
    bench.playOut();
    bench.pass(19_000);
    expect(bench.control.deeds).toEqual([]);
    bench.pass(2_000);
    expect(bench.control.deeds).toEqual(['hangUp']);
  });

  it('closes the stream when the carrier cannot hang up: the resume route does it then', async () => {
    const bench = new BridgeBench();
    bench.control.broken.add('hangUp');
    bench.session.call('r1', endCall);
    await settled();
    bench.pass(16_000);
    for (let i = 0; i < 4; i += 1) {
      await settled();
      bench.pass(1_100);
    }
    await bench.bridge.gone;
    expect(bench.socket.closedWith).toBe(1000);
    expect(bench.control.deeds.at(-1)).toBe('streamEnded close INTENT');
  });

  it('says that the time is up and hangs up at the maximum duration', async () => {
    const bench = new BridgeBench({ maxDurationMs: 60_000 });
    bench.pass(60_000);
    expect(bench.instructions).toEqual([expect.stringContaining('maximum duration')]);
    bench.session.speak('r1', 'Our time is up. Goodbye.', 400, { metadata: bench.metadata });
    bench.playOut();
    expect(bench.control.deeds).toEqual(['hangUp']);
    bench.stop();
    await bench.bridge.gone;
    expect(bench.control.deeds.at(-1)).toBe('streamEnded stop MAX_DURATION');
  });
});

describe('escalation', () => {
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const rule = { trigger: 'complaint', repeated: 2, action: 'transfer', target: '+15550002', intents: [] } as const;
  const concern = (id: string) => [{ id, name: 'raise_concern', args: { concern: 'complaint', detail: 'late' } }];
  const http = {
    description: '',
    parameters: {},
    url: 'https://x',
    method: 'POST',
    timeoutMs: 1_000,
    secretHeader: null,
  } as const;

  it('fires a rule at its Nth occurrence: event, spoken line, transfer', async () => {
    const bench = new BridgeBench({ escalationRules: [rule] });
    bench.session.call('r1', concern('c1'));
    await settled();
    expect(bench.recorder.all('SessionEscalated')).toEqual([]);
    bench.session.call('r2', concern('c2'));
    await settled();
    expect(bench.recorder.all('ConcernRaised').map(({ count }) => count)).toEqual([1, 2]);
    expect(bench.recorder.all('SessionEscalated')).toEqual([
      {
        escalation: {
          reason: expect.stringContaining('complaint') as string,
          trigger: 'complaint',
          action: 'TRANSFER',
          target: '+15550002',
          initiatedBy: 'RULE',
        },
      },
    ]);
    bench.pass(16_000);
    expect(bench.control.deeds).toEqual(['transfer +15550002']);
    bench.stop();
    await bench.bridge.gone;
    expect(bench.control.deeds.at(-1)).toBe('streamEnded stop TRANSFERRED');
  });

  it('transfers to the number of the route or tenant where the rule names none', async () => {
    const bench = new BridgeBench({
      escalationRules: [{ ...rule, repeated: 1, target: null }],
      transferTarget: '+15550003',
    });
    bench.session.call('r1', concern('c1'));
    await settled();
    bench.pass(16_000);
    expect(bench.control.deeds).toEqual(['transfer +15550003']);
  });

  it('fires a rule of some intents only in conversations about them', async () => {
    const about = { ...rule, repeated: 1, intents: ['refund'] };
    const bench = new BridgeBench({ escalationRules: [about], intents: { refund: [], hours: [] } });
    const intent = (id: string, name: string) => [{ id, name: 'set_intent', args: { intent: name } }];
    bench.session.call('r1', intent('c1', 'hours'));
    bench.session.call('r2', concern('c2'));
    await settled();
    expect(bench.recorder.all('SessionEscalated')).toEqual([]);
    bench.session.call('r3', intent('c3', 'refund'));
    bench.session.call('r4', concern('c4'));
    await settled();
    expect(bench.recorder.all('SessionEscalated')[0]!.escalation).toMatchObject({ trigger: 'complaint' });
  });

  it('goes on where a resumed call was: with its intent, and with what had come up', async () => {
    const bench = new BridgeBench({
      escalationRules: [rule],
      tools: [{ ...http, name: 'pay' }],
      intents: { order: [], bill: ['pay'] },
      resumed: true,
      currentIntent: 'order',
      marks: [
        { kind: 'intent', name: 'order' },
        { kind: 'concern', name: 'complaint' },
      ],
    });
    bench.session.call('r1', [{ id: 'c1', name: 'pay', args: {} }]);
    await settled();
    expect(bench.recorder.all('ToolCallCompleted')[0]!.toolCall.status).toBe('REFUSED');
    bench.session.call('r2', concern('c2'));
    await settled();
    expect(bench.recorder.all('ConcernRaised')).toMatchObject([{ count: 2 }]);
    expect(bench.recorder.all('SessionEscalated')[0]!.escalation).toMatchObject({ trigger: 'complaint' });
  });

  it('hears of failed transcriptions by itself, and can arrange a callback', async () => {
    const bench = new BridgeBench({
      escalationRules: [{ trigger: 'low_confidence', repeated: 2, action: 'callback', target: 'support', intents: [] }],
    });
    for (const id of ['u1', 'u2']) {
      bench.session.hear(id, null);
      bench.session.event({ type: 'conversation.item.input_audio_transcription.failed', item_id: id, error: {} });
    }
    await settled();
    expect(bench.recorder.all('ConcernRaised').at(-1)).toMatchObject({ concern: 'low_confidence', source: 'SYSTEM' });
    expect(bench.recorder.all('SessionEscalated')[0]!.escalation.action).toBe('CALLBACK');
    expect(bench.control.deeds).toEqual([expect.stringMatching(/^createCallback/)]);
    expect(bench.session.texts.at(-1)).toContain('call back');
  });

  it('hears of tools that fail again and again by itself; one that works begins the count anew', async () => {
    const bench = new BridgeBench({
      tools: [{ ...http, name: 'lookup' }],
      escalationRules: [{ ...rule, trigger: 'low_confidence', repeated: 1 }],
    });
    let ok = false;
    bench.control.tool = async () => ({ ok, result: null });
    const ask = async (id: string, works: boolean) => {
      ok = works;
      bench.session.call(id, [{ id, name: 'lookup', args: {} }]);
      await settled();
      return bench.recorder.all('SessionEscalated').length;
    };
    expect([await ask('c1', false), await ask('c2', true), await ask('c3', false)]).toEqual([0, 0, 0]);
    expect(await ask('c4', false)).toBe(1);
    expect(bench.recorder.all('ConcernRaised')).toEqual([
      { concern: 'low_confidence', detail: 'tool_failed', count: 1, source: 'SYSTEM' },
    ]);
    bench.pass(16_000);
    expect(bench.control.deeds).toEqual(['transfer +15550002']);
  });

  it('ends the call when a rule for a trigger of the tenant’s own says so, and the caller cannot talk it out of it', async () => {
    const bench = new BridgeBench({ escalationRules: [{ ...rule, trigger: 'threat', repeated: 1, action: 'end' }] });
    bench.session.call('r1', [{ id: 'c1', name: 'raise_concern', args: { concern: 'threat' } }]);
    await settled();
    expect(bench.recorder.all('SessionEscalated')[0]!.escalation).toMatchObject({ trigger: 'threat', action: 'END' });
    expect(bench.instructions).toEqual([expect.stringContaining('goodbye')]);
    bench.session.speak('r2', 'Goodbye!', 2_000, { metadata: bench.metadata });
    bench.session.hear('u1', 'Wait!');
    bench.pass(16_000);
    expect(bench.control.deeds).toEqual(['hangUp']);
  });

  it('records a wish for a person when there is no number, and transfers once when there is', async () => {
    const ask = [{ id: 'c1', name: 'escalate_to_human', args: { reason: 'angry' } }];
    const none = new BridgeBench();
    none.session.call('r1', ask);
    await settled();
    expect(none.recorder.all('SessionEscalated')[0]!.escalation.action).toBe('RECORD');
    expect(none.session.all('response.create')).toHaveLength(1);
    const some = new BridgeBench({ transferTarget: '+15550003' });
    some.session.call('r1', [...ask, { ...ask[0]!, id: 'c2' }]);
    await settled();
    some.pass(16_000);
    expect(some.recorder.all('SessionEscalated')).toHaveLength(1);
    expect(some.control.deeds).toEqual(['transfer +15550003']);
  });

  it('stays with the caller when the transfer fails', async () => {
    const bench = new BridgeBench({ transferTarget: '+15550003' });
    bench.control.broken.add('transfer');
    bench.session.call('r1', [{ id: 'c1', name: 'escalate_to_human', args: { reason: 'angry' } }]);
    await settled();
    bench.session.speak('r2', 'Connecting you.', 400, { metadata: bench.metadata });
    bench.playOut();
    await settled();
    expect(bench.session.texts.at(-1)).toContain('transfer failed');
    expect(bench.session.all('response.create')).toHaveLength(2);
    bench.stop();
    await bench.bridge.gone;
    expect(bench.control.deeds.at(-1)).toBe('streamEnded stop null');
  });

  it('notes callbacks, wishes never to be called, and outcomes that the version knows', async () => {
    const bench = new BridgeBench({ successSignals: ['resolved'] });
    bench.session.call('r1', [
      { id: 'c1', name: 'request_callback', args: { reason: 'invoice', due_at: '2026-11-03T10:00:00Z' } },
      { id: 'c2', name: 'request_callback', args: { reason: 'invoice', due_at: 'tomorrow-ish' } },
      { id: 'c3', name: 'do_not_call', args: { reason: 'never again' } },
      { id: 'c4', name: 'record_outcome', args: { outcome: 'resolved' } },
      { id: 'c5', name: 'record_outcome', args: { outcome: 'invented' } },
      { id: 'c6', name: 'raise_concern', args: { concern: 'payment' } },
    ]);
    await settled();
    expect(bench.control.deeds).toEqual(['createCallback invoice', 'addToDoNotCall never again']);
    expect(bench.recorder.all('OutcomeRecorded')).toEqual([{ outcome: 'resolved', note: null }]);
    expect(bench.recorder.all('ConcernRaised')).toEqual([]);
  });
});

describe('the model session', () => {
  it('is replaced and re-seeded when it is lost; the caller’s words meanwhile are not', () => {
    const bench = new BridgeBench(greeting);
    bench.session.speak('r1', 'Hello, this is Acme.', 400, { metadata: bench.metadata });
    bench.playOut();
    bench.session.hear('u1', 'Hi', 'item_r1');
    const old = bench.session;
    old.die();
    bench.frame('AAAA');
    expect(bench.session).not.toBe(old);
    old.event({ type: 'response.created', response: { id: 'ghost' } });
    bench.session.open();
    expect(bench.session.texts).toEqual(['assistant: Hello, this is Acme.', 'user: Hi']);
    expect(bench.instructions).toEqual([expect.stringContaining('Carry on')]);
    expect(bench.session.appended).toEqual(['AAAA']);
    expect(bench.recorder.all('ModelReconnected')).toEqual([{ cause: 'closed_1006', attempt: 1 }]);
  });

  it('is replaced when it expires, and when it grew old in a quiet moment', () => {
    const bench = new BridgeBench({ maxDurationMs: 8 * 3_600_000 });
    bench.session.event({ type: 'error', error: { type: 'invalid_request_error', code: 'session_expired' } });
    expect(bench.model.connections[0]!.closed).toBe(true);
    bench.session.open();
    bench.pass(55 * 60_000 - 5_000);
    bench.session.speak('r1', 'Long', 1_000, { done: false });
    bench.pass(15_000);
    expect(bench.model.connections).toHaveLength(2);
    bench.session.finish('r1', 'Long');
    bench.playOut();
    bench.pass(2_000);
    bench.session.open();
    expect(bench.recorder.all('ModelReconnected').map(({ cause }) => cause)).toEqual(['session_expired', 'rotation']);
  });

  it('is replaced when it owes an answer and says nothing', () => {
    const bench = new BridgeBench(greeting);
    bench.pass(21_000);
    expect(bench.model.connections).toHaveLength(2);
    bench.session.open();
    expect(bench.instructions).toEqual([expect.stringContaining('Acme')]);
  });

  it('gives way to the fallback when no attempt succeeds, and when the key is refused', async () => {
    const bench = new BridgeBench(greeting, { open: false });
    for (let i = 0; i < 6; i += 1) {
      bench.session.die();
      bench.pass(5_000);
    }
    expect(bench.control.deeds).toEqual([expect.stringMatching(/^runFallback /)]);
    bench.stop();
    await bench.bridge.gone;
    expect(bench.control.deeds.at(-1)).toBe('streamEnded stop MODEL_LOST');
    const refused = new BridgeBench(greeting, { open: false });
    refused.session.die({ httpStatus: 401 });
    expect(refused.model.connections).toHaveLength(1);
    expect(refused.control.deeds).toEqual(['runFallback http_401']);
  });

  it('closes the stream when even the fallback cannot be started: no dead air', async () => {
    const bench = new BridgeBench(greeting, { open: false });
    bench.control.broken.add('runFallback');
    bench.session.die({ httpStatus: 401 });
    await bench.bridge.gone;
    expect(bench.socket.closedWith).toBe(1000);
    expect(bench.control.deeds).toEqual(['runFallback http_401', 'streamEnded close MODEL_LOST']);
  });

  it('is asked again when a response fails, and given up after three', () => {
    const bench = new BridgeBench(greeting);
    for (const id of ['r1', 'r2', 'r3']) {
      bench.session.event({ type: 'response.created', response: { id, metadata: bench.metadata } });
      bench.session.event({ type: 'response.done', response: { id, status: 'failed' } });
    }
    expect(bench.session.all('response.create')).toHaveLength(3);
    expect(bench.control.deeds).toEqual(['runFallback responses_failed']);
  });

  it('survives events that make no sense', () => {
    const bench = new BridgeBench();
    for (const type of ['__proto__', 'constructor', 'response.done', 'conversation.item.added', 'error', 'new.thing'])
      for (const junk of [{}, { item: 7 }, { item: null, response: [], error: 'x', item_id: 3 }])
        bench.session.event({ type, ...junk });
    bench.session.speak('r1', 'Still here.', 100);
    bench.playOut();
    expect(bench.recorder.story).toEqual(['0 AGENT Still here.']);
  });
});

describe('the end of a call', () => {
  it('comes once, however often and in whatever way it is told', async () => {
    const bench = new BridgeBench(greeting);
    bench.session.speak('r1', 'one two three four', 2_000, { metadata: bench.metadata });
    bench.pass(1_000);
    bench.stop();
    bench.bridge.socketClosed();
    bench.stop();
    bench.session.die();
    await bench.bridge.gone;
    bench.bridge.socketClosed();
    expect(bench.control.deeds).toEqual(['streamEnded stop null']);
    expect(bench.session.closed).toBe(true);
    expect(bench.socket.closedWith).toBe(1000);
    expect(bench.members.size).toBe(0);
    expect(bench.counts).toMatchObject({ opened: 1, closed: 1 });
    expect(bench.recorder.all('TurnCompleted')[0]!.turn).toMatchObject({ interrupted: true, final: true });
  });

  it('also ends a model connection that is still being made', async () => {
    const bench = new BridgeBench(greeting, { open: false });
    bench.bridge.socketClosed();
    await bench.bridge.gone;
    expect(bench.session.closed).toBe(true);
    expect(bench.control.deeds).toEqual(['streamEnded close null']);
  });

  it('waits a moment for the last words of the caller', async () => {
    const bench = new BridgeBench();
    bench.session.hear('u1', null);
    bench.stop();
    expect(bench.control.deeds).toEqual([]);
    const completed = 'conversation.item.input_audio_transcription.completed';
    bench.session.event({ type: completed, item_id: 'u1', transcript: 'Thanks, bye' });
    bench.pass(100);
    await bench.bridge.gone;
    expect(bench.recorder.story).toEqual(['0 CALLER Thanks, bye']);
    const silent = new BridgeBench();
    silent.session.hear('u1', null);
    silent.stop();
    silent.pass(1_000);
    await silent.bridge.gone;
    expect(silent.recorder.story).toEqual(['0 CALLER ']);
  });

  it('makes no new model session for the last words when the model dies among them', async () => {
    const bench = new BridgeBench();
    bench.session.hear('u1', null);
    bench.stop();
    bench.session.die();
    bench.pass(100);
    await bench.bridge.gone;
    expect(bench.model.connections).toHaveLength(1);
    expect(bench.recorder.story).toEqual(['0 CALLER ']);
    expect(bench.control.deeds).toEqual(['streamEnded stop null']);
  });

  it('is silent when another owner took the session over', async () => {
    const bench = new BridgeBench(greeting);
    bench.session.speak('r1', 'Hello', 2_000, { metadata: bench.metadata });
    const written = bench.recorder.events.length;
    bench.recorder.supersede();
    await bench.bridge.gone;
    expect(bench.recorder.events).toHaveLength(written);
    expect(bench.control.deeds).toEqual([]);
    expect(bench.session.closed).toBe(true);
    expect(bench.socket.closedWith).toBe(1000);
  });

  it('proves every five seconds that its owner lives', () => {
    const bench = new BridgeBench();
    bench.pass(5_000);
    expect(bench.control.done).toEqual(['beat']);
  });
});

describe('the line', () => {
  it('drops audio that a socket does not take, in both directions', () => {
    const bench = new BridgeBench();
    bench.session.bufferedBytes = 10_000_000;
    bench.frame();
    expect(bench.session.appended).toEqual([]);
    bench.socket.bufferedAmount = 10_000_000;
    bench.session.speak('r1', 'Lost', 400);
    expect(bench.socket.sent).toEqual([]);
    expect(bench.counts).toMatchObject({ to_model: 1, to_caller: 1 });
    expect(bench.recorder.all('TurnCompleted')[0]!.turn).toMatchObject({ text: '', interrupted: true });
  });

  it('gives the model silence when the caller’s frames stop in the middle of speech', () => {
    const bench = new BridgeBench();
    bench.frame();
    bench.session.event({ type: 'input_audio_buffer.speech_started', item_id: 'u1' });
    bench.pass(700);
    expect(bench.session.appended).toHaveLength(1);
    bench.pass(300);
    expect(Buffer.from(bench.session.appended[1]!, 'base64').every((byte) => byte === 0xff)).toBe(true);
  });

  it('ignores messages of another stream', () => {
    const bench = new BridgeBench();
    bench.bridge.receive({ event: 'media', streamSid: 'MZ9', payload: 'AAAA', timestampMs: 0 });
    bench.bridge.receive({ event: 'stop', streamSid: 'MZ9' });
    expect(bench.session.appended).toEqual([]);
    expect(bench.bridge.isLive).toBe(true);
  });

  it('tells the model which keys were pressed, in one go', () => {
    const bench = new BridgeBench();
    for (const digit of ['4', '2']) bench.bridge.receive({ event: 'dtmf', streamSid: 'MZ1', digit });
    bench.pass(1_600);
    expect(bench.recorder.all('DtmfReceived')).toEqual([{ digit: '4' }, { digit: '2' }]);
    expect(bench.session.texts).toEqual(['user: The caller pressed keys on the telephone: 42']);
    expect(bench.session.all('response.create')).toHaveLength(1);
  });

  it('lets others listen in, both sides with the time', () => {
    const bench = new BridgeBench();
    const heard: [string, string, number][] = [];
    bench.frame('AAAA');
    const leave = bench.bridge.addTap((side, base64, ms) => heard.push([side, base64, ms]));
    bench.pass(100);
    bench.frame('BBBB');
    bench.session.speak('r1', 'Hi', 20);
    leave();
    bench.frame('CCCC');
    expect(heard).toEqual([
      ['caller', 'BBBB', 100],
      ['agent', audio(20), 100],
    ]);
  });
});

describe('a supervisor', () => {
  const by = { by: 'anna', text: null, target: null, commandId: 'cmd' };

  it('speaks through the agent, and whispers to it', async () => {
    const bench = new BridgeBench();
    await bench.bridge.command({ ...by, action: 'SAY', text: 'One moment please' });
    await bench.bridge.command({ ...by, action: 'WHISPER', text: 'Offer a refund' });
    expect(bench.instructions).toEqual(['Say exactly: "One moment please"']);
    expect(bench.session.texts).toEqual(['system: Offer a refund']);
    expect(bench.recorder.all('SupervisorActed').map(({ action }) => action)).toEqual(['SAY', 'WHISPER']);
    await expect(bench.bridge.command({ ...by, action: 'SAY' })).rejects.toMatchObject({ code: 'VALIDATION_FAILED' });
  });

  it('silences the agent, while the caller is still transcribed, and gives it the word again', async () => {
    const bench = new BridgeBench();
    bench.session.speak('r1', 'one two three four', 2_000, { done: false });
    bench.pass(100);
    await bench.bridge.command({ ...by, action: 'TAKE_OVER' });
    expect(bench.socket.events.at(-1)).toBe('clear');
    expect(JSON.stringify(bench.session.all('session.update').at(-1))).toContain('"create_response":false');
    bench.session.finish('r1', null, 'cancelled');
    const sent = bench.socket.sent.length;
    bench.session.hear('u1', 'Is anybody there?');
    bench.session.speak('r2', 'stubborn', 200, { done: false });
    bench.session.finish('r2', 'stubborn');
    expect(bench.socket.sent).toHaveLength(sent);
    expect(bench.recorder.story).toContain('1 CALLER Is anybody there?');
    await bench.bridge.command({ ...by, action: 'SAY', text: 'A colleague is coming' });
    bench.session.speak('r3', 'A colleague is coming', 200, { metadata: bench.metadata });
    expect(bench.socket.sent.length).toBeGreaterThan(sent);
    await bench.bridge.command({ ...by, action: 'HAND_BACK' });
    expect(JSON.stringify(bench.session.all('session.update').at(-1))).toContain('"create_response":true');
  });

  it('transfers and hangs up at once; afterwards the call takes no more commands', async () => {
    const bench = new BridgeBench();
    await bench.bridge.command({ ...by, action: 'TRANSFER', target: '+15550009' });
    expect(bench.control.deeds).toEqual(['transfer +15550009']);
    expect(bench.recorder.all('SessionEscalated')[0]!.escalation).toMatchObject({
      initiatedBy: 'SUPERVISOR',
      action: 'TRANSFER',
    });
    await expect(bench.bridge.command({ ...by, action: 'END' })).rejects.toMatchObject({ code: 'CALL_NOT_ACTIVE' });
    const other = new BridgeBench();
    await other.bridge.command({ ...by, action: 'END' });
    expect(other.control.deeds).toEqual(['hangUp']);
    other.stop();
    await other.bridge.gone;
    expect(other.control.deeds.at(-1)).toBe('streamEnded stop INTENT');
  });

  it('is acknowledged before the end, although the stream stops before the carrier has answered', async () => {
    const bench = new BridgeBench();
    let answer = (): void => {};
    bench.control.transfer = () => new Promise((resolve) => (answer = resolve));
    const done = bench.bridge.command({ ...by, action: 'TRANSFER', target: '+15550009' });
    bench.stop();
    await new Promise((resolve) => setImmediate(resolve));
    expect(bench.control.deeds).toEqual([]);
    answer();
    await done;
    await bench.bridge.gone;
    expect(bench.recorder.all('SupervisorActed')).toHaveLength(1);
    expect(bench.control.deeds).toEqual(['streamEnded stop TRANSFERRED']);
  });

  it('hears when the carrier refuses a transfer, and nothing is acknowledged', async () => {
    const bench = new BridgeBench();
    bench.control.broken.add('transfer');
    await expect(bench.bridge.command({ ...by, action: 'TRANSFER', target: '+15550009' })).rejects.toThrow('broken');
    expect(bench.recorder.all('SupervisorActed')).toEqual([]);
    expect(bench.bridge.isLive).toBe(true);
  });
});
