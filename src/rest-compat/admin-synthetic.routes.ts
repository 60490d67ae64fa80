import { Type } from 'typebox';
import {
  SYNTHETIC_CALL_STATUSES,
  SYNTHETIC_RUN_STATUSES,
  type Scenario,
  type SyntheticCall,
  type SyntheticRun,
} from '../entities/index.js';
import { recordedMs } from '../services/scenarios.js';
import { AdminRoutes } from './admin-route.js';
import type { RestApp, RestDoorOptions } from './deps.js';
import { lowerAll } from './naming.js';
import { resource } from './resource.js';
import type { Viewer } from '../services/viewer.js';
import { Maybe, Nullable, Strict, tenantQuery, Text, Time, Word } from './schemas.js';

const text = Type.String();
const nullable = Nullable(Type.String());
const agentQuery = { agent_id: Type.Optional(Text(100, { description: 'Only of this agent.' })) };

const scenarioRow = resource({
  id: text,
  tenant_id: text,
  agent_id: text,
  name: text,
  intent: text,
  persona: nullable,
  caller_lines: Type.Array(
    Type.Object({
      text,
      recorded_ms: Nullable(Type.Integer({ description: 'Null: a realtime session speaks it.' })),
    }),
  ),
  expected_outcome: nullable,
  expected_tools: Type.Array(text),
  must_say: Type.Array(text),
  must_not_say: Type.Array(text),
  escalation_path: nullable,
  active: Type.Boolean(),
  created_at: Time(),
  updated_at: Time(),
});

/** Recordings are shown by their length: their bytes are only ever taken in. */
const ScenarioRow = {
  ...scenarioRow,
  of: (scenario: Scenario) =>
    scenarioRow.of(scenario, {
      caller_lines: scenario.callerLines.map((line) => ({
        text: line.text,
        recorded_ms: line.audio === null ? null : recordedMs(line.audio),
      })),
    }),
};

const ScenarioFields = {
  persona: Maybe(Type.String({ description: 'Who calls and what they want, for a caller who improvises.' })),
  caller_lines: Maybe(
    Type.Array(
      Strict({
        text,
        audio: Maybe(
          Type.String({
            description:
              'A recording, base64 of µ-law at 8 kHz. Left out: a line of the same text keeps its recording, else it is spoken.',
          }),
        ),
      }),
      { description: 'Said in order, word for word, instead of the persona.' },
    ),
  ),
  expected_outcome: Maybe(text),
  expected_tools: Maybe(Type.Array(text)),
  must_say: Maybe(Type.Array(text)),
  must_not_say: Maybe(Type.Array(text)),
  escalation_path: Maybe(
    Type.String({
      description: 'A rule’s trigger, an action, a target, or words of the reason. Null: no escalation may happen.',
    }),
  ),
  active: Maybe(Type.Boolean({ description: 'Whether runs that name no scenarios take it.' })),
};

/** What synthetic callers do and what is expected of the agent. */
export async function scenarioRoutes(app: RestApp, { services: { scenarios } }: RestDoorOptions): Promise<void> {
  const routes = new AdminRoutes(app, 'synthetic calls');
  routes.list(
    'GET /scenarios',
    {
      summary: 'Scenarios, newest first',
      row: ScenarioRow,
      query: { ...tenantQuery, ...agentQuery },
    },
    ({ viewer, query }, page) => scenarios.list(viewer, { tenantId: query.tenant_id, agentId: query.agent_id }, page),
  );
  routes.one(
    'POST /scenarios',
    {
      summary: 'Create a scenario',
      body: { agent_id: text, name: text, intent: text, ...ScenarioFields },
      answer: ScenarioRow.schema,
      fails: [409],
    },
    async ({ viewer, input }) => ScenarioRow.of(await scenarios.create(viewer, input)),
  );
  routes.one('GET /scenarios/:id', { summary: 'One scenario', answer: ScenarioRow.schema }, async ({ viewer, ids }) =>
    ScenarioRow.of(await scenarios.get(viewer, ids.id)),
  );
  routes.one(
    'PATCH /scenarios/:id',
    {
      summary: 'Change a scenario',
      body: { name: Type.Optional(text), intent: Type.Optional(text), ...ScenarioFields },
      answer: ScenarioRow.schema,
      fails: [409],
    },
    async ({ viewer, ids, input }) => ScenarioRow.of(await scenarios.update(viewer, ids.id, input)),
  );
  routes.one(
    'DELETE /scenarios/:id',
    { summary: 'Remove a scenario that was never run', answer: ScenarioRow.schema, fails: [409] },
    async ({ viewer, ids }) => ScenarioRow.of(await scenarios.remove(viewer, ids.id)),
  );
}

