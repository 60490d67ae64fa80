import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TwilioCarrier } from './twilio-carrier.js';

const account = { accountSid: `AC${'1'.repeat(32)}`, authToken: 'token' };
const call = {
  to: '+15555550199',
  from: '+15555550100',
  url: 'https://gateway.example/answer',
  fallbackUrl: 'https://gateway.example/fallback',
  statusCallback: 'https://gateway.example/status',
  timeoutSeconds: 20,
};
const DATE = 'Mon, 30 Nov 2026 06:50:30 +0000';

/** A Twilio that answers as it is told, and keeps what it was asked. */
let behave: (response: ServerResponse) => void;
const requests: { line: string; authorization: string; form: URLSearchParams }[] = [];
const http = createServer(async (request: IncomingMessage, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  requests.push({
    line: `${request.method} ${request.url}`,
    authorization: String(request.headers.authorization),
    form: new URLSearchParams(Buffer.concat(chunks).toString()),
  });
  behave(response);
});
const answer = (status: number, body: unknown) => (response: ServerResponse) =>
  void response
    .writeHead(status, { 'content-type': 'application/json' })
    .end(typeof body === 'string' ? body : JSON.stringify(body));
let carrier: TwilioCarrier;
let impatient: TwilioCarrier;
beforeAll(async () => {
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const baseUrl = `http://127.0.0.1:${(http.address() as AddressInfo).port}/`;
  carrier = new TwilioCarrier({ baseUrl });
  impatient = new TwilioCarrier({ baseUrl, timeoutMs: 200 });
});
afterAll(async () => {
  http.closeAllConnections();
  await new Promise((resolve) => http.close(resolve));
});

describe('calls at Twilio', () => {
  it('are created by one authenticated form with every callback event', async () => {
    behave = answer(201, {
      sid: 'CA1',
      status: 'queued',
      to: call.to,
      from: call.from,
      duration: null,
      date_created: DATE,
    });
    expect(await carrier.createCall(account, { ...call, timeLimitSeconds: 600 })).toEqual({
      sid: 'CA1',
      status: 'queued',
      to: call.to,
      from: call.from,
      durationSeconds: null,
      createdAt: new Date(DATE),
    });
    const { line, authorization, form } = requests.at(-1)!;
    expect(line).toBe(`POST /2010-04-01/Accounts/${account.accountSid}/Calls.json`);
    expect(authorization).toBe(`Basic ${Buffer.from(`${account.accountSid}:token`).toString('base64')}`);
    expect(form.getAll('StatusCallbackEvent')).toEqual(['initiated', 'ringing', 'answered', 'completed']);
    expect(Object.fromEntries(form)).toMatchObject({ To: call.to, Url: call.url, Timeout: '20', TimeLimit: '600' });
    expect(form.has('MachineDetection')).toBe(false);
    await carrier.createCall(account, { ...call, machineDetection: true });
    expect(Object.fromEntries(requests.at(-1)!.form)).toMatchObject({
      MachineDetection: 'Enable',
      MachineDetectionTimeout: '15',
      MachineDetectionSpeechThreshold: '4000',
    });
  });

  it.each([
    [400, { code: 21211, message: 'Invalid To' }, { failure: 'rejected', code: 21211, status: 400 }],
    [401, { code: 20003, message: 'Authenticate' }, { failure: 'rejected', code: 20003, status: 401 }],
    [429, { code: 20429, message: 'Too many' }, { failure: 'unavailable', code: 20429, status: 429 }],
    [503, { code: 20503, message: 'Unavailable' }, { failure: 'unknown', status: 503 }],
    [502, '<html>Bad gateway</html>', { failure: 'unknown', status: 502 }],
    [201, 'not json', { failure: 'unknown' }],
  ])('that are answered %s become an error that says what is certain', async (status, body, expected) => {
    behave = answer(status, body);
    const before = requests.length;
    await expect(carrier.createCall(account, call)).rejects.toMatchObject({ name: 'CarrierError', ...expected });
    expect(requests.length - before, 'a POST is never repeated').toBe(1);
  });

  it.each([
    ['a reset connection', (response: ServerResponse) => void response.socket?.destroy()],
    ['no answer in time', () => {}],
  ])('may exist after %s', async (_, behaviour) => {
    behave = behaviour;
    await expect(impatient.createCall(account, call)).rejects.toMatchObject({ failure: 'unknown', status: null });
  });

  it('certainly do not exist when nobody listens or the credentials cannot be any', async () => {
    const nobody = new TwilioCarrier({ baseUrl: 'http://127.0.0.1:1' });
    await expect(nobody.createCall(account, call)).rejects.toMatchObject({ failure: 'unavailable' });
    await expect(carrier.createCall({ ...account, accountSid: 'XX1' }, call)).rejects.toMatchObject({
      failure: 'rejected',
      code: 20003,
    });
  });

  it('go where the configuration says, whatever the environment of the process says', async () => {
    const before = process.env.TWILIO_EDGE;
    process.env.TWILIO_EDGE = 'dublin';
    try {
      behave = answer(200, { sid: account.accountSid });
      await new TwilioCarrier({ baseUrl: `http://localhost:${(http.address() as AddressInfo).port}` }).probe(account);
    } finally {
      if (before === undefined) delete process.env.TWILIO_EDGE;
      else process.env.TWILIO_EDGE = before;
    }
    expect(requests.at(-1)!.line).toBe(`GET /2010-04-01/Accounts/${account.accountSid}.json`);
  });

  it('are missing when Twilio says 404, and an error for anything else', async () => {
    behave = answer(404, { code: 20404, message: 'not found' });
    expect(await carrier.fetchCall(account, 'CA1')).toBeNull();
    behave = answer(500, {});
    await expect(carrier.fetchCall(account, 'CA1')).rejects.toMatchObject({ failure: 'unknown' });
  });
});
