import { spokenLocale } from '../lib/languages.js';

/**
 * TwiML, written by hand: a handful of verbs, each value escaped. Pure functions; {@link response} joins verbs to a
 * document (protocols.md, part B).
 */

/** One verb, already XML. Only the builders of this file make them. */
export type Verb = string & { readonly verb: unique symbol };

/** `text/xml` of every answer to Twilio. */
export const TWIML_TYPE = 'text/xml; charset=utf-8';

/** Twilio refuses more in one `<Say>`. */
const MAX_SAY_CHARACTERS = 3_000;

/** A whole document. No verbs: Twilio hangs up. */
export function response(...verbs: Verb[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?><Response>${verbs.join('')}</Response>`;
}

/**
 * Connects the call to a media stream, both ways. Blocks until the socket is closed; what follows runs then. The token
 * travels as a parameter because Twilio strips queries from the URL (trap 1).
 */
export function connectStream(stream: {
  url: string;
  statusCallback: string;
  token: string;
  /** Told to our end beside the token. */
  role?: string | undefined;
}): Verb {
  return tag(
    'Connect',
    {},
    tag(
      'Stream',
      { url: stream.url, statusCallback: stream.statusCallback, statusCallbackMethod: 'POST' },
      tag('Parameter', { name: 'stream_token', value: stream.token }) +
        (stream.role === undefined ? '' : tag('Parameter', { name: 'role', value: stream.role })),
    ),
  );
}

/** Twilio asks `url` for what comes next. */
export function redirect(url: string): Verb {
  return tag('Redirect', { method: 'POST' }, text(url));
}

/** `language`: a tag of ours; without one, or where Twilio has no voice for it, its own voice speaks. */
export function say(words: string, language?: string | null): Verb {
  return tag(
    'Say',
    { language: spokenLocale(language ?? null) ?? undefined },
    text(words.slice(0, MAX_SAY_CHARACTERS)),
  );
}

/** Connects the caller to a number; Twilio asks `action` when that call is over or did not come about. */
export function dial(call: { to: string; callerId: string | null; action?: string; timeoutSeconds?: number }): Verb {
  return tag(
    'Dial',
    {
      callerId: call.callerId ?? undefined,
      answerOnBridge: 'true',
      timeout: call.timeoutSeconds?.toString(),
      action: call.action,
      method: call.action === undefined ? undefined : 'POST',
    },
    tag('Number', {}, text(call.to)),
  );
}

export interface ConferenceOptions {
  /** Asked when they have left it. */
  action?: string;
  /** The participant's name in the callbacks. */
  label?: string;
  /** Told when somebody joins. The first participant's is the conference's. */
  statusCallback?: string;
}

/** Puts somebody into a named conference, which ends with them: how a person joins a call. */
export function conference(room: string, { action, label, statusCallback }: ConferenceOptions = {}): Verb {
  return tag(
    'Dial',
    { action, method: action === undefined ? undefined : 'POST' },
    tag(
      'Conference',
      {
        startConferenceOnEnter: 'true',
        endConferenceOnExit: 'true',
        beep: 'false',
        participantLabel: label,
        statusCallback,
        statusCallbackEvent: statusCallback === undefined ? undefined : 'join',
        statusCallbackMethod: statusCallback === undefined ? undefined : 'POST',
      },
      text(room),
    ),
  );
}

/** Seconds of silence. */
export function pause(seconds: number): Verb {
  return tag('Pause', { length: String(seconds) });
}

export function hangup(): Verb {
  return tag('Hangup', {});
}

/** Declines a call that was not answered yet: nobody is billed. */
export function reject(reason: 'rejected' | 'busy' = 'rejected'): Verb {
  return tag('Reject', { reason });
}

function tag(name: string, attributes: Record<string, string | undefined>, inner = ''): Verb {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${text(value!)}"`)
    .join('');
  return (inner === '' ? `<${name}${written}/>` : `<${name}${written}>${inner}</${name}>`) as Verb;
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };

// What XML 1.0 cannot hold at all, escaped or not: one such character makes Twilio refuse the whole document (error 12100).
// oxlint-disable-next-line no-control-regex
const UNSAYABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;

/** Escapes text for content and attributes alike (trap 37). */
function text(raw: string): string {
  return raw
    .toWellFormed()
    .replace(UNSAYABLE, '')
    .replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}
