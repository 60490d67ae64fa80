import { Type } from 'typebox';
import type { Scenario } from '../entities/index.js';
import { recordedMs } from '../services/scenarios.js';
import { AdminRoutes } from './admin-route.js';
import type { RestApp, RestDoorOptions } from './deps.js';
import { resource } from './resource.js';
import { Maybe, Nullable, Strict, tenantQuery, Text, Time } from './schemas.js';

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
