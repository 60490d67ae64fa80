import { pino, type DestinationStream } from 'pino';
import { maskPhone } from '../../lib/phone.js';
import type { Logger } from '../../ports/logger.js';

/** Names under which a secret, a phone number or speech could reach a log by accident. */
const REDACTED = [
  'authorization',
  'x-admin-key',
  'x-twilio-signature',
  'cookie',
  'set-cookie',
  'token',
  'streamToken',
  'secret',
  'password',
  'authToken',
  'apiKey',
  'to',
  'from',
  'toNumber',
  'fromNumber',
  'phoneNumber',
  'digit',
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
      redact: {
        paths: REDACTED.flatMap((name) => ['', '*', '*.*'].map((level) => level + quote(name))),
        censor: '[redacted]',
      },
      serializers: { err: (error: unknown) => describeError(error) },
    },
    destination,
  );
}

const quote = (name: string) => `["${name}"]`;

/** Causes of causes that are told; a circle of causes must end somewhere. */
const MAX_CAUSES = 3;

/** Stack and code, without the properties that drivers hang on errors: a failed query carries its parameters. */
function describeError(error: unknown, depth = 0): object {
  if (!(error instanceof Error)) return { message: cleaned(String(error)) };
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  return {
    type: error.name,
    message: cleaned(error.message),
    stack: error.stack
      ?.split('\n')
      .filter((line) => line.startsWith('    at '))
      .slice(0, 12)
      .join('\n'),
    ...(code === undefined ? {} : { code }),
    ...(cause === undefined || depth === MAX_CAUSES ? {} : { cause: describeError(cause, depth + 1) }),
  };
}

/** Database drivers put the statement and its values before a dash or after the first line; others quote the number. */
function cleaned(message: string): string {
  return message
    .split('\n')[0]!
    .replace(/^(?:insert|update|select|delete)\b.*? - /i, '')
    .replace(/\+\d{7,15}/g, maskPhone);
}
