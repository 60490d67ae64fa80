import { Type } from 'typebox';
import { body, listed, text, type Route } from './admin-table.js';
import * as shape from './admin-shapes.js';
import { shown } from './mappers.js';
import type { RestServices } from './rest-door.js';
import { Open, Optional } from './schemas.js';

const Contract = {
  model: Optional(text),
  voice: Optional(text),
  prompt: Optional(text),
  prompt_key: Optional(text),
  prompt_revision: Optional(Type.Integer()),
  prompt_variables: Optional(Type.Record(text, text)),
  greeting: Optional(text),
  language: Optional(text),
  turn_detection: Optional(Open('As in the realtime API')),
  tools: Optional(Type.Array(Open('name, description, parameters, url, method, timeout_ms, secret_header, secret'))),
  intents: Optional(Type.Array(Open('name, description, tools'))),
  escalation_rules: Optional(Type.Array(Open('trigger, repeated, action, target, intents'))),
  success_signals: Optional(Type.Array(text)),
  fallback: Optional(Open('action, message, target')),
  consent_line: Optional(text),
  max_duration_seconds: Optional(Type.Integer()),
  note: Optional(text),
};
const RouteFields = {
  agent_key: Optional(text),
  agent_id: Optional(text),
  agent_version_id: Optional(text),
  direction: Optional(Type.Union(['INBOUND', 'OUTBOUND', 'BOTH'].map((d) => Type.Literal(d)))),
  is_default: Optional(Type.Boolean()),
  business_hours: Optional(Open('Opening hours and where calls go outside them')),
  fallback: Optional(Open('action, message, target')),
  transfer_number: Optional(text),
  active: Optional(Type.Boolean()),
};

/** Agents, versions, prompts and phone routes. */
export function agentRoutes(s: RestServices): Route[] {
  return [
    {
      method: 'GET',
      path: '/agents',
      summary: 'Agents',
      list: true,
      handle: (r) => listed(r, (page, q) => s.agents.list(r.viewer, q.tenant_id, page), shape.agent),
    },
    {
      method: 'POST',
      path: '/agents',
      summary: 'Create an agent',
      body: body({ tenant_id: text, key: text, name: Optional(text) }),
      handle: async (r, input: { key: string; name?: string }) =>
        shape.agent(await s.agents.create(r.viewer, { ...input, name: input.name ?? input.key })),
    },
    {
      method: 'GET',
      path: '/agents/:id',
      summary: 'One agent',
      handle: async (r, _, ids) => shape.agent(await s.agents.get(r.viewer, ids.id!)),
    },
    {
      method: 'GET',
      path: '/agents/:id/versions',
      summary: 'Versions of an agent',
      handle: async (r, _, ids) => ({
        data: (await s.agents.versionsOf(r.viewer, [(await s.agents.get(r.viewer, ids.id!)).id])).map(shape.version),
      }),
    },
    {
      method: 'POST',
      path: '/agents/:id/versions',
      summary: 'Create a version: the agent contract as data',
      body: body({ ...Contract, from_version_id: Optional(text) }),
      handle: async (r, input: object, ids) =>
        shape.version(await s.agentVersions.create(r.viewer, { ...input, agentId: ids.id! })),
    },
    {
      method: 'GET',
      path: '/agent-versions/:id',
      summary: 'One version',
      handle: async (r, _, ids) => shape.version(await s.agentVersions.get(r.viewer, ids.id!)),
    },
    {
      method: 'PATCH',
      path: '/agent-versions/:id',
      summary: 'Change a draft',
      body: body(Contract),
      handle: async (r, input, ids) => shape.version(await s.agentVersions.update(r.viewer, ids.id!, input)),
    },
    {
      method: 'POST',
      path: '/agent-versions/:id/publish',
      summary: "Give a version its agent's traffic",
      body: Optional(body({ force: Optional(Type.Boolean()), reason: Optional(text) })),
      handle: async (r, input: { force?: boolean; reason?: string } | null, ids) =>
        shape.version(await s.agentVersions.publish(r.viewer, ids.id!, input ?? {})),
    },
    {
      method: 'GET',
      path: '/agent-versions/:id/diff/:other_id',
      summary: 'What differs between two versions',
      handle: async (r, _, ids) => ({ diff: await s.agentVersions.diff(r.viewer, ids.id!, ids.other_id!) }),
    },
    {
      method: 'GET',
      path: '/prompts',
      summary: 'Prompts',
      list: true,
      handle: (r) => listed(r, (page, q) => s.prompts.list(r.viewer, q.tenant_id, page), shape.prompt),
    },
    {
      method: 'POST',
      path: '/prompts',
      summary: 'Create a prompt with its first revision',
      body: body({
        tenant_id: text,
        key: text,
        name: Optional(text),
        text,
        variables: Optional(Type.Array(text)),
        note: Optional(text),
      }),
      handle: async (r, input) => shape.prompt(await s.prompts.create(r.viewer, input)),
    },
    {
      method: 'GET',
      path: '/prompts/:id/revisions',
      summary: 'Revisions of a prompt',
      handle: async (r, _, ids) => ({ data: (await s.prompts.revisions(r.viewer, ids.id!)).map(shape.revision) }),
    },
    {
      method: 'POST',
      path: '/prompts/:id/revisions',
      summary: 'Add a revision',
      body: body({ text, variables: Optional(Type.Array(text)), note: Optional(text) }),
      handle: async (r, input, ids) => shape.revision(await s.prompts.addRevision(r.viewer, ids.id!, input)),
    },
    {
      method: 'POST',
      path: '/prompts/:id/publish',
      summary: 'Publish a revision',
      body: body({ revision: Type.Integer({ minimum: 1 }) }),
      handle: async (r, input: { revision: number }, ids) =>
        shape.prompt(await s.prompts.publish(r.viewer, ids.id!, input.revision)),
    },
    {
      method: 'GET',
      path: '/phone-routes',
      summary: 'Phone routes',
      list: true,
      handle: (r) => listed(r, (page, q) => s.phoneRoutes.list(r.viewer, q.tenant_id, page), shape.phoneRoute),
    },
    {
      method: 'POST',
      path: '/phone-routes',
      summary: 'Route a number to an agent',
      body: body({ tenant_id: text, number: text, ...RouteFields }),
      handle: async (r, input) => shape.phoneRoute(await s.phoneRoutes.create(r.viewer, input)),
    },
    {
      method: 'GET',
      path: '/phone-routes/:id',
      summary: 'One phone route',
      handle: async (r, _, ids) => shape.phoneRoute(await s.phoneRoutes.get(r.viewer, ids.id!)),
    },
    {
      method: 'PATCH',
      path: '/phone-routes/:id',
      summary: 'Change a phone route',
      body: body(RouteFields),
      handle: async (r, input, ids) => shape.phoneRoute(await s.phoneRoutes.update(r.viewer, ids.id!, input)),
    },
    {
      method: 'DELETE',
      path: '/phone-routes/:id',
      summary: 'Remove a phone route',
      handle: async (r, _, ids) => shape.phoneRoute(await s.phoneRoutes.remove(r.viewer, ids.id!)),
    },
    {
      method: 'POST',
      path: '/phone-routes/:id/verify',
      summary: 'Ask Twilio where the number points',
      handle: async (r, _, ids) =>
        shown(
          await s.phoneRoutes.verify(r.viewer, ids.id!),
          'ok',
          'expectedVoiceUrl',
          'expectedFallbackUrl',
          'problems',
        ),
    },
  ];
}
