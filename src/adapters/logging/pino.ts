import { pino, type DestinationStream } from 'pino';
import type { Logger } from '../../ports/logger.js';

/** Names under which a secret, a phone number or speech could reach a log by accident. */
const REDACTED = [
  'authorization',
  'x-admin-key',
  'cookie',
  'token',
  'secret',
  'password',
  'authToken',
  'to',
  'from',
  'text',
  'transcript',
  'parameters',
  'params',
  'sql',
  'query',
];

/** Structured JSON logs on stdout. */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: REDACTED.flatMap((name) => [quote(name), `*${quote(name)}`]), censor: '[redacted]' },
      serializers: { err: describeError },
    },
    destination,
  );
}

const quote = (name: string) => `["${name}"]`;

/** Stack and code, without the properties that drivers hang on errors: a failed query carries its parameters. */
function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) };
  const { code } = error as { code?: unknown };
  return {
    type: error.name,
    // Database drivers put the statement and its values after the first line or dash.
    message: error.message.split('\n')[0]!.replace(/^(?:insert|update|select|delete)\b.*? - /i, ''),
    stack: error.stack
      ?.split('\n')
      .filter((line) => line.startsWith('    at '))
      .slice(0, 12)
      .join('\n'),
    ...(code === undefined ? {} : { code }),
  };
}
