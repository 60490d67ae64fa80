import { WebSocket } from 'ws';
import { getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuditEntry, VoiceSession } from '../src/entities/index.js';
import { newId } from '../src/lib/ids.js';
import { ScriptedCaller } from '../src/simulators/carrier/caller.js';
import { seedSession } from './testkit/context.js';
import { ACCOUNT, ADMIN_KEY, seedCallable, startGateway, type TestGateway } from './testkit/gateway.js';
import { graphql, must, socketClient } from './testkit/graphql.js';
import { until } from './testkit/until.js';

let gateway: TestGateway;
let acme: Awaited<ReturnType<typeof seedCallable>>;
let globex: Awaited<ReturnType<typeof seedCallable>>;
beforeAll(async () => {
  gateway = await startGateway();
  acme = await seedCallable(gateway, 'acme', '+15555551234');
  globex = await seedCallable(gateway, 'globex', '+15555559999');
});
afterAll(() => gateway.stop());

const ok = async (method: string, path: string, body?: unknown) => {
  const answer = await gateway.admin(method, path, body);
  expect([answer.status, answer.body.error]).toEqual([200, undefined]);
  return answer.body;
};

interface Seen {
  tenantId: string | null;
  code: string;
  severity: string;
  message: string;
  action: string | null;
  detail: any;
  count: number;
  resolvedAt: string | null;
}
/** Everything that `diagnosticRaised` tells somebody. */
function follow(credentials: Record<string, string>, tenantId: string | null = null) {
  const { client } = socketClient(gateway, credentials);
  const seen: Seen[] = [];
  const query = `subscription ($tenantId: ID) { diagnosticRaised(tenantId: $tenantId) {
    tenantId code severity message action detail count resolvedAt } }`;
  const reading = (async () => {
    for await (const { data } of client.iterate<any>({ query, variables: { tenantId } }))
      seen.push(data.diagnosticRaised);
  })();
  reading.catch(() => {});
  return { seen, stop: () => client.dispose() };
}

/** A form of Twilio's, signed with `token`. */
async function twilio(path: string, fields: Record<string, string>, token = ACCOUNT.authToken) {
  const form = { AccountSid: ACCOUNT.accountSid, CallSid: `CA${newId().replaceAll('-', '')}`, ...fields };
  const signature = getExpectedTwilioSignature(token, gateway.app.publicUrl + path, form);
  return gateway.app.http.inject({
    method: 'POST',
    url: path,
    payload: new URLSearchParams(form).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-twilio-signature': signature },
  });
}
/** A media stream that nobody announced; gives the close code. */
function stranger(headers: Record<string, string> = {}): Promise<number> {
  const socket = new WebSocket(`${gateway.origin.replace('http', 'ws')}/media-stream`, { headers });
  const [streamSid, callSid] = [`MZ${'0'.repeat(32)}`, `CA${'0'.repeat(32)}`];
  const { accountSid } = ACCOUNT;
  const mediaFormat = { encoding: 'audio/x-mulaw', sampleRate: 8_000, channels: 1 };
  const start = {
    streamSid,
    accountSid,
    callSid,
    tracks: ['inbound'],
    customParameters: { stream_token: 'x.y' },
    mediaFormat,
  };
  return new Promise((resolve, reject) => {
    socket.on('open', () => {
      socket.send(JSON.stringify({ event: 'connected', protocol: 'Call', version: '1.0.0' }));
      socket.send(JSON.stringify({ event: 'start', sequenceNumber: '1', streamSid, start }));
    });
    socket.on('close', resolve);
    socket.on('error', reject);
  });
}

