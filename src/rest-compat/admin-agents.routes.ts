import { Type } from 'typebox';
import { Contract, Fallback, Hours, OpeningHours } from './admin-parts.js';
import {
  AgentRow,
  AgentVersionRow,
  PhoneRouteRow,
  PromptRevisionRow,
  PromptRow,
  RouteVerificationRow,
} from './admin-resources.js';
import { AdminRoutes } from './admin-route.js';
import type { RestApp, RestDoorOptions } from './deps.js';
import { upper } from './naming.js';
import { Maybe, tenantQuery, Text, Word } from './schemas.js';

const text = Type.String();
const keyQuery = { key: Type.Optional(Text(100, { description: 'Only of this key.' })) };
const Diff = Type.Object({ diff: Type.String({ description: 'Unified line diff; empty when nothing differs.' }) });

/** Agents and their versions: the contract as data, and which of them customers reach. */
export async function agentRoutes(
  app: RestApp,
  { services: { agents, agentVersions } }: RestDoorOptions,
): Promise<void> {
  const routes = new AdminRoutes(app, 'agents');
  routes.list(
    'GET /agents',
    { summary: 'Agents, newest first', row: AgentRow, query: { ...tenantQuery, ...keyQuery } },
    ({ viewer, query: { tenant_id: tenantId, key } }, page) => agents.list(viewer, { tenantId, key }, page),
  );
  routes.one(
    'POST /agents',
    {
      summary: 'Create an agent',
      body: {
        tenant_id: text,
        key: Type.String({ description: 'What `make-call` names; it never changes.', examples: ['front_desk'] }),
        name: Maybe(text),
        calling_hours: Maybe(Hours),
      },
      answer: AgentRow.schema,
      fails: [409],
    },
    async ({ viewer, input }) => AgentRow.of(await agents.create(viewer, input)),
  );
  routes.one('GET /agents/:id', { summary: 'One agent', answer: AgentRow.schema }, async ({ viewer, ids }) =>
    AgentRow.of(await agents.get(viewer, ids.id)),
  );
  routes.one(
    'PATCH /agents/:id',
    {
      summary: 'Change an agent',
      body: { name: Type.Optional(text), calling_hours: Maybe(Hours) },
      answer: AgentRow.schema,
    },
    async ({ viewer, ids, input }) => AgentRow.of(await agents.update(viewer, ids.id, input)),
  );
  routes.list(
    'GET /agents/:id/versions',
    { summary: 'Versions of an agent, newest first', row: AgentVersionRow },
    ({ viewer, ids }, page) => agents.versionList(viewer, ids.id, page),
  );
  routes.one(
    'POST /agents/:id/versions',
    {
      summary: 'Create a draft version',
      description: 'The agent contract as data. It can be changed while it is a draft, and never afterwards.',
      body: {
        ...Contract,
        from_version_id: Maybe(Type.String({ description: 'Starts from this version’s contract.' })),
      },
      answer: AgentVersionRow.schema,
    },
    async ({ viewer, ids, input }) =>
      AgentVersionRow.of(await agentVersions.create(viewer, { ...input, agentId: ids.id })),
  );
  routes.one(
    'GET /agent-versions/:id',
    { summary: 'One version', answer: AgentVersionRow.schema },
    async ({ viewer, ids }) => AgentVersionRow.of(await agentVersions.get(viewer, ids.id)),
  );
  routes.one(
    'PATCH /agent-versions/:id',
    { summary: 'Change a draft', body: Contract, answer: AgentVersionRow.schema, fails: [409] },
    async ({ viewer, ids, input }) => AgentVersionRow.of(await agentVersions.update(viewer, ids.id, input)),
  );
  routes.one(
    'POST /agent-versions/:id/publish',
    {
      summary: 'Give a version all customer traffic of its agent',
      description: 'Refused with 422 while a launch gate fails; `force` needs a reason, which goes on the audit log.',
      body: { force: Type.Optional(Type.Boolean()), reason: Maybe(Text(2_000)) },
      answer: AgentVersionRow.schema,
      fails: [409, 422],
    },
    async ({ viewer, ids, input }) => AgentVersionRow.of(await agentVersions.publish(viewer, ids.id, input)),
  );
  routes.one(
    'GET /agent-versions/:id/diff/:other_id',
    { summary: 'What differs between two versions', answer: Diff },
    async ({ viewer, ids }) => ({ diff: await agentVersions.diff(viewer, ids.id, ids.other_id) }),
  );
}

