import {
  getNamedType,
  isInputObjectType,
  isNonNullType,
  isObjectType,
  type GraphQLField,
  type GraphQLInputObjectType,
  type GraphQLObjectType,
} from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { schema } from '../src/resolvers/schema.js';
import { startGateway, type TestGateway } from './testkit/gateway.js';

/** Two doors to one house: what GraphQL can do, REST can do, and a thing has the same fields behind both. */
let gateway: TestGateway;
let paths: Record<string, Record<string, any>>;
beforeAll(async () => {
  gateway = await startGateway();
  paths = (await gateway.call('GET', '/api-docs/openapi.json')).body.paths;
});
afterAll(() => gateway.stop());

const ADMIN = '/api/v1/admin';
const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
function operation(line: string): any {
  const [method, path] = line.split(' ') as [string, string];
  const found = paths[path]?.[method.toLowerCase()];
  if (found === undefined) throw new Error(`${line} is in no document`);
  return found;
}
/** A row of the answer: of a list, one of its rows. */
function answerOf(line: string): any {
  const answer = operation(line).responses['200'].content['application/json'].schema;
  return answer.properties.data?.items ?? answer;
}
const bodyOf = (line: string): any => operation(line).requestBody.content['application/json'].schema;
/** The object behind lists and nulls. */
function objectIn(described: any): any {
  const plain = described?.anyOf?.find((option: any) => option.type !== 'null') ?? described;
  return plain?.items === undefined ? plain : objectIn(plain.items);
}

/** What one door shows and the other does not, each with its reason beside it. */
interface Differences {
  graphql?: string;
  rest?: string;
  /** Demanded by one of them only. */
  demanded?: string;
}
type Shown = [type: string, line: string, Differences?];

function differences(
  type: GraphQLObjectType | GraphQLInputObjectType,
  described: any,
): Record<'graphql' | 'rest', string[]> {
  const fields = Object.values(type.getFields());
  const names = Object.keys(described.properties).filter((name) => name !== 'ok');
  const found = {
    graphql: fields.map(({ name }) => snake(name)).filter((name) => name !== 'ok' && !names.includes(name)),
    rest: names.filter((name) => !fields.some((field) => snake(field.name) === name)),
  };
  for (const { name, type: inner } of fields) {
    const named = getNamedType(inner);
    const nested = objectIn(described.properties[snake(name)]);
    if ((!isObjectType(named) && !isInputObjectType(named)) || nested?.properties === undefined) continue;
    const within = differences(named, nested);
    found.graphql.push(...within.graphql.map((field) => `${snake(name)}.${field}`));
    found.rest.push(...within.rest.map((field) => `${snake(name)}.${field}`));
  }
  return found;
}
const words = (text = '') => text.split(' ').filter(Boolean).toSorted();
function expectSame([type, line, except = {}]: Shown, described: any): void {
  const { graphql, rest } = differences(schema().getType(type) as GraphQLObjectType, described);
  expect({ graphql: graphql.toSorted(), rest: rest.toSorted() }, `${type} and ${line}`).toEqual({
    graphql: words(except.graphql),
    rest: words(except.rest),
  });
}

