import { Type } from 'typebox';
import type { Evaluation, ToolCall, Turn, VoiceSession } from '../entities/index.js';
import type { Speaker } from '../ports/session-events.js';
import { lower, shape } from './naming.js';
import { Anything, Nullable, Time, Word } from './schemas.js';

export const SESSION_STATUS_WORDS = ['active', 'completed', 'failed', 'reviewed'] as const;
export type SessionStatusWord = (typeof SESSION_STATUS_WORDS)[number];

/** Chat roles, as the documented transcript has them; `speaker` beside them says who it really was. */
const ROLES: Record<Speaker, 'user' | 'assistant' | 'supervisor' | 'system'> = {
  CALLER: 'user',
  AGENT: 'assistant',
  SUPERVISOR: 'supervisor',
  SYSTEM: 'system',
};

const TranscriptTurn = Type.Object({
  role: Word(['user', 'assistant', 'supervisor', 'system']),
  content: Type.String(),
  index: Type.Integer(),
  started_at: Time(),
  interrupted: Type.Boolean(),
  speaker: Word(['caller', 'agent', 'supervisor', 'system']),
  final: Type.Boolean(),
  latency_ms: Nullable(Type.Integer()),
});
const FunctionCall = Type.Object({
  name: Type.String(),
  arguments: Anything(),
  result: Anything(),
  status: Word(['running', 'succeeded', 'failed', 'refused']),
  duration_ms: Nullable(Type.Integer()),
});
export const EvaluationRow = Type.Object({
  id: Type.String(),
  voice_session_id: Type.String(),
  agent_version_id: Nullable(Type.String()),
  source: Word(['human', 'api', 'rules', 'model']),
  score: Type.Number({ minimum: 0, maximum: 1 }),
  tags: Type.Array(Type.String()),
  notes: Nullable(Type.String()),
  criteria: Type.Array(
    Type.Object({
      key: Type.String(),
      score: Type.Number({ minimum: 0, maximum: 1 }),
      weight: Type.Number(),
      comment: Nullable(Type.String()),
      quotes: Type.Array(
        Type.Object({ turn: Type.Integer({ description: 'Index of the turn that it is from.' }), text: Type.String() }),
      ),
    }),
    { description: 'What the score is made of, where it was judged by criterion.' },
  ),
  rubric_revision: Nullable(Type.Integer({ description: 'Of the agent’s rubric, when its criteria were judged.' })),
  evaluated_by: Type.String({
    description: '`rules`, the text model’s name, a credential, or a person (by a credential).',
  }),
  created_at: Time(),
});
export const SessionRow = Type.Object({
  id: Type.String(),
  stream_id: Nullable(Type.String({ description: 'Twilio’s stream SID.' })),
  call_sid: Nullable(Type.String()),
  transcript: Type.Array(TranscriptTurn),
  function_calls: Type.Array(FunctionCall),
  summary: Nullable(Type.String()),
  analysis: Nullable(
    Type.Object(
      {
        source: Type.String({ description: '`extract`, or the text model’s name.' }),
        provider: Nullable(Type.String()),
        summary: Nullable(Type.String()),
        tags: Type.Array(Type.String()),
        outcome: Nullable(Type.String()),
        attempts: Type.Integer(),
        at: Time(),
      },
      { description: 'What was made of the call after it ended, as it was made; null until then.' },
    ),
  ),
  tags: Type.Array(Type.String()),
  status: Word(SESSION_STATUS_WORDS),
  call_id: Type.String(),
  agent_key: Nullable(Type.String()),
  agent_version_id: Nullable(Type.String()),
  model: Type.String(),
  voice: Nullable(Type.String()),
  intent: Nullable(Type.String()),
  outcome: Nullable(Type.String()),
  escalated: Type.Boolean(),
  end_reason: Nullable(Type.String({ description: 'How it ended, as the session log says it.' })),
  reviewed_at: Nullable(Time('When a person judged it first; a failed one stays failed.')),
  synthetic: Type.Boolean({ description: 'A test call: the gateway itself played the caller.' }),
  last_seq: Type.Integer({ description: 'Newest event of the session log; resume `live-logs` after it.' }),
  started_at: Time(),
  ended_at: Nullable(Time()),
  evaluations: Type.Array(EvaluationRow),
  metrics: Type.Object({
    duration_ms: Nullable(Type.Integer()),
    turn_count: Type.Integer(),
    tool_call_count: Type.Integer(),
    interruption_count: Type.Integer(),
    mean_latency_ms: Nullable(Type.Integer()),
  }),
});

export interface SessionParts {
  turns: Turn[];
  toolCalls: ToolCall[];
  evaluations: Evaluation[];
}

export function sessionRow(session: VoiceSession, { turns, toolCalls, evaluations }: SessionParts) {
  const latencies = turns.flatMap(({ latencyMs }) => (latencyMs == null ? [] : [latencyMs]));
  return {
    ...shape(
      session,
      'id',
      'callSid',
      'callId',
      'summary',
      'tags',
      'agentKey',
      'agentVersionId',
      'model',
      'voice',
      'intent',
      'outcome',
      'escalated',
      'endReason',
      'reviewedAt',
      'synthetic',
      'lastSeq',
      'startedAt',
      'endedAt',
    ),
    stream_id: session.streamSid ?? null,
    analysis: session.analysis ?? null,
    status: lower<SessionStatusWord>(session.status),
    transcript: turns.map((turn) => transcriptTurn(turn, session.startedAt)),
    function_calls: toolCalls.map(functionCall),
    evaluations: evaluations.map(evaluationRow),
    metrics: {
      ...shape(session, 'durationMs', 'turnCount', 'toolCallCount', 'interruptionCount'),
      mean_latency_ms:
        latencies.length === 0 ? null : Math.round(latencies.reduce((sum, ms) => sum + ms, 0) / latencies.length),
    },
  };
}

function transcriptTurn(turn: Turn, sessionStart: Date) {
  return {
    ...shape(turn, 'index', 'interrupted', 'final', 'latencyMs'),
    role: ROLES[turn.speaker],
    speaker: lower<'caller' | 'agent' | 'supervisor' | 'system'>(turn.speaker),
    content: turn.text,
    started_at: new Date(sessionStart.getTime() + turn.startedAtMs).toISOString(),
  };
}

function functionCall(call: ToolCall) {
  return {
    ...shape(call, 'name', 'durationMs'),
    arguments: call.arguments ?? null,
    result: call.result ?? null,
    status: lower<'running' | 'succeeded' | 'failed' | 'refused'>(call.status),
  };
}

export function evaluationRow(row: Evaluation) {
  return {
    ...shape(row, 'id', 'agentVersionId', 'tags', 'notes', 'criteria', 'evaluatedBy', 'createdAt'),
    voice_session_id: row.sessionId,
    rubric_revision: row.rubricRevision ?? null,
    score: Number(row.score),
    source: lower<'human' | 'api' | 'rules' | 'model'>(row.source),
  };
}
