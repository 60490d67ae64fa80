import { request } from 'node:http';
import fc from 'fast-check';
import { WebSocket } from 'ws';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Call } from '../../src/entities/index.js';
import { newId } from '../../src/lib/ids.js';
import { mintStreamToken, STREAM_TOKEN_SECONDS } from '../../src/services/stream-token.js';
import { signatureOf } from '../../src/simulators/carrier/signing.js';
import { seedSession } from '../testkit/context.js';
import { ACCOUNT, ADMIN_KEY, seedCallable, startGateway, type TestGateway } from '../testkit/gateway.js';
import { graphql } from '../testkit/graphql.js';
import { StreamClient } from '../testkit/stream-door.js';
import { until } from '../testkit/until.js';

let gateway: TestGateway;
let acme: Awaited<ReturnType<typeof seedCallable>>;
let globex: Awaited<ReturnType<typeof seedCallable>>;
beforeAll(async () => {
  gateway = await startGateway();
  acme = await seedCallable(gateway, 'acme', '+15555551234');
  globex = await seedCallable(gateway, 'globex', '+15555559999');
});
afterAll(() => gateway.stop());
/** Whatever a peer sends is its mistake, and no reason to write on the operator's terminal. */
const consoles = (['error', 'warn', 'log', 'info'] as const).map((name) => [name, console[name]] as const);
beforeEach(() => consoles.forEach(([name]) => vi.spyOn(console, name)));
afterEach(async () => {
  const said = consoles.flatMap(([name]) => vi.mocked(console[name]).mock.calls);
  vi.restoreAllMocks();
  expect(said).toEqual([]);
  expect((await gateway.call('GET', '/health/ready')).body).toMatchObject({ ok: true, status: 'ready' });
});

const post = (body: string | undefined, headers: Record<string, string>, path = '/api/v1/make-call', method = 'POST') =>
  gateway.call(method, path, { key: acme.key, body, headers });

