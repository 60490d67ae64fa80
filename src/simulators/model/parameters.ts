/** What a client event may hold (protocols.md, part A): every parameter that is not listed here is an error. */

import { TRANSCRIBED_LANGUAGES } from '../../lib/languages.js';
import { REALTIME_VOICES } from '../../ports/realtime-model.js';

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

export type Json = Record<string, unknown>;
export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Checks one value; `path` is where it stands. Throws {@link ProtocolError}. */
type Rule = (value: unknown, path: string) => void;

function rule(expected: string, holds: (value: unknown) => boolean): Rule {
  return (value, path) => {
    if (!holds(value))
      throw new ProtocolError('invalid_value', `Invalid value for '${path}': expected ${expected}.`, path);
  };
}

const anything: Rule = () => {};
const text = rule('a string', (v) => typeof v === 'string');
const flag = rule('a boolean', (v) => typeof v === 'boolean');
const number = (min: number, max: number) =>
  rule(`a number from ${min} to ${max}`, (v) => typeof v === 'number' && v >= min && v <= max);
const integer = (min: number, max: number) =>
  rule(`an integer from ${min} to ${max}`, (v) => Number.isInteger(v) && (v as number) >= min && (v as number) <= max);
const oneOf = (...values: unknown[]) => rule(values.map(String).join(' or '), (v) => values.includes(v));
const nullable =
  (inner: Rule): Rule =>
  (value, path) =>
    value === null ? undefined : inner(value, path);
const listOf =
  (inner: Rule): Rule =>
  (value, path) => {
    if (!Array.isArray(value)) throw new ProtocolError('invalid_type', `'${path}' must be a list.`, path);
    value.forEach((entry, index) => inner(entry, `${path}[${index}]`));
  };
/** Either shape, by what the value looks like. */
const either =
  (choose: (value: unknown) => Rule): Rule =>
  (value, path) =>
    choose(value)(value, path);

function fields(known: Readonly<Record<string, Rule>>, required: readonly string[] = []): Rule {
  return (value, path) => {
    const at = (key: string) => (path === '' ? key : `${path}.${key}`);
    if (!isObject(value)) throw new ProtocolError('invalid_type', `'${path}' must be an object.`, path);
    for (const key of required)
      if (value[key] === undefined)
        throw new ProtocolError('missing_required_parameter', `Missing required parameter: '${at(key)}'.`, at(key));
    for (const [key, inner] of Object.entries(value)) {
      if (!Object.hasOwn(known, key))
        throw new ProtocolError('unknown_parameter', `Unknown parameter: '${at(key)}'.`, at(key));
      if (inner !== undefined) known[key]!(inner, at(key));
    }
  };
}

const type = (name: string): Rule => oneOf(name);
const format = either((value) =>
  isObject(value) && value.type === 'audio/pcm'
    ? fields({ type: type('audio/pcm'), rate: oneOf(24_000) })
    : fields({ type: oneOf('audio/pcm', 'audio/pcmu', 'audio/pcma') }, ['type']),
);
const turnTaking = { create_response: flag, interrupt_response: flag };
const turnDetection = either((value) =>
  isObject(value) && value.type === 'semantic_vad'
    ? fields({ type: type('semantic_vad'), eagerness: oneOf('low', 'medium', 'high', 'auto'), ...turnTaking })
    : fields(
        {
          type: oneOf('server_vad', 'semantic_vad'),
          threshold: number(0, 1),
          prefix_padding_ms: integer(0, 60_000),
          silence_duration_ms: integer(0, 60_000),
          idle_timeout_ms: nullable(integer(1, 60_000)),
          ...turnTaking,
        },
        ['type'],
      ),
);
const transcription = fields(
  {
    model: text,
    language: oneOf(...TRANSCRIBED_LANGUAGES),
    languages: listOf(text),
    prompt: text,
    keywords: listOf(text),
    delay: anything,
  },
  ['model'],
);
const voice = either((value) => (isObject(value) ? fields({ id: text }, ['id']) : oneOf(...REALTIME_VOICES)));
const tool = either((value) =>
  isObject(value) && value.type === 'mcp'
    ? anything
    : fields({ type: type('function'), name: text, description: text, parameters: rule('a JSON Schema', isObject) }, [
        'type',
        'name',
      ]),
);
const toolChoice = either((value) =>
  isObject(value)
    ? fields({ type: oneOf('function', 'mcp'), name: text, server_label: text }, ['type'])
    : oneOf('none', 'auto', 'required'),
);
const modalities = rule('["audio"] or ["text"]', (v) => ['["audio"]', '["text"]'].includes(JSON.stringify(v)));
const maxTokens = either((value) => (value === 'inf' ? anything : integer(1, 4_096)));
const generation = {
  instructions: text,
  output_modalities: modalities,
  max_output_tokens: maxTokens,
  tools: listOf(tool),
  tool_choice: toolChoice,
  prompt: anything,
  reasoning: anything,
  parallel_tool_calls: flag,
};

