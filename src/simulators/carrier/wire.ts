import { randomBytes } from 'node:crypto';
import type { SimulatedCall } from './call.js';
import type { Conference, Participant } from './conference.js';
import type { NumberConfig } from './server.js';

/** Bodies of Twilio's REST API as on the wire: dates in RFC 2822, numbers as strings, what is unknown null. */

export const sid = (prefix: string): string => prefix + randomBytes(16).toString('hex');

export const rfc2822 = (date: Date): string => date.toUTCString().replace('GMT', '+0000');

const dated = (date: Date | null): string | null => (date === null ? null : rfc2822(date));

const API = '2010-04-01';

/** A North American number as Twilio shows it to people; others stay as they are. */
const formatted = (number: string): string => number.replace(/^\+1(\d{3})(\d{3})(\d{4})$/, '($1) $2-$3');

const CALL_SUBRESOURCES = ['Notifications', 'Recordings', 'Payments', 'Events', 'Siprec', 'Streams', 'Transcriptions'];

const callUri = (call: SimulatedCall): string => `/${API}/Accounts/${call.options.accountSid}/Calls/${call.sid}`;

const numberSid = (number: string): string => `PN${number.slice(1).padStart(32, '0')}`;

export function wireCall(call: SimulatedCall): object {
  const { accountSid, to, from, direction, parentSid, forwardedFrom } = call.options;
  const ours = direction === 'inbound' ? to : from;
  return {
    sid: call.sid,
    date_created: rfc2822(call.createdAt),
    date_updated: rfc2822(call.updatedAt),
    parent_call_sid: parentSid ?? null,
    account_sid: accountSid,
    to,
    to_formatted: formatted(to),
    from,
    from_formatted: formatted(from),
    phone_number_sid: call.carrier.numbers.has(ours) ? numberSid(ours) : null,
    // `initiated` is a word of callbacks only.
    status: call.status === 'initiated' ? 'queued' : call.status,
    start_time: call.status === 'queued' ? null : rfc2822(call.answeredAt ?? call.createdAt),
    end_time: dated(call.endedAt),
    duration: call.over ? String(call.durationSeconds) : null,
    price: null,
    price_unit: 'USD',
    direction,
    answered_by: call.answeredBy,
    api_version: API,
    annotation: null,
    forwarded_from: forwardedFrom ?? null,
    group_sid: null,
    caller_name: null,
    queue_time: String(call.queueMs),
    trunk_sid: null,
    uri: `${callUri(call)}.json`,
    subresource_uris: Object.fromEntries(
      CALL_SUBRESOURCES.map((name) => [name.toLowerCase(), `${callUri(call)}/${name}.json`]),
    ),
  };
}

export function wireNumber(number: string, config: NumberConfig): object {
  const id = numberSid(number);
  return {
    sid: id,
    account_sid: config.accountSid,
    friendly_name: formatted(number),
    phone_number: number,
    voice_url: config.voiceUrl,
    voice_method: 'POST',
    voice_fallback_url: config.fallbackUrl ?? '',
    voice_fallback_method: 'POST',
    voice_application_sid: config.applicationSid ?? '',
    trunk_sid: config.trunkSid ?? null,
    status_callback: config.statusCallback ?? '',
    status_callback_method: 'POST',
    capabilities: { voice: true, sms: false, mms: false, fax: false },
    status: 'in-use',
    api_version: API,
    uri: `/${API}/Accounts/${config.accountSid}/IncomingPhoneNumbers/${id}.json`,
  };
}

export function wireConference(conference: Conference): object {
  const uri = `/${API}/Accounts/${conference.accountSid}/Conferences/${conference.sid}`;
  return {
    sid: conference.sid,
    account_sid: conference.accountSid,
    friendly_name: conference.name,
    status: conference.status,
    reason_conference_ended: conference.reasonEnded,
    call_sid_ending_conference: conference.endingCallSid,
    date_created: rfc2822(conference.createdAt),
    date_updated: rfc2822(conference.updatedAt),
    region: 'us1',
    api_version: API,
    uri: `${uri}.json`,
    subresource_uris: { participants: `${uri}/Participants.json`, recordings: `${uri}/Recordings.json` },
  };
}

export function wireParticipant(conference: Conference, { call, ...participant }: Participant): object {
  const status = participant.joined ? 'connected' : call.status === 'ringing' ? 'ringing' : 'queued';
  return {
    account_sid: conference.accountSid,
    call_sid: call.sid,
    conference_sid: conference.sid,
    label: participant.label,
    call_sid_to_coach: participant.coaching,
    coaching: participant.coaching !== null,
    muted: participant.muted,
    hold: participant.hold,
    start_conference_on_enter: participant.startOnEnter,
    end_conference_on_exit: participant.endOnExit,
    status,
    queue_time: String(call.queueMs),
    date_created: rfc2822(call.createdAt),
    date_updated: rfc2822(call.updatedAt),
    uri: `/${API}/Accounts/${conference.accountSid}/Conferences/${conference.sid}/Participants/${call.sid}.json`,
  };
}

/** A list of one page: everything there is, at most 50. */
export function wirePage(key: string, uri: string, items: readonly object[]): object {
  return {
    [key]: items,
    page: 0,
    page_size: 50,
    start: 0,
    end: Math.max(0, items.length - 1),
    uri,
    first_page_uri: uri,
    next_page_uri: null,
    previous_page_uri: null,
  };
}
