import type { Conference, ParticipantSettings } from './conference.js';
import { dialOptions, numberProblem } from './rest-calls.js';
import { notFound, ok, type RestAnswer, type RestRequest, type Route } from './rest-route.js';
import { wireConference, wirePage, wireParticipant } from './wire.js';
import { escapeXml } from './xml.js';

const CONFERENCE = String.raw`^\/Conferences\/([^/]+)`;
const one = new RegExp(`${CONFERENCE}$`);
const participants = new RegExp(String.raw`${CONFERENCE}\/Participants$`);
const participant = new RegExp(String.raw`${CONFERENCE}\/Participants\/([^/]+)$`);

export const CONFERENCE_ROUTES: readonly Route[] = [
  { method: 'GET', path: /^\/Conferences$/, run: listConferences },
  { method: 'GET', path: one, run: (request) => withConference(request, (found) => ok(wireConference(found))) },
  { method: 'POST', path: one, run: updateConference },
  { method: 'GET', path: participants, run: listParticipants },
  { method: 'POST', path: participants, dials: true, run: createParticipant },
  { method: 'GET', path: participant, run: fetchParticipant },
  { method: 'POST', path: participant, run: updateParticipant },
  { method: 'DELETE', path: participant, run: removeParticipant },
];

function listConferences({ carrier, accountSid, uri, query }: RestRequest): RestAnswer {
  const is = (name: string, value: string) => query.get(name) === null || query.get(name) === value;
  const found = carrier.conferences.filter(
    (c) => c.accountSid === accountSid && is('FriendlyName', c.name) && is('Status', c.status),
  );
  return ok(wirePage('conferences', uri, found.toReversed().map(wireConference)));
}

function updateConference(request: RestRequest): RestAnswer {
  return withConference(request, (conference) => {
    if (request.form.get('Status') === 'completed') conference.end('conference-ended-via-api');
    announce(request, conference, (p) => p.joined);
    return ok(wireConference(conference));
  });
}

function listParticipants(request: RestRequest): RestAnswer {
  return withConference(request, (conference) => {
    const all = conference.participants.map((p) => wireParticipant(conference, p));
    return ok(wirePage('participants', request.uri, all));
  });
}

/** Dials somebody into a conference, which begins to exist with that. */
function createParticipant(request: RestRequest): RestAnswer {
  const { carrier, accountSid, form, ids } = request;
  const problem = numberProblem(request);
  if (problem !== null) return problem;
  const conference = carrier.findConference(accountSid, ids[0]!) ?? carrier.conferenceNamed(accountSid, ids[0]!);
  const callback = form.get('ConferenceStatusCallback');
  if (callback !== null)
    conference.listen(
      callback,
      form.getAll('ConferenceStatusCallbackEvent').flatMap((list) => list.split(' ')),
    );
  const call = carrier.addCall({
    ...dialOptions(request),
    voiceUrl: null,
    // Its settings are those that it is expected with.
    twiml: `<Response><Dial><Conference>${escapeXml(conference.name)}</Conference></Dial></Response>`,
  });
  const expected = conference.expect(call, {
    label: form.get('Label'),
    muted: form.get('Muted') === 'true',
    coaching: form.get('Coaching') === 'true' ? form.get('CallSidToCoach') : null,
    startOnEnter: form.get('StartConferenceOnEnter') !== 'false',
    endOnExit: form.get('EndConferenceOnExit') === 'true',
  });
  void carrier.place(call);
  return ok(wireParticipant(conference, expected), 201);
}

function fetchParticipant(request: RestRequest): RestAnswer {
  return withConference(request, (conference) => {
    const found = conference.find(request.ids[1]!);
    return found === undefined ? notFound(request) : ok(wireParticipant(conference, found));
  });
}

function updateParticipant(request: RestRequest): RestAnswer {
  return withConference(request, (conference) => {
    const found = conference.find(request.ids[1]!);
    if (found === undefined) return notFound(request);
    const { form } = request;
    const flag = (name: string) => form.get(name) === 'true';
    const changes: Partial<ParticipantSettings & { hold: boolean }> = {
      ...(form.has('Muted') ? { muted: flag('Muted') } : {}),
      ...(form.has('Hold') ? { hold: flag('Hold') } : {}),
      ...(form.has('EndConferenceOnExit') ? { endOnExit: flag('EndConferenceOnExit') } : {}),
      ...(form.has('Coaching') ? { coaching: flag('Coaching') ? form.get('CallSidToCoach') : null } : {}),
    };
    conference.update(found, changes);
    announce(request, conference, (p) => p === found);
    return ok(wireParticipant(conference, found));
  });
}

function removeParticipant(request: RestRequest): RestAnswer {
  return withConference(request, (conference) => {
    const found = conference.find(request.ids[1]!);
    if (found === undefined) return notFound(request);
    conference.leave(found, 'participant_updated_via_api');
    return { status: 204, body: null };
  });
}

/** `AnnounceUrl`: its TwiML is said to those whom it is for. */
function announce(
  { form }: RestRequest,
  conference: Conference,
  concerns: (participant: Conference['participants'][number]) => boolean,
): void {
  const url = form.get('AnnounceUrl');
  if (url === null) return;
  for (const { call } of conference.participants.filter(concerns)) void call.announce(url);
}

function withConference(request: RestRequest, run: (conference: Conference) => RestAnswer): RestAnswer {
  const conference = request.carrier.findConference(request.accountSid, request.ids[0]!);
  return conference === undefined ? notFound(request) : run(conference);
}
