import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RequestFault } from './faults.js';
import { notFound, ok, refusal, type RestAnswer, type RestRequest, type Route } from './rest-route.js';
import { CALL_ROUTES } from './rest-calls.js';
import { CONFERENCE_ROUTES } from './rest-conferences.js';
import type { CarrierSimulator } from './server.js';
import { wireNumber, wirePage } from './wire.js';

const ROUTES: readonly Route[] = [
  { method: 'GET', path: /^$/, run: ({ accountSid }) => ok({ sid: accountSid, status: 'active', type: 'Full' }) },
  { method: 'GET', path: /^\/IncomingPhoneNumbers$/, run: listNumbers },
  ...CALL_ROUTES,
  ...CONFERENCE_ROUTES,
];

const ACCOUNT = /^\/2010-04-01\/Accounts\/(AC[0-9a-f]{32})((?:\/[^/]+)*)\.json$/;

/** Twilio's REST API, 2010-04-01: calls, conferences, numbers and the account, with the faults that are switched on. */
export async function serveRest(
  carrier: CarrierSimulator,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const form = new URLSearchParams(await bodyOf(request));
  const url = new URL(request.url ?? '/', 'http://localhost');
  const [, accountSid = '', rest = ''] = ACCOUNT.exec(url.pathname) ?? [];
  const route = ROUTES.find(({ method, path }) => method === request.method && accountSid !== '' && path.test(rest));
  if (route?.dials) carrier.createRequests++;
  const fault = faultOf(carrier, route);
  if (fault === 'reset') return void response.socket?.destroy();
  const asked: RestRequest = {
    carrier,
    accountSid,
    ids: (route?.path.exec(rest) ?? []).slice(1).map(decodeURIComponent),
    uri: url.pathname + url.search,
    query: url.searchParams,
    form,
  };
  const token = carrier.tokens.get(accountSid);
  const authorized =
    token !== undefined &&
    request.headers.authorization === `Basic ${Buffer.from(`${accountSid}:${token}`).toString('base64')}`;
  const answer = () => {
    if (accountSid !== '' && !authorized) return refusal(401, 20003, 'Authenticate');
    if (typeof fault === 'number') return refusal(fault, FAULT_CODES[fault] ?? 20500, 'A fault of the simulator');
    return route === undefined ? notFound(asked) : route.run(asked);
  };
  const { status, body } = answer();
  // It happened, and whoever asked never learns of it: what must not make them do it twice.
  if (fault === 'lost-answer') return;
  if (carrier.faults.slowAnswersMs > 0) await new Promise((r) => setTimeout(r, carrier.faults.slowAnswersMs));
  response.writeHead(status, { 'content-type': 'application/json' }).end(body === null ? '' : JSON.stringify(body));
}

const FAULT_CODES: Readonly<Record<number, number>> = { 401: 20003, 429: 20429, 503: 20503 };

function faultOf({ faults }: CarrierSimulator, route: Route | undefined): RequestFault | null {
  if (route === undefined) return null;
  if (route.method === 'GET') return faults.fetch;
  return route.dials ? faults.createCall : faults.update;
}

function listNumbers({ carrier, accountSid, uri, query }: RestRequest): RestAnswer {
  const wanted = query.get('PhoneNumber');
  const found = [...carrier.numbers].filter(
    ([number, config]) => config.accountSid === accountSid && (wanted === null || wanted === number),
  );
  return ok(
    wirePage(
      'incoming_phone_numbers',
      uri,
      found.map(([number, config]) => wireNumber(number, config)),
    ),
  );
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
