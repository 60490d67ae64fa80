import { randomUUID } from 'node:crypto';
import {
  getNamedType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
  isScalarType,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLOutputType,
} from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { schema } from '../src/resolvers/schema.js';
import { SCOPES } from '../src/services/viewer.js';
import { noJobs } from './testkit/context.js';
import { ADMIN_KEY, startGateway, type TestGateway } from './testkit/gateway.js';
import { graphql, socketClient } from './testkit/graphql.js';
import { seedTenantRows, type TenantRows } from './testkit/tenant-rows.js';
import { until } from './testkit/until.js';

/**
 * Two tenants, and every door. One asks for everything of the other, by every id and name there is: what it gets must be
 * what it gets for something that does not exist, and the other's rows must stay as they are.
 */
let gateway: TestGateway;
let key: string;
let powerless: string;
let mine: TenantRows;
let theirs: TenantRows;

beforeAll(async () => {
  // Work in the background would change the very rows that are watched.
  gateway = await startGateway({ overrides: { jobs: noJobs } });
  const em = () => gateway.database.database.em({ all: true });
  mine = await seedTenantRows(em(), 'acme', 'OURS');
  theirs = await seedTenantRows(em(), 'globex', 'SECRET-OF-GLOBEX');
  const keyWith = async (scopes: readonly string[]) =>
    (await gateway.admin('POST', '/tenants/acme/api-keys', { name: 'app', scopes })).body.key as string;
  key = await keyWith(SCOPES);
  powerless = await keyWith([]);
});
afterAll(() => gateway.stop());

/** Everything of theirs that must not appear. */
const traces = () => [theirs.marker, ...[...theirs.ids.values()].filter((id) => id !== theirs.tenantId)];

/** What a tenant's own key may change, with the scope for it. Everything else is for admins. */
const TENANTS_MAY = new Set(
  (
    'makeCall cancelScheduledCall recordEvaluation endCall transferCall escalateCall sayToCaller ' +
    'whisperToAgent muteAgent unmuteAgent takeOver handBack createCallbackTask updateCallbackTask ' +
    'claimCallbackTask claimNextCallbackTask addDoNotCall importDoNotCall removeDoNotCall ' +
    'createWebhookEndpoint updateWebhookEndpoint deleteWebhookEndpoint rotateWebhookSecret redeliverWebhookEvent ' +
    'redeliverFailedWebhooks'
  ).split(' '),
);

/** All rows of a tenant, as text; but not the minutes that the gateway itself counts anew from their calls, nor when a key was used. */
async function rowsOf({ tenantId }: TenantRows): Promise<Record<string, string>> {
  const em = gateway.database.database.em({ all: true });
  const tables = await em.execute<{ table_name: string }[]>(
    `select table_name from information_schema.columns
      where table_schema = 'public' and column_name = 'tenant_id' and table_name <> 'metrics_minute' order by 1`,
  );
  const entries: [string, string][] = [];
  for (const { table_name: table } of tables) {
    const [row] = await em.execute<{ rows: unknown }[]>(
      `select json_agg(to_jsonb(t) - 'last_used_at' order by to_jsonb(t)::text) as rows from "${table}" t where tenant_id = ?`,
      [tenantId],
    );
    entries.push([table, JSON.stringify(row!.rows)]);
  }
  return Object.fromEntries(entries);
}

/** An answer without what may differ from request to request. */
function comparable(answer: unknown, asked: Asked): string {
  return JSON.stringify(answer, (name, value: unknown) => (/^request_?id$/i.test(name) ? undefined : value))
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<id>')
    .replaceAll(asked.tenantId, '<tenant>')
    .replaceAll(asked.text, '<text>')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>');
}

/** Whose things a request names. */
interface Asked {
  tenantId: string;
  /** For names: keys of agents and prompts, anything that is text. */
  text: string;
  /** The id of that tenant's row of this entity. */
  idOf(entity: string): string;
}
const missing: Asked = { tenantId: 'nobody-at-all', text: 'nothing like it', idOf: () => randomUUID() };
const thingsOf = ({ tenantId, marker, ids }: TenantRows): Asked => ({
  tenantId,
  text: `${marker} key`,
  idOf: (entity) => {
    const id = ids.get(entity);
    // Belongs to nobody: admins alone see who asked for access.
    if (entity === 'ApiAccessRequest') return randomUUID();
    if (id === undefined) throw new Error(`no row of ${entity} was made`);
    return id;
  },
});