const runRow = resource(
  {
    id: text,
    tenant_id: text,
    agent_version_id: text,
    status: Word(lowerAll(SYNTHETIC_RUN_STATUSES)),
    count: Type.Integer(),
    concurrency: Type.Integer(),
    passed: Type.Integer(),
    failed: Type.Integer(),
    simulated_model: Type.Boolean({
      description: 'Played against the built-in model simulator: no evidence for a launch gate, except in a sandbox.',
    }),
    started_by: text,
    started_at: Nullable(Time()),
    ended_at: Nullable(Time()),
    created_at: Time(),
  },
  ['status'],
);
const RunRow = { ...runRow, of: (run: SyntheticRun) => runRow.of(run, { simulated_model: run.simulated }) };

const CallRow = resource(
  {
    id: text,
    scenario_id: text,
    scenario_name: text,
    intent: text,
    call_id: nullable,
    voice_session_id: nullable,
    status: Word(lowerAll(SYNTHETIC_CALL_STATUSES)),
    failures: Type.Array(text, { description: 'Why it failed; empty when it passed or is not over.' }),
    checks: Type.Array(
      Type.Object({
        check: text,
        passed: Type.Boolean(),
        detail: text,
        turn_index: Nullable(Type.Integer({ description: 'Of the turn that shows it.' })),
        turn_id: nullable,
        judge: Type.String({ description: '`exact`, or the text model that decided.' }),
      }),
    ),
  },
  ['status'],
);
const RunReport = Type.Object({ ...runRow.schema.properties, calls: Type.Array(CallRow.schema) });

/** Runs of synthetic calls, and what became of each call. */
export async function syntheticRunRoutes(app: RestApp, { services }: RestDoorOptions): Promise<void> {
  const { syntheticRuns, scenarios, callsQuery } = services;
  const routes = new AdminRoutes(app, 'synthetic calls');

  const report = async (viewer: Viewer, run: SyntheticRun) => {
    const calls = await syntheticRuns.callsOf(viewer, [run.id]);
    const byId = new Map((await scenarios.byIds(viewer, unique(calls, 'scenarioId'))).map((row) => [row.id, row]));
    const sessions = await callsQuery.sessionsOf(viewer, unique(calls, 'callId'));
    return {
      ...RunRow.of(run),
      calls: calls.map((call) =>
        CallRow.of(call, {
          scenario_name: byId.get(call.scenarioId)?.name ?? '',
          intent: byId.get(call.scenarioId)?.intent ?? '',
          voice_session_id: sessions.find((session) => session.callId === call.callId)?.id ?? null,
          failures: call.checks.filter((check) => !check.passed).map((check) => check.detail),
        }),
      ),
    };
  };

  routes.one(
    'POST /agent-versions/:id/synthetic-runs',
    {
      summary: 'Call a version through the gateway’s own doors',
      description: 'The scenarios take turns. Nothing of it reaches a carrier, a tenant’s webhooks or the metrics.',
      body: {
        count: Maybe(Type.Integer({ description: 'Calls to place; 20 by default.' })),
        scenario_ids: Maybe(Type.Array(text, { description: 'Default: every active one of the agent.' })),
        concurrency: Maybe(Type.Integer({ description: 'Calls at once; 5 by default.' })),
      },
      answer: RunRow.schema,
      fails: [422],
    },
    async ({ viewer, ids, input }) =>
      RunRow.of(await syntheticRuns.start(viewer, { ...input, agentVersionId: ids.id })),
  );
  routes.list(
    'GET /synthetic-runs',
    {
      summary: 'Runs, newest first',
      row: RunRow,
      query: { ...tenantQuery, agent_version_id: Type.Optional(Text(100, { description: 'Only of this version.' })) },
    },
    ({ viewer, query }, page) =>
      syntheticRuns.list(viewer, { tenantId: query.tenant_id, agentVersionId: query.agent_version_id }, page),
  );
  routes.one(
    'GET /synthetic-runs/:id',
    { summary: 'One run, with the report of each call', answer: RunReport },
    async ({ viewer, ids }) => report(viewer, await syntheticRuns.get(viewer, ids.id)),
  );
  routes.one(
    'POST /synthetic-runs/:id/cancel',
    { summary: 'Place no more calls, and hang up those that run', body: {}, answer: RunRow.schema },
    async ({ viewer, ids }) => RunRow.of(await syntheticRuns.cancel(viewer, ids.id)),
  );
}

function unique(calls: readonly SyntheticCall[], field: 'scenarioId' | 'callId'): string[] {
  return [...new Set(calls.flatMap((call) => call[field] ?? []))];
}
