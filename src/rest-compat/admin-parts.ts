import { Type } from 'typebox';
import { Free, Maybe, Nullable, Strict, Text, WithDefault, Word } from './schemas.js';

/** Parts of the agent contract and of settings, as requests give them and answers show them. */

const text = Type.String();

export const Hours = Strict({
  time_zone: WithDefault(Nullable(Text(64, { default: null, description: 'IANA; null: the zone of whoever asks.' }))),
  windows: Type.Array(
    Strict({
      days: Type.Array(Type.Integer({ minimum: 1, maximum: 7 }), { description: '1 Monday … 7 Sunday.' }),
      start: Type.String({ description: 'HH:MM', examples: ['09:00'] }),
      end: Type.String({ description: 'HH:MM; at or before `start`: on the next day.', examples: ['18:00'] }),
    }),
  ),
});
export const Fallback = Strict({
  action: Word(['message', 'transfer', 'callback']),
  message: Maybe(text),
  target: Maybe(text),
});
export const OpeningHours = Strict({
  ...Hours.properties,
  outside: Strict({
    action: Word(['message', 'transfer', 'callback', 'agent']),
    message: Maybe(text),
    target: Maybe(Type.String({ description: 'A number, or an agent key for `agent`.' })),
  }),
});

export const Telephony = {
  from_number: Maybe(text),
  transfer_number: Maybe(text),
  ring_timeout_seconds: Maybe(Type.Integer()),
  max_duration_seconds: Maybe(Type.Integer()),
  fallback_message: Maybe(text),
  calling_hours: Maybe(Hours),
  callback_queue: Maybe(text),
  callback_sla_minutes: Maybe(Type.Integer()),
  callback_auto_dial: Maybe(Type.Boolean()),
  machine_detection: Maybe(
    Type.Boolean({
      description: 'Whether phones of people who are brought into calls are tested for answering machines; they are.',
    }),
  ),
};
export const GovernanceFields = {
  minimum_synthetic_calls: Maybe(Type.Integer()),
  minimum_signature_rate: Maybe(Type.Number()),
  minimum_signature_sample: Maybe(Type.Integer()),
  minimum_mean_score: Maybe(Type.Number()),
  minimum_evaluated_calls: Maybe(Type.Integer({ description: 'Calls that the mean score comes from, at least.' })),
  required_approvals: Maybe(Type.Array(text)),
  minimum_approvers: Maybe(Type.Integer({ description: 'How many different admins give the approvals, at least.' })),
};

const LEFT_TO_TENANT = 'Null: the tenant’s, as it is when the version leaves draft.';
/** The agent contract. In a request a missing field stays as it is (empty at first), null clears it. */
export const Contract = {
  model: Maybe(Type.String({ description: LEFT_TO_TENANT })),
  voice: Maybe(Type.String({ description: LEFT_TO_TENANT })),
  prompt: Maybe(Type.String({ description: 'Inline system prompt; takes the place of `prompt_key`.' })),
  prompt_key: Maybe(Type.String({ description: 'Takes the place of `prompt`. With neither, the tenant’s.' })),
  prompt_revision: Maybe(
    Type.Integer({ description: 'Null: pinned to the published one when the version goes live.' }),
  ),
  prompt_variables: Maybe(
    Type.Record(text, text, {
      description:
        'Values of `{{name}}` in the prompt; `tenant_name` and `agent_name` have theirs without being asked.',
    }),
  ),
  greeting: Maybe(text),
  language: Maybe(
    Type.String({ description: 'A language tag: spoken, and transcribed.', examples: ['en', 'de-DE', 'es-419'] }),
  ),
  turn_detection: Maybe(Free('As in the realtime API.')),
  tools: Maybe(
    Type.Array(
      Strict({
        name: text,
        description: text,
        parameters: Maybe(Free('JSON Schema of the arguments.')),
        url: text,
        method: Maybe(Word(['GET', 'POST'])),
        timeout_ms: Maybe(Type.Integer()),
        secret_header: Maybe(text),
        secret: Maybe(Type.String({ description: 'Write-only. Left out: the tool of this name keeps its own.' })),
      }),
    ),
  ),
  intents: Maybe(Type.Array(Strict({ name: text, description: Maybe(text), tools: Type.Optional(Type.Array(text)) }))),
  escalation_rules: Maybe(
    Type.Array(
      Strict({
        trigger: Type.String({ examples: ['payment', 'identity_failure', 'complaint', 'low_confidence'] }),
        repeated: Type.Optional(Type.Integer()),
        action: Word(['transfer', 'callback', 'end']),
        target: Maybe(text),
        intents: Type.Optional(Type.Array(text)),
      }),
    ),
  ),
  success_signals: Maybe(Type.Array(text)),
  fallback: Maybe(Fallback),
  consent_line: Maybe(Type.String({ description: 'Spoken before the greeting.' })),
  max_duration_seconds: Maybe(Type.Integer()),
  note: Maybe(text),
};