/** What ids are called where their name does not say it. */
const ENTITY_OF_NAME: Record<string, string> = {
  session: 'VoiceSession',
  version: 'AgentVersion',
  candidateVersion: 'AgentVersion',
  fromVersion: 'AgentVersion',
  toVersion: 'AgentVersion',
  stream: 'VoiceSession',
  voiceSession: 'VoiceSession',
  from: 'AgentVersion',
  to: 'AgentVersion',
  endpoint: 'WebhookEndpoint',
  event: 'TenantEvent',
  run: 'SyntheticRun',
  command: 'CallCommand',
  key: 'ApiKey',
  other: 'AgentVersion',
  org: 'Tenant',
  subject: 'Agent',
};

/** The entity that an id is about: by its own name (`agentVersionId`), else by `owner` (a type, or the path before it). */
function entityNamed(name: string, owner: string): string {
  const word = name
    .replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
    .replace(/(Ids?|Sid)$/, '')
    .replace(/^ids?$/, '');
  const own = ENTITY_OF_NAME[word] ?? word.replace(/^[a-z]/, (letter) => letter.toUpperCase());
  return own === '' ? owner : own;
}

/** Fields whose `id` is not of the type that they give. */
const OWNER_OF_FIELD: Record<string, string> = {
  rotateWebhookSecret: 'WebhookEndpoint',
  verifyPhoneRoute: 'PhoneRoute',
};

