import { isObject, ProtocolError, type Json } from './parameters.js';

/** The session object of OpenAI Realtime and what `session.update` may do to it (protocols.md, part A). */
export interface SessionConfig {
  type: 'realtime';
  id: string;
  object: 'realtime.session';
  model: string;
  output_modalities: string[];
  instructions: string;
  max_output_tokens: number | 'inf';
  audio: {
    input: {
      format: AudioFormat;
      noise_reduction: unknown;
      transcription: { model: string; language?: string } | null;
      turn_detection: TurnDetection | null;
    };
    output: { format: AudioFormat; voice: unknown; speed: number };
  };
  tools: { type: 'function'; name: string; description?: string; parameters?: unknown }[];
  tool_choice: unknown;
  tracing: unknown;
  truncation: unknown;
  /** Seconds since 1970. */
  expires_at: number;
}
export interface AudioFormat {
  type: string;
  rate?: number;
}
export interface TurnDetection {
  type: 'server_vad' | 'semantic_vad';
  threshold?: number;
  prefix_padding_ms?: number;
  silence_duration_ms?: number;
  create_response?: boolean;
  interrupt_response?: boolean;
  idle_timeout_ms?: number | null;
  eagerness?: 'low' | 'medium' | 'high' | 'auto';
}

/** What a kind of turn detection does where the client says nothing. */
const DETECTION_DEFAULTS: Readonly<Record<TurnDetection['type'], TurnDetection>> = {
  server_vad: {
    type: 'server_vad',
    threshold: 0.5,
    prefix_padding_ms: 300,
    silence_duration_ms: 500,
    create_response: true,
    interrupt_response: true,
    idle_timeout_ms: null,
  },
  semantic_vad: { type: 'semantic_vad', eagerness: 'auto', create_response: true, interrupt_response: true },
};

export function initialConfig(id: string, model: string, expiresAt: number): SessionConfig {
  return {
    type: 'realtime',
    id,
    object: 'realtime.session',
    model,
    output_modalities: ['audio'],
    instructions: '',
    max_output_tokens: 'inf',
    audio: {
      input: {
        format: { type: 'audio/pcm', rate: 24_000 },
        noise_reduction: null,
        transcription: null,
        turn_detection: { ...DETECTION_DEFAULTS.server_vad },
      },
      output: { format: { type: 'audio/pcm', rate: 24_000 }, voice: 'alloy', speed: 1 },
    },
    tools: [],
    tool_choice: 'auto',
    tracing: null,
    truncation: 'auto',
    expires_at: expiresAt,
  };
}

/** Merges a partial update that was checked. Throws {@link ProtocolError}; nothing is changed then. */
export function mergeConfig(config: SessionConfig, update: Json, voiceLocked: boolean): SessionConfig {
  if (update.model !== undefined && update.model !== config.model)
    throw new ProtocolError('cannot_update_model', 'The model of a session cannot be changed.', 'session.model');
  const merged = merge(structuredClone(config) as unknown as Json, update) as unknown as SessionConfig;
  const detection = merged.audio.input.turn_detection;
  if (detection !== null) merged.audio.input.turn_detection = { ...DETECTION_DEFAULTS[detection.type], ...detection };
  if (voiceLocked && JSON.stringify(merged.audio.output.voice) !== JSON.stringify(config.audio.output.voice))
    throw new ProtocolError(
      'cannot_update_voice',
      "Cannot update a conversation's voice if assistant audio is present.",
      'session.audio.output.voice',
    );
  if (config.tracing !== null && JSON.stringify(merged.tracing) !== JSON.stringify(config.tracing))
    throw new ProtocolError('cannot_update_tracing', 'Tracing cannot be changed once it is on.', 'session.tracing');
  return merged;
}

/** What holds for one response: the session's settings, and over them what its `response.create` says. */
export function configOfResponse(config: SessionConfig, wanted: Json): SessionConfig {
  const { instructions, tools, tool_choice, output_modalities, max_output_tokens } = wanted;
  const given = Object.entries({ instructions, tools, tool_choice, output_modalities, max_output_tokens });
  return { ...config, ...Object.fromEntries(given.filter(([, value]) => value !== undefined)) };
}

/** Replaced as a whole: half of one of these makes no sense with half of another. */
const WHOLE = new Set(['format', 'tracing', 'truncation', 'tool_choice', 'voice']);

function merge(target: Json, update: Json): Json {
  for (const [key, value] of Object.entries(update)) {
    const old = target[key];
    const another = isObject(value) && isObject(old) && old.type !== undefined && value.type !== old.type;
    target[key] = isObject(value) && isObject(old) && !another && !WHOLE.has(key) ? merge(old, value) : value;
  }
  return target;
}
