import { describe, expect, it } from 'vitest';
import { aPlan } from '../../test/testkit/call-plan.js';
import { isAllowed, toolDefinitions } from './built-in-tools.js';
import { EscalationRules } from './escalation-rules.js';
import { sessionUpdate, turnTaking } from './realtime-session-config.js';

const names = (plan: Parameters<typeof toolDefinitions>[0]): string[] => toolDefinitions(plan).map((tool) => tool.name);

describe('the tools of a call', () => {
  it('offers only what the plan has a use for', () => {
    expect(names(aPlan())).toEqual(['end_call', 'escalate_to_human', 'request_callback', 'do_not_call']);
    const rich = aPlan({
      intents: { order: ['lookup'] },
      successSignals: ['resolved'],
      escalationRules: [{ trigger: 'angry', repeated: 1, action: 'end', target: null, intents: [] }],
    });
    expect(names(rich)).toContain('set_intent');
    expect(names(rich)).toContain('record_outcome');
    const concern = toolDefinitions(rich).find((tool) => tool.name === 'raise_concern')!;
    expect(JSON.stringify(concern.parameters)).toContain('angry');
  });

  it('allows the union of all intents before one is named, then only its own', () => {
    const plan = aPlan({ intents: { order: ['lookup'], refund: ['pay'] } });
    expect(isAllowed(plan, null, 'pay')).toBe(true);
    expect(isAllowed(plan, null, 'other')).toBe(false);
    expect(isAllowed(plan, 'order', 'lookup')).toBe(true);
    expect(isAllowed(plan, 'order', 'pay')).toBe(false);
    expect(isAllowed(aPlan(), null, 'anything')).toBe(true);
  });

  it('hides a tool of the tenant that bears a reserved name or that no intent allows', () => {
    const tool = { description: '', parameters: {}, url: '', method: 'GET', timeoutMs: 1, secretHeader: null } as const;
    const plan = aPlan({
      tools: [
        { ...tool, name: 'end_call' },
        { ...tool, name: 'lookup' },
        { ...tool, name: 'never' },
      ],
      intents: { order: ['lookup'] },
    });
    expect(names(plan).filter((name) => name === 'end_call')).toHaveLength(1);
    expect(names(plan)).toContain('lookup');
    expect(names(plan)).not.toContain('never');
  });
});

describe('the session of the model', () => {
  it('speaks µ-law both ways, under the names of the GA protocol', () => {
    const session = sessionUpdate(aPlan({ voice: 'marin', language: 'en' }))['session'] as Record<string, any>;
    expect(session['audio'].input.format).toEqual({ type: 'audio/pcmu' });
    expect(session['audio'].output).toEqual({ format: { type: 'audio/pcmu' }, voice: 'marin' });
    expect(session['audio'].input.transcription).toEqual({ model: 'gpt-4o-mini-transcribe', language: 'en' });
    expect(session['audio'].input.turn_detection).toMatchObject({ type: 'server_vad', threshold: 0.6 });
    expect(JSON.stringify(session)).not.toMatch(/g711|"modalities"/);
  });

  it('speaks the language of the version, which the transcription knows by its own name', () => {
    const of = (language: string | null) => sessionUpdate(aPlan({ language }))['session'] as Record<string, any>;
    expect(of('de-CH').audio.input.transcription).toEqual({ model: 'gpt-4o-mini-transcribe', language: 'de' });
    expect(of('de-CH').instructions).toMatch(/^Be brief\.\n\nSpeak .*German.*, unless/);
    // Esperanto is transcribed by guessing.
    expect(of('eo').audio.input.transcription).toEqual({ model: 'gpt-4o-mini-transcribe' });
    expect(of(null).instructions).toBe('Be brief.');
  });

  it('has a voice by its name, or a custom one by its id', () => {
    const output = (voice: string) => (sessionUpdate(aPlan({ voice }))['session'] as Record<string, any>).audio.output;
    expect(output('cedar').voice).toBe('cedar');
    expect(output('voice_1234').voice).toEqual({ id: 'voice_1234' });
  });

  it('obeys the turn detection of the version', () => {
    const plan = aPlan({ turnDetection: { type: 'semantic_vad', create_response: false } });
    expect(turnTaking(plan)).toEqual({ createsResponse: false, interruptsResponse: true });
    expect(JSON.stringify(sessionUpdate(plan))).toContain('semantic_vad');
  });
});

describe('escalation rules', () => {
  const twice = { trigger: 'complaint', repeated: 2, action: 'transfer', target: '+15550001', intents: [] } as const;
  const about = { ...twice, trigger: 'payment', repeated: 1, intents: ['order_status', 'refund'] };

  it('fire exactly at the Nth occurrence', () => {
    const rules = new EscalationRules([twice], []);
    expect(rules.raise('complaint')).toEqual({ count: 1, rule: null });
    expect(rules.raise('payment')).toEqual({ count: 1, rule: null });
    expect(rules.raise('complaint')).toEqual({ count: 2, rule: twice });
    expect(rules.raise('complaint').rule).toBeNull();
  });

  it('go on counting after a resume', () => {
    const past = [{ kind: 'concern', name: 'complaint' }] as const;
    expect(new EscalationRules([twice], past).raise('complaint')).toEqual({ count: 2, rule: twice });
  });

  it('of some intents fire for these only, and count what came up about them', () => {
    const rules = new EscalationRules([{ ...about, repeated: 2 }, twice], []);
    rules.named('opening_hours');
    expect([rules.raise('payment'), rules.raise('payment')].map(({ rule }) => rule)).toEqual([null, null]);
    rules.named('refund');
    expect(rules.raise('payment')).toEqual({ count: 3, rule: null });
    rules.named('opening_hours');
    expect(rules.raise('payment').rule).toBeNull();
    rules.named('order_status');
    expect(rules.raise('payment')).toMatchObject({ count: 5, rule: { trigger: 'payment' } });
    expect(rules.raise('payment').rule).toBeNull();
  });

  it('of some intents hear what came up just before the intent was named, also before a resume', () => {
    const rules = new EscalationRules([about], []);
    expect(rules.raise('payment').rule).toBeNull();
    expect(rules.named('refund')).toBe(about);
    expect(rules.named('order_status')).toBeNull();
    const past = [{ kind: 'concern', name: 'payment' }] as const;
    expect(new EscalationRules([about], past).named('refund')).toBe(about);
    const fired = [...past, { kind: 'intent', name: 'refund' }] as const;
    expect(new EscalationRules([about], fired).raise('payment').rule).toBeNull();
    expect(new EscalationRules([about], past).named('opening_hours')).toBeNull();
  });

  it('hear of failed transcriptions and of tools that fail again and again', () => {
    const rules = new EscalationRules([{ ...twice, trigger: 'tool_failed' }], []);
    expect(rules.concernsOf('transcription_failed')).toEqual(['low_confidence']);
    expect(rules.concernsOf('tool_failed')).toEqual(['tool_failed']);
    expect(rules.concernsOf('tool_failed')).toEqual(['tool_failed', 'low_confidence']);
    rules.toolSucceeded();
    expect(rules.concernsOf('tool_failed')).toEqual(['tool_failed']);
  });
});
