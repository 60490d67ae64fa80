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
    output: { format: AudioFormat; voice: string; speed: number };
  };
  tools: { type: 'function'; name: string; description?: string; parameters?: unknown }[];
  tool_choice: unknown;
  tracing: unknown;
  truncation: unknown;
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
  eagerness?: string;
}

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
        turn_detection: {
          type: 'server_vad',
          threshold: 0.5,
          prefix_padding_ms: 300,
          silence_duration_ms: 500,
          create_response: true,
          interrupt_response: true,
          idle_timeout_ms: null,
        },
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

/** A mistake in a client event, as the server reports it. */
export class ProtocolError extends Error {
  constructor(
    readonly code: string | null,
    message: string,
    readonly param: string | null = null,
    readonly type = 'invalid_request_error',
  ) {
    super(message);
  }
}

const KNOWN: Readonly<Record<string, readonly string[]>> = {
  session: [
    'type',
    'model',
    'output_modalities',
    'instructions',
    'max_output_tokens',
    'audio',
    'tools',
    'tool_choice',
    'tracing',
    'truncation',
    'include',
    'prompt',
    'reasoning',
    'parallel_tool_calls',
  ],
  'session.audio': ['input', 'output'],
  'session.audio.input': ['format', 'noise_reduction', 'transcription', 'turn_detection'],
  'session.audio.output': ['format', 'voice', 'speed'],
  'session.audio.input.turn_detection': [
    'type',
    'threshold',
    'prefix_padding_ms',
    'silence_duration_ms',
    'create_response',
    'interrupt_response',
    'idle_timeout_ms',
    'eagerness',
  ],
};
const FORMATS = ['audio/pcm', 'audio/pcmu', 'audio/pcma'];

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Merges a partial update. Throws {@link ProtocolError}; nothing is changed then. */
export function mergeConfig(config: SessionConfig, update: unknown, voiceLocked: boolean): SessionConfig {
  if (!isObject(update))
    throw new ProtocolError('missing_required_parameter', "Missing required parameter: 'session'.", 'session');
  if (update.type !== 'realtime')
    throw new ProtocolError(
      'missing_required_parameter',
      "Missing required parameter: 'session.type'.",
      'session.type',
    );
  rejectUnknown('session', update);
  if (update.model !== undefined && update.model !== config.model)
    throw new ProtocolError('cannot_update_model', 'The model of a session cannot be changed.', 'session.model');
  const modalities = update.output_modalities;
  if (
    modalities !== undefined &&
    JSON.stringify(modalities) !== '["audio"]' &&
    JSON.stringify(modalities) !== '["text"]'
  )
    throw new ProtocolError(
      'invalid_value',
      'output_modalities must be ["audio"] or ["text"].',
      'session.output_modalities',
    );
  const merged = merge(structuredClone(config) as unknown as Json, update) as unknown as SessionConfig;
  for (const side of ['input', 'output'] as const)
    if (!FORMATS.includes(merged.audio[side].format.type))
      throw new ProtocolError(
        'invalid_value',
        `Invalid value: '${merged.audio[side].format.type}'.`,
        `session.audio.${side}.format.type`,
      );
  if (voiceLocked && JSON.stringify(merged.audio.output.voice) !== JSON.stringify(config.audio.output.voice))
    throw new ProtocolError(
      'cannot_update_voice',
      "Cannot update a conversation's voice if assistant audio is present.",
      'session.audio.output.voice',
    );
  return merged;
}

function rejectUnknown(path: string, value: Json): void {
  for (const [key, inner] of Object.entries(value)) {
    if (KNOWN[path] !== undefined && !KNOWN[path].includes(key))
      throw new ProtocolError('unknown_parameter', `Unknown parameter: '${path}.${key}'.`, `${path}.${key}`);
    if (isObject(inner)) rejectUnknown(`${path}.${key}`, inner);
  }
}

/** Objects merge; lists, formats and everything else replace. */
function merge(target: Json, update: Json): Json {
  for (const [key, value] of Object.entries(update)) {
    const old = target[key];
    target[key] = isObject(value) && isObject(old) && key !== 'format' ? merge(old, value) : value;
  }
  return target;
}
