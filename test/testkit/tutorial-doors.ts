import { camelDeep, snakeDeep } from '../../src/rest-compat/naming.js';
import { ADMIN_KEY, type TestGateway } from './gateway.js';
import { graphql, socketClient } from './graphql.js';
import { until } from './until.js';

/** What a door answers, in the names of GraphQL; a refusal is `{ code, details }`. */
export type Told = any;

/** Everything that the tutorial does, at one of the two doors. Inputs are in the names of GraphQL. */
export interface TutorialDoor {
  createTenant(input: object): Promise<Told>;
  setRuntimeConfig(tenantId: string, input: object): Promise<Told>;
  createPrompt(input: object): Promise<Told>;
  createAgent(input: object): Promise<Told>;
  createAgentVersion(input: { agentId: string; fromVersionId?: string; [name: string]: unknown }): Promise<Told>;
  createPhoneRoute(input: object): Promise<Told>;
  verifyPhoneRoute(id: string): Promise<{ ok: boolean }>;
  /** The key's secret. */
  createApiKey(tenantId: string): Promise<string>;
  createScenario(input: object): Promise<Told>;
  /** Starts a run, waits for its end, and tells of each call. */
  runSynthetic(versionId: string, count: number): Promise<{ passed: number; failures: string[]; sessions: string[] }>;
  launchReport(versionId: string): Promise<{ passed: boolean; gates: { name: string; status: string }[] }>;
  approve(versionId: string, name: string): Promise<Told>;
  publish(versionId: string): Promise<Told>;
  setRolloutPolicy(agentId: string, input: object): Promise<Told>;
  rollback(agentId: string, reason: string): Promise<Told>;
  /** Newest first. */
  history(tenantId: string, agentId: string): Promise<{ action: string; by: string; reason: string | null }[]>;
  /** Actions on the audit log, newest first. */
  auditLog(tenantId: string): Promise<string[]>;
  recordEvaluation(key: string, sessionId: string, score: number): Promise<Told>;
  makeCall(key: string, input: object): Promise<Told>;
  /** The agent version of each real call of this direction, and its status. */
  calls(key: string, direction: 'INBOUND' | 'OUTBOUND'): Promise<{ status: string; agentVersionId: string | null }[]>;
}

const CONCURRENCY = 10;
const RUN_PATIENCE_MS = 240_000;

