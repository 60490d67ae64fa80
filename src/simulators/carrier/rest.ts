import type { IncomingMessage, ServerResponse } from 'node:http';
import { ScriptedCaller } from './caller.js';
import type { SimulatedCall } from './call.js';
import type { CarrierSimulator } from './server.js';

const E164 = /^\+[1-9]\d{6,14}$/;

/** RFC 2822, as Twilio writes dates. */
const rfc2822 = (date: Date): string => date.toUTCString().replace('GMT', '+0000');

/** Twilio's REST API, 2010-04-01: calls, numbers, accounts; bodies as on the wire (numbers are strings, the rest null). */
export async function serveRest(
  carrier: CarrierSimulator,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const answer = (status: number, body: unknown) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  const fail = (status: number, code: number, message: string) =>
    answer(status, { code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status });
  const url = new URL(request.url ?? '/', 'http://localhost');
  const form = new URLSearchParams(await bodyOf(request));
  const match = /^\/2010-04-01\/Accounts\/(AC[0-9a-f]{32})(?:\/(\w+)(?:\/(\w+))?)?\.json$/.exec(url.pathname);
  if (match === null) return fail(404, 20404, `The requested resource ${url.pathname} was not found`);
  const [, accountSid, resource, id] = match as unknown as [string, string, string | undefined, string | undefined];
  if (
    request.headers.authorization !==
    `Basic ${Buffer.from(`${accountSid}:${carrier.tokens.get(accountSid)}`).toString('base64')}`
  )
    return fail(401, 20003, 'Authenticate');
  if (request.method === 'GET' && carrier.faults.fetch !== null) return fail(carrier.faults.fetch, 20500, 'fault');
  if (resource === undefined) return answer(200, { sid: accountSid, status: 'active' });
  if (resource === 'IncomingPhoneNumbers')
    return answer(200, { incoming_phone_numbers: numbers(carrier, accountSid, url.searchParams.get('PhoneNumber')) });
  if (resource !== 'Calls') return fail(404, 20404, `The requested resource ${url.pathname} was not found`);
  if (id !== undefined) {
    const call = carrier.calls.find((c) => c.sid === id && c.options.accountSid === accountSid);
    if (call === undefined) return fail(404, 20404, `The requested resource ${url.pathname} was not found`);
    const problem = request.method === 'POST' ? await update(carrier, call, form) : null;
    return problem === null ? answer(200, wireCall(call)) : fail(400, 21220, problem);
  }
  if (request.method === 'GET')
    return answer(200, { calls: list(carrier, accountSid, url.searchParams).map(wireCall), page: 0, page_size: 50 });
  return create(carrier, accountSid, form, response, answer, fail);
}

function create(
  carrier: CarrierSimulator,
  accountSid: string,
  form: URLSearchParams,
  response: ServerResponse,
  answer: (status: number, body: unknown) => void,
  fail: (status: number, code: number, message: string) => void,
): void {
  const fault = carrier.faults.createCall;
  carrier.createRequests++;
  if (fault === 'reset') return void response.socket?.destroy();
  if (typeof fault === 'number') return fail(fault, fault === 429 ? 20429 : 20500, 'Too many requests or an error');
  const to = form.get('To') ?? '';
  const from = form.get('From') ?? '';
  const voiceUrl = form.get('Url');
  if (!E164.test(to)) return fail(400, 21211, `The 'To' number ${to} is not a valid phone number.`);
  if (carrier.numbers.get(from)?.accountSid !== accountSid)
    return fail(400, 21210, `The source phone number provided, ${from}, is not yet verified for your account.`);
  if (voiceUrl === null) return fail(400, 21205, 'Url parameter is required.');
  const behaviour = carrier.behaviourOf(to);
  const events = form.getAll('StatusCallbackEvent');
  const call = carrier.addCall({
    accountSid,
    from,
    to,
    direction: 'outbound-api',
    voiceUrl,
    handset: behaviour.handset?.() ?? new ScriptedCaller([]),
    fallbackUrl: form.get('FallbackUrl'),
    statusCallback: form.get('StatusCallback'),
    statusEvents: events.length > 0 ? events : ['completed'],
  });
  void carrier.ring(call);
  // The call exists, and its maker never learns of it: the lost answer that must not become a second call.
  if (fault === 'lost-answer') return;
  answer(201, wireCall(call));
}

async function update(carrier: CarrierSimulator, call: SimulatedCall, form: URLSearchParams): Promise<string | null> {
  if (call.over) return 'Call is not in-progress. Cannot redirect.';
  const status = form.get('Status');
  if (status === 'completed' || status === 'canceled') call.hangUp(status === 'canceled' ? 'canceled' : 'completed');
  else if (form.get('Twiml') !== null) call.redirect(form.get('Twiml')!);
  else if (form.get('Url') !== null) {
    const next = await carrier.webhook(call.options.accountSid, form.get('Url')!, call.fields());
    if (next !== null) call.redirect(next.body);
  }
  return null;
}

function list(carrier: CarrierSimulator, accountSid: string, query: URLSearchParams): SimulatedCall[] {
  const since = query.get('StartTime>');
  return carrier.calls
    .filter(
      (call) =>
        call.options.accountSid === accountSid &&
        (query.get('To') === null || call.options.to === query.get('To')) &&
        (query.get('From') === null || call.options.from === query.get('From')) &&
        (since === null || call.createdAt >= new Date(since)),
    )
    .toReversed()
    .slice(0, 50);
}

function numbers(carrier: CarrierSimulator, accountSid: string, wanted: string | null): object[] {
  return [...carrier.numbers].flatMap(([number, config]) =>
    config.accountSid === accountSid && (wanted === null || wanted === number)
      ? [
          {
            sid: `PN${number.slice(1).padStart(32, '0')}`,
            phone_number: number,
            voice_url: config.voiceUrl,
            voice_method: 'POST',
            voice_fallback_url: config.fallbackUrl ?? '',
          },
        ]
      : [],
  );
}

function wireCall(call: SimulatedCall): object {
  const { accountSid, to, from, direction } = call.options;
  const uri = `/2010-04-01/Accounts/${accountSid}/Calls/${call.sid}.json`;
  return {
    sid: call.sid,
    date_created: rfc2822(call.createdAt),
    date_updated: rfc2822(call.createdAt),
    parent_call_sid: null,
    account_sid: accountSid,
    to,
    to_formatted: to,
    from,
    from_formatted: from,
    phone_number_sid: null,
    status: call.status === 'initiated' ? 'queued' : call.status,
    start_time: call.status === 'queued' ? null : rfc2822(call.createdAt),
    end_time: null,
    duration: call.over ? String(call.durationSeconds) : null,
    price: null,
    price_unit: 'USD',
    direction,
    answered_by: null,
    api_version: '2010-04-01',
    forwarded_from: null,
    group_sid: null,
    caller_name: null,
    queue_time: '0',
    trunk_sid: null,
    uri,
    subresource_uris: {},
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
