import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_TIMING } from '../../src/services/context.js';
import { seedSession } from '../testkit/context.js';
import { ADMIN_KEY, startGateway, type TestGateway } from '../testkit/gateway.js';
import { graphql, must, socketClient } from '../testkit/graphql.js';
import { Receiver, type Answer } from '../testkit/receiver.js';
import { until } from '../testkit/until.js';

const ENDPOINT = `id tenantId url events enabled disabledReason description previousSecretExpiresAt`;
const DELIVERY = `id eventId endpointId event status attemptCount nextAttemptAt lastStatusCode lastError deliveredAt
  attempts { at statusCode error latencyMs responseExcerpt }`;

describe('webhooks', () => {
  let gateway: TestGateway;
  let key: string;
  let sessionId: string;
  let otherKey: string;
  const receivers: Receiver[] = [];

  beforeAll(async () => {
    gateway = await startGateway({ env: { WEBHOOK_RETRY_SCHEDULE: '0,0,0' } });
    const session = await seedSession(gateway.database.database, 'acme');
    await gateway.database.database
      .em({ all: true })
      .execute(`update voice_session set status = 'COMPLETED', ended_at = now() where id = ?`, [session.id]);
    sessionId = session.id;
    key = (await gateway.admin('POST', '/tenants/acme/api-keys', { name: 'app' })).body.key;
    await gateway.admin('POST', '/tenants', { id: 'globex', name: 'Globex' });
    otherKey = (await gateway.admin('POST', '/tenants/globex/api-keys', { name: 'app' })).body.key;
  });
  afterEach(async () => {
    // Each test has its own endpoints.
    await gateway.database.database.em({ all: true }).execute(`update webhook_endpoint set enabled = false`);
    for (const receiver of receivers.splice(0)) await receiver.stop();
  });
  afterAll(() => gateway.stop());

  const receive = async (answer?: Answer) => {
    const receiver = await new Receiver(answer).start();
    receivers.push(receiver);
    return receiver;
  };
  const endpointTo = async (receiver: Receiver, input: object = {}) => {
    const { createWebhookEndpoint: made } = await must(
      gateway,
      `mutation ($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(tenantId: "acme", input: $input) { endpoint { ${ENDPOINT} } secret } }`,
      { input: { url: receiver.url, events: ['voice.session.evaluated'], ...input } },
      key,
    );
    return made as { endpoint: { id: string; url: string; enabled: boolean }; secret: string };
  };
  /** Something that happens: the score tells the events apart. */
  const evaluate = async (score: number) => {
    const { status } = await gateway.call('POST', `/api/v1/voice-sessions/${sessionId}/evaluations`, {
      key,
      body: { score },
    });
    expect(status).toBe(200);
  };
  const deliveries = async (filter: object) => {
    const { webhookDeliveries } = await must(
      gateway,
      `query ($filter: WebhookDeliveryFilter) { webhookDeliveries(filter: $filter, first: 100) { edges { node { ${DELIVERY} } } } }`,
      { filter },
      key,
    );
    return webhookDeliveries.edges.map((edge: { node: unknown }) => edge.node) as any[];
  };
  const settled = (endpointId: string, status: string, count = 1) =>
    until(async () => {
      const found = await deliveries({ endpointId, status });
      return found.length >= count ? found : null;
    }, `${count} × ${status}`);

  it('are signed after the Standard Webhooks specification, filtered by name, and logged', async () => {
    const receiver = await receive((_, response) => void response.writeHead(200).end('thank you\0'));
    const { endpoint, secret } = await endpointTo(receiver);
    const deaf = await receive();
    await endpointTo(deaf, { events: ['voice.call.started'] });
    await evaluate(0.5);
    const [delivery] = await settled(endpoint.id, 'DELIVERED');
    const [got] = receiver.got;
    const event = new Webhook(secret).verify(got!.body, got!.headers) as Record<string, unknown>;
    expect(event).toMatchObject({
      id: delivery.eventId,
      event: 'voice.session.evaluated',
      tenant_id: 'acme',
      api_version: '2026-05-14',
      data: { voice_session_id: sessionId, score: 0.5, tags: [] },
    });
    expect(got!.headers['webhook-id']).toBe(event.id);
    expect(() => new Webhook(secret).verify(`${got!.body} `, got!.headers)).toThrow(/signature/);
    expect(delivery).toMatchObject({
      attemptCount: 1,
      nextAttemptAt: null,
      lastStatusCode: 200,
      attempts: [{ statusCode: 200, error: null, responseExcerpt: 'thank you\ufffd' }],
    });
    expect(deaf.got).toEqual([]);
  });

  it('are signed with both secrets while one replaces the other', async () => {
    const receiver = await receive();
    const { endpoint, secret } = await endpointTo(receiver);
    const rotate = (overlapSeconds: number) =>
      must(
        gateway,
        `mutation ($id: ID!, $o: Int) { rotateWebhookSecret(id: $id, overlapSeconds: $o) { endpoint { ${ENDPOINT} } secret } }`,
        { id: endpoint.id, o: overlapSeconds },
        key,
      );
    const { rotateWebhookSecret: second } = await rotate(3_600);
    expect(second.secret).not.toBe(secret);
    expect(Date.parse(second.endpoint.previousSecretExpiresAt)).toBeGreaterThan(Date.now());
    await evaluate(0.1);
    await settled(endpoint.id, 'DELIVERED');
    const { rotateWebhookSecret: third } = await rotate(0);
    await evaluate(0.2);
    await settled(endpoint.id, 'DELIVERED', 2);
    const [during, after] = receiver.got;
    for (const one of [secret, second.secret]) new Webhook(one).verify(during!.body, during!.headers);
    new Webhook(third.secret).verify(after!.body, after!.headers);
    for (const one of [secret, second.secret])
      expect(() => new Webhook(one).verify(after!.body, after!.headers)).toThrow(/signature/);
  });

  it('are tried again, then given up with word to the other endpoints, and sent again on demand', async () => {
    let works = false;
    const dead = await receive(() => (works ? 204 : 500));
    const witness = await receive();
    const { endpoint } = await endpointTo(dead, { events: [] });
    await endpointTo(witness, { events: ['voice.webhook.delivery_failed'] });
    const since = new Date();
    await evaluate(0.3);
    const [lost] = await settled(endpoint.id, 'DEAD_LETTER');
    expect(lost).toMatchObject({ attemptCount: 3, lastStatusCode: 500, attempts: [{}, {}, {}] });
    expect(new Set(dead.got.map((one) => one.headers['webhook-id']))).toEqual(new Set([lost.eventId]));
    expect(new Set(dead.got.map((one) => one.body)).size).toBe(1);
    await until(() => witness.got.length === 1, 'voice.webhook.delivery_failed');
    expect(JSON.parse(witness.got[0]!.body).data).toEqual({
      event_id: lost.eventId,
      endpoint_id: endpoint.id,
      attempt_count: 3,
    });
    works = true;
    const { redeliverWebhookEvent } = await must(
      gateway,
      `mutation ($id: ID!) { redeliverWebhookEvent(eventId: $id) { ${DELIVERY} } }`,
      { id: lost.eventId },
      key,
    );
    expect(redeliverWebhookEvent).toMatchObject({ status: 'PENDING', endpointId: endpoint.id });
    await settled(endpoint.id, 'DELIVERED');
    expect(dead.got.at(-1)!.headers['webhook-id']).toBe(lost.eventId);

    works = false;
    await evaluate(0.4);
    await settled(endpoint.id, 'DEAD_LETTER');
    works = true;
    const again = await gateway.admin('POST', '/webhook-deliveries/redeliver-failed', {
      tenant_id: 'acme',
      since: since.toISOString(),
    });
    expect(again).toMatchObject({ status: 200, body: { redelivered: 1 } });
    const trail = await gateway.admin('GET', '/audit-log?action=webhook_delivery.redelivered&tenant_id=acme');
    expect(trail.body.data[0]).toMatchObject({
      request_id: again.headers.get('x-request-id'),
      after: { deliveries: 1 },
    });
    await settled(endpoint.id, 'DELIVERED', 2);
    const none = await must(
      gateway,
      `mutation ($since: DateTime!) { redeliverFailedWebhooks(since: $since) }`,
      { since },
      key,
    );
    expect(none.redeliverFailedWebhooks).toBe(0);
  });

  it('never tell of failures to tell of failures', async () => {
    const told = { events: ['voice.webhook.delivery_failed'] };
    const [dead, deaf, witness] = [await receive(() => 500), await receive(() => 500), await receive()];
    const first = await endpointTo(dead);
    const second = await endpointTo(deaf, told);
    await endpointTo(witness, told);
    await evaluate(0.35);
    const [lost] = await settled(first.endpoint.id, 'DEAD_LETTER');
    const [untold] = await settled(second.endpoint.id, 'DEAD_LETTER');
    expect(untold).toMatchObject({ event: 'voice.webhook.delivery_failed', attemptCount: 3 });
    await until(() => witness.got.length > 0, 'the one who hears');
    // Whoever fails is not told of their own failure, nor anybody of the word about it.
    const all = await deliveries({});
    const words = all.filter(
      ({ event, eventId }) => event === 'voice.webhook.delivery_failed' && eventId === untold.eventId,
    );
    expect(words.map(({ endpointId }) => endpointId)).not.toContain(first.endpoint.id);
    const events = await gateway.database.database
      .em({ all: true })
      .execute<{ about: string }[]>(
        `select payload->'data'->>'event_id' as about from tenant_event where event = 'voice.webhook.delivery_failed'`,
      );
    expect(events.map(({ about }) => about)).toContain(lost.eventId);
    expect(events.map(({ about }) => about)).not.toContain(untold.eventId);
  });

  it('to an endpoint that never answers hold up no other, not even at the same host', async () => {
    const { timing } = gateway.app.services.context.settings;
    const patienceMs = (timing.webhookTimeoutMs = 6_000);
    const host = await receive(({ path }) => (path.endsWith('/well') ? 204 : undefined));
    const at = async (name: string) => (await endpointTo(host, { url: `${host.url}/${name}` })).endpoint.id;
    const silent = [await at('one'), await at('two'), await at('three')];
    const well = await at('well');
    const timesOf = (name: string) => host.got.filter(({ path }) => path.endsWith(name)).map((one) => one.at);
    await Promise.all(Array.from({ length: 10 }, (_, n) => evaluate(n / 10)));
    await settled(well, 'DELIVERED', 10);
    for (const [index, name] of ['one', 'two', 'three'].entries()) {
      const [failed] = await settled(silent[index]!, 'FAILED');
      expect(failed.attempts[0]).toMatchObject({ statusCode: null, error: `no answer within ${patienceMs} ms` });
      // Eight at once; the next has to wait until one of those has come to its end, and nobody else has.
      await until(() => timesOf(name).length > 8, 'the next');
      expect(timesOf(name)[8]! - timesOf(name)[0]!).toBeGreaterThan(patienceMs / 2);
      expect(timesOf('well')[9]! - timesOf(name)[0]!).toBeLessThan(patienceMs);
    }
    timing.webhookTimeoutMs = DEFAULT_TIMING.webhookTimeoutMs;
  });

  it('that still wait are signed with the secret of now, and wait on while their endpoint is disabled', async () => {
    const waiting: (() => void)[] = [];
    const slow = await receive((_, response) => void waiting.push(() => response.writeHead(204).end()));
    const { endpoint, secret } = await endpointTo(slow);
    for (let n = 0; n < 20; n += 1) await evaluate(n / 20);
    await until(() => waiting.length === 8, 'as many as are sent at once');
    const rotate = `mutation ($id: ID!) { rotateWebhookSecret(id: $id, overlapSeconds: 0) { secret } }`;
    const { rotateWebhookSecret: next } = await must(gateway, rotate, { id: endpoint.id }, key);
    const change = `mutation ($id: ID!, $enabled: Boolean!) { updateWebhookEndpoint(id: $id, input: { enabled: $enabled }) { id } }`;
    await must(gateway, change, { id: endpoint.id, enabled: false }, key);
    slow.answer = () => 204;
    for (const answer of waiting) answer();
    // Those in hand are sent; the others are not.
    const sent = await settled(endpoint.id, 'DELIVERED', 8);
    const redeliver = `mutation ($id: ID!) { redeliverWebhookEvent(eventId: $id) { id } }`;
    const refused = await graphql(gateway, redeliver, { id: sent[0].eventId }, key);
    expect(refused.errors![0]!.extensions.code).toBe('CONFLICT');
    expect((await deliveries({ endpointId: endpoint.id, status: 'PENDING' })).length).toBeGreaterThan(0);
    await must(gateway, change, { id: endpoint.id, enabled: true }, key);
    await settled(endpoint.id, 'DELIVERED', 20);
    const last = slow.got.at(-1)!;
    new Webhook(next.secret).verify(last.body, last.headers);
    expect(() => new Webhook(secret).verify(last.body, last.headers)).toThrow(/signature/);
  });

  it('come with the change that they tell of, or not at all', async () => {
    const receiver = await receive();
    const { endpoint } = await endpointTo(receiver);
    const { database, outbox } = gateway.app.services.context;
    const undone = database.em({ all: true }).transactional(async (em) => {
      await outbox.enqueue(em, 'acme', 'voice.session.evaluated', { voice_session_id: 'undone' });
      throw new Error('The change fails.');
    });
    await expect(undone).rejects.toThrow('The change fails.');
    await evaluate(0.45);
    await settled(endpoint.id, 'DELIVERED');
    expect(receiver.got.map(({ body }) => JSON.parse(body).data.score)).toEqual([0.45]);
  });

  it('leave an endpoint alone that asks for it, all of them', async () => {
    const waiting: (() => void)[] = [];
    const busy = await receive(
      (_, response) => void waiting.push(() => response.writeHead(429, { 'retry-after': '3600' }).end()),
    );
    const { endpoint } = await endpointTo(busy);
    for (let n = 0; n < 20; n += 1) await evaluate(n / 20);
    await until(() => waiting.length === 8, 'as many as are sent at once');
    for (const answer of waiting) answer();
    await settled(endpoint.id, 'FAILED', 8);
    for (const { nextAttemptAt, attemptCount } of await deliveries({ endpointId: endpoint.id })) {
      expect(attemptCount).toBeLessThan(2);
      expect(Date.parse(nextAttemptAt) - Date.now()).toBeGreaterThan(3_500_000);
    }
    expect(busy.got).toHaveLength(8);
  });

  it('follow what the endpoint says: 410 disables, Retry-After waits, a redirect is no success', async () => {
    const gone = await receive(() => 410);
    const busy = await receive((_, response) => void response.writeHead(429, { 'retry-after': '3600' }).end());
    const elsewhere = await receive();
    const moved = await receive((_, response) => void response.writeHead(302, { location: elsewhere.url }).end());
    const later = new Date(Date.now() + 7_200_000).toUTCString();
    const tired = await receive((_, response) => void response.writeHead(503, { 'retry-after': later }).end());
    const [first, second, third] = [await endpointTo(gone), await endpointTo(busy), await endpointTo(moved)];
    const fourth = await endpointTo(tired);
    await evaluate(0.6);
    await settled(first.endpoint.id, 'DEAD_LETTER');
    const { webhookEndpoints } = await must(
      gateway,
      `{ webhookEndpoints(first: 100) { edges { node { ${ENDPOINT} } } } }`,
      {},
      key,
    );
    expect(webhookEndpoints.edges.find((edge: any) => edge.node.id === first.endpoint.id).node).toMatchObject({
      enabled: false,
      disabledReason: expect.stringContaining('410'),
    });
    const [waiting] = await settled(second.endpoint.id, 'FAILED');
    expect(Date.parse(waiting.nextAttemptAt) - Date.now()).toBeGreaterThan(3_500_000);
    const [dated] = await settled(fourth.endpoint.id, 'FAILED');
    expect(Date.parse(dated.nextAttemptAt) - Date.parse(later)).toBeLessThan(60_000);
    expect(Date.parse(dated.nextAttemptAt) - Date.now()).toBeGreaterThan(7_000_000);
    const [redirected] = await settled(third.endpoint.id, 'DEAD_LETTER');
    expect(redirected.lastStatusCode).toBe(302);
    expect(elsewhere.got).toEqual([]);
    expect([gone.got.length, busy.got.length]).toEqual([1, 1]);
  });

  it('show themselves live: what is on its way, then every attempt', async () => {
    let works = false;
    const receiver = await receive((_, response) =>
      works ? 204 : void response.writeHead(503, { 'retry-after': '1' }).end(),
    );
    const { endpoint } = await endpointTo(receiver);
    await evaluate(0.7);
    await settled(endpoint.id, 'FAILED');
    const { client } = socketClient(gateway, { authorization: `Bearer ${key}` });
    const seen: string[] = [];
    works = true;
    for await (const { data } of client.iterate<any>({
      query: `subscription { webhookDeliveryUpdated { endpointId status } }`,
    })) {
      const { endpointId, status } = data!.webhookDeliveryUpdated;
      if (endpointId === endpoint.id) seen.push(status);
      if (status === 'DELIVERED') break;
    }
    expect(seen).toEqual(['FAILED', 'DELIVERED']);
    await client.dispose();
    const foreign = socketClient(gateway, { authorization: `Bearer ${otherKey}` });
    const refused = await foreign.client
      .iterate<any>({ query: `subscription { webhookDeliveryUpdated(tenantId: "acme") { id } }` })
      .next()
      .catch((errors: unknown) => ({ value: { errors } }));
    expect((refused.value as any).errors[0].extensions.code).toBe('NOT_FOUND');
    await foreign.client.dispose();
  });

  it('go no more to an endpoint that is removed, whatever is being written for it', async () => {
    const [gone, stays] = [await receive(() => 500), await receive()];
    const { endpoint } = await endpointTo(gone);
    const kept = await endpointTo(stays);
    await evaluate(0.55);
    await settled(endpoint.id, 'DEAD_LETTER');
    const remove = `mutation ($id: ID!) { deleteWebhookEndpoint(id: $id) { id url } }`;
    // Events are written meanwhile: none of their transactions fails.
    const [{ deleteWebhookEndpoint }] = await Promise.all([
      must(gateway, remove, { id: endpoint.id }, key),
      ...[0.56, 0.57, 0.58].map(evaluate),
    ]);
    expect(deleteWebhookEndpoint).toEqual({ id: endpoint.id, url: gone.url });
    await settled(kept.endpoint.id, 'DELIVERED', 4);
    expect(await deliveries({ endpointId: endpoint.id })).toEqual([]);
    expect((await graphql(gateway, remove, { id: endpoint.id }, key)).errors![0]!.extensions.code).toBe('NOT_FOUND');
    const { body } = await gateway.admin('GET', `/audit-log?subject_id=${endpoint.id}&action=webhook_endpoint.deleted`);
    expect(body.data).toMatchObject([{ before: { url: gone.url, enabled: true } }]);
  });

  it('go to the webhook_url of the runtime config, which is an endpoint like any other', async () => {
    const [first, second] = [await receive(), await receive(() => 410)];
    const put = (webhook_url: string | null) => gateway.admin('PUT', '/tenants/acme/runtime-config', { webhook_url });
    const { webhook_secret } = (await put(first.url)).body;
    const { body } = await gateway.admin('GET', '/webhook-endpoints?tenant_id=acme');
    const { id } = body.data.find((row: any) => row.from_runtime_config);
    await evaluate(0.15);
    await settled(id, 'DELIVERED');
    new Webhook(webhook_secret).verify(first.got[0]!.body, first.got[0]!.headers);
    await gateway.admin('PATCH', `/webhook-endpoints/${id}`, { url: second.url });
    expect((await gateway.admin('GET', '/tenants/acme/runtime-config')).body.webhook_url).toBe(second.url);
    await evaluate(0.25);
    await settled(id, 'DEAD_LETTER');
    // Said again, it is wanted again.
    second.answer = () => 204;
    expect((await put(second.url)).body.webhook_secret ?? null).toBeNull();
    await evaluate(0.26);
    await settled(id, 'DELIVERED', 2);
    new Webhook(webhook_secret).verify(second.got.at(-1)!.body, second.got.at(-1)!.headers);
    const remove = await gateway.admin('DELETE', `/webhook-endpoints/${id}`);
    expect(remove).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
    await put(null);
    await evaluate(0.27);
    expect(await deliveries({ endpointId: id })).toHaveLength(3);
    for (const url of ['https://u:p@crm.example/x', 'ftp://x'])
      expect(await put(url)).toMatchObject({ status: 400, body: { details: [{ path: 'webhook_url' }] } });
  });

  it('go to at most 50 endpoints of a tenant, those not counted that are disabled', async () => {
    const create = `mutation ($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(tenantId: "globex", input: $input) { endpoint { id } } }`;
    const made = (enabled: boolean) =>
      graphql(gateway, create, { input: { url: 'https://crm.example/hook', enabled } }, otherKey);
    const off = (await made(false)).data.createWebhookEndpoint.endpoint.id;
    for (let n = 0; n < 50; n += 1) expect((await made(true)).errors).toBeUndefined();
    const fields = ({ errors }: { errors?: any[] }) => errors?.[0].extensions.details.map((d: any) => d.path);
    expect(fields(await made(true))).toEqual(['url']);
    expect((await made(false)).errors).toBeUndefined();
    const enable = `mutation ($id: ID!) { updateWebhookEndpoint(id: $id, input: { enabled: true }) { id } }`;
    expect(fields(await graphql(gateway, enable, { id: off }, otherKey))).toEqual(['enabled']);
  });

  it('belong to their tenant, and are configured with helpful words', async () => {
    const receiver = await receive();
    const { endpoint } = await endpointTo(receiver);
    const asOther = (query: string, variables: object = {}) => graphql(gateway, query, { ...variables }, otherKey);
    const update = `mutation ($id: ID!, $input: UpdateWebhookEndpointInput!) { updateWebhookEndpoint(id: $id, input: $input) { ${ENDPOINT} } }`;
    for (const answer of [
      await asOther(update, { id: endpoint.id, input: { enabled: false } }),
      await asOther(`mutation ($id: ID!) { rotateWebhookSecret(id: $id) { secret } }`, { id: endpoint.id }),
      await asOther(
        `mutation { createWebhookEndpoint(tenantId: "acme", input: { url: "https://x.example" }) { secret } }`,
      ),
    ])
      expect(answer.errors?.[0]?.extensions.code).toBe('NOT_FOUND');
    const wrong = await graphql(
      gateway,
      update,
      { id: endpoint.id, input: { url: 'ftp://x', events: ['voice.nothing'] } },
      key,
    );
    expect(wrong.errors![0]!.extensions.details.map((d: { path: string }) => d.path)).toEqual(['url', 'events']);
    const long = await graphql(
      gateway,
      `
        mutation ($id: ID!) {
          rotateWebhookSecret(id: $id, overlapSeconds: -1) {
            secret
          }
        }
      `,
      { id: endpoint.id },
      key,
    );
    expect(long.errors![0]!.extensions.details[0].path).toBe('overlapSeconds');
    const { updateWebhookEndpoint } = await must(
      gateway,
      update,
      { id: endpoint.id, input: { enabled: false, description: 'paused', events: [] } },
      key,
    );
    expect(updateWebhookEndpoint).toMatchObject({ enabled: false, description: 'paused', events: [] });
    const { auditLog } = await must(
      gateway,
      `query ($id: ID!) { auditLog(filter: { subjectId: $id }) { edges { node { action after } } } }`,
      { id: endpoint.id },
    );
    expect(auditLog.edges[0].node).toMatchObject({ action: 'webhook_endpoint.updated', after: { enabled: false } });
    expect(JSON.stringify(auditLog)).not.toContain('whsec_');
  });

  it('are received by the example of the documentation: verified, once each', async () => {
    const placeholder = await receive();
    const { endpoint, secret } = await endpointTo(placeholder, { enabled: false });
    const example = spawn(process.execPath, ['docs/examples/webhook-receiver.mjs'], {
      env: {
        ...process.env,
        WEBHOOK_SECRETS: `whsec_${Buffer.from('another').toString('base64')} ${secret}`,
        PORT: '0',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines: string[] = [];
    createInterface(example.stdout).on('line', (line) => lines.push(line));
    try {
      await until(() => lines.length === 1, 'the example');
      const port = Number(lines[0]!.split(' ').at(-1));
      const url = `http://127.0.0.1:${port}/`;
      const change = `mutation ($id: ID!, $url: String!) { updateWebhookEndpoint(id: $id, input: { url: $url, enabled: true }) { id } }`;
      await must(gateway, change, { id: endpoint.id, url }, key);
      await evaluate(0.8);
      const [delivered] = await settled(endpoint.id, 'DELIVERED');
      const redeliver = `mutation ($id: ID!) { redeliverWebhookEvent(eventId: $id) { id } }`;
      await must(gateway, redeliver, { id: delivered.eventId }, key);
      await until(async () => (await deliveries({ endpointId: endpoint.id }))[0].attempts.length === 2, 'once more');
      await evaluate(0.9);
      await settled(endpoint.id, 'DELIVERED', 2);
      expect(lines.slice(1).map((line) => line.split(' ')[0])).toEqual(Array(2).fill('voice.session.evaluated'));
      expect((await fetch(url, { method: 'POST', body: '{}' })).status).toBe(401);
    } finally {
      example.kill();
    }
  });
});

describe('webhook endpoints of an installation that allows no private addresses', () => {
  it('refuses literals when they are saved, and names when they are connected to', async () => {
    const gateway = await startGateway({ env: { ALLOW_PRIVATE_ADDRESSES: 'false', WEBHOOK_RETRY_SCHEDULE: '0' } });
    try {
      const session = await seedSession(gateway.database.database, 'acme');
      await gateway.database.database
        .em({ all: true })
        .execute(`update voice_session set status = 'COMPLETED', ended_at = now() where id = ?`, [session.id]);
      const create = (url: string) =>
        graphql(
          gateway,
          `
            mutation ($url: String!) {
              createWebhookEndpoint(tenantId: "acme", input: { url: $url }) {
                endpoint {
                  id
                }
              }
            }
          `,
          { url },
        );
      for (const url of ['http://127.0.0.1:1/', 'http://169.254.169.254/latest', 'http://[::1]/', 'http://10.0.0.8/'])
        expect((await create(url)).errors?.[0]?.extensions.details[0].path).toBe('url');
      for (const url of ['https://changes-its-mind.example/', 'https://not-yet.invalid/'])
        expect((await create(url)).errors).toBeUndefined();
      // What a name leads to may change after it was saved: here it leads to this machine.
      await gateway.database.database
        .em({ all: true })
        .execute(`update webhook_endpoint set url = 'https://localhost:1/' where url like '%changes-its-mind%'`);
      const recorded = await gateway.call('POST', `/api/v1/voice-sessions/${session.id}/evaluations`, {
        headers: { 'x-admin-key': ADMIN_KEY },
        body: { score: 1 },
      });
      expect(recorded.status).toBe(200);
      const errors = await until(async () => {
        const { body } = await gateway.admin('GET', '/webhook-deliveries?status=dead_letter');
        const found = body.data.filter((row: any) => row.event === 'voice.session.evaluated');
        return found.length === 2 ? found.map((row: any) => row.last_error) : null;
      }, 'both given up');
      expect(errors.toSorted()).toEqual([
        expect.stringContaining('no connection'),
        expect.stringContaining('private address'),
      ]);
    } finally {
      await gateway.stop();
    }
  });
});
