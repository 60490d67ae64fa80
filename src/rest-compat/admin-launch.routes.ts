import { Type } from 'typebox';
import { GATE_STATUSES } from '../services/launch-gates.js';
import { AdminRoutes } from './admin-route.js';
import type { RestApp, RestDoorOptions } from './deps.js';
import { lower, lowerAll } from './naming.js';
import { resource } from './resource.js';
import { Anything, Maybe, Nullable, Text, Time, Word } from './schemas.js';

const text = Type.String();

const ApprovalRow = resource({
  id: text,
  agent_version_id: text,
  name: text,
  note: Nullable(text),
  approved_by: text,
  created_at: Time(),
});
const LaunchReportRow = resource({
  agent_version_id: text,
  passed: Type.Boolean({ description: 'Every gate holds or does not apply.' }),
  gates: Type.Array(
    Type.Object({
      name: Type.String({ examples: ['synthetic_calls'] }),
      title: text,
      status: Word(lowerAll(GATE_STATUSES)),
      required: Nullable(Type.Number({ description: 'A number of things, or a rate or score 0-1.' })),
      observed: Nullable(Type.Number()),
      evidence: Anything('What was counted, by gate.'),
      missing: Type.Array(text, { description: 'In words; empty when nothing is.' }),
    }),
  ),
  approvals: Type.Array(
    Type.Object({
      name: text,
      note: Nullable(text),
      approved_by: text,
      created_at: Time(),
      current: Type.Boolean({ description: 'False: the contract changed since, and it counts no more.' }),
    }),
  ),
  cleared_at: Nullable(Time('When customers were last let in; null: never.')),
  cleared_by: Nullable(text),
  forced_reason: Nullable(text),
  evaluated_at: Time(),
});

/** What must hold before customers reach a version, and who approved of it. */
export async function launchRoutes(
  app: RestApp,
  { services: { launchGates, approvals } }: RestDoorOptions,
): Promise<void> {
  const routes = new AdminRoutes(app, 'launch gates');
  routes.one(
    'GET /agent-versions/:id/launch-report',
    { summary: 'Each launch gate, its evidence and what is missing, as of now', answer: LaunchReportRow.schema },
    async ({ viewer, ids }) => {
      const report = await launchGates.report(viewer, ids.id);
      const gates = report.gates.map((gate) => ({ ...gate, status: lower(gate.status) }));
      return LaunchReportRow.of({ ...report, gates });
    },
  );
  routes.one(
    'PUT /agent-versions/:id/approvals/:name',
    {
      summary: 'Approve a version as it is now',
      description: 'The name is one of the tenant’s required approvals. An approval before of that name is replaced.',
      body: { note: Maybe(Text(2_000)) },
      answer: ApprovalRow.schema,
    },
    async ({ viewer, ids, input }) => ApprovalRow.of(await approvals.give(viewer, ids.id, ids.name, input.note)),
  );
  routes.one(
    'DELETE /agent-versions/:id/approvals/:name',
    { summary: 'Take an approval back; a version that is live stays so', answer: ApprovalRow.schema },
    async ({ viewer, ids }) => ApprovalRow.of(await approvals.withdraw(viewer, ids.id, ids.name)),
  );
}
