import { Type } from 'typebox';
import { CALL_STATUSES, type Call, type CallStatus } from '../entities/index.js';
import { documentedStatus } from '../services/call-states.js';
import { shape } from './naming.js';
import { Nullable, Time, Word } from './schemas.js';

/** The documented words; a call that is being dialled reads queued. */
export const CALL_STATUS_WORDS = [
  'queued',
  'ringing',
  'in-progress',
  'completed',
  'busy',
  'failed',
  'no-answer',
  'canceled',
  'unknown',
] as const;
export type CallStatusWord = (typeof CALL_STATUS_WORDS)[number];

export const statusWord = (status: CallStatus): CallStatusWord => documentedStatus(status) as CallStatusWord;

/** Every state that reads as this word. */
export const statusesOfWord = (word: CallStatusWord): CallStatus[] =>
  CALL_STATUSES.filter((status) => documentedStatus(status) === word);

export const CallLog = Type.Object({
  id: Type.String(),
  tenant_id: Type.String(),
  call_sid: Nullable(Type.String({ description: 'Twilio’s; null while dialling.' })),
  direction: Word(['inbound', 'outbound']),
  status: Word(CALL_STATUS_WORDS),
  duration_seconds: Nullable(Type.Integer()),
  escalated: Type.Boolean(),
  summary: Nullable(Type.String()),
  from_number: Nullable(Type.String()),
  to_number: Nullable(Type.String()),
  agent_key: Nullable(Type.String()),
  agent_version_id: Nullable(Type.String()),
  voice_session_id: Nullable(Type.String()),
  outcome: Nullable(Type.String()),
  org_id: Nullable(Type.String()),
  synthetic: Type.Boolean({ description: 'A test call that never reached the carrier.' }),
  error_code: Nullable(Type.String()),
  error_message: Nullable(Type.String()),
  time_to_first_audio_ms: Nullable(Type.Integer()),
  evaluation_score: Nullable(Type.Number({ description: 'Mean of the evaluations, 0 to 1.' })),
  created_at: Time(),
  answered_at: Nullable(Time()),
  ended_at: Nullable(Time()),
});

export function callLog(call: Call, voiceSessionId: string | null) {
  return {
    ...shape(
      call,
      'id',
      'tenantId',
      'callSid',
      'durationSeconds',
      'escalated',
      'summary',
      'fromNumber',
      'toNumber',
      'agentKey',
      'agentVersionId',
      'outcome',
      'orgId',
      'synthetic',
      'errorCode',
      'errorMessage',
      'timeToFirstAudioMs',
      'createdAt',
      'answeredAt',
      'endedAt',
    ),
    evaluation_score: call.evaluationScore == null ? null : Number(call.evaluationScore),
    direction: call.direction === 'INBOUND' ? ('inbound' as const) : ('outbound' as const),
    status: statusWord(call.status),
    voice_session_id: voiceSessionId,
  };
}
