import { BUILT_IN_TOOLS, type CallPlan } from '../ports/media-session.js';
import { COMMON_CONCERNS } from './escalation-rules.js';

export interface ToolDefinition {
  type: 'function';
  name: string;
  description: string;
  parameters: Record<string, unknown>;
}

/** One of the gateway's own tools. */
export type BuiltInTool = (typeof BUILT_IN_TOOLS)[number];

export function isBuiltIn(name: string): name is BuiltInTool {
  return (BUILT_IN_TOOLS as readonly string[]).includes(name);
}

const text = (description: string): object => ({ type: 'string', description });
const choice = (values: readonly string[], description: string): object => ({
  type: 'string',
  enum: values,
  description,
});
const object = (properties: Record<string, object>, required: string[]): Record<string, unknown> => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});

interface Offer {
  description: string;
  parameters: Record<string, unknown>;
}

/** What each built-in tool looks like to the model of this call; null: the plan has no use for it. */
const OFFERS: { [T in BuiltInTool]: (plan: CallPlan) => Offer | null } = {
  set_intent: (plan) => {
    const intents = Object.keys(plan.intents);
    if (intents.length === 0) return null;
    return {
      description: 'Name what the caller wants, as soon as it is clear and whenever it changes.',
      parameters: object({ intent: choice(intents, 'What the caller wants.') }, ['intent']),
    };
  },
  record_outcome: (plan) => {
    if (plan.successSignals.length === 0) return null;
    return {
      description: 'Record what this call achieved, once it is certain.',
      parameters: object(
        { outcome: choice(plan.successSignals, 'What was achieved.'), note: text('One sentence of detail.') },
        ['outcome'],
      ),
    };
  },
  end_call: () => ({
    description: 'Hang up. Say goodbye first; the goodbye is played to its end.',
    parameters: object({ reason: text('Why the call is over.') }, []),
  }),
  escalate_to_human: (plan) => ({
    description:
      plan.transferTarget === null
        ? 'Report that a person has to take care of this. Nobody can take over now: say that somebody will follow up.'
        : 'Hand the caller over to a person. Tell the caller first; the call is then transferred.',
    parameters: object({ reason: text('Why a person is needed, for that person.') }, ['reason']),
  }),
  raise_concern: (plan) => {
    if (plan.escalationRules.length === 0) return null;
    return {
      description: 'Report each time that one of these comes up in the conversation.',
      parameters: object(
        { concern: choice(concernsOf(plan), 'What came up.'), detail: text('One sentence of detail.') },
        ['concern'],
      ),
    };
  },
  request_callback: () => ({
    description: 'Note that the caller wants to be called back by a person.',
    parameters: object(
      {
        reason: text('What the callback is about.'),
        due_at: text('When, as ISO 8601 with offset; leave out when the caller named no time.'),
        note: text('Anything that the person should know.'),
      },
      ['reason'],
    ),
  }),
  do_not_call: () => ({
    description: 'The caller does not want to be called again, ever. Use it only when the caller says so.',
    parameters: object({ reason: text("The caller's words, shortly.") }, []),
  }),
};

function concernsOf(plan: CallPlan): string[] {
  return [...new Set([...COMMON_CONCERNS, ...plan.escalationRules.map((rule) => rule.trigger)])];
}

/** Every tool that the model of this call may see: built-in ones, then the tenant's that some intent allows. */
export function toolDefinitions(plan: CallPlan): ToolDefinition[] {
  const builtIn = BUILT_IN_TOOLS.flatMap((name) => {
    const offer = OFFERS[name](plan);
    return offer === null ? [] : [{ type: 'function' as const, name, ...offer }];
  });
  const own = plan.tools
    .filter((tool) => !isBuiltIn(tool.name) && isAllowed(plan, null, tool.name))
    .map(({ name, description, parameters }) => ({ type: 'function' as const, name, description, parameters }));
  return [...builtIn, ...own];
}

/**
 * May the agent use this tool of the tenant now? With an intent named: only what that intent lists. Before: what any
 * intent lists. Without declared intents: everything.
 */
export function isAllowed(plan: CallPlan, intent: string | null, tool: string): boolean {
  const lists = Object.values(plan.intents);
  if (lists.length === 0) return true;
  const list = intent === null ? lists.flat() : (plan.intents[intent] ?? []);
  return list.includes(tool);
}

/** Is this built-in tool part of the plan? */
export function isOffered(plan: CallPlan, name: BuiltInTool): boolean {
  return OFFERS[name](plan) !== null;
}