describe('a REST request that is none', () => {
  it('gets the same envelope everywhere, also where the URL cannot be decoded', async () => {
    for (const path of ['/%zz', '/api/v1/call-logs/%E0%A4%A', '/api/v1/%', '/graphql/%zz', '/incoming-call/%zz']) {
      const { status, body, headers } = await gateway.call('GET', path);
      expect([path, status, body]).toEqual([
        path,
        400,
        { ok: false, error: expect.any(String), code: 'BAD_REQUEST', request_id: expect.any(String), retryable: false },
      ]);
      expect(headers.get('x-request-id')).toBe(body.request_id);
    }
    const long = await gateway.call('GET', `/api/v1/call-logs/${'x'.repeat(400)}`);
    expect([long.status, long.body.ok]).toEqual([400, false]);
  });

  it('is refused for its type before it is read, and needs no body where no field is required', async () => {
    for (const type of ['text/plain', 'application/xml', 'application/x-www-form-urlencoded', 'multipart/form-data'])
      expect([type, (await post('to=x', { 'content-type': type })).body.code]).toEqual([
        type,
        'UNSUPPORTED_MEDIA_TYPE',
      ]);
    const json = { 'content-type': 'application/json' };
    expect((await post('', json)).body).toMatchObject({ code: 'VALIDATION_FAILED', details: [{ path: 'to' }] });
    for (const junk of ['{', '{"to":"+1"}}', '"to"', '[]', 'null', '{"__proto__":{"to":1}}', '\ufeff{}'])
      expect([junk, (await post(junk, json)).status]).toEqual([junk, 400]);
    const { key: _, ...made } = (await gateway.admin('POST', '/tenants/acme/api-keys', { name: 'brief' })).body;
    const gone = await gateway.call('DELETE', `/api/v1/admin/tenants/acme/api-keys/${made.id}`, {
      headers: { 'x-admin-key': ADMIN_KEY, 'content-type': 'application/json' },
      body: '',
    });
    expect(gone.status).toBe(200);
  });

  it('is answered for its head alone, also where the body would never end', async () => {
    const session = await seedSession(gateway.database.database, 'acme');
    const { status, headers } = await fetch(`${gateway.origin}/api/v1/live-logs?session_id=${session.id}`, {
      method: 'HEAD',
      headers: { authorization: `Bearer ${acme.key}` },
    });
    expect([status, headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
    expect(gateway.app.services.feeds.followed).toBe(0);
  });

  it('ends its own connection when it is no HTTP', async () => {
    const { hostname, port } = new URL(gateway.origin);
    const status = await new Promise((resolve, reject) => {
      const one = request({
        hostname,
        port,
        method: 'GET',
        path: '/health/live',
        headers: { 'x-big': 'x'.repeat(40_000) },
      });
      one.on('response', ({ statusCode }) => resolve(statusCode)).on('error', reject);
      one.end();
    });
    expect(status).toBe(431);
  });
});

describe('unknown agents and what belongs to another tenant', () => {
  it('look the same over GraphQL, in every place where an id can be given', async () => {
    const session = await seedSession(gateway.database.database, 'globex');
    const codes = async (query: string, variables: object) =>
      ((await graphql(gateway, query, { ...variables }, acme.key)).errors ?? []).map((e) => e.extensions.code);
    const dial = `mutation ($input: MakeCallInput!) { makeCall(input: $input) { call { id } } }`;
    for (const input of [{ agentKey: 'nobody' }, { agentVersionId: globex.version.id }, { agentVersionId: 'x' }])
      expect(await codes(dial, { input: { to: '+15555550001', ...input } })).toEqual(['NOT_FOUND']);
    for (const id of [session.id, newId(), 'x']) {
      const { data } = await graphql(
        gateway,
        `
          query ($id: ID!, $call: ID!) {
            voiceSession(id: $id) {
              id
            }
            call(id: $call) {
              id
            }
          }
        `,
        { id, call: id === session.id ? session.callId : id },
        acme.key,
      );
      expect(data).toEqual({ voiceSession: null, call: null });
    }
  });
});

describe('text that no database can store', () => {
  it('is named where it stands, in variables and in the document', async () => {
    const query = 'query ($key: String!) { agent(key: $key) { id } }';
    for (const key of ['\0', 'a\0b', '\ud800']) {
      const { errors } = await graphql(gateway, query, { key }, acme.key);
      expect(errors![0]!.extensions).toMatchObject({ code: 'VALIDATION_FAILED', details: [{ path: 'key' }] });
    }
    const literal = await graphql(gateway, String.raw`{ agent(key: "a\u0000") { id } }`, {}, acme.key);
    expect(literal.errors!.map((e) => e.extensions.code)).toEqual(['VALIDATION_FAILED']);
    const nested = await graphql(
      gateway,
      'mutation ($input: CreateAgentInput!) { createAgent(input: $input) { id } }',
      { input: { tenantId: 'acme', key: 'a', description: 'x\0' } },
    );
    expect(nested.errors![0]!.extensions).toMatchObject({ details: [{ path: 'input.description' }] });
  });

  it('reaches nobody from a telephone either: the call goes on without it', async () => {
    const form = { From: 'a\0b\ud800', To: acme.number, CallSid: `CA${'e'.repeat(32)}`, CallStatus: 'ringing\0' };
    const answer = await twilio('/api/v1/incoming-call', form);
    expect([answer.status, answer.body]).toEqual([200, expect.stringContaining('<Connect>')]);
    const call = await gateway.database.database.em({ all: true }).findOneOrFail(Call, { callSid: form.CallSid });
    expect(call.fromNumber).toMatch(/^ab/);
    expect((await twilio('/api/v1/incoming-call', { ...form, To: '\0', CallSid: 'CA\0' })).body).toContain('<Say>');
    await twilio('/api/v1/call-status', { CallSid: form.CallSid, CallStatus: 'completed' });
  });
});

/** A form as the carrier signs it. */
async function twilio(path: string, fields: Record<string, string>) {
  const form = { AccountSid: ACCOUNT.accountSid, ...fields };
  const body = new URLSearchParams(form);
  const signature = signatureOf(ACCOUNT.authToken, gateway.app.publicUrl + path, Object.fromEntries(body));
  return gateway.call<string>('POST', path, {
    body: body.toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-twilio-signature': signature },
  });
}

describe('a stream token', () => {
  const closed = (client: StreamClient) => until(() => client.closedWith, 'the socket to be closed');
  const open = async (token: string | null, callSid: string, accountSid = ACCOUNT.accountSid) => {
    const client = await StreamClient.open(`${gateway.origin.replace('http', 'ws')}/media-stream`);
    client.send({ event: 'connected' });
    const customParameters = token === null ? {} : { stream_token: token };
    client.send({ event: 'start', start: { streamSid: 'MZ1', callSid, accountSid, customParameters } });
    return client;
  };
  const announced = async (CallSid: string) => {
    const { body } = await twilio('/api/v1/incoming-call', { From: '+15555550001', To: acme.number, CallSid });
    return /name="stream_token" value="([^"]+)"/.exec(body)![1]!;
  };

  it('opens one stream, of its own call, in time', async () => {
    const [mine, other] = [`CA${'1'.repeat(32)}`, `CA${'2'.repeat(32)}`];
    const token = await announced(mine);
    await announced(other);
    const em = gateway.database.database.em({ all: true });
    const call = await em.findOneOrFail(Call, { callSid: mine });
    const { streamTokenSecret } = gateway.app.services.context.settings;
    const late = new Date(Date.now() - (STREAM_TOKEN_SECONDS + 2) * 1_000);
    const claims = { callId: call.id, callSid: mine, kind: 'initial' } as const;
    for (const [bad, sid, account] of [
      [null, mine],
      ['garbage', mine],
      [`${token.slice(0, -2)}xx`, mine],
      [mintStreamToken(streamTokenSecret, claims, late), mine],
      [mintStreamToken('another secret', claims, new Date()), mine],
      [token, other],
      [mintStreamToken(streamTokenSecret, claims, new Date()), mine, `AC${'b'.repeat(32)}`],
    ] as const)
      expect(await closed(await open(bad, sid, account))).toBe(4401);
    const first = await open(token, mine);
    await until(() => gateway.app.media!.registry.size === 1, 'the stream to be taken');
    expect(await closed(await open(token, mine))).toBe(4401);
    expect(await closed(await open(mintStreamToken(streamTokenSecret, claims, new Date()), mine))).toBe(4409);
    expect(first.closedWith).toBeNull();
    for (const CallSid of [mine, other]) await twilio('/api/v1/call-status', { CallSid, CallStatus: 'completed' });
    first.socket.close();
    await until(() => gateway.app.media!.registry.size === 0, 'the end of the stream');
    expect(await closed(await open(mintStreamToken(streamTokenSecret, claims, new Date()), mine))).toBe(4410);
  });

  it('is asked for whatever else a peer says first (property)', async () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('\0', 'a'.repeat(70), ACCOUNT.accountSid, ''));
    const start = fc.record(
      { streamSid: text, callSid: text, accountSid: text, customParameters: fc.dictionary(text, text, { maxKeys: 2 }) },
      { requiredKeys: [] },
    );
    const frame = fc.oneof(
      start.map((inner) => JSON.stringify({ event: 'start', streamSid: 'MZ', start: inner })),
      fc.json(),
      fc.uint8Array({ maxLength: 200 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { maxLength: 5 }), fc.boolean(), async (frames, signed) => {
        const client = await StreamClient.open(`${gateway.origin.replace('http', 'ws')}/media-stream`, {
          headers: signed ? { 'x-twilio-signature': 'bm90IG9uZQ==' } : {},
        });
        for (const data of frames) client.socket.send(data);
        client.start('MZ1', 'garbage');
        expect(await closed(client)).toBe(4401);
      }),
      { numRuns: 25 },
    );
    expect(gateway.app.media!.registry.size).toBe(0);
  });
});

