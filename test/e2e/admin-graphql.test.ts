import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiKey } from '../../src/entities/index.js';
import { startGateway, type TestGateway } from '../testkit/gateway.js';
import { graphql, must } from '../testkit/graphql.js';

/** What GraphQL changes, read again through REST. */
let gateway: TestGateway;
const ids: Record<string, string> = {};
beforeAll(async () => {
  gateway = await startGateway();
  await must(gateway, `mutation { createTenant(input: { id: "acme", name: "Acme" }) { id } }`);
});
afterAll(() => gateway.stop());

const rest = async (path: string) => {
  const { status, body } = await gateway.admin('GET', path);
  expect([status, body.error]).toEqual([200, undefined]);
  return body;
};
const wrong = async (query: string, variables: object = {}): Promise<string[]> => {
  const { errors } = await graphql(gateway, query, { ...variables });
  expect(errors?.[0]?.extensions.code).toBe('VALIDATION_FAILED');
  return errors![0]!.extensions.details.map((detail: any) => detail.path);
};

describe('over GraphQL an admin', () => {
  it('changes, suspends and resumes a tenant', async () => {
    const change = `mutation { updateTenant(id: "acme", input: { timeZone: "Europe/Berlin" }) { name timeZone } }`;
    expect((await must(gateway, change)).updateTenant).toEqual({ name: 'Acme', timeZone: 'Europe/Berlin' });
    await must(gateway, `mutation { suspendTenant(id: "acme", reason: "unpaid") { status } }`);
    expect((await rest('/tenants/acme')).status).toBe('suspended');
    await must(gateway, `mutation { resumeTenant(id: "acme") { status } }`);
    expect(await rest('/tenants/acme')).toMatchObject({ status: 'active', time_zone: 'Europe/Berlin' });
    const [resumed, suspended] = (await rest('/audit-log?action=tenant.&tenant_id=acme')).data;
    expect([resumed.action, suspended.action, suspended.reason]).toEqual([
      'tenant.resumed',
      'tenant.suspended',
      'unpaid',
    ]);
  });

  it('sets a runtime config field by field, and hears what is probably not meant', async () => {
    const set = `mutation ($input: RuntimeConfigInput!) { setRuntimeConfig(tenantId: "acme", input: $input) {
      voice systemPromptKey telephony { ringTimeoutSeconds } warnings { path message } webhookSecret } }`;
    const input = { voice: 'alloy', systemPromptKey: 'desk', telephony: { ringTimeoutSeconds: 20 } };
    expect((await must(gateway, set, { input })).setRuntimeConfig).toMatchObject({
      warnings: [{ path: 'systemPromptKey' }],
      webhookSecret: null,
    });
    const strange = { voice: 'aloy', telephony: { fromNumber: '+15555554321' } };
    const paths = (await must(gateway, set, { input: strange })).setRuntimeConfig.warnings.map((w: any) => w.path);
    expect(paths).toEqual(['systemPromptKey', 'voice', 'telephony.fromNumber']);
    const undone = { voice: 'alloy', telephony: { fromNumber: null } };
    expect((await must(gateway, set, { input: undone })).setRuntimeConfig.warnings).toHaveLength(1);
    const hook = { webhookUrl: 'https://a.example/hook' };
    expect((await must(gateway, set, { input: hook })).setRuntimeConfig.webhookSecret).toMatch(/^whsec_/);
    expect((await must(gateway, set, { input: hook })).setRuntimeConfig.webhookSecret).toBeNull();
    expect(await rest('/tenants/acme/runtime-config')).toMatchObject({
      voice: 'alloy',
      system_prompt_key: 'desk',
      webhook_url: 'https://a.example/hook',
      telephony: { ring_timeout_seconds: 20 },
    });
    expect(await wrong(set, { input: { webhookUrl: 'x', telephony: { ringTimeoutSeconds: 1 } } })).toEqual([
      'webhookUrl',
      'telephony.ringTimeoutSeconds',
    ]);
  });

  it('makes, takes over and ends API keys, whose secrets are nowhere to be read again', async () => {
    const create = `mutation ($input: CreateApiKeyInput!) { createApiKey(tenantId: "acme", input: $input) {
      secret apiKey { id prefix environment scopes expiresAt lastUsedAt revokedAt } } }`;
    const input = { name: 'app', environment: 'test', scopes: ['calls:read'], expiresAt: '2099-01-01T00:00:00.000Z' };
    const { secret, apiKey } = (await must(gateway, create, { input })).createApiKey;
    expect(secret).toMatch(/^tl_test_/);
    expect(apiKey).toMatchObject({ environment: 'test', scopes: ['calls:read'], lastUsedAt: null, revokedAt: null });
    const take = `mutation ($input: ImportBearerTokenInput!) { importBearerToken(tenantId: "acme", input: $input) {
      id legacy environment prefix } }`;
    const token = 'a-token-of-old-clients';
    expect((await must(gateway, take, { input: { name: 'old', token } })).importBearerToken).toMatchObject({
      legacy: true,
      environment: 'legacy',
      prefix: 'a-t…',
    });
    expect((await graphql(gateway, take, { input: { name: 'again', token } })).errors![0]!.extensions.code).toBe(
      'CONFLICT',
    );
    expect((await must(gateway, '{ viewer { tenantId } }', {}, token)).viewer.tenantId).toBe('acme');
    const kept = JSON.stringify(await gateway.database.database.em({ all: true }).find(ApiKey, {}));
    for (const shown of [kept, JSON.stringify(await rest('/tenants/acme/api-keys'))])
      for (const hidden of [secret, token]) expect(shown).not.toContain(hidden);
    await must(gateway, `mutation ($id: ID!) { revokeApiKey(id: $id) { id } }`, { id: apiKey.id });
    const { data } = await rest('/tenants/acme/api-keys');
    expect(data.find((key: any) => key.id === apiKey.id).revoked_at).not.toBeNull();
    expect(await wrong(create, { input: { name: '', scopes: ['calls:steal'] } })).toEqual(['scopes[0]', 'name']);
  });

  it('exchanges the Twilio account of a tenant, and registers phones for tests', async () => {
    const set = `mutation ($input: TwilioCredentialInput!) { setTwilioCredential(tenantId: "acme", input: $input) {
      id accountSid retiresAt } }`;
    const accountSid = `AC${'3'.repeat(32)}`;
    const tokens = ['the-first-token', 'the-second-token'];
    for (const authToken of tokens) {
      const { setTwilioCredential: made } = await must(gateway, set, { input: { accountSid, authToken } });
      expect(made).toMatchObject({ accountSid, retiresAt: null });
      ids[authToken] = made.id;
    }
    const held = async () => (await rest('/tenants/acme/twilio-credentials')).data;
    expect((await held()).map((row: any) => [row.id, row.retires_at === null])).toEqual([
      [ids['the-second-token'], true],
      [ids['the-first-token'], false],
    ]);
    for (const token of tokens) expect(JSON.stringify(await held())).not.toContain(token);
    const remove = `mutation ($id: ID!) { removeTwilioCredential(tenantId: "acme", id: $id) { id } }`;
    for (const token of tokens) await must(gateway, remove, { id: ids[token] });
    expect(await held()).toEqual([]);
    expect(await wrong(set, { input: { accountSid: 'AC1', authToken: 'x', overlapSeconds: -1 } })).toEqual([
      'accountSid',
      'authToken',
      'overlapSeconds',
    ]);

    const add = `mutation { addTestNumber(tenantId: "acme", input: { number: "+15555550777", label: "desk" }) { id } }`;
    const { id } = (await must(gateway, add)).addTestNumber;
    expect((await rest('/tenants/acme/test-numbers')).data).toMatchObject([{ id, tenant_id: 'acme', label: 'desk' }]);
    expect((await graphql(gateway, add)).errors![0]!.extensions.code).toBe('CONFLICT');
    await must(gateway, `mutation ($id: ID!) { removeTestNumber(tenantId: "acme", id: $id) { id } }`, { id });
    expect((await rest('/tenants/acme/test-numbers')).data).toEqual([]);
  });

  it('decides who gets access', async () => {
    const body = { name: 'Eve', email: 'eve@example.com', company: 'Initech' };
    const ask = (form: object) => gateway.call('POST', '/api/v1/api-access-requests', { body: form });
    const refused = await ask({ ...body, name: ' ', email: 'eve at example' });
    expect([refused.status, refused.body.details.map((d: any) => d.path)]).toEqual([400, ['email', 'name']]);
    const asked = await ask(body);
    const query = `{ apiAccessRequests { edges { node { id name email company status } } } }`;
    const id = asked.body.id;
    expect((await must(gateway, query)).apiAccessRequests.edges).toEqual([{ node: { id, ...body, status: 'open' } }]);
    const decide = `mutation ($id: ID!, $status: String!) { decideApiAccessRequest(id: $id, status: $status) { status } }`;
    await must(gateway, decide, { id, status: 'declined' });
    expect((await rest('/api-access-requests')).data).toMatchObject([{ id, status: 'declined' }]);
    expect(await wrong(decide, { id, status: 'ignored' })).toEqual(['status']);
  });

  it('writes prompts, revision by revision, finds them by key and compares them', async () => {
    const create = `mutation ($input: CreatePromptInput!) { createPrompt(input: $input) { id publishedRevision } }`;
    const input = { tenantId: 'acme', key: 'desk', text: 'Greet {{customer_name}}.', publish: true };
    const { createPrompt: prompt } = await must(gateway, create, { input });
    expect(prompt.publishedRevision).toBe(1);
    const revise = `mutation ($id: ID!, $input: PromptRevisionInput!) { createPromptRevision(promptId: $id, input: $input) {
      number variables note createdBy } }`;
    const second = { text: 'Greet {{customer_name}} warmly.', variables: ['customer_name'], note: 'warmer' };
    expect((await must(gateway, revise, { id: prompt.id, input: second })).createPromptRevision).toMatchObject({
      number: 2,
      variables: ['customer_name'],
      note: 'warmer',
      createdBy: expect.stringMatching(/^admin-key:/),
    });
    expect(await wrong(revise, { id: prompt.id, input: { text: 'x', variables: ['customer_name'] } })).toEqual([
      'variables',
    ]);
    for (const text of ['Third.', 'Fourth.']) await must(gateway, revise, { id: prompt.id, input: { text } });
    const publish = `mutation ($id: ID!) { publishPromptRevision(promptId: $id, number: 2) { publishedRevision } }`;
    await must(gateway, publish, { id: prompt.id });
    const [found] = (await rest('/prompts?tenant_id=acme&key=desk')).data;
    expect(found).toMatchObject({ id: prompt.id, published_revision: 2 });
    expect((await rest('/prompts?key=other')).total).toBe(0);
    const diff = `query ($id: ID!) { promptDiff(promptId: $id, from: 1, to: 2) }`;
    expect((await must(gateway, diff, { id: prompt.id })).promptDiff).toContain('+Greet {{customer_name}} warmly.');

    const read = `query ($key: String, $id: ID, $tenantId: ID, $after: String) { prompt(key: $key, id: $id, tenantId: $tenantId) {
      id revision(number: 1) { text } revisions(first: 3, after: $after) { edges { node { number } } pageInfo { hasNextPage endCursor } } } }`;
    const page = async (variables: object) => (await must(gateway, read, { ...variables })).prompt;
    const byKey = await page({ key: 'desk', tenantId: 'acme' });
    expect(byKey).toMatchObject({ id: prompt.id, revision: { text: input.text } });
    const numbers = ({ revisions }: any) => revisions.edges.map(({ node }: any) => node.number);
    const { hasNextPage, endCursor } = byKey.revisions.pageInfo;
    expect([numbers(byKey), hasNextPage]).toEqual([[4, 3, 2], true]);
    expect(numbers(await page({ id: prompt.id, after: endCursor }))).toEqual([1]);
    expect(await rest(`/prompts/${prompt.id}/revisions?limit=1&offset=3`)).toMatchObject({
      data: [{ number: 1, prompt_id: prompt.id }],
      total: 4,
    });
    expect((await rest(`/prompts/${prompt.id}/revisions/1`)).text).toBe(input.text);
    for (const number of ['5', '0', 'x', '1.5', '99999999999'])
      expect((await gateway.admin('GET', `/prompts/${prompt.id}/revisions/${number}`)).status).toBe(404);
  });

  it('writes agents and their versions, finds them by key and compares them', async () => {
    const create = `mutation { createAgent(input: { tenantId: "acme", key: "desk" }) { id } }`;
    const agentId = (await must(gateway, create)).createAgent.id;
    const hours = { timeZone: null, windows: [{ days: [1], start: '09:00', end: '17:00' }] };
    const update = `mutation ($id: ID!, $input: UpdateAgentInput!) { updateAgent(id: $id, input: $input) { name } }`;
    await must(gateway, update, { id: agentId, input: { name: 'Front desk', callingHours: hours } });
    expect((await rest('/agents?tenant_id=acme&key=desk')).data).toMatchObject([
      { id: agentId, name: 'Front desk', calling_hours: { windows: hours.windows } },
    ]);
    const draft = `mutation ($input: CreateAgentVersionInput!) { createAgentVersion(input: $input) { id } }`;
    const made = async (input: object) =>
      (await must(gateway, draft, { input: { agentId, ...input } })).createAgentVersion.id as string;
    const first = await made({ promptKey: 'desk', promptVariables: { customer_name: 'Ann' }, greeting: 'Hello' });
    const second = await made({ fromVersionId: first });
    const change = `mutation ($id: ID!, $input: UpdateAgentVersionInput!) { updateAgentVersion(id: $id, input: $input) {
      greeting language escalationRules { trigger repeated action } } }`;
    const rules = [{ trigger: 'low_confidence', repeated: 3, action: 'callback' }];
    const input = { greeting: 'Hi', language: 'de-DE', escalationRules: rules };
    expect((await must(gateway, change, { id: second, input })).updateAgentVersion).toEqual(input);
    for (const promptVariables of ['Ann', ['Ann']])
      expect(await wrong(change, { id: second, input: { promptVariables } })).toEqual(['promptVariables']);
    expect(await wrong(change, { id: second, input: { promptVariables: { customer_name: 7 } } })).toEqual([
      'promptVariables.customer_name',
    ]);
    for (const turnDetection of ['server_vad', [], 7])
      expect(await wrong(change, { id: second, input: { turnDetection } })).toContain('turnDetection.type');
    expect(await wrong(change, { id: second, input: { language: 'English', maxDurationSeconds: 1 } })).toEqual([
      'language',
      'maxDurationSeconds',
    ]);
    const diff = `query ($from: ID!, $to: ID!) { agentVersionDiff(from: $from, to: $to) }`;
    const { agentVersionDiff } = await must(gateway, diff, { from: first, to: second });
    for (const line of ['-  "greeting": "Hello",', '+  "greeting": "Hi",', '+      "trigger": "low_confidence",'])
      expect(agentVersionDiff).toContain(line);
    expect(agentVersionDiff).toBe((await rest(`/agent-versions/${first}/diff/${second}`)).diff);
    const read = `query ($key: String, $id: ID, $tenantId: ID, $after: String) { agent(key: $key, id: $id, tenantId: $tenantId) {
      id versions(first: 1, after: $after) { edges { node { number } } pageInfo { endCursor } } } }`;
    const { agent } = await must(gateway, read, { key: 'desk', tenantId: 'acme' });
    expect(agent).toMatchObject({ id: agentId, versions: { edges: [{ node: { number: 2 } }] } });
    const older = { id: agentId, after: agent.versions.pageInfo.endCursor };
    expect((await must(gateway, read, older)).agent.versions.edges).toEqual([{ node: { number: 1 } }]);
    expect(await rest(`/agents/${agentId}/versions?limit=1`)).toMatchObject({ data: [{ number: 2 }], total: 2 });
  });

  it('finds nothing under a tenant or agent whose it is not', async () => {
    await must(gateway, `mutation { createTenant(input: { id: "globex", name: "Globex" }) { id } }`);
    const post = async (path: string, body: object) => (await gateway.admin('POST', path, body)).body;
    const theirs = {
      'api-keys': (await post('/tenants/globex/api-keys', { name: 'app' })).id,
      'twilio-credentials': (
        await post('/tenants/globex/twilio-credentials', {
          account_sid: `AC${'4'.repeat(32)}`,
          auth_token: 'a-token-4',
        })
      ).id,
      'test-numbers': (await post('/tenants/globex/test-numbers', { number: '+15555550778' })).id,
    };
    for (const [kind, id] of Object.entries(theirs)) {
      expect((await gateway.admin('DELETE', `/tenants/acme/${kind}/${id}`)).status, kind).toBe(404);
      expect((await rest(`/tenants/globex/${kind}`)).data, kind).toMatchObject([{ id }]);
    }
    expect((await rest('/tenants/globex/api-keys')).data[0].revoked_at).toBeNull();
    const [own] = (await rest('/agents?tenant_id=acme')).data;
    const other = await post('/agents', { tenant_id: 'globex', key: 'desk' });
    const version = await post(`/agents/${other.id}/versions`, { prompt: 'Theirs.' });
    const copy = { from_version_id: version.id };
    expect((await gateway.admin('POST', `/agents/${own.id}/versions`, copy)).status).toBe(404);
  });

  it('routes numbers, changes routes and takes them away', async () => {
    const create = `mutation { createPhoneRoute(input: { tenantId: "acme", number: "+15555554321", agentKey: "desk" }) { id } }`;
    const { id } = (await must(gateway, create)).createPhoneRoute;
    const number = `mutation ($n: PhoneNumber!) { createPhoneRoute(input: { tenantId: "acme", number: $n, agentKey: "desk" }) { id } }`;
    const literal = await graphql(gateway, create.replace('+15555554321', '555'));
    expect(literal.errors).toMatchObject([
      { message: expect.stringMatching(/E\.164.*"555"/), locations: [{ line: 1 }] },
    ]);
    const variable = await graphql(gateway, number, { n: '555' });
    expect(variable.errors![0]!.message).toMatch(/"\$n" got invalid value "555".*E\.164/);
    const whole = `mutation ($input: CreatePhoneRouteInput!) { createPhoneRoute(input: $input) { id } }`;
    const field = await graphql(gateway, whole, { input: { tenantId: 'acme', number: '555', agentKey: 'desk' } });
    expect(field.errors![0]!.message).toMatch(/at "input\.number".*E\.164/);
    for (const { errors } of [literal, variable, field]) expect(errors![0]!.extensions.code).toBe('VALIDATION_FAILED');
    expect((await graphql(gateway, create)).errors![0]!.extensions.code).toBe('CONFLICT');
    const change = `mutation ($id: ID!, $input: UpdatePhoneRouteInput!) { updatePhoneRoute(id: $id, input: $input) { id } }`;
    const outside = { action: 'transfer', target: '+15555550100' };
    const input = {
      direction: 'INBOUND',
      businessHours: { timeZone: 'UTC', windows: [], outside },
      fallback: { action: 'callback', target: 'night' },
    };
    await must(gateway, change, { id, input });
    expect(await rest(`/phone-routes/${id}`)).toMatchObject({
      direction: 'inbound',
      business_hours: { outside },
      fallback: { action: 'callback', target: 'night' },
    });
    expect(await wrong(change, { id, input: { fallback: { action: 'message' } } })).toEqual(['fallback.message']);
    await must(gateway, `mutation ($id: ID!) { deletePhoneRoute(id: $id) { id } }`, { id });
    expect((await gateway.admin('GET', `/phone-routes/${id}`)).status).toBe(404);
  });
});
