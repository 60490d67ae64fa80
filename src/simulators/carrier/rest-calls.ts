import { ScriptedCaller } from './caller.js';
import type { CallOptions, SimulatedCall } from './call.js';
import { notFound, ok, refusal, type RestAnswer, type RestRequest, type Route } from './rest-route.js';
import { wireCall, wirePage } from './wire.js';

const E164 = /^\+[1-9]\d{6,14}$/;
const MAX_TWIML_CHARACTERS = 4_000;
const PAGE = 50;

export const CALL_ROUTES: readonly Route[] = [
  { method: 'POST', path: /^\/Calls$/, dials: true, run: createCall },
  { method: 'GET', path: /^\/Calls$/, run: listCalls },
  { method: 'GET', path: /^\/Calls\/(CA[0-9a-f]{32})$/, run: fetchCall },
  { method: 'POST', path: /^\/Calls\/(CA[0-9a-f]{32})$/, run: updateCall },
];

/** The refusal of a dial to `To` from `From`, or null. */
export function numberProblem({ carrier, accountSid, form }: RestRequest): RestAnswer | null {
  const to = form.get('To') ?? '';
  const from = form.get('From') ?? '';
  if (!E164.test(to)) return refusal(400, 21211, `The 'To' number ${to} is not a valid phone number.`);
  if (carrier.options.everyNumber || carrier.numbers.get(from)?.accountSid === accountSid) return null;
  return refusal(400, 21210, `The source phone number provided, ${from}, is not yet verified for your account.`);
}

/** What every request that dials says in the same words. */
export function dialOptions({ carrier, accountSid, form }: RestRequest): Omit<CallOptions, 'voiceUrl'> {
  const to = form.get('To') ?? '';
  const events = form.getAll('StatusCallbackEvent');
  return {
    accountSid,
    from: form.get('From') ?? '',
    to,
    direction: 'outbound-api',
    handset: carrier.behaviourOf(to).handset?.() ?? new ScriptedCaller([]),
    fallbackUrl: form.get('FallbackUrl'),
    statusCallback: form.get('StatusCallback'),
    statusEvents: events.length > 0 ? events : ['completed'],
    timeoutSeconds: seconds(form, 'Timeout'),
    timeLimitSeconds: seconds(form, 'TimeLimit'),
  };
}

function createCall(request: RestRequest): RestAnswer {
  const { carrier, form } = request;
  const voiceUrl = form.get('Url');
  const twiml = form.get('Twiml');
  const problem = numberProblem(request) ?? twimlProblem(twiml);
  if (problem !== null) return problem;
  if (voiceUrl === null && twiml === null) return refusal(400, 21205, 'Url or Twiml parameter is required.');
  const call = carrier.addCall({
    ...dialOptions(request),
    voiceUrl,
    machineDetection: form.has('MachineDetection') && !form.has('SendDigits'),
    // `Url` wins over `Twiml`.
    ...(voiceUrl === null && twiml !== null ? { twiml } : {}),
  });
  const created = ok(wireCall(call), 201);
  void carrier.place(call);
  return created;
}

function listCalls({ carrier, accountSid, uri, query }: RestRequest): RestAnswer {
  const since = query.get('StartTime>');
  const is = (name: string, value: string) => query.get(name) === null || query.get(name) === value;
  const found = carrier.calls.filter(
    (call) =>
      call.options.accountSid === accountSid &&
      is('To', call.options.to) &&
      is('From', call.options.from) &&
      is('Status', call.status) &&
      is('ParentCallSid', call.options.parentSid ?? '') &&
      (since === null || call.createdAt >= new Date(since)),
  );
  return ok(wirePage('calls', uri, found.toReversed().slice(0, PAGE).map(wireCall)));
}

function fetchCall(request: RestRequest): RestAnswer {
  const call = find(request);
  return call === undefined ? notFound(request) : ok(wireCall(call));
}

/** `Status` ends a call, `Url` and `Twiml` redirect one that is answered. */
function updateCall(request: RestRequest): RestAnswer {
  const call = find(request);
  if (call === undefined) return notFound(request);
  const { form } = request;
  const status = form.get('Status');
  const url = form.get('Url');
  const twiml = form.get('Twiml');
  if (call.over) return refusal(400, 21220, 'Call is not in-progress. Cannot redirect.');
  if (status === 'canceled') {
    // A call that is answered cannot be canceled any more; Twilio leaves it as it is.
    if (call.answeredAt === null) call.hangUp('canceled');
  } else if (status === 'completed') call.hangUp(call.status === 'queued' ? 'canceled' : 'completed');
  else {
    const problem = twimlProblem(twiml);
    if (problem !== null) return problem;
    if (url === null && twiml === null) return ok(wireCall(call));
    if (call.answeredAt === null) return refusal(400, 21220, 'Call is not in-progress. Cannot redirect.');
    call.redirect(url === null ? { twiml: twiml! } : { url });
  }
  return ok(wireCall(call));
}

function find({ carrier, accountSid, ids }: RestRequest): SimulatedCall | undefined {
  return carrier.calls.find((call) => call.sid === ids[0] && call.options.accountSid === accountSid);
}

function twimlProblem(twiml: string | null): RestAnswer | null {
  return twiml !== null && twiml.length > MAX_TWIML_CHARACTERS
    ? refusal(400, 21605, `Twiml is longer than ${MAX_TWIML_CHARACTERS} characters`)
    : null;
}

function seconds(form: URLSearchParams, name: string): number | undefined {
  const value = form.get(name);
  return value === null ? undefined : Number(value);
}