/** System prompts and their immutable revisions. */
export async function promptRoutes(app: RestApp, { services: { prompts } }: RestDoorOptions): Promise<void> {
  const routes = new AdminRoutes(app, 'prompts');
  const revision = {
    text: Type.String({ examples: ['You greet {{customer_name}}.'] }),
    variables: Maybe(Type.Array(text, { description: 'Every `{{name}}` of the text; left out: taken from it.' })),
    note: Maybe(text),
  };
  routes.list(
    'GET /prompts',
    { summary: 'Prompts, newest first', row: PromptRow, query: { ...tenantQuery, ...keyQuery } },
    ({ viewer, query: { tenant_id: tenantId, key } }, page) => prompts.list(viewer, { tenantId, key }, page),
  );
  routes.one(
    'POST /prompts',
    {
      summary: 'Create a prompt with its first revision',
      body: { tenant_id: text, key: text, name: Maybe(text), publish: Maybe(Type.Boolean()), ...revision },
      answer: PromptRow.schema,
      fails: [409],
    },
    async ({ viewer, input }) => PromptRow.of(await prompts.create(viewer, input)),
  );
  routes.one('GET /prompts/:id', { summary: 'One prompt', answer: PromptRow.schema }, async ({ viewer, ids }) =>
    PromptRow.of(await prompts.get(viewer, ids.id)),
  );
  routes.list(
    'GET /prompts/:id/revisions',
    { summary: 'Revisions of a prompt, newest first', row: PromptRevisionRow },
    ({ viewer, ids }, page) => prompts.revisionList(viewer, ids.id, page),
  );
  routes.one(
    'GET /prompts/:id/revisions/:number',
    { summary: 'One revision', answer: PromptRevisionRow.schema },
    async ({ viewer, ids }) => PromptRevisionRow.of(await prompts.revision(viewer, ids.id, Number(ids.number))),
  );
  routes.one(
    'POST /prompts/:id/revisions',
    { summary: 'Add a revision', body: revision, answer: PromptRevisionRow.schema },
    async ({ viewer, ids, input }) => PromptRevisionRow.of(await prompts.addRevision(viewer, ids.id, input)),
  );
  routes.one(
    'POST /prompts/:id/publish',
    {
      summary: 'Let the key resolve to a revision',
      body: { revision: Type.Integer({ minimum: 1 }) },
      answer: PromptRow.schema,
    },
    async ({ viewer, ids, input }) => PromptRow.of(await prompts.publish(viewer, ids.id, input.revision)),
  );
  routes.one(
    'GET /prompts/:id/diff',
    {
      summary: 'What differs between two revisions',
      query: { from: Type.Integer({ minimum: 1 }), to: Type.Integer({ minimum: 1 }) },
      answer: Diff,
    },
    async ({ viewer, ids, query }) => ({ diff: await prompts.diff(viewer, ids.id, query.from, query.to) }),
  );
}

/** Numbers and who answers them. */
export async function phoneRouteRoutes(app: RestApp, { services: { phoneRoutes } }: RestDoorOptions): Promise<void> {
  const routes = new AdminRoutes(app, 'phone routes');
  const fields = {
    agent_key: Maybe(text),
    agent_id: Maybe(text),
    agent_version_id: Maybe(Type.String({ description: 'Pins a cleared version; null: the published one.' })),
    direction: Maybe(Word(['inbound', 'outbound', 'both'])),
    is_default: Maybe(Type.Boolean({ description: 'The one that `make-call` takes without `from`.' })),
    business_hours: Maybe(OpeningHours),
    fallback: Maybe(Fallback),
    transfer_number: Maybe(text),
    active: Maybe(Type.Boolean()),
    force: Maybe(Type.Boolean({ description: 'Lets callers in although a launch gate about them fails.' })),
    reason: Maybe(Text(2_000, { description: 'Needed with `force`; goes on the audit log.' })),
  };
  routes.list(
    'GET /phone-routes',
    {
      summary: 'Phone routes, newest first',
      row: PhoneRouteRow,
      query: { ...tenantQuery, number: Type.Optional(Text(20, { description: 'E.164; its plus sign is `%2B`.' })) },
    },
    ({ viewer, query: { tenant_id: tenantId, number } }, page) => phoneRoutes.list(viewer, { tenantId, number }, page),
  );
  routes.one(
    'POST /phone-routes',
    {
      summary: 'Route a number to an agent',
      body: { tenant_id: text, number: Type.String({ examples: ['+15555551234'] }), ...fields },
      answer: PhoneRouteRow.schema,
      fails: [409, 422],
    },
    async ({ viewer, input: { direction, ...input } }) =>
      PhoneRouteRow.of(await phoneRoutes.create(viewer, { ...input, direction: upper(direction) })),
  );
  routes.one(
    'GET /phone-routes/:id',
    { summary: 'One phone route', answer: PhoneRouteRow.schema },
    async ({ viewer, ids }) => PhoneRouteRow.of(await phoneRoutes.get(viewer, ids.id)),
  );
  routes.one(
    'PATCH /phone-routes/:id',
    { summary: 'Change a phone route', body: fields, answer: PhoneRouteRow.schema, fails: [422] },
    async ({ viewer, ids, input: { direction, ...input } }) =>
      PhoneRouteRow.of(await phoneRoutes.update(viewer, ids.id, { ...input, direction: upper(direction) })),
  );
  routes.one(
    'DELETE /phone-routes/:id',
    { summary: 'Remove a phone route', answer: PhoneRouteRow.schema },
    async ({ viewer, ids }) => PhoneRouteRow.of(await phoneRoutes.remove(viewer, ids.id)),
  );
  routes.one(
    'POST /phone-routes/:id/verify',
    {
      summary: 'Ask Twilio where the number points',
      body: {},
      answer: RouteVerificationRow.schema,
      fails: [422, 503],
    },
    async ({ viewer, ids }) => {
      const { ok: verified, ...rest } = await phoneRoutes.verify(viewer, ids.id);
      return RouteVerificationRow.of({ ...rest, verified });
    },
  );
}
