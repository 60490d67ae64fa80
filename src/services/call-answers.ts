import type { CallFallback, OutsideDestination } from '../entities/index.js';
import { conference, connectStream, dial, hangup, pause, redirect, response, say } from './twiml.js';

/** What Twilio is told to do with a call. A door turns it into TwiML with {@link twimlOf}. */
export type CallAnswer =
  | {
      kind: 'connect';
      streamUrl: string;
      streamStatusUrl: string;
      token: string;
      resumeUrl: string;
      /** Of the stream: a supervisor's phone; missing: the caller. */
      role?: 'phone';
    }
  | { kind: 'fallback'; fallback: SpokenFallback }
  /** For a person who is brought in: what it is about, then the room in which the caller joins them. */
  | { kind: 'brief'; words: string; language: string | null; room: string; statusUrl: string }
  /** Somebody else answers better in a moment: this process is leaving. */
  | { kind: 'ask-again'; url: string; afterSeconds: number }
  | { kind: 'hang-up' };

/** A fallback with everything that speaking it needs. */
export interface SpokenFallback {
  message: string;
  language: string | null;
  /** Null: the call ends after the message. */
  transfer: { to: string; callerId: string | null; statusUrl: string } | null;
}

/** The label of whoever was brought in, in the callbacks of a conference. */
export const PERSON = 'person';

/** Said when nobody configured anything else; also from a process with nothing working. */
export const LAST_RESORT_MESSAGE = 'We are sorry, we cannot take your call right now. Please try again later.';
export const CALL_BACK_MESSAGE = 'We are sorry, we cannot talk right now. We will call you back as soon as we can.';
export const TRANSFER_MESSAGE = 'Please hold the line while we connect you.';
export const TRANSFER_FAILED_MESSAGE = 'We are sorry, nobody could take your call. Please try again later.';

export const LAST_RESORT: CallAnswer = {
  kind: 'fallback',
  fallback: { message: LAST_RESORT_MESSAGE, language: null, transfer: null },
};

/** The first fallback that says something: a destination outside of business hours, the version's, the route's, the tenant's message. */
export function chooseFallback(
  candidates: readonly (CallFallback | OutsideDestination | null | undefined)[],
  tenantMessage: string | null,
): CallFallback {
  const chosen = candidates.find((candidate) => candidate != null && candidate.action !== 'agent');
  if (chosen != null) return chosen as CallFallback;
  return { action: 'message', message: tenantMessage ?? LAST_RESORT_MESSAGE, target: null };
}

export function twimlOf(answer: CallAnswer): string {
  switch (answer.kind) {
    case 'connect':
      return response(
        connectStream({
          url: answer.streamUrl,
          statusCallback: answer.streamStatusUrl,
          token: answer.token,
          role: answer.role,
        }),
        redirect(answer.resumeUrl),
      );
    case 'fallback':
      return fallbackTwiml(answer.fallback);
    case 'brief':
      return response(
        say(answer.words, answer.language),
        conference(answer.room, { label: PERSON, statusCallback: answer.statusUrl }),
        hangup(),
      );
    case 'ask-again':
      return response(pause(answer.afterSeconds), redirect(answer.url));
    case 'hang-up':
      return response(hangup());
  }
}

export function fallbackTwiml({ message, language, transfer }: SpokenFallback): string {
  return response(
    say(message, language),
    ...(transfer === null ? [] : [dial({ to: transfer.to, callerId: transfer.callerId, action: transfer.statusUrl })]),
    hangup(),
  );
}