describe('what both doors show', () => {
  it.each<Shown>([
    // Where GraphQL leads on to other things, REST has a route for them.
    [
      'Tenant',
      `GET ${ADMIN}/tenants/{tenant_id}`,
      { graphql: 'runtime_config api_keys twilio_credentials test_numbers' },
    ],
    ['RuntimeConfig', `PUT ${ADMIN}/tenants/{tenant_id}/runtime-config`],
    ['ApiKey', `GET ${ADMIN}/tenants/{tenant_id}/api-keys`],
    ['TwilioCredential', `GET ${ADMIN}/tenants/{tenant_id}/twilio-credentials`],
    ['TestNumber', `GET ${ADMIN}/tenants/{tenant_id}/test-numbers`],
    ['ApiAccessRequest', `GET ${ADMIN}/api-access-requests`],
    ['Prompt', `GET ${ADMIN}/prompts/{id}`, { graphql: 'revisions revision' }],
    ['PromptRevision', `GET ${ADMIN}/prompts/{id}/revisions`],
    [
      'Agent',
      `GET ${ADMIN}/agents/{id}`,
      {
        graphql: 'published_version versions rubric evaluation_summaries calibration rollout_policy rollout_history',
        rest: 'published_version_id',
      },
    ],
    ['AgentVersion', `GET ${ADMIN}/agent-versions/{id}`, { graphql: 'agent' }],
    ['PhoneRoute', `GET ${ADMIN}/phone-routes/{id}`, { graphql: 'agent' }],
    // `ok` of every REST answer says that the question was answered.
    ['PhoneRouteVerification', `POST ${ADMIN}/phone-routes/{id}/verify`, { rest: 'verified' }],
    ['LaunchReport', `GET ${ADMIN}/agent-versions/{id}/launch-report`, { graphql: 'agent_version' }],
    ['Approval', `PUT ${ADMIN}/agent-versions/{id}/approvals/{name}`],
    ['RolloutPolicy', `GET ${ADMIN}/agents/{id}/rollout-policy`, { graphql: 'candidate_version' }],
    ['RolloutEvent', `GET ${ADMIN}/agents/{id}/rollout-history`],
    ['Scenario', `GET ${ADMIN}/scenarios/{id}`, { graphql: 'agent' }],
    ['Rubric', `GET ${ADMIN}/agents/{id}/rubric`],
    ['WebhookEndpoint', `GET ${ADMIN}/webhook-endpoints`],
    ['WebhookDelivery', `GET ${ADMIN}/webhook-deliveries`],
    ['Diagnostic', `GET ${ADMIN}/diagnostics`],
    ['AuditEntry', `GET ${ADMIN}/audit-log`],
    ['OperationsMetrics', `GET ${ADMIN}/metrics`],
    ['ProviderHealth', `GET ${ADMIN}/provider-health`],
    ['ScheduledCall', 'GET /api/v1/scheduled-calls', { graphql: 'call' }],
    ['CallbackTask', 'GET /api/v1/callbacks', { graphql: 'call result_call' }],
    ['DoNotCallEntry', 'GET /api/v1/dnc'],
    // The documented names of REST.
    ['Call', 'GET /api/v1/call-logs', { graphql: 'agent_version session', rest: 'agent_version_id voice_session_id' }],
    ['Evaluation', 'GET /api/v1/evaluations', { graphql: 'session session_id', rest: 'voice_session_id' }],
  ])('%s has the same fields at %s', (...shown) => expectSame(shown, answerOf(shown[1])));
});

/** What must be given is the same, too. */
function expectSameDemands([type, line, except = {}]: Shown, described: any): void {
  const demanded = (input: GraphQLInputObjectType, { properties, required = [] }: any): [string, boolean, boolean][] =>
    Object.values(input.getFields()).flatMap((field) => {
      const name = snake(field.name);
      if (properties[name] === undefined) return [];
      const named = getNamedType(field.type);
      const nested = objectIn(properties[name]);
      const within =
        isInputObjectType(named) && nested?.properties !== undefined
          ? demanded(named, nested).map(([path, ...doors]): [string, boolean, boolean] => [`${name}.${path}`, ...doors])
          : [];
      return [[name, isNonNullType(field.type), required.includes(name)], ...within];
    });
  const different = demanded(schema().getType(type) as GraphQLInputObjectType, described)
    .filter(([, graphql, rest]) => graphql !== rest)
    .map(([name]) => name);
  expect(different, `${type} and ${line}`).toEqual(words(except.demanded));
}

