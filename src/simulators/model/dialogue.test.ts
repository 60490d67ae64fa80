import { describe, expect, it } from 'vitest';
import { perSession, receptionist, script, type DialogueContext, type DialogueItem } from './dialogue.js';
import { initialConfig, type SessionConfig } from './session-config.js';
import { valueFor } from './text.js';

type Tool = SessionConfig['tools'][number];
const tool = (name: string, properties: Record<string, object> = {}): Tool => ({
  type: 'function',
  name,
  parameters: { type: 'object', properties },
});
function context(history: DialogueItem[], given: Partial<SessionConfig> = {}, instructions: string | null = null) {
  const config = { ...initialConfig('sess_1', 'm', 0), ...given };
  return { sessionId: 'sess_1', config, instructions, metadata: null, history } satisfies DialogueContext;
}
const heard = (text: string): DialogueItem => ({ kind: 'user', text });
const call = (name: string, args: object): DialogueItem => ({ kind: 'call', name, arguments: JSON.stringify(args) });

describe('the receptionist', () => {
  it('says what it is told to, to the letter', () => {
    expect(receptionist(context([], {}, 'Say exactly: "He said \\"hi\\"."'))).toMatchObject({ text: 'He said "hi".' });
  });

  it('names the intent and asks the tenant’s tool, then answers', () => {
    const tools = [
      tool('set_intent', { intent: { type: 'string', enum: ['billing', 'order_status'] } }),
      tool('lookup_order', { order_id: { type: 'string' }, verbose: { type: 'boolean' } }),
    ];
    const history = [heard('Hi, I would like to know where my order is.')];
    const calls = [
      { name: 'set_intent', arguments: { intent: 'order_status' } },
      { name: 'lookup_order', arguments: { order_id: '4271', verbose: true } },
    ];
    expect(receptionist(context(history, { tools }))?.calls).toEqual(calls);
    history.push(...calls.map((made) => call(made.name, made.arguments)), { kind: 'output', output: '{}' });
    expect(receptionist(context(history, { tools }))).toMatchObject({ text: expect.stringContaining('on its way') });
  });

  it('records only outcomes that exist, and hangs up after its goodbye', () => {
    const outcome = (...words: string[]) => tool('record_outcome', { outcome: { type: 'string', enum: words } });
    const bye = heard('Great, thank you. Goodbye.');
    const tools = [outcome('lost', 'order_resolved'), tool('end_call')];
    expect(receptionist(context([bye], { tools }))?.calls).toEqual([
      { name: 'record_outcome', arguments: { outcome: 'order_resolved' } },
    ]);
    const farewell = { text: 'You are welcome. Goodbye!', calls: [{ name: 'end_call', arguments: {} }] };
    expect(receptionist(context([bye], { tools: [outcome('lost'), tool('end_call')] }))).toMatchObject(farewell);
    const said: DialogueItem[] = [{ kind: 'assistant', text: 'You are welcome. Goodbye!' }, call('end_call', {})];
    expect(receptionist(context([bye, ...said], { tools: [tool('end_call')] }))).toBeNull();
  });

  it('has an answer to everything that a recorded caller says', () => {
    for (const text of ['Please let me talk to a human.', 'Wait, wait a moment.', '(unintelligible)', ''])
      expect(receptionist(context([heard(text)]))?.text).toMatch(/[.?!]$/);
  });
});

describe('the caller that the model plays', () => {
  const instructions = 'You are a customer.\nCALLER LINES:\n- Where is my order?\n- Thanks.\n\nRules:\n- Never swear.';

  it('says its lines, one for each answer, then leaves once', () => {
    const history: DialogueItem[] = [];
    for (const line of ['Where is my order?', 'Thanks.']) {
      expect(receptionist(context(history, { instructions }))).toMatchObject({ text: line });
      history.push({ kind: 'assistant', text: line }, heard('I see.'));
    }
    const leave = { calls: [{ name: 'end_call', arguments: {} }] };
    expect(receptionist(context(history, { instructions }))).toMatchObject(leave);
    history.push(call('end_call', {}));
    expect(receptionist(context(history, { instructions }))).toBeNull();
  });
});

describe('dialogues of several sessions', () => {
  it('are chosen by what each session is told, and do not share a script', () => {
    const dialogue = perSession(({ config }) => script(config.instructions === 'a' ? ['1', '2'] : ['x']));
    const say = (sessionId: string, instructions: string) =>
      dialogue({ ...context([], { instructions }), sessionId })?.text;
    expect([say('s1', 'a'), say('s2', 'a'), say('s3', 'b'), say('s1', 'a'), say('s3', 'b')]).toEqual([
      '1',
      '1',
      'x',
      '2',
      undefined,
    ]);
  });
});

describe('the simulated text model', () => {
  it('answers any schema with something that it allows', () => {
    const schema = {
      type: 'object',
      $defs: { score: { type: 'number', minimum: 1, maximum: 5 } },
      properties: {
        summary: { type: 'string', maxLength: 40 },
        score: { $ref: '#/$defs/score' },
        stars: { type: 'integer', minimum: 0, maximum: 10 },
        turn_index: { type: 'integer', minimum: 0 },
        quote: { type: ['string', 'null'] },
        passed: { type: 'boolean' },
        verdict: { anyOf: [{ const: 'good' }, { type: 'null' }] },
        criteria: { type: 'array', minItems: 1, items: { type: 'object', properties: { score: { type: 'number' } } } },
      },
    };
    expect(valueFor(schema, 'agent: Hello.\ncaller: Where is it?')).toEqual({
      summary: 'Simulated summary. caller: Where is it?',
      score: 4.6,
      stars: 9,
      turn_index: 0,
      quote: 'Where is it?',
      passed: true,
      verdict: 'good',
      criteria: [{ score: 0.9 }],
    });
  });
});