const session = fields(
  {
    ...generation,
    type: type('realtime'),
    model: text,
    audio: fields({
      input: fields({
        format,
        noise_reduction: nullable(fields({ type: oneOf('near_field', 'far_field'), strength: anything }, ['type'])),
        transcription: nullable(transcription),
        turn_detection: nullable(turnDetection),
      }),
      output: fields({ format, voice, speed: number(0.25, 1.5) }),
    }),
    tracing: anything,
    truncation: anything,
    include: listOf(text),
  },
  ['type'],
);

/** Ids are the client's choice, in 32 characters. */
const itemId = rule('an id of at most 32 characters', (v) => typeof v === 'string' && v !== '' && v.length <= 32);
const item = fields(
  {
    id: itemId,
    object: type('realtime.item'),
    type: oneOf('message', 'function_call', 'function_call_output', 'item_reference'),
    status: oneOf('completed', 'incomplete', 'in_progress'),
    role: oneOf('user', 'system', 'assistant'),
    content: listOf(
      fields({ type: text, text, audio: text, transcript: nullable(text), image_url: text, detail: text }, ['type']),
    ),
    name: text,
    call_id: text,
    arguments: text,
    output: text,
  },
  ['type'],
);
const response = fields({
  ...generation,
  audio: fields({ output: fields({ format, voice }) }),
  conversation: oneOf('auto', 'none'),
  input: listOf(item),
  metadata: nullable(
    rule(
      'at most 16 strings',
      (v) => isObject(v) && Object.values(v).every((s) => typeof s === 'string') && Object.keys(v).length <= 16,
    ),
  ),
});

const event = (known: Readonly<Record<string, Rule>>, required: readonly string[] = Object.keys(known)): Rule =>
  fields({ type: text, event_id: text, ...known }, required);

/** The client events that exist, and what each must hold. */
const EVENTS: Readonly<Record<string, Rule>> = {
  'session.update': event({ session }),
  'input_audio_buffer.append': event({
    audio: rule('base64', (v) => typeof v === 'string' && /^[A-Za-z0-9+/]+={0,2}$/.test(v)),
  }),
  'input_audio_buffer.commit': event({}),
  'input_audio_buffer.clear': event({}),
  'conversation.item.create': event({ item, previous_item_id: nullable(text) }, ['item']),
  'conversation.item.retrieve': event({ item_id: text }),
  'conversation.item.delete': event({ item_id: text }),
  'conversation.item.truncate': event({
    item_id: text,
    content_index: oneOf(0),
    audio_end_ms: integer(0, Number.MAX_SAFE_INTEGER),
  }),
  'response.create': event({ response: nullable(response) }, []),
  'response.cancel': event({ response_id: text }, []),
  'output_audio_buffer.clear': event({}),
};

/** Checks a parsed message; gives its type. Throws {@link ProtocolError}. */
export function checkEvent(message: unknown): { type: string; event: Json } {
  if (!isObject(message)) throw new ProtocolError('invalid_json', 'The message must be a JSON object.');
  const name = message.type;
  if (typeof name !== 'string' || !Object.hasOwn(EVENTS, name))
    throw new ProtocolError('invalid_value', `Invalid value: '${String(name)}'.`, 'type');
  EVENTS[name]!(message, '');
  return { type: name, event: message };
}