describe('what both doors take', () => {
  it.each<Shown>([
    ['CreateTenantInput', `POST ${ADMIN}/tenants`],
    ['UpdateTenantInput', `PATCH ${ADMIN}/tenants/{tenant_id}`],
    ['RuntimeConfigInput', `PUT ${ADMIN}/tenants/{tenant_id}/runtime-config`],
    ['CreateApiKeyInput', `POST ${ADMIN}/tenants/{tenant_id}/api-keys`],
    ['ImportBearerTokenInput', `POST ${ADMIN}/tenants/{tenant_id}/api-keys/import`],
    ['TwilioCredentialInput', `POST ${ADMIN}/tenants/{tenant_id}/twilio-credentials`],
    ['TestNumberInput', `POST ${ADMIN}/tenants/{tenant_id}/test-numbers`],
    // GraphQL leaves it to the service to ask for the tenant.
    ['CreatePromptInput', `POST ${ADMIN}/prompts`, { demanded: 'tenant_id' }],
    ['PromptRevisionInput', `POST ${ADMIN}/prompts/{id}/revisions`],
    ['CreateAgentInput', `POST ${ADMIN}/agents`, { demanded: 'tenant_id' }],
    ['UpdateAgentInput', `PATCH ${ADMIN}/agents/{id}`],
    // Whose it is stands in the path, or among the arguments.
    ['CreateAgentVersionInput', `POST ${ADMIN}/agents/{id}/versions`, { graphql: 'agent_id' }],
    ['UpdateAgentVersionInput', `PATCH ${ADMIN}/agent-versions/{id}`],
    ['CreatePhoneRouteInput', `POST ${ADMIN}/phone-routes`, { demanded: 'tenant_id' }],
    ['UpdatePhoneRouteInput', `PATCH ${ADMIN}/phone-routes/{id}`],
    ['RolloutPolicyInput', `PUT ${ADMIN}/agents/{id}/rollout-policy`],
    ['CreateScenarioInput', `POST ${ADMIN}/scenarios`],
    ['UpdateScenarioInput', `PATCH ${ADMIN}/scenarios/{id}`],
    ['RubricInput', `PUT ${ADMIN}/agents/{id}/rubric`],
    ['CreateWebhookEndpointInput', `POST ${ADMIN}/webhook-endpoints`, { rest: 'tenant_id' }],
    ['UpdateWebhookEndpointInput', `PATCH ${ADMIN}/webhook-endpoints/{id}`],
    ['RecordEvaluationInput', 'POST /api/v1/voice-sessions/{id}/evaluations', { graphql: 'session_id' }],
    ['MakeCallInput', 'POST /api/v1/make-call'],
    ['CreateCallbackTaskInput', 'POST /api/v1/callbacks'],
    ['UpdateCallbackTaskInput', 'PATCH /api/v1/callbacks/{id}'],
    // The global list has routes of its own.
    ['AddDoNotCallInput', 'POST /api/v1/dnc', { graphql: 'global' }],
    ['ImportDoNotCallInput', 'POST /api/v1/dnc/import', { graphql: 'global' }],
  ])('%s has the same fields at %s', (...shown) => {
    expectSame(shown, bodyOf(shown[1]));
    expectSameDemands(shown, bodyOf(shown[1]));
  });
});