describe('any body that the document describes, and any other', () => {
  const strings = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      '\0',
      '\ud800',
      '',
      'a'.repeat(5_000),
      '__proto__',
      '+15555550001',
      'https://x.example',
      '-1',
      '1e400',
    ),
    fc.constantFrom('0000-01-01', '-271821-04-20T00:00:00.000Z', '+275760-09-13T00:00:00.000Z', '9'.repeat(30)),
  );
  const any = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      strings,
      fc.double(),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(strings, tie('value'), { maxKeys: 3 }),
    ),
  })).value;
  /** Mostly what the schema allows, sometimes not. */
  const bodyOf = (schema: any): fc.Arbitrary<unknown> => {
    if (schema?.enum !== undefined) return fc.oneof(fc.constantFrom(...schema.enum), any);
    const types = [schema?.type].flat();
    if (types.includes('object') && schema.properties !== undefined)
      return fc.record(
        Object.fromEntries(
          Object.entries(schema.properties).map(([name, inner]) => [
            name,
            fc.oneof({ arbitrary: bodyOf(inner), weight: 3 }, { arbitrary: any, weight: 1 }),
          ]),
        ),
        { requiredKeys: [] },
      );
    if (types.includes('array')) return fc.array(bodyOf(schema.items), { maxLength: 3 });
    if (types.includes('string')) return strings;
    if (types.includes('integer')) return fc.oneof(fc.integer(), fc.integer({ min: 0, max: 100 }));
    if (types.includes('boolean')) return fc.boolean();
    return any;
  };

  it('meets no route that answers 5xx (property, over every operation of the OpenAPI document)', async () => {
    const { paths } = (await gateway.call('GET', '/api-docs/openapi.json')).body;
    const operations = Object.entries<any>(paths).flatMap(([path, methods]) =>
      Object.entries<any>(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
    );
    expect(operations.length).toBeGreaterThan(60);
    const ids = [
      acme.agent.id,
      acme.version.id,
      acme.route.id,
      acme.tenantId,
      'x',
      '%00',
      '%ED%A0%80',
      '..%2f',
      newId(),
    ];
    for (const { path, method, operation } of operations) {
      const schema = operation.requestBody?.content['application/json']?.schema;
      const asked = (operation.parameters ?? []).filter((p: any) => p.in === 'query').map((p: any) => p.name);
      const query = asked.length === 0 ? fc.constant({}) : fc.dictionary(fc.constantFrom(...asked), strings);
      const samples = fc.sample(fc.tuple(bodyOf(schema), fc.constantFrom(...ids), query, fc.boolean()), 5);
      for (const [body, id, wanted, asAdmin] of samples) {
        // What is done to a tenant is done to globex, so that acme's key goes on working.
        const target = path.replaceAll('{tenant_id}', 'globex').replaceAll(/\{\w+\}/g, id);
        const search = new URLSearchParams(wanted as Record<string, string>).toString();
        const answer = await gateway.call(method, search === '' ? target : `${target}?${search}`, {
          headers: {
            'content-type': 'application/json',
            ...(asAdmin ? { 'x-admin-key': ADMIN_KEY } : { authorization: `Bearer ${acme.key}` }),
          },
          ...(method === 'GET' ? {} : { body: JSON.stringify(body) }),
        });
        const what = `${method} ${target}?${search} ${JSON.stringify(body)}: ${JSON.stringify(answer.body)}`;
        expect(answer.status, what).toBeLessThan(500);
      }
    }
  }, 120_000);

  it('reaches no telephone door that leaves a caller in silence (property)', async () => {
    const doors = ['incoming-call', 'answer-call', 'resume-call', 'call-status', 'stream-status', 'transfer-status'];
    const fields = fc.dictionary(
      fc.constantFrom(
        'CallSid',
        'From',
        'To',
        'CallStatus',
        'SequenceNumber',
        'CallDuration',
        'Timestamp',
        'ErrorCode',
      ),
      fc.oneof(strings, fc.constantFrom(acme.number, 'completed', 'ringing')),
    );
    const property = fc.asyncProperty(
      fc.constantFrom(...doors, 'fallback-call'),
      fields,
      fc.constantFrom('', '?call_id=', '?call_id=%00', `?call_id=${newId()}`, '?call_id=a&call_id=b'),
      async (door, form, query) => {
        const { status, body } = await twilio(`/api/v1/${door}${query}`, form);
        expect([200, 204]).toContain(status);
        if (status === 200) expect(body).toMatch(/<Response>.*<\/Response>/s);
      },
    );
    await fc.assert(property, { numRuns: 60 });
  }, 60_000);
});

describe('a GraphQL socket', () => {
  it('answers what it cannot store or parse on the operation, and goes on', async () => {
    const socket = new WebSocket(`${gateway.origin.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    const messages: any[] = [];
    socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString())));
    await new Promise((resolve) => socket.on('open', resolve));
    socket.send(JSON.stringify({ type: 'connection_init', payload: { 'x-admin-key': ADMIN_KEY } }));
    const documents = [
      '{',
      'subscription { nothing }',
      String.raw`{ agent(key: "\u0000") { id } }`,
      '{ viewer { kind } }',
    ];
    await until(() => messages.length > 0, 'the acknowledgement');
    for (const [id, query] of documents.entries())
      socket.send(JSON.stringify({ id: String(id), type: 'subscribe', payload: { query } }));
    await until(() => messages.some(({ type, id }) => type === 'complete' && id === '3'), 'the last answer');
    const codeOf = (id: string) => messages.find((m) => m.id === id && m.type === 'error')?.payload[0].extensions.code;
    expect(['0', '1', '2'].map(codeOf)).toEqual(['BAD_REQUEST', 'VALIDATION_FAILED', 'VALIDATION_FAILED']);
    socket.close();
  });
});
