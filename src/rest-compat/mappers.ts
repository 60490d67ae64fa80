import type { Call, Evaluation, ToolCall, Turn, VoiceSession } from '../entities/index.js';
import { documentedStatus } from '../services/call-states.js';
import { toSnake } from './http.js';

const iso = (date: Date | null | undefined): string | null => date?.toISOString() ?? null;

export function callLog(call: Call, sessionId: string | null): Record<string, unknown> {
  return {
    id: call.id,
    call_sid: call.callSid ?? null,
    direction: call.direction.toLowerCase(),
    status: documentedStatus(call.status),
    duration_seconds: call.durationSeconds ?? null,
    escalated: call.escalated,
    summary: call.summary ?? null,
    from_number: call.fromNumber ?? null,
    to_number: call.toNumber ?? null,
    agent_key: call.agentKey ?? null,
    agent_version_id: call.agentVersionId ?? null,
    voice_session_id: sessionId,
    outcome: call.outcome ?? null,
    org_id: call.orgId ?? null,
    created_at: iso(call.createdAt),
    answered_at: iso(call.answeredAt),
    ended_at: iso(call.endedAt),
    evaluation_score: call.evaluationScore ?? null,
  };
}

/** Speakers, in the words of the documented transcript. */
const ROLES: Readonly<Record<Turn['speaker'], string>> = {
  CALLER: 'user',
  AGENT: 'assistant',
  SUPERVISOR: 'supervisor',
  SYSTEM: 'system',
};

export function sessionRow(
  session: VoiceSession,
  turns: readonly Turn[],
  tools: readonly ToolCall[],
  evaluations: readonly Evaluation[],
): Record<string, unknown> {
  const at = (ms: number) => new Date(session.startedAt.getTime() + ms).toISOString();
  return {
    id: session.id,
    stream_id: session.streamSid ?? null,
    call_sid: session.callSid ?? null,
    status: session.status.toLowerCase(),
    transcript: turns.map((turn) => ({
      role: ROLES[turn.speaker],
      content: turn.text,
      index: turn.index,
      started_at: at(turn.startedAtMs),
      interrupted: turn.interrupted,
    })),
    function_calls: tools.map((tool) => ({
      name: tool.name,
      arguments: tool.arguments ?? null,
      result: tool.result ?? null,
      status: tool.status.toLowerCase(),
      duration_ms: tool.durationMs ?? null,
    })),
    summary: session.summary ?? null,
    tags: session.tags,
    agent_key: session.agentKey ?? null,
    agent_version_id: session.agentVersionId ?? null,
    model: session.model,
    voice: session.voice ?? null,
    escalated: session.escalated,
    evaluations: evaluations.map(evaluationRow),
    metrics: {
      turn_count: session.turnCount,
      function_call_count: session.toolCallCount,
      interruption_count: session.interruptionCount,
      duration_ms: session.durationMs ?? null,
    },
    started_at: iso(session.startedAt),
    ended_at: iso(session.endedAt),
  };
}

export function evaluationRow(evaluation: Evaluation): Record<string, unknown> {
  return {
    id: evaluation.id,
    voice_session_id: evaluation.sessionId,
    source: evaluation.source.toLowerCase(),
    score: evaluation.score,
    tags: evaluation.tags,
    notes: evaluation.notes ?? null,
    evaluated_by: evaluation.evaluatedBy,
    created_at: iso(evaluation.createdAt),
  };
}

/** A row of the control plane with the listed fields only: a new column is never shown by accident. */
export function shown<T extends object>(row: T, ...fields: (keyof T & string)[]): Record<string, unknown> {
  return toSnake(
    Object.fromEntries(
      fields.map((field) => {
        const value = row[field];
        return [field, value instanceof Date ? value.toISOString() : (value ?? null)];
      }),
    ),
  );
}