describe('GraphQL', () => {
  /** A value for an argument; undefined where it may be left out. */
  const valueFor = (name: string, type: GraphQLInputType, asked: Asked, owner: string): unknown => {
    const named = getNamedType(type);
    const wrap = (value: unknown) => (isListType(isNonNullType(type) ? type.ofType : type) ? [value] : value);
    if (name === 'tenantId') return wrap(asked.tenantId);
    if (isInputObjectType(named)) {
      const fields = Object.values(named.getFields())
        .map((field) => [field.name, valueFor(field.name, field.type, asked, owner)] as const)
        .filter(([, value]) => value !== undefined);
      return wrap(Object.fromEntries(fields));
    }
    if (named.name === 'ID') {
      const entity = entityNamed(name, owner);
      return wrap(entity === 'Tenant' ? asked.tenantId : asked.idOf(entity));
    }
    if (/Key$|^key$/.test(name)) return wrap(asked.text);
    if (!isNonNullType(type)) return undefined;
    if (isEnumType(named)) return wrap(named.getValues()[0]!.name);
    const plain: Record<string, unknown> = {
      Int: 1,
      Float: 0.5,
      Boolean: false,
      DateTime: '2026-01-01T00:00:00.000Z',
      PhoneNumber: '+15555550123',
      JSON: {},
    };
    return wrap(plain[named.name] ?? asked.text);
  };
  const selection = (type: GraphQLOutputType, depth: number): string => {
    const named = getNamedType(type);
    if (isScalarType(named) || isEnumType(named)) return '';
    if (!isObjectType(named)) return '{ __typename sessionId seq }';
    const fields = Object.values(named.getFields())
      .filter((field) => field.args.every((argument) => !isNonNullType(argument.type)))
      .filter((field) => depth > 0 || isScalarType(getNamedType(field.type)) || isEnumType(getNamedType(field.type)))
      .map((field) => `${field.name} ${selection(field.type, depth - 1)}`);
    return `{ __typename ${fields.join(' ')} }`;
  };
  const operationOf = (kind: string, field: GraphQLField<unknown, unknown>) => {
    const declared = field.args
      .map(
        (argument) =>
          `$${argument.name}: ${String(argument.type)}${argument.defaultValue === undefined ? '' : ` = ${JSON.stringify(argument.defaultValue)}`}`,
      )
      .join(', ');
    const passed = field.args.map((argument) => `${argument.name}: $${argument.name}`).join(', ');
    const paged = field.args.some((argument) => argument.name === 'first');
    return `${kind} ${declared && `(${declared})`} { ${field.name} ${passed && `(${passed})`} ${selection(field.type, paged ? 3 : 2)} }`;
  };
  const variablesOf = (field: GraphQLField<unknown, unknown>, asked: Asked) =>
    Object.fromEntries(
      field.args
        .filter((argument) => argument.name !== 'after')
        .map((argument) => [argument.name, valueFor(argument.name, argument.type, asked, ownerOf(field))]),
    );
  /** `Agent` of `AgentConnection`, `WebhookEndpoint` of `CreateWebhookEndpointPayload`. */
  const ownerOf = (field: GraphQLField<unknown, unknown>) =>
    OWNER_OF_FIELD[field.name] ?? getNamedType(field.type).name.replace(/^Create|Payload$|Connection$/g, '');
  const fieldsOf = (kind: 'Query' | 'Mutation') =>
    Object.values(
      schema().getType(kind) === undefined ? {} : (schema().getType(kind) as any).getFields(),
    ) as GraphQLField<unknown, unknown>[];

  it.each(['Query', 'Mutation'] as const)(
    'a foreign row looks like a missing one to every field of %s',
    async (kind) => {
      const before = await rowsOf(theirs);
      for (const field of fieldsOf(kind)) {
        const ask = async (asked: Asked) =>
          comparable(
            await graphql(gateway, operationOf(kind.toLowerCase(), field), variablesOf(field, asked), key),
            asked,
          );
        const [nothing, answer] = [await ask(missing), await ask(thingsOf(theirs))];
        expect(nothing, field.name).not.toMatch(/INTERNAL|Cannot query|Unknown type/);
        for (const trace of traces()) expect(answer, field.name).not.toContain(trace);
        expect(answer, field.name).toBe(nothing);
      }
      expect(await rowsOf(theirs)).toEqual(before);
    },
  );

  it('lists and whole objects of one tenant hold nothing of the other', async () => {
    for (const field of fieldsOf('Query')) {
      const variables = variablesOf(field, thingsOf(mine));
      const answer = JSON.stringify(await graphql(gateway, operationOf('query', field), variables, key));
      for (const trace of traces()) expect(answer, field.name).not.toContain(trace);
      expect(answer, field.name).not.toContain('INTERNAL');
    }
  });

  it('a key with every scope changes nothing of its own tenant that is for admins', async () => {
    const before = await rowsOf(mine);
    for (const field of fieldsOf('Mutation')) {
      if (TENANTS_MAY.has(field.name)) continue;
      const answer = await graphql(gateway, operationOf('mutation', field), variablesOf(field, thingsOf(mine)), key);
      expect(answer.errors?.[0]?.extensions.code, field.name).toBe('FORBIDDEN');
    }
    expect(await rowsOf(mine)).toEqual(before);
  });

  it('a key without scopes reads and does nothing but say whose it is', async () => {
    const asked = thingsOf(mine);
    const before = await rowsOf(mine);
    for (const kind of ['Query', 'Mutation'] as const)
      for (const field of fieldsOf(kind)) {
        if (['viewer', 'tenant', 'tenants'].includes(field.name)) continue;
        const operation = operationOf(kind.toLowerCase(), field);
        const answer = await graphql(gateway, operation, variablesOf(field, asked), powerless);
        expect(answer.errors?.[0]?.extensions.code, field.name).toBe('FORBIDDEN');
      }
    expect(await rowsOf(mine)).toEqual(before);
  });

  it('an admin who names a tenant sees that tenant', async () => {
    for (const field of fieldsOf('Query')) {
      const variables = variablesOf(field, thingsOf(mine));
      if (!JSON.stringify(variables).includes(`"tenantId":"${mine.tenantId}"`)) continue;
      const answer = JSON.stringify(await graphql(gateway, operationOf('query', field), variables));
      for (const trace of traces()) expect(answer, field.name).not.toContain(trace);
    }
  });

  it('no subscription tells one tenant of the other', async () => {
    const fields = Object.values((schema().getType('Subscription') as any).getFields()) as GraphQLField<
      unknown,
      unknown
    >[];
    const { client } = socketClient(gateway, { authorization: `Bearer ${key}` });
    const first = async (field: GraphQLField<unknown, unknown>, asked: Asked) => {
      const results = client.iterate({
        query: operationOf('subscription', field),
        variables: variablesOf(field, asked),
      });
      const told = await results.next().then(
        (result) => result.value as unknown,
        (error: unknown) => error,
      );
      await results.return?.();
      return comparable(told, asked);
    };
    for (const field of fields) {
      if (field.args.length === 0) continue;
      const nothing = await first(field, missing);
      expect(nothing, field.name).toMatch(/NOT_FOUND/);
      expect(await first(field, thingsOf(theirs)), field.name).toBe(nothing);
    }
    // Tenant-wide feeds: their changes pass by, ours arrive.
    const heard: string[] = [];
    const open = fields
      .filter((field) =>
        field.args.every((argument) => !isNonNullType(argument.type) || argument.defaultValue !== undefined),
      )
      .map((field) => {
        const results = client.iterate({ query: operationOf('subscription', field) });
        void (async () => {
          for await (const result of results) heard.push(`${field.name} ${JSON.stringify(result)}`);
        })();
        return results;
      });
    const { topics } = gateway.app.services.context;
    const change = async ({ tenantId, ids }: TenantRows) => {
      await topics.publish('callChanged', { tenantId, callId: ids.get('Call')!, sessionId: null });
      await topics.publish('diagnosticRaised', { tenantId, diagnosticId: ids.get('Diagnostic')! });
      await topics.publish('webhookDeliveryChanged', { tenantId, deliveryId: ids.get('WebhookDelivery')! });
      await topics.publish('metricsChanged', { tenantId });
    };
    await until(() => new Set(heard.map((line) => line.split(' ')[0])).size === open.length, 'every snapshot');
    const before = heard.length;
    await change(theirs);
    await change(mine);
    await until(() => heard.slice(before).filter((line) => line.startsWith('callUpdated')).length > 0, 'our change');
    for (const line of heard) for (const trace of traces()) expect(line).not.toContain(trace);
    for (const results of open) await results.return?.();
    await client.dispose();
  });
});

