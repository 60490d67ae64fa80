import type { CallPlan } from '../../src/ports/media-session.js';

/** A plan of a plain inbound call, with what the test is about. */
export function aPlan(over: Partial<CallPlan> = {}): CallPlan {
  return {
    tenantId: 'acme',
    callId: 'call-1',
    sessionId: 'session-1',
    callSid: 'CA1',
    streamSid: 'MZ1',
    generation: 1,
    sessionStartedAt: new Date(),
    direction: 'INBOUND',
    synthetic: false,
    model: 'gpt-realtime',
    voice: null,
    instructions: 'Be brief.',
    greeting: null,
    consentLine: null,
    language: null,
    turnDetection: null,
    transcriptionModel: 'gpt-4o-mini-transcribe',
    tools: [],
    intents: {},
    escalationRules: [],
    successSignals: [],
    transferTarget: null,
    maxDurationMs: 3_600_000,
    history: [],
    nextTurnIndex: 0,
    resumed: false,
    silenced: false,
    phoneId: null,
    currentIntent: null,
    marks: [],
    ...over,
  };
}