describe('a diagnostic', () => {
  /** What happens, and what operators hear of it. */
  const CASES: {
    code: string;
    tenantId: string | null;
    severity: string;
    happens(): Promise<unknown>;
    /** What `detail` holds among other things. */
    detail?: Record<string, string>;
  }[] = [
    {
      code: 'unknown_number',
      tenantId: null,
      severity: 'WARNING',
      happens: () => twilio('/api/v1/incoming-call', { From: '+15555550101', To: '+15555550000' }),
      detail: { number: '+15555550000' },
    },
    {
      code: 'fallback_url_used',
      tenantId: null,
      severity: 'CRITICAL',
      happens: () => twilio('/api/v1/fallback-call', { From: '+15555550101', To: acme.number, ErrorCode: '11205' }),
      detail: { errorCode: '11205' },
    },
    {
      code: 'call_not_answered.no_version',
      tenantId: 'acme',
      severity: 'CRITICAL',
      happens: async () => {
        const number = '+15555550191';
        await ok('POST', '/agents', { tenant_id: 'acme', key: 'unpublished' });
        await ok('POST', '/phone-routes', { tenant_id: 'acme', number, agent_key: 'unpublished' });
        expect((await twilio('/api/v1/incoming-call', { From: '+15555550101', To: number })).body).toContain('<Say');
      },
    },
    {
      code: 'stream_error',
      tenantId: null,
      severity: 'CRITICAL',
      happens: () => twilio('/api/v1/stream-status', { StreamEvent: 'stream-error', StreamError: 'x' }),
    },
    {
      code: 'stream_refused',
      tenantId: null,
      severity: 'WARNING',
      happens: async () => expect(await stranger()).toBe(4401),
    },
    {
      code: 'model_lost',
      tenantId: 'acme',
      severity: 'CRITICAL',
      happens: async () => {
        gateway.model.faults.refuseWith = 404;
        const handset = new ScriptedCaller([]);
        await gateway.carrier.placeInboundCall({ from: '+15555550102', to: acme.number, handset });
        gateway.model.faults.refuseWith = null;
      },
      detail: { cause: 'http_404', model: 'gpt-realtime' },
    },
    {
      code: 'carrier_credentials_refused',
      tenantId: 'acme',
      severity: 'CRITICAL',
      happens: async () => {
        const account_sid = `AC${'8'.repeat(32)}`;
        const path = '/tenants/acme/twilio-credentials';
        const { id } = await ok('POST', path, { account_sid, auth_token: 'not-the-token' });
        const body = { to: '+15555550103' };
        expect((await gateway.call('POST', '/api/v1/make-call', { key: acme.key, body })).body.ok).toBe(false);
        await ok('DELETE', `${path}/${id}`);
      },
    },
    {
      code: 'launch_gates_forced',
      tenantId: 'acme',
      severity: 'WARNING',
      happens: async () => {
        const { id } = await ok('POST', `/agents/${acme.agent.id}/versions`, { prompt: 'Be brief.' });
        await ok('POST', `/agent-versions/${id}/publish`, { force: true, reason: 'demo day' });
      },
      detail: { reason: 'demo day' },
    },
    {
      code: 'rolled_back',
      tenantId: 'acme',
      severity: 'WARNING',
      happens: () => ok('POST', `/agents/${acme.agent.id}/rollback`, { reason: 'too brief' }),
      detail: { reason: 'too brief', agentKey: 'front_desk' },
    },
  ];

  it.each(CASES)('$code reaches who it concerns, with what to do about it', async ({ happens, code, ...expected }) => {
    const everybody = follow({ 'x-admin-key': ADMIN_KEY });
    const own = follow({ authorization: `Bearer ${acme.key}` });
    const foreign = follow({ authorization: `Bearer ${globex.key}` });
    const about = ({ seen }: { seen: Seen[] }) => seen.filter((diagnostic) => diagnostic.code === code);
    try {
      await happens();
      const fits = ({ tenantId, detail }: Seen) =>
        tenantId === expected.tenantId &&
        Object.entries(expected.detail ?? {}).every(([name, value]) => detail?.[name] === value);
      const raised = await until(
        () => about(everybody).findLast(fits),
        () => everybody.seen,
      );
      expect(raised).toMatchObject({ severity: expected.severity, resolvedAt: null });
      expect(raised.action).toMatch(/\w{3,}/);
      if (expected.tenantId === 'acme') await until(() => about(own).length > 0, 'the tenant’s own feed');
      // Whatever they heard is theirs.
      expect(own.seen.filter(({ tenantId }) => tenantId !== 'acme')).toEqual([]);
      expect(foreign.seen.filter(({ tenantId }) => tenantId !== 'globex')).toEqual([]);
      expect(JSON.stringify(raised)).not.toMatch(/not-the-token|carrier-token|\+1555555010[123]/);
    } finally {
      for (const feed of [everybody, own, foreign]) await feed.stop();
    }
  });

  it('about signatures alerts when they keep failing, on webhooks and on media streams', async () => {
    const feed = follow({ 'x-admin-key': ADMIN_KEY });
    const about = () => feed.seen.findLast(({ code }) => code === 'invalid_signature');
    const forged = () => twilio('/api/v1/incoming-call', { From: '+15555550104', To: acme.number }, 'a-guess');
    expect((await forged()).statusCode).toBe(403);
    await until(() => about()?.severity === 'WARNING', 'the first');
    for (let i = 0; i < 3; i += 1) await forged();
    expect(await stranger({ 'x-twilio-signature': 'AAAA' })).toBe(4401);
    await until(
      () => about()?.severity === 'CRITICAL' && about()!.count >= 5,
      () => feed.seen,
    );
    await feed.stop();
    expect(await ok('GET', '/alerts/auth-transport')).toMatchObject({
      status: 'critical',
      alerts: expect.arrayContaining([
        expect.objectContaining({ code: 'invalid_signature', severity: 'critical' }),
        expect.objectContaining({ code: 'stream_refused', severity: 'warning' }),
        expect.objectContaining({ code: 'stream_error', severity: 'critical' }),
      ]),
    });
    const query = `{ authTransport { status streamAuthPrimaryConfigured streamAuthPreviousConfigured streamAuthSecretCount
      legacyQueryAuthEnabled alerts { code severity action } } }`;
    const { authTransport } = await must(gateway, query);
    expect(authTransport).toMatchObject({
      status: 'CRITICAL',
      streamAuthPrimaryConfigured: true,
      streamAuthPreviousConfigured: false,
      streamAuthSecretCount: 1,
      legacyQueryAuthEnabled: true,
    });
    expect(authTransport.alerts).toContainEqual(
      expect.objectContaining({ code: 'invalid_signature', severity: 'CRITICAL' }),
    );
    const { errors } = await graphql(gateway, query, {}, acme.key);
    expect(errors![0]!.extensions.code).toBe('FORBIDDEN');
  });

  it('about a stream secret that is being exchanged says so until the old one is unset', async () => {
    const exchanging = await startGateway({ env: { STREAM_TOKEN_SECRET_PREVIOUS: 'p'.repeat(32) } });
    try {
      const { body } = await exchanging.admin('GET', '/alerts/auth-transport');
      expect(body).toMatchObject({
        status: 'ok',
        count: 1,
        alerts: [{ code: 'stream_secret_rotating', severity: 'info' }],
        diagnostics: { stream_auth_previous_configured: true, stream_auth_secret_count: 2 },
      });
    } finally {
      await exchanging.stop();
    }
  });

  it('is gone when it is resolved, and opens again when it happens again', async () => {
    const open = async () => (await ok('GET', '/diagnostics?code=unknown_number&resolved=false')).data;
    const [known] = await open();
    await must(gateway, `mutation ($id: ID!) { resolveDiagnostic(id: $id) { resolvedAt } }`, { id: known.id });
    expect(await open()).toEqual([]);
    await twilio('/api/v1/incoming-call', { From: '+15555550105', To: '+15555550000' });
    expect(await open()).toMatchObject([{ id: known.id, count: known.count + 1, resolved_at: null }]);
    expect(
      (
        await graphql(
          gateway,
          `
            mutation ($id: ID!) {
              resolveDiagnostic(id: $id) {
                id
              }
            }
          `,
          { id: known.id },
          acme.key,
        )
      ).errors![0]!.extensions.code,
    ).toBe('FORBIDDEN');
  });
});