export function graphqlDoor(gateway: TestGateway): TutorialDoor {
  const ask = async (field: string, query: string, variables: object, key?: string): Promise<Told> => {
    const { data, errors } = await graphql(gateway, query, variables as Record<string, unknown>, key);
    if (errors === undefined) return data[field];
    const { code, details = [] } = errors[0]!.extensions;
    return { code, details };
  };
  /** A mutation with one `input`. */
  const create = (field: string, type: string, shown: string) => (input: object) =>
    ask(field, `mutation ($input: ${type}!) { ${field}(input: $input) { ${shown} } }`, { input });
  return {
    createTenant: create('createTenant', 'CreateTenantInput', 'id sandbox'),
    createPrompt: create('createPrompt', 'CreatePromptInput', 'id'),
    createAgent: create('createAgent', 'CreateAgentInput', 'id'),
    createAgentVersion: create('createAgentVersion', 'CreateAgentVersionInput', 'id number status'),
    createPhoneRoute: create('createPhoneRoute', 'CreatePhoneRouteInput', 'id'),
    createScenario: create('createScenario', 'CreateScenarioInput', 'id'),
    setRuntimeConfig: (tenantId, input) =>
      ask(
        'setRuntimeConfig',
        `mutation ($tenantId: ID!, $input: RuntimeConfigInput!) {
          setRuntimeConfig(tenantId: $tenantId, input: $input) { model webhookSecret } }`,
        { tenantId, input },
      ),
    verifyPhoneRoute: (id) =>
      ask('verifyPhoneRoute', `mutation ($id: ID!) { verifyPhoneRoute(id: $id) { ok problems } }`, { id }),
    createApiKey: async (tenantId) =>
      (
        await ask(
          'createApiKey',
          `mutation ($tenantId: ID!) { createApiKey(tenantId: $tenantId, input: { name: "app" }) { secret } }`,
          { tenantId },
        )
      ).secret,
    runSynthetic: async (id, count) => {
      const run = await ask(
        'startSyntheticRun',
        `mutation ($id: ID!, $count: Int!) {
          startSyntheticRun(agentVersionId: $id, count: $count, concurrency: ${CONCURRENCY}) { id } }`,
        { id, count },
      );
      const { client } = socketClient(gateway, { 'x-admin-key': ADMIN_KEY });
      const query = `subscription ($id: ID!) { syntheticRunUpdated(runId: $id) { status passed
        calls { checks { passed detail } session { id } } } }`;
      try {
        for await (const { data } of client.iterate<Told>({ query, variables: { id: run.id } })) {
          const { status, passed, calls } = data.syntheticRunUpdated;
          if (status === 'QUEUED' || status === 'RUNNING') continue;
          const checks = calls.flatMap((call: Told) => call.checks);
          return {
            passed,
            failures: checks.filter((check: Told) => !check.passed).map((check: Told) => check.detail),
            sessions: calls.flatMap((call: Told) => call.session?.id ?? []),
          };
        }
        throw new Error('the feed of the run ended before the run');
      } finally {
        await client.dispose();
      }
    },
    launchReport: (id) =>
      ask(
        'launchReport',
        `query ($id: ID!) { launchReport(agentVersionId: $id) { passed gates { name status missing } } }`,
        { id },
      ),
    approve: (id, name) =>
      ask(
        'approveAgentVersion',
        `mutation ($id: ID!, $name: String!) {
          approveAgentVersion(agentVersionId: $id, name: $name, note: "seen") { name approvedBy } }`,
        { id, name },
      ),
    publish: (id) =>
      ask('publishAgentVersion', `mutation ($id: ID!) { publishAgentVersion(id: $id) { status forcedReason } }`, {
        id,
      }),
    setRolloutPolicy: (agentId, input) =>
      ask(
        'setRolloutPolicy',
        `mutation ($agentId: ID!, $input: RolloutPolicyInput!) {
          setRolloutPolicy(agentId: $agentId, input: $input) { candidateVersionId percentage } }`,
        { agentId, input },
      ),
    rollback: (agentId, reason) =>
      ask(
        'rollbackAgent',
        `mutation ($agentId: ID!, $reason: String!) {
          rollbackAgent(agentId: $agentId, reason: $reason) { id publishedVersion { id } } }`,
        { agentId, reason },
      ),
    history: async (tenantId) =>
      (
        await ask(
          'agent',
          `query ($tenantId: ID!) { agent(key: "front_desk", tenantId: $tenantId) {
            rolloutHistory { edges { node { action by reason } } } } }`,
          { tenantId },
        )
      ).rolloutHistory.edges.map((edge: Told) => edge.node),
    auditLog: async (tenantId) =>
      (
        await ask(
          'auditLog',
          `query ($tenantId: ID!) { auditLog(filter: { tenantId: $tenantId }, first: 100) { edges { node { action } } } }`,
          { tenantId },
        )
      ).edges.map((edge: Told) => edge.node.action),
    recordEvaluation: (key, sessionId, score) =>
      ask(
        'recordEvaluation',
        `mutation ($input: RecordEvaluationInput!) { recordEvaluation(input: $input) { score } }`,
        { input: { sessionId, score } },
        key,
      ),
    makeCall: async (key, input) => {
      const told = await ask(
        'makeCall',
        `mutation ($input: MakeCallInput!) { makeCall(input: $input) { call { id callSid toNumber } } }`,
        { input },
        key,
      );
      return told.call ?? told;
    },
    calls: async (key, direction) =>
      (
        await ask(
          'calls',
          `query ($direction: CallDirection!) {
            calls(filter: { direction: $direction }, first: 100) { edges { node { status synthetic agentVersion { id } } } } }`,
          { direction },
          key,
        )
      ).edges
        .filter(({ node }: Told) => !node.synthetic)
        .map(({ node }: Told) => ({ status: node.status, agentVersionId: node.agentVersion?.id ?? null })),
  };
}

