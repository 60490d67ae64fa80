import { SPOKEN_LOCALES } from '../../lib/languages.js';
import type { XmlElement } from './xml.js';

const words = (list: string): ReadonlySet<string> => new Set(list.split(' '));
const DIAL_EVENTS = words('initiated ringing answered completed');
const CONFERENCE_EVENTS = words('start end join leave mute hold modify speaker announcement');
const FLAG = words('true false');
const METHOD = words('GET POST');
const YES: ReadonlySet<string> | null = null;

/** The attributes of each element, and where only certain words are allowed, these. */
const ATTRIBUTES: Readonly<Record<string, Readonly<Record<string, ReadonlySet<string> | null>>>> = {
  Response: {},
  Say: { voice: YES, language: new Set(SPOKEN_LOCALES), loop: YES },
  Play: { loop: YES, digits: YES },
  Pause: { length: YES },
  Redirect: { method: METHOD },
  Reject: { reason: words('rejected busy') },
  Hangup: {},
  Connect: { action: YES, method: METHOD },
  Stream: {
    url: YES,
    name: YES,
    track: words('inbound_track outbound_track both_tracks'),
    statusCallback: YES,
    statusCallbackMethod: METHOD,
  },
  Parameter: { name: YES, value: YES },
  Dial: {
    action: YES,
    method: METHOD,
    timeout: YES,
    timeLimit: YES,
    callerId: YES,
    answerOnBridge: FLAG,
    hangupOnStar: FLAG,
    record: YES,
    sequential: FLAG,
  },
  Number: {
    url: YES,
    method: METHOD,
    sendDigits: YES,
    statusCallback: YES,
    statusCallbackMethod: METHOD,
    statusCallbackEvent: DIAL_EVENTS,
  },
  Conference: {
    muted: FLAG,
    beep: words('true false onEnter onExit'),
    startConferenceOnEnter: FLAG,
    endConferenceOnExit: FLAG,
    waitUrl: YES,
    waitMethod: METHOD,
    maxParticipants: YES,
    record: YES,
    region: YES,
    coach: YES,
    participantLabel: YES,
    statusCallback: YES,
    statusCallbackMethod: METHOD,
    statusCallbackEvent: CONFERENCE_EVENTS,
  },
};

/**
 * What Twilio's debugger warns about (12200): attributes that an element does not have, and words that they do not take.
 * The call goes on as if they were not there, which is why nobody notices them in a conversation.
 */
export function schemaWarnings({ name, attributes, children }: XmlElement): string[] {
  const known = ATTRIBUTES[name] ?? {};
  const own = Object.entries(attributes).flatMap(([attribute, value]) => {
    const allowed = Object.hasOwn(known, attribute) ? known[attribute] : undefined;
    if (allowed === undefined) return [`12200 <${name}> has no attribute ${attribute}`];
    const wrong = allowed === null ? [] : value.split(/\s+/).filter((word) => !allowed.has(word));
    return wrong.map((word) => `12200 ${attribute} of <${name}> is not ${word}`);
  });
  return [...own, ...children.flatMap(schemaWarnings)];
}