/** Path segments that are not the name of their entity. */
const OWNER_OF_SEGMENT: Record<string, string> = {
  'call-logs': 'Call',
  callbacks: 'CallbackTask',
  dnc: 'DoNotCallEntry',
  'twilio-credentials': 'TwilioCredential',
  '': 'Call',
};

/** Routes that ask for no credential. */
const PUBLIC = /(GET \/(health\/|metrics)|POST \/api\/v1\/api-access-requests|(POST|DELETE) \/api\/v1\/admin\/session)/;

describe('REST', () => {
  type Operation = { method: string; path: string; query: string[]; body: any };
  const operations = async (): Promise<Operation[]> => {
    const { body } = await gateway.call('GET', '/api-docs/openapi.json');
    return Object.entries<any>(body.paths).flatMap(([path, methods]) =>
      Object.entries<any>(methods).map(([method, operation]) => ({
        method: method.toUpperCase(),
        path,
        query: (operation.parameters ?? []).filter((p: any) => p.in === 'query').map((p: any) => p.name as string),
        body: operation.requestBody?.content['application/json']?.schema ?? null,
      })),
    );
  };
  const idFor = (name: string, asked: Asked, owner: string) => {
    const entity = entityNamed(name, owner);
    return entity === 'Tenant' ? asked.tenantId : asked.idOf(entity);
  };
  /** `AgentVersion` of `/api/v1/admin/agent-versions/{id}/…`. */
  const ownerOf = (path: string) => {
    const segment = /([a-z-]+)\/\{(?:id|other_id|call_sid)\}/.exec(path)?.[1] ?? '';
    const word = segment.replace(/ies$/, 'y').replace(/s$/, '');
    return (
      OWNER_OF_SEGMENT[segment] ?? word.replace(/(^|-)([a-z])/g, (_, _dash, letter: string) => letter.toUpperCase())
    );
  };
  const bodyFor = (name: string, given: any, asked: Asked, owner: string): unknown => {
    const options = given.anyOf ?? given.oneOf;
    if (options !== undefined) return bodyFor(name, options[0], asked, owner);
    if (given.const !== undefined) return given.const;
    if (given.enum !== undefined) return given.enum[0];
    if (given.type === 'object' || given.properties !== undefined) {
      const names = Object.keys(given.properties ?? {}).filter(
        (field) => (given.required ?? []).includes(field) || /_id$|_key$|_ids$/.test(field),
      );
      return Object.fromEntries(names.map((field) => [field, bodyFor(field, given.properties[field], asked, owner)]));
    }
    if (given.type === 'array') return [bodyFor(name.replace(/s$/, ''), given.items, asked, owner)];
    if (given.type === 'number' || given.type === 'integer') return given.minimum ?? 0;
    if (given.type === 'boolean') return false;
    if (name === 'tenant_id') return asked.tenantId;
    if (name.endsWith('_id')) return idFor(name, asked, owner);
    if (/^(to|number|from|target)$/.test(name)) return '+15555550123';
    return given.format === 'date-time' ? '2026-01-01T00:00:00.000Z' : asked.text;
  };
  const send = async ({ method, path, query, body }: Operation, asked: Asked, headers: Record<string, string>) => {
    const owner = ownerOf(path);
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
      encodeURIComponent(/(^|_)s?id$/.test(name) ? idFor(name, asked, owner) : asked.text),
    );
    const search = new URLSearchParams(
      query
        .filter((name) => /_id$|_key$/.test(name))
        .map((name): [string, string] => [name, name.endsWith('_key') ? asked.text : idFor(name, asked, owner)]),
    );
    const response = await fetch(`${gateway.origin}${filled}${search.size > 0 ? `?${search.toString()}` : ''}`, {
      method,
      headers: { ...headers, ...(body === null ? {} : { 'content-type': 'application/json' }) },
      ...(body === null ? {} : { body: JSON.stringify(bodyFor('', body, asked, owner)) }),
      signal: AbortSignal.timeout(10_000),
    });
    const text = await response.text();
    return {
      status: response.status,
      text,
      same: `${response.status} ${comparable(safely(text), asked)}`,
    };
  };
  const safely = (text: string): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  };

  it('a foreign row looks like a missing one to every route', async () => {
    const before = await rowsOf(theirs);
    for (const operation of await operations()) {
      const what = `${operation.method} ${operation.path}`;
      const ask = (asked: Asked) => send(operation, asked, { authorization: `Bearer ${key}` });
      const [nothing, answer] = [await ask(missing), await ask(thingsOf(theirs))];
      expect(nothing.status, what).toBeLessThan(500);
      for (const trace of traces()) expect(answer.same, what).not.toContain(trace);
      expect(answer.same, what).toBe(nothing.same);
    }
    expect(await rowsOf(theirs)).toEqual(before);
  });

  it('no key of a tenant opens a route of admins, and one without scopes opens none', async () => {
    const before = await rowsOf(mine);
    for (const operation of await operations()) {
      const what = `${operation.method} ${operation.path}`;
      const status = async (credential: string) =>
        (await send(operation, thingsOf(mine), { authorization: `Bearer ${credential}` })).status;
      if (PUBLIC.test(what)) continue;
      if (operation.path.startsWith('/api/v1/admin/')) expect(await status(key), what).toBe(403);
      // What is wrong with a request may be said first.
      expect([400, 403], what).toContain(await status(powerless));
    }
    expect(await rowsOf(mine)).toEqual(before);
  });

  it('lists of one tenant hold nothing of the other, for its own key and for an admin who names it', async () => {
    for (const operation of await operations()) {
      if (operation.method !== 'GET' || /live-logs|export/.test(operation.path)) continue;
      const asked = thingsOf(mine);
      const own = await send(operation, asked, { authorization: `Bearer ${key}` });
      for (const trace of traces()) expect(own.text, operation.path).not.toContain(trace);
      if (!operation.query.includes('tenant_id') && !operation.path.includes('{tenant_id}')) continue;
      const admins = await send(operation, asked, { 'x-admin-key': ADMIN_KEY });
      for (const trace of traces()) expect(admins.text, operation.path).not.toContain(trace);
      expect(admins.status, operation.path).toBeLessThan(500);
    }
  });
});