export function restDoor(gateway: TestGateway): TutorialDoor {
  const told = ({ status, body }: { status: number; body: Told }): Told =>
    status < 300 ? camelDeep(body) : { code: body.code, details: body.details ?? [] };
  const admin = async (method: string, path: string, input?: object) =>
    told(await gateway.admin(method, path, input === undefined ? undefined : snakeDeep(input)));
  const tenant = async (method: string, path: string, key: string, input?: object) =>
    told(
      await gateway.call(method, `/api/v1${path}`, { key, ...(input === undefined ? {} : { body: snakeDeep(input) }) }),
    );
  const upper = (word: string) => word.toUpperCase().replaceAll('-', '_');
  return {
    createTenant: (input) => admin('POST', '/tenants', input),
    setRuntimeConfig: (tenantId, input) => admin('PUT', `/tenants/${tenantId}/runtime-config`, input),
    createPrompt: (input) => admin('POST', '/prompts', input),
    createAgent: (input) => admin('POST', '/agents', input),
    createAgentVersion: async ({ agentId, ...input }) => {
      const version = await admin('POST', `/agents/${agentId}/versions`, input);
      return { ...version, status: upper(version.status) };
    },
    createPhoneRoute: (input) => admin('POST', '/phone-routes', input),
    verifyPhoneRoute: async (id) => ({ ok: (await admin('POST', `/phone-routes/${id}/verify`)).verified }),
    createApiKey: async (tenantId) => (await admin('POST', `/tenants/${tenantId}/api-keys`, { name: 'app' })).key,
    createScenario: (input) => admin('POST', '/scenarios', input),
    runSynthetic: async (id, count) => {
      const { id: runId } = await admin('POST', `/agent-versions/${id}/synthetic-runs`, {
        count,
        concurrency: CONCURRENCY,
      });
      const run = await until(
        async () => {
          const now = await admin('GET', `/synthetic-runs/${runId}`);
          return ['queued', 'running'].includes(now.status) ? null : now;
        },
        'the end of the run',
        RUN_PATIENCE_MS,
      );
      return {
        passed: run.passed,
        failures: run.calls.flatMap((call: Told) => call.failures),
        sessions: run.calls.flatMap((call: Told) => call.voiceSessionId ?? []),
      };
    },
    launchReport: async (id) => {
      const report = await admin('GET', `/agent-versions/${id}/launch-report`);
      const gates = report.gates.map((gate: Told) => ({ ...gate, status: upper(gate.status) }));
      return { ...report, gates };
    },
    approve: (id, name) => admin('PUT', `/agent-versions/${id}/approvals/${name}`, { note: 'seen' }),
    publish: async (id) => {
      const answer = await admin('POST', `/agent-versions/${id}/publish`);
      return answer.status === undefined ? answer : { ...answer, status: upper(answer.status) };
    },
    setRolloutPolicy: (agentId, input) => admin('PUT', `/agents/${agentId}/rollout-policy`, input),
    rollback: async (agentId, reason) => {
      const agent = await admin('POST', `/agents/${agentId}/rollback`, { reason });
      return { ...agent, publishedVersion: { id: agent.publishedVersionId } };
    },
    history: async (_tenantId, agentId) =>
      (await admin('GET', `/agents/${agentId}/rollout-history`)).data.map((row: Told) => ({
        ...row,
        action: upper(row.action),
      })),
    auditLog: async (tenantId) =>
      (await admin('GET', `/audit-log?tenant_id=${tenantId}&limit=100`)).data.map((row: Told) => row.action),
    recordEvaluation: (key, sessionId, score) =>
      tenant('POST', `/voice-sessions/${sessionId}/evaluations`, key, { score }),
    makeCall: async (key, input) => {
      const answer = await tenant('POST', '/make-call', key, input);
      return answer.code === undefined ? { ...answer, toNumber: answer.to } : answer;
    },
    calls: async (key, direction) =>
      (await tenant('GET', `/call-logs?limit=100&direction=${direction.toLowerCase()}`, key)).data.map((row: Told) => ({
        status: upper(row.status),
        agentVersionId: row.agentVersionId,
      })),
  };
}
