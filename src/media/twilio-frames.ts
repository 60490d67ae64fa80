/**
 * Twilio's media stream messages (protocols.md, part B), parsed once. All numbers arrive as strings, and a message that
 * makes no sense is null, never an exception: one bad frame must not end a call.
 */
export type TwilioMessage =
  | { event: 'connected' }
  | { event: 'start'; streamSid: string; callSid: string; accountSid: string; parameters: Record<string, string> }
  | { event: 'media'; streamSid: string; payload: string; timestampMs: number }
  | { event: 'dtmf'; streamSid: string; digit: string }
  | { event: 'mark'; streamSid: string; name: string }
  | { event: 'stop'; streamSid: string }
  /** A well-formed message of a kind that this gateway does not know, or of a track that it does not use. */
  | { event: 'other' };

/**
 * A frame exactly as Twilio writes it: the 50 messages a second. Its documentation has `streamSid` before `media`, its wire
 * behind. One match takes it apart and checks the base64, in a third of the time of JSON.parse; the same fields in another
 * order are left to the parser.
 */
const FRAME =
  /^\{"event":"media","sequenceNumber":"\d+",(?:"streamSid":"([^"\\]+)",)?"media":\{"track":"inbound","chunk":"\d+","timestamp":"(\d+)","payload":"([A-Za-z0-9+/]+={0,2})"\}(?:,"streamSid":"([^"\\]+)")?\}$/;

/** Checked on every payload: it is written into the model's JSON as it is, so that nothing else may hide in it. */
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** Longest payload that is passed on, in base64 characters: over 5 s of audio in one frame is no phone call. */
const MAX_PAYLOAD = 60_000;

/** One text message; null when it is none of Twilio's. */
export function parseTwilioMessage(text: string): TwilioMessage | null {
  const frame = FRAME.exec(text);
  const streamSid = frame?.[4] ?? frame?.[1];
  return streamSid === undefined ? parseJson(text) : media(streamSid, Number(frame![2]), frame![3]!, true);
}

function media(streamSid: string, timestampMs: number, payload: string, isBase64: boolean): TwilioMessage | null {
  if (!Number.isFinite(timestampMs) || payload.length > MAX_PAYLOAD) return null;
  if (!isBase64 && !BASE64.test(payload)) return null;
  return { event: 'media', streamSid, payload, timestampMs };
}

function parseJson(text: string): TwilioMessage | null {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(raw) || typeof raw['event'] !== 'string') return null;
  const parse = Object.hasOwn(PARSERS, raw['event']) ? PARSERS[raw['event']] : undefined;
  return parse === undefined ? { event: 'other' } : parse(raw);
}

type Fields = Record<string, unknown>;

const PARSERS: Record<string, (raw: Fields) => TwilioMessage | null> = {
  connected: () => ({ event: 'connected' }),
  start: (raw) => {
    const start = isObject(raw['start']) ? raw['start'] : {};
    const streamSid = sid(start['streamSid']) ?? sid(raw['streamSid']);
    const callSid = sid(start['callSid']);
    const accountSid = sid(start['accountSid']);
    if (streamSid === null || callSid === null || accountSid === null) return null;
    return { event: 'start', streamSid, callSid, accountSid, parameters: strings(start['customParameters']) };
  },
  media: (raw) => {
    const frame = isObject(raw['media']) ? raw['media'] : {};
    const streamSid = word(raw['streamSid']);
    const payload = word(frame['payload']);
    if (streamSid === null || payload === null) return null;
    if (frame['track'] !== undefined && frame['track'] !== 'inbound') return { event: 'other' };
    return media(streamSid, Number(word(frame['timestamp'])), payload, false);
  },
  dtmf: (raw) => {
    const digit = isObject(raw['dtmf']) ? word(raw['dtmf']['digit']) : null;
    const streamSid = word(raw['streamSid']);
    return digit === null || streamSid === null || !/^[0-9*#A-D]$/.test(digit)
      ? null
      : { event: 'dtmf', streamSid, digit };
  },
  mark: (raw) => {
    const name = isObject(raw['mark']) ? word(raw['mark']['name']) : null;
    const streamSid = word(raw['streamSid']);
    return name === null || streamSid === null ? null : { event: 'mark', streamSid, name };
  },
  stop: (raw) => {
    const streamSid = word(raw['streamSid']);
    return streamSid === null ? null : { event: 'stop', streamSid };
  },
};

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An identifier: what is looked up and stored. */
function sid(value: unknown): string | null {
  return typeof value === 'string' && /^[\x21-\x7e]{1,64}$/.test(value) ? value : null;
}

/** A string that says something and is no longer than any identifier or payload may be. */
function word(value: unknown): string | null {
  return typeof value === 'string' && value !== '' && value.length <= MAX_PAYLOAD ? value : null;
}

function strings(value: unknown): Record<string, string> {
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

/** What the gateway says on one stream; built without an object because audio passes here. */
export class OutboundFrames {
  private readonly mediaHead: string;
  private readonly markHead: string;
  /** Throws away everything that Twilio has queued, and echoes every pending mark. */
  readonly clear: string;

  constructor(streamSid: string) {
    const sid = JSON.stringify(streamSid);
    this.mediaHead = `{"event":"media","streamSid":${sid},"media":{"payload":"`;
    this.markHead = `{"event":"mark","streamSid":${sid},"mark":{"name":"`;
    this.clear = `{"event":"clear","streamSid":${sid}}`;
  }

  /** `base64`: headerless µ-law, any length. */
  media(base64: string): string {
    return `${this.mediaHead}${base64}"}}`;
  }

  /** `name`: the ledger's own, needs no escaping. */
  mark(name: string): string {
    return `${this.markHead}${name}"}}`;
  }
}
