import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ADMIN_KEY, startGateway, type TestGateway } from '../testkit/gateway.js';
import { until } from '../testkit/until.js';

const EVENTS = 10_000;
/** Of 20 endpoints; the rest is healthy. */
const KINDS = { dead: 5, slow: 3, flapping: 2, healthy: 10 };
type Kind = keyof typeof KINDS;
const SLOW_MS = 200;
const FLAP_MS = 1_500;
/** An event is not late at a healthy endpoint when it is there within this. */
const PROMPT_MS = 1_000;

interface Endpoint {
  tenantId: string;
  kind: Kind;
  secret: string;
  server: Server;
  /** Event id -> ms from its creation to its first arrival. */
  arrived: Map<string, number>;
  unverified: number;
}

let gateway: TestGateway;
const endpoints: Endpoint[] = [];
const startedAt = Date.now();

beforeAll(async () => {
  // The last attempt comes late: healthy endpoints must be done while dead ones are still being tried.
  gateway = await startGateway({ env: { WEBHOOK_RETRY_SCHEDULE: '0,2,20' } });
  for (const [kind, count] of Object.entries(KINDS))
    for (let n = 0; n < count; n++) endpoints.push(await openEndpoint(kind as Kind, `${kind}-${n}`));
});
afterAll(async () => {
  await gateway.stop();
  for (const { server } of endpoints) server.close().closeAllConnections();
});

async function openEndpoint(kind: Kind, tenantId: string): Promise<Endpoint> {
  const endpoint: Endpoint = { tenantId, kind, secret: '', server: null!, arrived: new Map(), unverified: 0 };
  endpoint.server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    answer(kind, response, () => {
      const body = Buffer.concat(chunks).toString();
      try {
        const event = new Webhook(endpoint.secret).verify(body, request.headers as Record<string, string>) as {
          id: string;
          created_at: string;
        };
        if (!endpoint.arrived.has(event.id)) endpoint.arrived.set(event.id, Date.now() - Date.parse(event.created_at));
      } catch {
        endpoint.unverified++;
      }
    });
  });
  await new Promise<void>((resolve) => endpoint.server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(endpoint.server.address() as AddressInfo).port}/`;
  // Dead in three ways: nobody is there, the connection breaks, or it answers with an error.
  if (tenantId === 'dead-0') endpoint.server.close();
  if (tenantId === 'dead-1') endpoint.server.on('connection', (socket) => socket.destroy());
  await gateway.admin('POST', '/tenants', { id: tenantId, name: tenantId });
  const made = await gateway.admin('POST', '/webhook-endpoints', { tenant_id: tenantId, url });
  endpoint.secret = made.body.secret;
  return endpoint;
}

function answer(kind: Kind, response: ServerResponse, take: () => void): void {
  const yes = () => {
    take();
    response.writeHead(204).end();
  };
  const behaviour: Record<Kind, () => void> = {
    healthy: yes,
    dead: () => response.writeHead(500).end(),
    slow: () => setTimeout(yes, SLOW_MS),
    flapping: () => (Math.floor((Date.now() - startedAt) / FLAP_MS) % 2 === 0 ? yes() : response.writeHead(503).end()),
  };
  behaviour[kind]();
}

async function statuses(where: string): Promise<Record<string, number>> {
  const rows = await gateway.database.database
    .em({ all: true })
    .execute<{ status: string; count: string }[]>(
      `select status, count(*) as count from webhook_delivery where event <> 'voice.webhook.delivery_failed' and ${where} group by status`,
    );
  return Object.fromEntries(rows.map((row) => [row.status, Number(row.count)]));
}

it(`delivers or gives up each of ${EVENTS} events to 20 endpoints, dead, slow and flapping ones among them`, async () => {
  const { database, outbox } = gateway.app.services.context;
  // As calls do: in the transaction of a change. One of each tenant at a time, as fast as they can be written.
  for (let n = 0; n < EVENTS / endpoints.length; n++)
    await database.em({ all: true }).transactional(async (em) => {
      for (const { tenantId } of endpoints)
        await outbox.enqueue(em, tenantId, 'voice.session.evaluated', {
          voice_session_id: `s-${n}`,
          score: 1,
          tags: [],
        });
    });
  const each = EVENTS / endpoints.length;
  const healthy = endpoints.filter(({ kind }) => kind === 'healthy');
  await until(() => healthy.every(({ arrived }) => arrived.size === each), 'the healthy endpoints', 120_000);
  const behind = await statuses(`tenant_id like 'dead-%'`);
  expect(behind.FAILED ?? 0).toBeGreaterThan(0);

  await until(async () => Object.keys(await statuses('true')).every((s) => /DELIVERED|DEAD/.test(s)), 'all', 180_000);
  const total = await statuses('true');
  expect(total.DELIVERED! + total.DEAD_LETTER!).toBe(EVENTS);
  expect(await statuses(`tenant_id like 'dead-%'`)).toEqual({ DEAD_LETTER: KINDS.dead * each });
  expect(await statuses(`tenant_id like 'slow-%'`)).toEqual({ DELIVERED: KINDS.slow * each });
  for (const { kind, tenantId, arrived, unverified } of endpoints) {
    expect(unverified).toBe(0);
    if (kind === 'healthy' || kind === 'slow') expect(arrived.size).toBe(each);
    // What the log says was delivered is what arrived.
    expect([tenantId, (await statuses(`tenant_id = '${tenantId}'`)).DELIVERED ?? 0]).toEqual([tenantId, arrived.size]);
  }
  // What was given up is told, and what is told is in the log of deliveries that admins read.
  const told = await gateway.call('POST', '/graphql', {
    headers: { 'x-admin-key': ADMIN_KEY },
    body: {
      query: `{ webhookDeliveries(filter: { status: DEAD_LETTER }, first: 1) { edges { node { attemptCount } } } }`,
    },
  });
  expect(told.body.data.webhookDeliveries.edges[0].node.attemptCount).toBe(3);
  const lags = healthy.flatMap(({ arrived }) => [...arrived.values()]).toSorted((a, b) => a - b);
  const p95 = lags[Math.floor(lags.length * 0.95)]!;
  console.log(`healthy endpoints: p50 ${lags[lags.length >> 1]} ms, p95 ${p95} ms`);
  expect(p95).toBeLessThan(PROMPT_MS);
}, 360_000);
