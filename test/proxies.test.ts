import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { AuditEntry } from '../src/entities/index.js';
import { ADMIN_KEY, startGateway, type TestGateway } from './testkit/gateway.js';
import { socketClient } from './testkit/graphql.js';
import { LiveListener } from './testkit/live-listener.js';

/** Believes one hop, one that believes the machine it runs on, and one that believes nobody. */
let byHops: TestGateway;
let byNetwork: TestGateway;
let unbelieving: TestGateway;
beforeAll(async () => {
  byHops = await startGateway({ env: { TRUST_PROXY: '1', RATE_LIMIT_PER_IP: '3' } });
  const { database } = byHops;
  byNetwork = await startGateway({ database, env: { TRUST_PROXY: 'loopback' } });
  unbelieving = await startGateway({ database });
});
afterAll(async () => {
  for (const gateway of [unbelieving, byNetwork, byHops]) await gateway.stop();
});

const CREATE = `mutation ($id: ID!) { createTenant(input: { id: $id, name: "T" }) { id } }`;
const forwarded = (address: string) => ({ 'x-forwarded-for': `192.0.2.1, ${address}` });

async function overHttp(gateway: TestGateway, id: string, address: string): Promise<void> {
  const { body } = await gateway.call('POST', '/graphql', {
    headers: { 'x-admin-key': ADMIN_KEY, ...forwarded(address) },
    body: { query: CREATE, variables: { id } },
  });
  expect(body.errors).toBeUndefined();
}

async function overWebSocket(gateway: TestGateway, id: string, address: string): Promise<void> {
  class Proxied extends WebSocket {
    constructor(url: string, protocols: string) {
      super(url, protocols, { headers: forwarded(address) });
    }
  }
  const { client } = socketClient(gateway, { 'x-admin-key': ADMIN_KEY }, { webSocketImpl: Proxied });
  const { value } = await client.iterate({ query: CREATE, variables: { id } }).next();
  expect(value.errors).toBeUndefined();
  await client.dispose();
}

describe('the address of whoever acts', () => {
  it.each([
    ['a number of hops', () => byHops, '198.51.100.7'],
    ['named proxies', () => byNetwork, '198.51.100.7'],
    ['nobody', () => unbelieving, '127.0.0.1'],
  ])('is the same over HTTP and WebSocket where TRUST_PROXY names %s', async (what, gateway, expected) => {
    const id = what.replaceAll(' ', '-');
    await overHttp(gateway(), `http-${id}`, '198.51.100.7');
    await overWebSocket(gateway(), `ws-${id}`, '198.51.100.7');
    const em = byHops.database.database.em({ all: true });
    for (const tenantId of [`http-${id}`, `ws-${id}`])
      expect(await em.findOne(AuditEntry, { action: 'tenant.created', tenantId })).toMatchObject({ address: expected });
  });

  it('is what failed attempts to listen in are counted by', async () => {
    const attempt = (address: string) =>
      new LiveListener(byHops, 'CA1', { key: 'wrong', headers: forwarded(address) }).closed;
    for (let n = 0; n < 3; n += 1) expect(await attempt('198.51.100.8')).toBe(4401);
    expect(await attempt('198.51.100.8')).toBe(4429);
    expect(await attempt('198.51.100.9')).toBe(4401);
  });
});
