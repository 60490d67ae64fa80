import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiKey, AuditEntry, Call, RolloutHistory, TenantEvent, TwilioCredential } from '../src/entities/index.js';
import { open } from '../src/lib/crypto.js';
import { encodeCursor } from '../src/lib/cursor.js';
import { AppError, type ErrorCode } from '../src/lib/errors.js';
import { AgentVersions } from '../src/services/agent-versions.js';
import { Agents } from '../src/services/agents.js';
import { ApiKeys } from '../src/services/api-keys.js';
import { AuditQuery } from '../src/services/audit-query.js';
import { CallsQuery } from '../src/services/calls-query.js';
import { CarrierAccounts } from '../src/services/carrier-accounts.js';
import { Clearance } from '../src/services/clearance.js';
import type { ServiceContext } from '../src/services/context.js';
import { Diagnostics } from '../src/services/diagnostics.js';
import { Evaluations } from '../src/services/evaluations.js';
import { PhoneRoutes } from '../src/services/phone-routes.js';
import { Prompts } from '../src/services/prompts.js';
import { RuntimeConfigs } from '../src/services/runtime-configs.js';
import { SessionsQuery } from '../src/services/sessions-query.js';
import { Tenants } from '../src/services/tenants.js';
import { TwilioCredentials } from '../src/services/twilio-credentials.js';
import { SCOPES, type AdminViewer, type RequestFacts, type TenantViewer } from '../src/services/viewer.js';
import { Viewers } from '../src/services/viewers.js';
import { newId } from '../src/lib/ids.js';
import { seedSession, testContext } from './testkit/context.js';
import { openTestDatabase, type TestDatabase } from './testkit/database.js';
import { until } from './testkit/until.js';

const request: RequestFacts = { requestId: 'req-1', address: '192.0.2.1' };
const admin: AdminViewer = { kind: 'admin', name: 'ann', request };
const tenantKey = (tenantId: string): TenantViewer => ({
  kind: 'tenant',
  tenantId,
  apiKeyId: newId(),
  scopes: new Set(SCOPES),
  request,
});

async function refusal(work: Promise<unknown>): Promise<{ code: ErrorCode; paths: string[] }> {
  const error = await work.then(
    () => null,
    (e: unknown) => e,
  );
  if (!(error instanceof AppError)) throw new Error(`no AppError: ${String(error)}`, { cause: error });
  return { code: error.code, paths: (error.details ?? []).map((d) => d.path) };
}