describe('the audit log', () => {
  const exported = async (query: string) => {
    const headers = { 'x-admin-key': ADMIN_KEY };
    const {
      status,
      body,
      headers: answer,
    } = await gateway.call<string>('GET', `/api/v1/admin/audit-log/export?${query}`, { headers });
    expect([status, answer.get('content-type')]).toEqual([200, 'application/x-ndjson']);
    return body
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  };

  it('is exported whole, line by line, newest first, also where many entries share a moment', async () => {
    const em = gateway.database.database.em({ all: true });
    const at = Date.parse('2026-01-01T00:00:00Z');
    for (let i = 0; i < 230; i += 1)
      em.create(AuditEntry, {
        tenantId: i % 2 === 0 ? 'acme' : 'globex',
        actor: 'history',
        action: `history.${i}`,
        subjectType: 'history',
        subjectId: String(i % 10),
        createdAt: new Date(at + Math.floor(i / 50) * 60_000),
      });
    await em.flush();
    const all = await exported('actor=history');
    expect(new Set(all.map(({ id }) => id)).size).toBe(230);
    const times = all.map(({ created_at }) => Date.parse(created_at));
    expect(times).toEqual(times.toSorted((a, b) => b - a));
    const counts = {
      tenant: await exported('actor=history&tenant_id=acme'),
      subject: await exported('actor=history&subject_type=history&subject_id=3'),
      action: await exported('action=history.7'),
      subjectsActions: await exported('action=history.'),
      window: await exported('actor=history&from=2026-01-01T00:01:00Z&to=2026-01-01T00:02:00Z'),
      nobody: await exported('actor=nobody'),
    };
    expect(Object.fromEntries(Object.entries(counts).map(([name, rows]) => [name, rows.length]))).toEqual({
      tenant: 115,
      subject: 23,
      action: 1,
      subjectsActions: 230,
      window: 50,
      nobody: 0,
    });
    const { auditLog } = await must(
      gateway,
      `{ auditLog(first: 100, filter: { actor: "history", tenantId: "globex", subjectId: "3", since: "2026-01-01T00:01:00Z" }) { edges { node { action tenantId } } } }`,
    );
    expect(auditLog.edges).toHaveLength(
      (await exported('actor=history&tenant_id=globex&subject_id=3&from=2026-01-01T00:01:00Z')).length,
    );
    expect((await gateway.admin('GET', '/audit-log/export?colour=red')).status).toBe(400);
    expect((await gateway.call('GET', '/api/v1/admin/audit-log/export', { key: acme.key })).status).toBe(403);
  });

  it('has what an admin does in a tenant’s name, and not what the tenant does by the thousand', async () => {
    const session = await seedSession(gateway.database.database, 'globex');
    const em = gateway.database.database.em({ all: true });
    await em.nativeUpdate(VoiceSession, { id: session.id }, { status: 'COMPLETED' });
    const soon = new Date(Date.now() + 3_600_000).toISOString();
    const acts = {
      'call.made': `makeCall(input: { tenantId: "globex", to: "+15555550161", allowConcurrent: true }) { call { id } }`,
      'scheduled_call.made': `makeCall(input: { tenantId: "globex", to: "+15555550162", schedule: "${soon}" }) { scheduledCall { id } }`,
      'evaluation.recorded': `recordEvaluation(input: { sessionId: "${session.id}", score: 0.4 }) { id }`,
    };
    for (const field of Object.values(acts)) {
      await must(gateway, `mutation { ${field} }`);
      await must(gateway, `mutation { ${field} }`.replace('tenantId: "globex", ', ''), {}, globex.key);
    }
    for (const action of Object.keys(acts))
      expect(await exported(`tenant_id=globex&action=${action}`), action).toMatchObject([
        { actor: expect.stringMatching(/^admin-key:/), address: '127.0.0.1', before: null, after: expect.anything() },
      ]);
  });

  it('tells who, when, from where, before and after, and no secret', async () => {
    const version = await ok('POST', `/agents/${globex.agent.id}/versions`, {
      prompt: 'Be kind.',
      tools: [
        {
          name: 'look_up',
          description: 'x',
          url: 'https://a.example/',
          secret_header: 'x-key',
          secret: 'tool-secret-1',
        },
      ],
    });
    await ok('PATCH', `/agent-versions/${version.id}`, { greeting: 'Hello' });
    const { key } = await ok('POST', '/tenants/globex/api-keys', { name: 'app' });
    await ok('POST', '/tenants/globex/api-keys/import', { name: 'old', token: 'legacy-token-of-globex' });
    const account_sid = `AC${'6'.repeat(32)}`;
    await ok('POST', '/tenants/globex/twilio-credentials', { account_sid, auth_token: 'twilio-secret-1' });
    const { secret } = await ok('POST', '/webhook-endpoints', { tenant_id: 'globex', url: 'https://a.example/hook' });
    const entries = await exported('tenant_id=globex');
    expect(entries.map(({ action }) => action)).toEqual(
      expect.arrayContaining([
        'agent_version.updated',
        'api_key.created',
        'api_key.imported',
        'twilio_credential.set',
        'webhook_endpoint.created',
      ]),
    );
    expect(
      entries.find(({ action, subject_id }) => action === 'agent_version.updated' && subject_id === version.id),
    ).toMatchObject({
      actor: expect.stringMatching(/^admin-key:/),
      address: '127.0.0.1',
      request_id: expect.any(String),
      before: { greeting: null },
      after: { greeting: 'Hello' },
    });
    const text = JSON.stringify(entries);
    for (const hidden of [key, secret, 'tool-secret-1', 'legacy-token-of-globex', 'twilio-secret-1', ADMIN_KEY])
      expect(text).not.toContain(hidden);
    // Nor what was sealed or hashed.
    expect(text).not.toMatch(/"v1\.[0-9a-f]{8}\.|"[0-9a-f]{64}"/);
    expect(text).toContain('•••');
  });
});