/** Every change that GraphQL can make, and the route that makes it. */
const ROUTE_OF_MUTATION: Record<string, string> = {
  createTenant: `POST ${ADMIN}/tenants`,
  updateTenant: `PATCH ${ADMIN}/tenants/{tenant_id}`,
  suspendTenant: `POST ${ADMIN}/tenants/{tenant_id}/suspend`,
  resumeTenant: `POST ${ADMIN}/tenants/{tenant_id}/resume`,
  setRuntimeConfig: `PUT ${ADMIN}/tenants/{tenant_id}/runtime-config`,
  createApiKey: `POST ${ADMIN}/tenants/{tenant_id}/api-keys`,
  importBearerToken: `POST ${ADMIN}/tenants/{tenant_id}/api-keys/import`,
  revokeApiKey: `DELETE ${ADMIN}/tenants/{tenant_id}/api-keys/{key_id}`,
  setTwilioCredential: `POST ${ADMIN}/tenants/{tenant_id}/twilio-credentials`,
  removeTwilioCredential: `DELETE ${ADMIN}/tenants/{tenant_id}/twilio-credentials/{id}`,
  addTestNumber: `POST ${ADMIN}/tenants/{tenant_id}/test-numbers`,
  removeTestNumber: `DELETE ${ADMIN}/tenants/{tenant_id}/test-numbers/{id}`,
  decideApiAccessRequest: `PATCH ${ADMIN}/api-access-requests/{id}`,
  createPrompt: `POST ${ADMIN}/prompts`,
  createPromptRevision: `POST ${ADMIN}/prompts/{id}/revisions`,
  publishPromptRevision: `POST ${ADMIN}/prompts/{id}/publish`,
  createAgent: `POST ${ADMIN}/agents`,
  updateAgent: `PATCH ${ADMIN}/agents/{id}`,
  createAgentVersion: `POST ${ADMIN}/agents/{id}/versions`,
  updateAgentVersion: `PATCH ${ADMIN}/agent-versions/{id}`,
  publishAgentVersion: `POST ${ADMIN}/agent-versions/{id}/publish`,
  approveAgentVersion: `PUT ${ADMIN}/agent-versions/{id}/approvals/{name}`,
  withdrawApproval: `DELETE ${ADMIN}/agent-versions/{id}/approvals/{name}`,
  setRolloutPolicy: `PUT ${ADMIN}/agents/{id}/rollout-policy`,
  rollbackAgent: `POST ${ADMIN}/agents/{id}/rollback`,
  createPhoneRoute: `POST ${ADMIN}/phone-routes`,
  updatePhoneRoute: `PATCH ${ADMIN}/phone-routes/{id}`,
  deletePhoneRoute: `DELETE ${ADMIN}/phone-routes/{id}`,
  verifyPhoneRoute: `POST ${ADMIN}/phone-routes/{id}/verify`,
  createScenario: `POST ${ADMIN}/scenarios`,
  updateScenario: `PATCH ${ADMIN}/scenarios/{id}`,
  deleteScenario: `DELETE ${ADMIN}/scenarios/{id}`,
  startSyntheticRun: `POST ${ADMIN}/agent-versions/{id}/synthetic-runs`,
  cancelSyntheticRun: `POST ${ADMIN}/synthetic-runs/{id}/cancel`,
  setRubric: `PUT ${ADMIN}/agents/{id}/rubric`,
  deleteRubric: `DELETE ${ADMIN}/agents/{id}/rubric`,
  createWebhookEndpoint: `POST ${ADMIN}/webhook-endpoints`,
  updateWebhookEndpoint: `PATCH ${ADMIN}/webhook-endpoints/{id}`,
  deleteWebhookEndpoint: `DELETE ${ADMIN}/webhook-endpoints/{id}`,
  rotateWebhookSecret: `POST ${ADMIN}/webhook-endpoints/{id}/rotate-secret`,
  redeliverWebhookEvent: `POST ${ADMIN}/webhook-events/{event_id}/redeliver`,
  redeliverFailedWebhooks: `POST ${ADMIN}/webhook-deliveries/redeliver-failed`,
  resolveDiagnostic: `POST ${ADMIN}/diagnostics/{id}/resolve`,
  makeCall: 'POST /api/v1/make-call',
  cancelScheduledCall: 'DELETE /api/v1/scheduled-calls/{id}',
  recordEvaluation: 'POST /api/v1/voice-sessions/{id}/evaluations',
  createCallbackTask: 'POST /api/v1/callbacks',
  updateCallbackTask: 'PATCH /api/v1/callbacks/{id}',
  claimCallbackTask: 'PATCH /api/v1/callbacks/{id}',
  claimNextCallbackTask: 'POST /api/v1/callbacks/claim',
  addDoNotCall: 'POST /api/v1/dnc',
  importDoNotCall: 'POST /api/v1/dnc/import',
  removeDoNotCall: 'DELETE /api/v1/dnc/{id}',
  endCall: `POST ${ADMIN}/calls/{call_sid}/end`,
  transferCall: `POST ${ADMIN}/calls/{call_sid}/transfer`,
  escalateCall: `POST ${ADMIN}/calls/{call_sid}/escalate`,
  sayToCaller: `POST ${ADMIN}/calls/{call_sid}/say`,
  whisperToAgent: `POST ${ADMIN}/calls/{call_sid}/whisper`,
  muteAgent: `POST ${ADMIN}/calls/{call_sid}/mute`,
  unmuteAgent: `POST ${ADMIN}/calls/{call_sid}/unmute`,
  takeOver: `POST ${ADMIN}/calls/{call_sid}/take-over`,
  handBack: `POST ${ADMIN}/calls/{call_sid}/hand-back`,
};

it('every mutation has its route, and every route of admins that changes something its mutation', () => {
  const { Mutation: mutations } = schema().getTypeMap() as Record<string, GraphQLObjectType>;
  const fields: Record<string, GraphQLField<unknown, unknown>> = mutations!.getFields();
  expect(Object.keys(ROUTE_OF_MUTATION).toSorted()).toEqual(Object.keys(fields).toSorted());
  for (const line of Object.values(ROUTE_OF_MUTATION)) expect(operation(line), line).toBeDefined();
  const changes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods)
      .filter((method) => method !== 'get' && path.startsWith(ADMIN))
      .map((method) => `${method.toUpperCase()} ${path}`),
  );
  const known = new Set(Object.values(ROUTE_OF_MUTATION));
  // The console's cookie is of no use to GraphQL; `global: true` of the mutations is a list of its own here.
  expect(changes.filter((line) => !known.has(line) && !/\/admin\/(session$|dnc)/.test(line))).toEqual([]);
});