describe('the control plane', () => {
  let test: TestDatabase;
  let ctx: ServiceContext;
  let failing: { path: string; message: string }[] = [];
  const clearance = () => new Clearance(ctx, { failing: async () => [...failing] }, new Diagnostics(ctx));
  const agentVersions = () => new AgentVersions(ctx, clearance());
  beforeAll(async () => {
    test = await openTestDatabase();
    ctx = testContext(test.database);
    for (const id of ['acme', 'globex']) await new Tenants(ctx).create(admin, { id, name: id });
  });
  afterAll(() => test.dispose());

  describe('tenants', () => {
    it('are made once, named by slugs, and leave a trace on the audit log', async () => {
      const tenants = new Tenants(ctx);
      await tenants.create(admin, { id: 'initech', name: ' Initech ', timeZone: 'Europe/Berlin' });
      expect(await refusal(tenants.create(admin, { id: 'initech', name: 'x' }))).toMatchObject({ code: 'CONFLICT' });
      expect(await refusal(tenants.create(admin, { id: 'No Slug', name: '', timeZone: 'Mars' }))).toEqual({
        code: 'VALIDATION_FAILED',
        paths: ['id', 'name', 'timeZone'],
      });
      const [entry] = await test.database.em({ all: true }).find(AuditEntry, { subjectId: 'initech' });
      expect(entry).toMatchObject({ actor: 'ann', address: '192.0.2.1', action: 'tenant.created' });
    });

    it('see themselves and nobody else', async () => {
      const tenants = new Tenants(ctx);
      const acme = tenantKey('acme');
      expect((await tenants.list(acme, { limit: 10, offset: 0 })).rows.map((t) => t.id)).toEqual(['acme']);
      expect(await refusal(tenants.get(acme, 'globex'))).toMatchObject({ code: 'NOT_FOUND' });
      expect(await refusal(tenants.suspend(acme, 'acme'))).toMatchObject({ code: 'FORBIDDEN' });
    });
  });

  describe('API keys', () => {
    it('work once made, show their secret once, and end when revoked', async () => {
      const keys = new ApiKeys(ctx);
      const viewers = new Viewers(ctx, { keys: ['k'.repeat(20)], sessions: null });
      await viewers.start();
      const { apiKey, secret } = await keys.create(admin, 'acme', { name: 'app', scopes: ['calls:read'] });
      expect(secret).toMatch(/^tl_live_[\w-]{43}$/);
      expect(secret.startsWith(apiKey.prefix)).toBe(true);
      const viewer = await viewers.authenticate({ authorization: `Bearer ${secret}` }, request);
      expect(viewer).toMatchObject({ kind: 'tenant', tenantId: 'acme', scopes: new Set(['calls:read']) });
      await keys.revoke(admin, apiKey.id);
      await until(() =>
        viewers.tenant(secret, request).then(
          () => false,
          () => true,
        ),
      );
      const entries = await test.database.em({ all: true }).find(AuditEntry, { subjectId: apiKey.id });
      expect(JSON.stringify(entries)).not.toContain(apiKey.secretHash);
      viewers.stop();
    });

    it('name every field that is wrong', async () => {
      const input = { name: '', scopes: ['calls:steal'], environment: 'Prod!', expiresAt: new Date(0) };
      expect((await refusal(new ApiKeys(ctx).create(admin, 'acme', input))).paths).toEqual([
        'environment',
        'scopes[0]',
        'name',
        'expiresAt',
      ]);
    });

    it('that are revoked while they are looked up are not remembered as valid', async () => {
      const keys = new ApiKeys(ctx);
      const { apiKey, secret } = await keys.create(admin, 'acme', { name: 'racing' });
      const em = (...scope: Parameters<typeof test.database.em>) => {
        const reader = test.database.em(...scope);
        const findOne = reader.findOne.bind(reader) as (...args: unknown[]) => Promise<unknown>;
        return Object.assign(reader, {
          findOne: async (entity: unknown, ...rest: unknown[]) => {
            const row = await findOne(entity, ...rest);
            if (entity === ApiKey) await keys.revoke(admin, apiKey.id);
            return row;
          },
        });
      };
      const viewers = new Viewers({ ...ctx, database: { em } as never }, { keys: [], sessions: null });
      await viewers.start();
      // Read before the revocation, and told of it before the answer.
      await viewers.tenant(secret, request);
      expect(await refusal(viewers.tenant(secret, request))).toMatchObject({ code: 'UNAUTHENTICATED' });
      viewers.stop();
    });

    it('of a suspended tenant are refused with a reason, until it is resumed', async () => {
      const tenants = new Tenants(ctx);
      // Nothing that was looked up grows old: only word of the change can help.
      const at = new Date();
      const viewers = new Viewers({ ...ctx, clock: { ...ctx.clock, now: () => at } }, { keys: [], sessions: null });
      await viewers.start();
      const { secret } = await new ApiKeys(ctx).create(admin, 'globex', { name: 'app' });
      await viewers.tenant(secret, request);
      const outcome = () =>
        viewers.tenant(secret, request).then(
          () => 'in',
          (e: AppError) => e.code,
        );
      await tenants.suspend(admin, 'globex', 'unpaid');
      await until(async () => (await outcome()) === 'TENANT_SUSPENDED');
      await tenants.resume(admin, 'globex');
      await until(async () => (await outcome()) === 'in');
      viewers.stop();
    });

    it('may be raw tokens of old clients while those are allowed', async () => {
      const token = 'an-old-raw-bearer-token';
      await new ApiKeys(ctx).importLegacy(admin, 'acme', { name: 'old', token });
      const viewers = new Viewers(ctx, { keys: [], sessions: null });
      expect(await viewers.tenant(token, request)).toMatchObject({ tenantId: 'acme' });
      const strict = { ...ctx, settings: { ...ctx.settings, legacyBearerAuth: false } };
      const refused = new Viewers(strict, { keys: [], sessions: null }).tenant(token, request);
      expect(await refusal(refused)).toMatchObject({ code: 'UNAUTHENTICATED' });
    });

    it('are told apart from admin keys, of which several may be valid', async () => {
      const viewers = new Viewers(ctx, { keys: ['new-admin-key-0001', 'old-admin-key-0001'], sessions: null });
      for (const adminKey of ['new-admin-key-0001', 'old-admin-key-0001'])
        expect(await viewers.authenticate({ adminKey }, request)).toMatchObject({ kind: 'admin' });
      expect(await refusal(viewers.authenticate({ adminKey: 'x' }, request))).toMatchObject({
        code: 'UNAUTHENTICATED',
      });
      expect(await refusal(viewers.authenticate({ authorization: 'Basic x' }, request))).toMatchObject({
        code: 'UNAUTHENTICATED',
      });
      const closed = new Viewers(ctx, { keys: [], sessions: null });
      expect(await refusal(closed.authenticate({ adminKey: 'x' }, request))).toMatchObject({ code: 'NOT_FOUND' });
    });
  });

  it('keeps a runtime config field by field, warns of a prompt that is missing, and shows the webhook secret once', async () => {
    const asked: (string | null)[] = [];
    const configs = new RuntimeConfigs(ctx, {
      setUrl: async (_em, _viewer, _tenant, url) => (asked.push(url) === 1 ? 'whsec_x' : null),
    });
    const input = {
      model: 'gpt-realtime',
      voice: 'alloy',
      systemPromptKey: 'front_desk_v1',
      webhookUrl: 'https://a.example/x',
    };
    const first = await configs.set(admin, 'acme', input);
    expect(first.warnings.map((w) => w.path)).toEqual(['systemPromptKey']);
    expect(first.webhookSecret).toBe('whsec_x');
    const second = await configs.set(admin, 'acme', { ...input, telephony: { ringTimeoutSeconds: 30 } });
    expect([second.webhookSecret, asked]).toEqual([null, ['https://a.example/x', 'https://a.example/x']]);
    await new Prompts(ctx).create(admin, { tenantId: 'acme', key: 'front_desk_v1', text: 'Hello', publish: true });
    const third = await configs.set(admin, 'acme', { voice: null, telephony: { fallbackMessage: 'Sorry' } });
    expect([third.warnings, asked.length]).toEqual([[], 2]);
    expect(await configs.get(tenantKey('acme'), 'acme')).toMatchObject({
      model: 'gpt-realtime',
      voice: null,
      telephony: { ringTimeoutSeconds: 30, fallbackMessage: 'Sorry' },
    });
    // Several at once: each changes its own field, and none undoes another's.
    await Promise.all([
      configs.set(admin, 'acme', { telephony: { transferNumber: '+15555550100' } }),
      configs.set(admin, 'acme', { telephony: { callbackQueue: 'billing' } }),
      configs.set(admin, 'acme', { telephony: { maxDurationSeconds: 600 } }),
    ]);
    expect((await configs.get(admin, 'acme')).telephony).toMatchObject({
      ringTimeoutSeconds: 30,
      transferNumber: '+15555550100',
      callbackQueue: 'billing',
      maxDurationSeconds: 600,
    });
    expect(await refusal(configs.set(admin, 'acme', { webhookUrl: 'ftp://x' }))).toMatchObject({
      paths: ['webhookUrl'],
    });
    expect(await refusal(configs.get(tenantKey('globex'), 'acme'))).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('rotates Twilio credentials with an overlap, sealed', async () => {
    const credentials = new TwilioCredentials(ctx);
    const accounts = new CarrierAccounts(ctx);
    const accountSid = `AC${'1'.repeat(32)}`;
    const first = await credentials.set(admin, 'acme', { accountSid, authToken: 'first-token' });
    await credentials.set(admin, 'acme', { accountSid, authToken: 'second-token', overlapSeconds: 600 });
    const tokens = (await accounts.tokensOf(accountSid)).map((token) => token.authToken);
    expect(tokens.toSorted()).toEqual(['first-token', 'second-token']);
    const em = test.database.em({ all: true });
    expect((await accounts.forTenant(em, 'acme'))?.authToken).toBe('second-token');
    const row = await em.findOneOrFail(TwilioCredential, { id: first.id });
    expect(row.authTokenSealed).not.toContain('first-token');
    expect(open(ctx.settings.encryptionKey, row.authTokenSealed)).toBe('first-token');
    expect(await refusal(credentials.set(admin, 'acme', { accountSid: 'x', authToken: '' }))).toMatchObject({
      paths: ['accountSid', 'authToken'],
    });
  });

  describe('prompts', () => {
    it('grow by immutable revisions, of which one is published', async () => {
      const prompts = new Prompts(ctx);
      const prompt = await prompts.create(admin, { tenantId: 'acme', key: 'greeter', text: 'Hi {{name}}\nBye' });
      const revision = await prompts.addRevision(admin, prompt.id, {
        text: 'Hello {{name}}\nBye',
        variables: ['name'],
      });
      expect([prompt.publishedRevision, revision.number, revision.variables]).toEqual([null, 2, ['name']]);
      expect((await prompts.publish(admin, prompt.id, 2)).publishedRevision).toBe(2);
      expect(await prompts.diff(admin, prompt.id, 1, 2)).toContain('-Hi {{name}}\n+Hello {{name}}\n Bye');
      expect(await refusal(prompts.publish(admin, prompt.id, 3))).toMatchObject({ code: 'NOT_FOUND' });
      expect(await refusal(prompts.get(tenantKey('globex'), prompt.id))).toMatchObject({ code: 'NOT_FOUND' });
    });

    it('declare exactly the variables that they use', async () => {
      const prompts = new Prompts(ctx);
      const make = (variables: string[]) =>
        prompts.create(admin, { tenantId: 'acme', key: `v${variables.join('')}`, text: 'Hi {{a}}', variables });
      expect(await refusal(make([]))).toMatchObject({ paths: ['text'] });
      expect(await refusal(make(['a', 'b']))).toMatchObject({ paths: ['variables'] });
      const misnamed = { tenantId: 'acme', key: 'misnamed', text: 'Hi {{customer name}}' };
      expect(await refusal(prompts.create(admin, misnamed))).toMatchObject({ paths: ['text'] });
    });

    it('number revisions that arrive together one after the other', async () => {
      const prompts = new Prompts(ctx);
      const prompt = await prompts.create(admin, { tenantId: 'acme', key: 'busy', text: '1' });
      const made = await Promise.all(['2', '3', '4'].map((text) => prompts.addRevision(admin, prompt.id, { text })));
      expect(made.map((r) => r.number).toSorted()).toEqual([2, 3, 4]);
    });
  });

  describe('agent versions', () => {
    const contract = {
      prompt: 'You are kind.',
      greeting: 'Hello',
      language: 'en',
      turnDetection: { type: 'server_vad', threshold: 0.5, silence_duration_ms: 400 },
      tools: [
        {
          name: 'look_up',
          description: 'Finds an order',
          url: 'https://a.example/t',
          secretHeader: 'x-key',
          secret: 's3cret',
        },
      ],
      intents: [{ name: 'order_status', tools: ['look_up', 'end_call'] }],
      escalationRules: [
        { trigger: 'payment', action: 'transfer' as const, target: '+15555550100', intents: ['order_status'] },
      ],
      successSignals: ['resolved'],
      fallback: { action: 'message' as const, message: 'Sorry' },
      maxDurationSeconds: 600,
    };

    it('hold the whole contract, and name every field that is wrong', async () => {
      const agent = await new Agents(ctx).create(admin, { tenantId: 'acme', key: 'orders' });
      const versions = agentVersions();
      const version = await versions.create(admin, { agentId: agent.id, ...contract });
      expect(version).toMatchObject({ number: 1, status: 'DRAFT', maxDurationSeconds: 600 });
      expect((await versions.get(admin, version.id)).clearedAt).toBeNull();
      expect(version.tools[0]?.secretSealed).not.toContain('s3cret');
      const bad = {
        agentId: agent.id,
        prompt: 'x',
        promptKey: 'nope',
        language: 'English',
        maxDurationSeconds: 1,
        turnDetection: { type: 'semantic_vad', threshold: 2 },
        tools: [{ name: 'end_call', description: 'x', url: 'nowhere', parameters: { type: 'array' } }],
        intents: [{ name: 'a', tools: ['ghost'] }],
        escalationRules: [{ trigger: 'x', action: 'explode' as never, intents: ['ghost'] }],
        fallback: { action: 'transfer' as const, target: '123' },
      };
      expect((await refusal(versions.create(admin, bad))).paths).toEqual([
        'language',
        'maxDurationSeconds',
        'turnDetection.threshold',
        'tools[0].name',
        'tools[0].parameters',
        'tools[0].url',
        'escalationRules[0].action',
        'fallback.target',
        'prompt',
        'intents[0].tools[0]',
        'escalationRules[0].intents[0]',
        'promptKey',
      ]);
    });

    it('name queues for callbacks that can be written', async () => {
      const agent = await new Agents(ctx).create(admin, { tenantId: 'acme', key: 'queues' });
      const target = 'q'.repeat(101);
      const tooLong = {
        agentId: agent.id,
        escalationRules: [{ trigger: 'payment', action: 'callback' as const, target }],
        fallback: { action: 'callback' as const, target },
      };
      expect((await refusal(agentVersions().create(admin, tooLong))).paths).toEqual([
        'escalationRules[0].target',
        'fallback.target',
      ]);
    });

    it('name a tool’s secret and the header that carries it together, or neither', async () => {
      const agent = await new Agents(ctx).create(admin, { tenantId: 'acme', key: 'secretive' });
      const [{ secretHeader, secret, ...tool }] = contract.tools as [(typeof contract.tools)[0]];
      const made = (more: object) =>
        agentVersions().create(admin, { agentId: agent.id, tools: [{ ...tool, ...more }] });
      expect(await refusal(made({ secretHeader }))).toMatchObject({ paths: ['tools[0].secret'] });
      expect(await refusal(made({ secret }))).toMatchObject({ paths: ['tools[0].secretHeader'] });
      expect((await made({})).tools).toMatchObject([{ secretHeader: null, secretSealed: null }]);
    });

    it('change while they are drafts, keep their tools’ secrets, and never after', async () => {
      const agent = await new Agents(ctx).create(admin, { tenantId: 'acme', key: 'drafts' });
      const versions = agentVersions();
      const { id, tools } = await versions.create(admin, { agentId: agent.id, ...contract });
      const [{ secret: _secret, ...tool }] = contract.tools as [(typeof contract.tools)[0]];
      const updated = await versions.update(admin, id, { greeting: 'Hi', tools: [{ ...tool, timeoutMs: 2_000 }] });
      expect(updated).toMatchObject({ greeting: 'Hi', language: 'en' });
      expect(updated.tools[0]).toMatchObject({ timeoutMs: 2_000, secretSealed: tools[0]!.secretSealed });
      await versions.publish(admin, id);
      expect(await refusal(versions.update(admin, id, { greeting: 'Ho' }))).toMatchObject({ code: 'CONFLICT' });
      const next = await versions.create(admin, { agentId: agent.id, fromVersionId: id, greeting: 'Ho' });
      expect(next).toMatchObject({ number: 2, greeting: 'Ho', maxDurationSeconds: 600, status: 'DRAFT' });
      expect(await versions.diff(admin, id, next.id)).toContain('-  "greeting": "Hi",\n+  "greeting": "Ho",');
    });

    it('take what is given over what was there: a text, a key, and the key’s own revision', async () => {
      const prompts = new Prompts(ctx);
      for (const key of ['day', 'night']) {
        const { id } = await prompts.create(admin, { tenantId: 'acme', key, text: `${key} {{who}}`, publish: true });
        await prompts.addRevision(admin, id, { text: `${key} 2` });
      }
      const agent = await new Agents(ctx).create(admin, { tenantId: 'acme', key: 'prompted' });
      const versions = agentVersions();
      const { id } = await versions.create(admin, { agentId: agent.id, promptKey: 'day', promptRevision: 2 });
      const next = (change: object) => versions.create(admin, { agentId: agent.id, fromVersionId: id, ...change });
      expect(await next({})).toMatchObject({ prompt: null, promptKey: 'day', promptRevision: 2 });
      expect(await next({ promptKey: 'night' })).toMatchObject({ promptKey: 'night', promptRevision: null });
      const inline = await next({ prompt: 'Be kind to {{who}}.' });
      expect(inline).toMatchObject({ prompt: 'Be kind to {{who}}.', promptKey: null, promptRevision: null });
      expect(await versions.update(admin, inline.id, { promptKey: 'day' })).toMatchObject({
        prompt: null,
        promptKey: 'day',
        promptRevision: null,
      });
      expect(await refusal(next({ prompt: 'x', promptKey: 'day' }))).toMatchObject({ paths: ['prompt'] });
      expect(await refusal(next({ prompt: '{{customer name}}' }))).toMatchObject({ paths: ['prompt'] });
      expect(await refusal(next({ greeting: 'Hi {{1}}' }))).toMatchObject({ paths: ['greeting'] });
      const greeted = { greeting: 'Hi {{customer_name}}', promptVariables: { customer_name: 'there' } };
      expect(await next(greeted)).toMatchObject(greeted);
      expect(await refusal(next({ prompt: 'Hi', promptVariables: { who: 'x' } }))).toMatchObject({
        paths: ['promptVariables.who'],
      });
    });

    it('speak with the variables of the revision that is pinned, or do not go live', async () => {
      const prompts = new Prompts(ctx);
      const prompt = await prompts.create(admin, { tenantId: 'acme', key: 'later', text: 'Hi {{name}}' });
      const agent = await new Agents(ctx).create(admin, { tenantId: 'acme', key: 'misspelt' });
      const versions = agentVersions();
      const misspelt = { agentId: agent.id, promptKey: 'later', promptVariables: { nmae: 'Ann' } };
      const { id } = await versions.create(admin, misspelt);
      await prompts.publish(admin, prompt.id, 1);
      expect(await refusal(versions.publish(admin, id))).toEqual({
        code: 'UNPROCESSABLE',
        paths: ['promptVariables.nmae'],
      });
      await versions.update(admin, id, { promptVariables: { name: 'Ann' } });
      expect(await versions.publish(admin, id)).toMatchObject({ promptRevision: 1 });
    });

    it('are published when the gates hold, or by force with a reason, and retire the one before', async () => {
      const agent = await new Agents(ctx).create(admin, { tenantId: 'acme', key: 'gated' });
      const versions = agentVersions();
      const one = await versions.create(admin, { agentId: agent.id, ...contract });
      const two = await versions.create(admin, {
        agentId: agent.id,
        promptKey: 'greeter',
        promptVariables: { name: 'you' },
      });
      await versions.publish(admin, one.id);
      failing = [{ path: 'synthetic_calls', message: '3 of 20' }];
      expect(await refusal(versions.publish(admin, two.id))).toEqual({
        code: 'LAUNCH_GATES_FAILED',
        paths: ['synthetic_calls'],
      });
      expect(await refusal(versions.publish(admin, two.id, { force: true }))).toMatchObject({ paths: ['reason'] });
      const forced = await versions.publish(admin, two.id, { force: true, reason: 'demo day' });
      failing = [];
      expect(forced).toMatchObject({ status: 'PUBLISHED', forcedReason: 'demo day', promptRevision: 2 });
      expect(await versions.get(admin, one.id)).toMatchObject({ status: 'RETIRED' });
      expect((await new Agents(ctx).get(admin, agent.id)).publishedVersionId).toBe(two.id);
      const history = await test.database
        .em({ all: true })
        .find(RolloutHistory, { agentId: agent.id }, { orderBy: { createdAt: 'desc' } });
      expect(history.map((r) => r.action)).toEqual(['FORCED', 'PUBLISHED']);
      const trail: string[] = [];
      for await (const entry of new AuditQuery(ctx).export(admin, { action: 'agent_version.', subjectId: two.id }))
        trail.push(`${entry.action} ${entry.reason}`);
      expect(trail).toEqual([
        'agent_version.published demo day',
        'agent_version.forced demo day',
        'agent_version.created null',
      ]);
    });
  });

  it('routes a number to one tenant, and says what to set at Twilio', async () => {
    const agents = new Agents(ctx);
    await agents.create(admin, { tenantId: 'acme', key: 'desk' });
    await agents.create(admin, { tenantId: 'globex', key: 'desk' });
    const carrier = {
      fetchNumber: async () => ({
        sid: 'PN1',
        phoneNumber: '+15555551234',
        voiceUrl: 'https://old.example/',
        voiceMethod: 'GET',
        voiceFallbackUrl: null,
        voiceApplicationSid: null,
        trunkSid: null,
      }),
    } as never;
    const routes = new PhoneRoutes(ctx, carrier, new CarrierAccounts(ctx), clearance());
    const route = await routes.create(admin, {
      tenantId: 'acme',
      number: '+15555551234',
      agentKey: 'desk',
      isDefault: true,
      businessHours: {
        timeZone: 'Europe/Berlin',
        windows: [{ days: [1], start: '09:00', end: '17:00' }],
        outside: { action: 'message', message: 'Closed' },
      },
    });
    const again = { tenantId: 'globex', number: '+15555551234', agentKey: 'desk' };
    expect(await refusal(routes.create(admin, again))).toMatchObject({ code: 'CONFLICT' });
    expect(await refusal(routes.create(admin, { tenantId: 'acme', number: '555' }))).toMatchObject({
      paths: ['number', 'agentKey'],
    });
    expect((await routes.verify(admin, route.id)).problems).toHaveLength(3);
    const night = (target: string | null) => ({
      businessHours: { timeZone: null, windows: [], outside: { action: 'agent' as const, target } },
    });
    for (const target of ['nobody', null])
      expect(await refusal(routes.update(admin, route.id, night(target)))).toMatchObject({
        code: 'VALIDATION_FAILED',
        paths: ['businessHours.outside.target'],
      });
    const nightOnly = { tenantId: 'acme', number: '+15555551235', agentKey: 'desk', ...night('nobody') };
    expect(await refusal(routes.create(admin, nightOnly))).toMatchObject({ paths: ['businessHours.outside.target'] });
    expect(await routes.update(admin, route.id, night('desk'))).toMatchObject({
      businessHours: { outside: { target: 'desk' } },
    });
    expect(await routes.update(admin, route.id, { businessHours: null, transferNumber: '+15555550100' })).toMatchObject(
      {
        businessHours: null,
        transferNumber: '+15555550100',
        isDefault: true,
      },
    );
    expect(await refusal(routes.get(tenantKey('globex'), route.id))).toMatchObject({ code: 'NOT_FOUND' });
    await routes.remove(admin, route.id);
    expect(await refusal(routes.get(admin, route.id))).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('records evaluations of sessions that are over, and tells business systems', async () => {
    const session = await seedSession(test.database, 'acme');
    const sent: Record<string, unknown>[] = [];
    const outbox = {
      enqueue: async (_em: unknown, _t: string, event: string, data: object) => void sent.push({ event, ...data }),
    };
    const evaluations = new Evaluations({ ...ctx, outbox });
    const input = { sessionId: session.id, score: 0.5, tags: ['polite'] };
    expect(await refusal(evaluations.record(admin, input))).toMatchObject({ code: 'CONFLICT' });
    await test.database
      .em({ all: true })
      .execute(`update voice_session set status = 'COMPLETED' where id = ?`, [session.id]);
    await evaluations.record(admin, input);
    await evaluations.record(tenantKey('acme'), { ...input, score: 1, tags: ['fast'] });
    expect(await new SessionsQuery(ctx).get(admin, session.id)).toMatchObject({
      status: 'REVIEWED',
      tags: ['polite', 'fast'],
    });
    expect(await new CallsQuery(ctx).get(admin, session.callId)).toMatchObject({ evaluationScore: 0.75 });
    expect(sent.map((event) => [event.event, event.score])).toEqual([
      ['voice.session.evaluated', 0.5],
      ['voice.session.evaluated', 1],
    ]);
    expect((await evaluations.list(tenantKey('acme'), {}, { limit: 5, offset: 0 })).total).toBe(2);
    expect((await evaluations.list(tenantKey('globex'), {}, { limit: 5, offset: 0 })).total).toBe(0);
    expect(await refusal(evaluations.record(tenantKey('globex'), input))).toMatchObject({ code: 'NOT_FOUND' });
    expect(await refusal(evaluations.record(admin, { ...input, score: 2 }))).toMatchObject({ paths: ['score'] });
    expect(await test.database.em({ all: true }).count(TenantEvent)).toBe(0);
  });

  it('pages through calls by cursor without missing or repeating one, and filters them', async () => {
    const em = test.database.em({ all: true });
    const at = new Date('2026-11-01T00:00:00Z');
    // Several in the same millisecond: only the id tells them apart.
    for (let i = 0; i < 7; i += 1)
      em.create(Call, {
        tenantId: 'globex',
        direction: i % 2 === 0 ? 'INBOUND' : 'OUTBOUND',
        status: 'COMPLETED',
        createdAt: new Date(at.getTime() + Math.floor(i / 3)),
      });
    await em.flush();
    const calls = new CallsQuery(ctx);
    const globex = tenantKey('globex');
    const all = await calls.list(globex, {}, { limit: 100, offset: 0 });
    const seen: string[] = [];
    for (let after: string | null = null; ;) {
      const page = await calls.page(globex, {}, { first: 2, after });
      seen.push(...page.rows.map((call) => call.id));
      if (!page.hasNextPage) break;
      const last = page.rows.at(-1)!;
      after = encodeCursor({ at: last.createdAt, id: last.id });
    }
    expect(seen).toEqual(all.rows.map((call) => call.id));
    expect(all.total).toBe(7);
    const inbound = { direction: 'INBOUND', createdAfter: new Date(at.getTime() + 1), tenantId: 'globex' } as const;
    expect((await calls.list(admin, inbound, { limit: 5, offset: 0 })).total).toBe(2);
    expect(await refusal(calls.page(globex, {}, { first: 0 }))).toMatchObject({ paths: ['first'] });
    expect(await refusal(calls.page(globex, {}, { first: 1, after: 'x' }))).toMatchObject({ paths: ['after'] });
    expect(await calls.find(globex, { id: 'not-a-uuid' })).toBeNull();
    expect((await calls.list(globex, { agentVersionId: 'x' }, { limit: 5, offset: 0 })).total).toBe(0);
  });
});
