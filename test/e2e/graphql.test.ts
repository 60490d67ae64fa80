import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { getIntrospectionQuery } from 'graphql';
import { WebSocket } from 'ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryRateLimiter } from '../../src/adapters/rate-limit/memory.js';
import { Call, Evaluation, ToolCall, Turn, VoiceSession } from '../../src/entities/index.js';
import { newId } from '../../src/lib/ids.js';
import { createGraphqlSocket, type GraphqlSocket } from '../../src/resolvers/socket.js';
import { SessionLog } from '../../src/services/session-log.js';
import { seedSession } from '../testkit/context.js';
import { ADMIN_KEY, startGateway, type TestGateway } from '../testkit/gateway.js';
import { graphql, must, socketClient } from '../testkit/graphql.js';
import { until } from '../testkit/until.js';

describe('GraphQL', () => {
  let gateway: TestGateway;
  let key: string;
  let otherKey: string;
  const codesOf = async (...args: Parameters<typeof graphql>) =>
    ((await graphql(...args)).errors ?? []).map((error) => error.extensions.code as string);

  beforeAll(async () => {
    // No sweeps meanwhile: one test counts statements.
    gateway = await startGateway({ overrides: { timing: { recorderBatchMs: 10, sweepIntervalMs: 600_000 } } });
    for (const id of ['acme', 'globex'])
      await must(gateway, `mutation ($input: CreateTenantInput!) { createTenant(input: $input) { id status } }`, {
        input: { id, name: id },
      });
    const create = `mutation ($id: ID!) { createApiKey(tenantId: $id, input: { name: "app" }) { secret apiKey { id } } }`;
    key = (await must(gateway, create, { id: 'acme' })).createApiKey.secret;
    otherKey = (await must(gateway, create, { id: 'globex' })).createApiKey.secret;
  });
  afterAll(() => gateway.stop());

  it('takes an agent from nothing to a routed number, and shows it to its tenant only', async () => {
    const data = await must(gateway, `mutation { createAgent(input: { tenantId: "acme", key: "desk" }) { id } }`);
    const version = await must(
      gateway,
      `mutation ($input: CreateAgentVersionInput!) { createAgentVersion(input: $input) { id number status tools { name method } } }`,
      {
        input: {
          agentId: data.createAgent.id,
          prompt: 'Be kind.',
          tools: [{ name: 'look_up', description: 'Finds', url: 'https://a.example/' }],
          intents: [{ name: 'status', tools: ['look_up'] }],
        },
      },
    );
    expect(version.createAgentVersion).toMatchObject({ number: 1, status: 'DRAFT', tools: [{ method: 'POST' }] });
    await must(
      gateway,
      `mutation ($id: ID!) { publishAgentVersion(id: $id, force: true, reason: "no evidence here") { status } }`,
      {
        id: version.createAgentVersion.id,
      },
    );
    await must(
      gateway,
      `mutation { createPhoneRoute(input: { tenantId: "acme", number: "+15555551234", agentKey: "desk" }) { id } }`,
    );
    const query = `{ agent(key: "desk") { key publishedVersion { number status } versions { edges { node { number } } } rolloutHistory { edges { node { action } } } }
      phoneRoutes { edges { node { number agent { key } } } } viewer { kind tenantId tenant { name } } }`;
    expect(await must(gateway, query, {}, key)).toEqual({
      agent: {
        key: 'desk',
        publishedVersion: { number: 1, status: 'PUBLISHED' },
        versions: { edges: [{ node: { number: 1 } }] },
        rolloutHistory: { edges: [{ node: { action: 'FORCED' } }] },
      },
      phoneRoutes: { edges: [{ node: { number: '+15555551234', agent: { key: 'desk' } } }] },
      viewer: { kind: 'TENANT', tenantId: 'acme', tenant: { name: 'acme' } },
    });
    expect(
      await must(gateway, `{ agent(key: "desk") { key } phoneRoutes { edges { cursor } } }`, {}, otherKey),
    ).toEqual({
      agent: null,
      phoneRoutes: { edges: [] },
    });
    const trail = await must(
      gateway,
      `{ auditLog(filter: { tenantId: "acme", action: "agent_version." }) { edges { node { action actor } } } }`,
    );
    expect(trail.auditLog.edges.map((edge: any) => edge.node.action)).toEqual([
      'agent_version.published',
      'agent_version.forced',
      'agent_version.created',
    ]);
  });

  it('has errors with a code of the catalogue, a request id and the fields that are wrong', async () => {
    const { errors } = await graphql(
      gateway,
      `
        mutation {
          createTenant(input: { id: "No", name: "" }) {
            id
          }
        }
      `,
    );
    expect(errors?.[0]?.extensions).toMatchObject({
      code: 'VALIDATION_FAILED',
      retryable: false,
      requestId: expect.any(String),
      details: [{ path: 'id' }, { path: 'name' }],
    });
    expect(await codesOf(gateway, `{ auditLog { edges { cursor } } }`, {}, key)).toEqual(['FORBIDDEN']);
    expect(await codesOf(gateway, `{ viewer { kind } }`, {}, 'tl_live_nonsense')).toEqual(['UNAUTHENTICATED']);
    expect(
      await graphql(
        gateway,
        `
          {
            viewer {
              kind
            }
          }
        `,
        {},
        null,
      ),
    ).toMatchObject({
      status: 401,
      errors: [{ extensions: { code: 'UNAUTHENTICATED', requestId: expect.any(String) } }],
    });
    expect(await codesOf(gateway, `mutation { revokeApiKey(id: "x") { id } }`)).toEqual(['NOT_FOUND']);
    expect(
      (
        await graphql(
          gateway,
          `
            {
              nothing
            }
          `,
        )
      ).errors![0]!.extensions,
    ).toEqual({
      code: 'VALIDATION_FAILED',
      retryable: false,
      requestId: expect.any(String),
    });
    expect(await codesOf(gateway, `{ viewer {`)).toEqual(['BAD_REQUEST']);
    expect(await codesOf(gateway, `query ($n: Int!) { calls(first: $n) { edges { cursor } } }`, { n: 'x' })).toEqual([
      'VALIDATION_FAILED',
    ]);
    expect(
      await codesOf(gateway, `query ($n: PhoneNumber!) { calls { edges { cursor } } transfer: viewer { kind } }`, {}),
    ).toContain('VALIDATION_FAILED');
    expect(await codesOf(gateway, `{ calls(first: 101) { edges { cursor } } }`)).toEqual(['VALIDATION_FAILED']);
    expect(await codesOf(gateway, `{ calls(after: "x") { edges { cursor } } }`)).toEqual(['VALIDATION_FAILED']);
    expect(await codesOf(gateway, `{ a: viewer { kind } } query B { viewer { kind } }`)).toHaveLength(1);
  });

  it('masks what it did not expect, and tells the request id', async () => {
    const tenants = gateway.app.services.tenants as { page: unknown };
    const real = tenants.page;
    tenants.page = () => Promise.reject(new Error('connection string postgres://secret'));
    try {
      const { errors } = await graphql(
        gateway,
        `
          {
            tenants {
              edges {
                cursor
              }
            }
          }
        `,
      );
      expect(errors?.[0]).toMatchObject({
        extensions: { code: 'INTERNAL', retryable: true, requestId: expect.any(String) },
      });
      expect(JSON.stringify(errors)).not.toContain('secret');
    } finally {
      delete (tenants as { page?: unknown }).page;
    }
    expect(real).toBe(gateway.app.services.tenants.page);
  });

  it('refuses documents that are too deep, too wide, too long or too costly, and lets the tools look at the schema', async () => {
    const deep = `{ calls { edges { node { ${'session { call { '.repeat(5)} id ${'} }'.repeat(5)} } } } }`;
    const wide = `{ ${Array.from({ length: 40 }, (_, i) => `a${i}: viewer { kind }`).join(' ')} }`;
    const long = `{ ${'viewer { kind } '.repeat(600)} }`;
    const costly = `{ agents(first: 100) { edges { node { rolloutHistory(first: 100) { edges { node { id } } } versions(first: 10) { edges { node { agent { rolloutHistory(first: 100) { edges { node { id } } } } } } } } } } }`;
    for (const query of [deep, wide, long, costly])
      expect(await codesOf(gateway, query)).toEqual(['QUERY_TOO_COMPLEX']);
    const spread = `query { ${Array.from({ length: 8 }, (_, i) => `...f${i}`).join(' ')} } ${Array.from(
      { length: 8 },
      (_, i) =>
        `fragment f${i} on Query { ${i < 7 ? `...f${i + 1} x${i}: viewer { ...v } ...f${i + 1}` : 'viewer { ...v }'} }`,
    ).join(' ')} fragment v on Viewer { kind name tenantId }`;
    expect(await codesOf(gateway, spread)).toEqual(['QUERY_TOO_COMPLEX']);
    expect((await graphql(gateway, getIntrospectionQuery(), {}, null)).data.__schema.queryType.name).toBe('Query');
  });

  it('refuses bodies and requests that are none', async () => {
    const post = (body: string, headers: Record<string, string> = { 'content-type': 'application/json' }) =>
      fetch(`${gateway.origin}/graphql`, { method: 'POST', headers: { 'x-admin-key': ADMIN_KEY, ...headers }, body });
    const big = await post(JSON.stringify({ query: `{ viewer { kind } } # ${'x'.repeat(300_000)}` }));
    expect([big.status, ((await big.json()) as any).errors[0].extensions.code]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
    expect((await post('{')).status).toBe(400);
    expect((await post('[]')).status).toBe(400);
    expect((await post('{"query": 1}')).status).toBe(400);
    // A form of another site could send this without asking the browser first.
    expect((await post('query=x', { 'content-type': 'text/plain' })).status).toBe(415);
    const get = await fetch(`${gateway.origin}/graphql?query=${encodeURIComponent('{viewer{kind}}')}`, {
      headers: { 'x-admin-key': ADMIN_KEY },
    });
    expect(get.status).toBe(400);
  });

  it('reads 25 calls with everything that hangs on them in a bounded number of statements', async () => {
    const em = gateway.database.database.em({ all: true });
    for (let i = 0; i < 25; i += 1) {
      const call = em.create(Call, { tenantId: 'globex', direction: 'INBOUND', status: 'COMPLETED' });
      await em.flush();
      const session = em.create(VoiceSession, {
        tenantId: 'globex',
        callId: call.id,
        model: 'm',
        status: 'COMPLETED',
        startedAt: new Date(),
      });
      await em.flush();
      const common = { tenantId: 'globex', sessionId: session.id };
      for (let index = 0; index < 3; index += 1)
        em.create(Turn, { ...common, index, speaker: 'AGENT', text: `t${index}`, seq: index + 1, startedAtMs: 0 });
      em.create(ToolCall, {
        ...common,
        modelCallId: 'c',
        name: 'tool',
        status: 'SUCCEEDED',
        startedAtMs: 0,
        arguments: { a: 1 },
        result: null,
      });
      em.create(Evaluation, { ...common, source: 'API', score: 1, tags: [], evaluatedBy: 'x' });
    }
    await em.flush();
    const query = `query ($first: Int) { calls(first: $first) { edges { node { id createdAt agentVersion { id } session { id
      turns { index text } toolCalls { name arguments } evaluations { score } call { id } } } } pageInfo { hasNextPage endCursor } } }`;
    await must(gateway, query, { first: 1 }, otherKey);
    const statements = async (first: number) => {
      const { orm } = gateway.database.database;
      const connection = orm.em.getConnection() as unknown as { executeQuery(...args: unknown[]): Promise<unknown> };
      const real = connection.executeQuery;
      let count = 0;
      connection.executeQuery = function (...args) {
        if (/call|turn|evaluation|voice_session/.test(String(args[0]))) count += 1;
        return real.apply(this, args);
      };
      try {
        const { calls } = await must(gateway, query, { first }, otherKey);
        expect(calls.edges).toHaveLength(first);
        expect(calls.edges[0].node.session.turns.map((turn: any) => turn.index)).toEqual([0, 1, 2]);
        expect(calls.edges[0].node.session.toolCalls).toEqual([{ name: 'tool', arguments: { a: 1 } }]);
        return count;
      } finally {
        delete (connection as { executeQuery?: unknown }).executeQuery;
      }
    };
    const [one, many] = [await statements(1), await statements(25)];
    expect(one).toBeGreaterThan(3);
    expect(many).toBe(one);
  });

  it('has a schema that is committed as text', async () => {
    const sdl = readFileSync('schema/schema.graphql', 'utf8');
    const { data } = await graphql(
      gateway,
      `
        {
          __schema {
            types {
              name
            }
          }
        }
      `,
    );
    for (const { name } of data.__schema.types)
      if (!name.startsWith('__') && !['String', 'Int', 'Float', 'Boolean', 'ID'].includes(name))
        expect(sdl).toMatch(new RegExp(`^(type|input|enum|scalar|interface) ${name}\\b`, 'm'));
  });

  describe('over WebSocket', () => {
    const EVENTS = `subscription ($id: ID!, $after: Int! = 0) { sessionEvents(sessionId: $id, after: $after) { __typename seq
      ... on TurnCompleted { turn { text seq sessionId } } ... on SessionEnded { reason session { status } } } }`;

    it('follows a session from its beginning to its end, and resumes after what was seen', async () => {
      const session = await seedSession(gateway.database.database, 'acme');
      const log = new SessionLog(gateway.app.services.context);
      const turn = (index: number) => ({
        eventId: newId(),
        type: 'TurnCompleted' as const,
        at: new Date(),
        payload: {
          turn: {
            id: newId(),
            index,
            speaker: 'AGENT' as const,
            text: `turn ${index}`,
            final: true,
            interrupted: false,
            startedAtMs: 0,
            endedAtMs: 1,
            latencyMs: null,
          },
        },
      });
      await log.append(session.id, 1, [turn(0)]);
      const { client } = socketClient(gateway, { authorization: `Bearer ${key}` });
      const events = client.iterate<any>({ query: EVENTS, variables: { id: session.id } });
      const seen: any[] = [(await events.next()).value.data.sessionEvents];
      await log.append(session.id, 1, [turn(1)]);
      seen.push((await events.next()).value.data.sessionEvents);
      expect(seen).toMatchObject([
        { __typename: 'TurnCompleted', seq: 1, turn: { text: 'turn 0', seq: 1, sessionId: session.id } },
        { __typename: 'TurnCompleted', seq: 2, turn: { text: 'turn 1' } },
      ]);
      const turns = client.iterate<any>({
        query: `subscription ($id: ID!) { transcriptTurns(sessionId: $id, after: 1) { text seq final } }`,
        variables: { id: session.id },
      });
      expect((await turns.next()).value.data.transcriptTurns).toEqual({ text: 'turn 1', seq: 2, final: true });
      const foreign = socketClient(gateway, { authorization: `Bearer ${otherKey}` });
      const refused = await foreign.client
        .iterate<any>({ query: EVENTS, variables: { id: session.id } })
        .next()
        .catch((e: any) => ({ value: { errors: e } }));
      expect(refused.value.errors[0].extensions.code).toBe('NOT_FOUND');
      await foreign.client.dispose();
      await client.dispose();
    });

    it('says what is unfinished first and then what changes', async () => {
      const session = await seedSession(gateway.database.database, 'acme');
      const { client } = socketClient(gateway, { 'x-admin-key': ADMIN_KEY });
      const calls = client.iterate<any>({
        query: `subscription { callUpdated(filter: { tenantId: "acme" }) { id status outcome session { status } } }`,
      });
      const active = client.iterate<any>({ query: `subscription { activeSessions(tenantId: "acme") { id } }` });
      await until(async () => (await calls.next()).value.data.callUpdated.id === session.callId);
      expect((await active.next()).value.data.activeSessions.map((s: any) => s.id)).toContain(session.id);
      await gateway.database.database
        .em({ all: true })
        .nativeUpdate(Call, { id: session.callId }, { status: 'COMPLETED', outcome: 'resolved' });
      await gateway.database.database
        .em({ all: true })
        .nativeUpdate(VoiceSession, { id: session.id }, { status: 'COMPLETED' });
      await gateway.app.services.context.topics.publish('callChanged', {
        tenantId: 'acme',
        callId: session.callId,
        sessionId: session.id,
      });
      await until(async () => {
        const { callUpdated } = (await calls.next()).value.data;
        return (
          callUpdated.id === session.callId &&
          callUpdated.status === 'COMPLETED' &&
          callUpdated.session.status === 'COMPLETED'
        );
      });
      expect((await active.next()).value.data.activeSessions.map((s: any) => s.id)).not.toContain(session.id);
      await client.dispose();
    });

    it('closes with 4403 what has no right to be there, also when that right ends', async () => {
      for (const params of [
        undefined,
        { authorization: 'Bearer nonsense' },
        { 'x-admin-key': 'nonsense' },
        { authorization: 5 },
      ])
        expect(await socketClient(gateway, params).closed).toBe(4403);
      const { createApiKey } = await must(
        gateway,
        `mutation { createApiKey(tenantId: "acme", input: { name: "short" }) { secret apiKey { id } } }`,
      );
      const { client, closed } = socketClient(gateway, { authorization: `Bearer ${createApiKey.secret}` });
      const calls = client.iterate<any>({ query: `subscription { activeSessions { id } }` });
      await calls.next();
      await must(gateway, `mutation ($id: ID!) { revokeApiKey(id: $id) { revokedAt } }`, {
        id: createApiKey.apiKey.id,
      });
      expect(await closed).toBe(4403);
      await calls.next().catch(() => {});
      await client.dispose();
    });

    it('suspends a tenant’s subscriptions with it', async () => {
      await must(gateway, `mutation { createTenant(input: { id: "late", name: "late" }) { id } }`);
      const { createApiKey } = await must(
        gateway,
        `mutation { createApiKey(tenantId: "late", input: { name: "x" }) { secret } }`,
      );
      const { closed, client } = socketClient(gateway, { authorization: `Bearer ${createApiKey.secret}` });
      await client.iterate<any>({ query: `{ viewer { kind } }` }).next();
      await must(gateway, `mutation { suspendTenant(id: "late", reason: "unpaid") { status } }`);
      expect(await closed).toBe(4403);
      expect(
        await graphql(
          gateway,
          `
            {
              viewer {
                kind
              }
            }
          `,
          {},
          createApiKey.secret,
        ),
      ).toMatchObject({
        status: 403,
        errors: [{ extensions: { code: 'TENANT_SUSPENDED' } }],
      });
      await client.dispose();
    });

    it('answers garbage with the documented close codes and goes on', async () => {
      const closeCode = (send: (socket: WebSocket) => void, protocol = 'graphql-transport-ws') =>
        new Promise<number>((resolve, reject) => {
          const socket = new WebSocket(`${gateway.origin.replace('http', 'ws')}/graphql`, protocol);
          socket.on('open', () => send(socket));
          socket.on('close', (code) => resolve(code));
          socket.on('error', reject);
        });
      const init = JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${key}` } });
      const subscribe = JSON.stringify({
        id: '1',
        type: 'subscribe',
        payload: { query: 'subscription { activeSessions { id } }' },
      });
      expect(await closeCode((socket) => socket.send(subscribe))).toBe(4401);
      expect(await closeCode((socket) => socket.send('garbage'))).toBe(4400);
      expect(await closeCode((socket) => socket.send(Buffer.from([0, 255, 1])))).toBe(4400);
      expect(await closeCode((socket) => (socket.send(init), socket.send(init)))).toBe(4429);
      expect(
        await closeCode(
          (socket) => (
            socket.send(init),
            socket.once('message', () => (socket.send(subscribe), socket.send(subscribe)))
          ),
        ),
      ).toBe(4409);
      expect(await closeCode((socket) => socket.send('x'.repeat(300_000)))).toBe(1009);
      expect(await must(gateway, `{ viewer { kind } }`)).toEqual({ viewer: { kind: 'ADMIN' } });
    });

    it('lives through any frames that anybody sends', async () => {
      const message = fc.record(
        {
          id: fc.oneof(fc.string(), fc.integer()),
          type: fc.constantFrom('connection_init', 'subscribe', 'ping', 'pong', 'complete', 'next', 'x'),
          payload: fc.oneof(fc.jsonValue(), fc.record({ query: fc.constantFrom('{ viewer { kind } }', '{', '') })),
        },
        { requiredKeys: [] },
      );
      const frame = fc.oneof(
        message.map((m) => JSON.stringify(m)),
        fc.string(),
        fc.uint8Array(),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(frame, { maxLength: 8 }), fc.boolean(), async (frames, admitted) => {
          const socket = new WebSocket(`${gateway.origin.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
          const closed = new Promise<number>((resolve) => socket.on('close', resolve));
          await new Promise((resolve) => socket.on('open', resolve));
          if (admitted) socket.send(JSON.stringify({ type: 'connection_init', payload: { 'x-admin-key': ADMIN_KEY } }));
          for (const data of frames) socket.send(data);
          socket.close(1000);
          expect([1000, 1001, 1005, 4400, 4401, 4403, 4409, 4429]).toContain(await closed);
        }),
        { numRuns: 60 },
      );
      expect(await must(gateway, `{ viewer { kind } }`)).toEqual({ viewer: { kind: 'ADMIN' } });
    });

    describe('with short patience', () => {
      const server = createServer();
      let door: GraphqlSocket;
      let origin: string;
      beforeAll(async () => {
        door = createGraphqlSocket({
          services: gateway.app.services,
          addressOf: () => null,
          limiter: new MemoryRateLimiter(),
          rateLimitPerTenant: 5,
          timing: { initTimeoutMs: 100, recheckMs: 100, stalledAfterMs: 500 },
        });
        await door.start();
        server.on('upgrade', (...upgrade) => door.handleUpgrade(...upgrade));
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      });
      afterAll(async () => {
        await door.dispose();
        await new Promise((resolve) => server.close(resolve));
      });

      it('closes with 4408 whoever does not say who they are', async () => {
        const socket = new WebSocket(`${origin.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
        expect(await new Promise((resolve) => socket.on('close', resolve))).toBe(4408);
      });

      it('counts the operations of a tenant, whatever its connections', async () => {
        const codes: (string | null)[] = [];
        for (let i = 0; i < 3; i += 1) {
          const { client } = socketClient({ origin }, { authorization: `Bearer ${key}` });
          for (let n = 0; n < 2; n += 1)
            codes.push(
              await client
                .iterate<any>({ query: '{ viewer { kind } }' })
                .next()
                .then(
                  () => null,
                  ([error]: any) => error.extensions.code,
                ),
            );
          await client.dispose();
        }
        expect(codes).toEqual([null, null, null, null, null, 'RATE_LIMITED']);
      });

      it('closes with 4403 when a key expires', async () => {
        const { createApiKey } = await must(
          gateway,
          `mutation ($at: DateTime!) { createApiKey(tenantId: "acme", input: { name: "brief", expiresAt: $at }) { secret } }`,
          { at: new Date(Date.now() + 2_000).toISOString() },
        );
        const { client, closed } = socketClient({ origin }, { authorization: `Bearer ${createApiKey.secret}` });
        expect(await closed).toBe(4403);
        await client.dispose();
      });

      it('leaves without waiting for a reader that takes nothing', async () => {
        const leaving = createGraphqlSocket({
          services: gateway.app.services,
          addressOf: () => null,
          limiter: new MemoryRateLimiter(),
          rateLimitPerTenant: 100,
        });
        await leaving.start();
        const own = createServer().on('upgrade', (...upgrade) => leaving.handleUpgrade(...upgrade));
        await new Promise<void>((resolve) => own.listen(0, '127.0.0.1', resolve));
        const { port } = own.address() as AddressInfo;
        const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, 'graphql-transport-ws');
        await new Promise((resolve) => socket.on('open', resolve));
        socket.send(JSON.stringify({ type: 'connection_init', payload: { 'x-admin-key': ADMIN_KEY } }));
        await until(() => leaving.connections === 1, 'the connection');
        socket.pause();
        const begun = performance.now();
        await leaving.dispose();
        expect(performance.now() - begun).toBeLessThan(10_000);
        socket.terminate();
        await new Promise((resolve) => own.close(resolve));
      });

      it('lets go of a reader that takes nothing', async () => {
        const socket = new WebSocket(`${origin.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
        await new Promise((resolve) => socket.on('open', resolve));
        socket.send(JSON.stringify({ type: 'connection_init', payload: { 'x-admin-key': ADMIN_KEY } }));
        await until(() => door.connections === 1, 'the connection');
        socket.pause();
        // Far more than the kernel buffers for a socket.
        for (let id = 0; id < 90; id += 1)
          socket.send(
            JSON.stringify({ id: String(id), type: 'subscribe', payload: { query: getIntrospectionQuery() } }),
          );
        await until(() => door.connections === 0, 'the end of the connection', 25_000);
        socket.terminate();
      });
    });

    it('holds operations to the same limits as over HTTP', async () => {
      const { client } = socketClient(gateway, { 'x-admin-key': ADMIN_KEY });
      const codes = async (query: string) =>
        client
          .iterate<any>({ query })
          .next()
          .then(
            ({ value }) => value.errors.map((e: any) => e.extensions.code),
            (errors: any) => errors.map((e: any) => e.extensions.code),
          );
      expect(await codes(`{ ${Array.from({ length: 40 }, (_, i) => `a${i}: viewer { kind }`).join(' ')} }`)).toEqual([
        'QUERY_TOO_COMPLEX',
      ]);
      expect(await codes('{ nothing }')).toEqual(['VALIDATION_FAILED']);
      expect(await codes('subscription { sessionEvents(sessionId: "x") { seq } }')).toEqual(['NOT_FOUND']);
      expect(await codes('{ voiceSession(id: "x") { id } calls(first: 0) { edges { cursor } } }')).toEqual([
        'VALIDATION_FAILED',
      ]);
      await client.dispose();
    });
  });
});
