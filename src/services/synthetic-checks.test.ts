import { describe, expect, it } from 'vitest';
import type { EscalationState, StoredSessionEvent } from '../ports/session-events.js';
import { exactChecks, type CallFacts } from './synthetic-checks.js';

const turn = { id: 'turn-0', index: 0, speaker: 'AGENT', text: 'Hello.' } as const;
const scenario = {
  intent: 'order_status',
  expectedOutcome: null,
  expectedTools: [],
  mustSay: [],
  mustNotSay: [],
  escalationPath: null,
};
const facts = (more: Partial<CallFacts> = {}): CallFacts => ({
  scenario,
  declaredIntents: [],
  result: { end: 'caller', dialed: [], said: [], problem: null },
  session: { status: 'COMPLETED', endReason: 'CALL_ENDED', outcome: null },
  turns: [turn],
  tools: [],
  events: [],
  ...more,
});
const failing = (more: Partial<CallFacts>) =>
  exactChecks(facts(more))
    .filter((check) => !check.passed)
    .map((check) => check.check);
const escalated = (escalation: Partial<EscalationState>) =>
  ({
    seq: 2,
    type: 'SessionEscalated',
    payload: {
      escalation: {
        reason: 'asked for a person',
        trigger: null,
        action: 'RECORD',
        target: null,
        initiatedBy: 'AGENT',
        ...escalation,
      },
    },
  }) as StoredSessionEvent;
const onPath = (escalationPath: string | null, escalation: Partial<EscalationState>, dialed: string[] = []) =>
  failing({
    scenario: { ...scenario, escalationPath },
    events: [escalated(escalation)],
    result: { end: 'led_away', dialed, said: [], problem: null },
  });

describe('a synthetic call', () => {
  it('passes when somebody spoke and hung up', () => expect(failing({})).toEqual([]));

  it('fails as a whole when the agent was never reached, and quotes what the line said instead', () => {
    const result = { end: 'not_connected', dialed: [], said: ['We are closed.'], problem: null } as const;
    const checks = exactChecks(
      facts({ session: null, turns: [], result: { ...result, dialed: [], said: [...result.said] } }),
    );
    expect(checks).toHaveLength(1);
    expect(checks[0]).toMatchObject({ check: 'answered', passed: false });
    expect(checks[0]!.detail).toContain('We are closed.');
    expect(failing({ turns: [] })).toEqual(['answered']);
  });

  it.each([['timeout'], ['broken'], ['no_caller']] as const)('does not end cleanly with %s', (end) =>
    expect(failing({ result: { end, dialed: [], said: [], problem: 'A reason.' } })).toEqual(['ended_cleanly']),
  );

  it.each([['MODEL_LOST'], ['MAX_DURATION'], ['OWNER_LOST'], [null]])('does not end cleanly with %s', (endReason) =>
    expect(failing({ session: { status: 'FAILED', endReason, outcome: null } })).toEqual(['ended_cleanly']),
  );

  it('follows the approved path by trigger, action, target or words of the reason, and no other', () => {
    expect(onPath('payment', { trigger: 'payment' })).toEqual([]);
    expect(onPath('record', {})).toEqual([]);
    expect(onPath('a person', {})).toEqual([]);
    expect(onPath('+15555550177', { target: '+15555550177' })).toEqual([]);
    expect(onPath('complaint', { trigger: 'payment' })).toEqual(['escalation']);
    expect(onPath(null, { trigger: 'payment' })).toEqual(['escalation']);
    expect(failing({ scenario: { ...scenario, escalationPath: 'payment' } })).toEqual(['escalation']);
  });

  it('is transferred only when the line was really led to the target', () => {
    const transfer = { trigger: 'payment', action: 'TRANSFER', target: '+15555550177' } as const;
    expect(onPath('payment', transfer, ['+15555550177'])).toEqual([]);
    expect(onPath('payment', transfer)).toEqual(['transferred']);
  });

  it('asks the text model only what words leave open', () => {
    const checks = exactChecks(
      facts({ scenario: { ...scenario, mustSay: ['hello', 'welcome'], mustNotSay: ['hello', 'goodbye'] } }),
    );
    expect(checks.filter((check) => check.question !== undefined).map((check) => check.check)).toEqual([
      'must_say:welcome',
      'must_not_say:goodbye',
    ]);
  });
});
