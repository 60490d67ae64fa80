import type { AgentEscalationRule, AgentIntent, AgentTool, CallFallback } from '../entities/index.js';
import { BUILT_IN_TOOLS } from '../ports/media-session.js';
import { LANGUAGE_TAG } from '../lib/languages.js';
import { variablesIn } from '../lib/prompt-template.js';
import {
  dialTarget,
  intents,
  MAX_QUEUE_LENGTH,
  rules,
  tools,
  turnDetection,
  type ContractSurroundings,
} from './agent-contract-parts.js';
import type { Checks } from './checks.js';
import { checkPlaceholders, MAX_PROMPT_LENGTH, strangeVariables, type Spoken } from './prompts.js';

/** A version's contract as clients write it. On an update a missing field stays as it is; on creation it is empty. */
export interface AgentContractInput {
  /** Null: the tenant's, as it is when the version leaves DRAFT. */
  model?: string | null;
  voice?: string | null;
  /** Inline system prompt; excludes `promptKey`. */
  prompt?: string | null;
  promptKey?: string | null;
  /** Null: pinned to the published revision when the version leaves DRAFT. */
  promptRevision?: number | null;
  promptVariables?: Record<string, string> | null;
  greeting?: string | null;
  /** `en`, `de-DE`. */
  language?: string | null;
  /** As in the realtime API's `turn_detection`: `{ type: "server_vad", threshold, … }`. */
  turnDetection?: Record<string, unknown> | null;
  tools?: AgentToolInput[] | null;
  intents?: (Partial<AgentIntent> & { name: string })[] | null;
  escalationRules?:
    (Partial<AgentEscalationRule> & { trigger: string; action: AgentEscalationRule['action'] })[] | null;
  successSignals?: string[] | null;
  fallback?: { action: CallFallback['action']; message?: string | null; target?: string | null } | null;
  /** Spoken before the greeting. */
  consentLine?: string | null;
  maxDurationSeconds?: number | null;
  note?: string | null;
}
export interface AgentToolInput {
  name: string;
  description: string;
  parameters?: Record<string, unknown> | null;
  url: string;
  method?: AgentTool['method'] | null;
  timeoutMs?: number | null;
  secretHeader?: string | null;
  /** Write-only. Missing on an update: the tool of the same name keeps its own. */
  secret?: string | null;
}

/** The contract's columns, checked. */
export interface AgentContract {
  model: string | null;
  voice: string | null;
  prompt: string | null;
  promptKey: string | null;
  promptRevision: number | null;
  promptVariables: Record<string, string>;
  greeting: string | null;
  language: string | null;
  turnDetection: Record<string, unknown> | null;
  tools: AgentTool[];
  intents: AgentIntent[];
  escalationRules: AgentEscalationRule[];
  successSignals: string[];
  fallback: CallFallback | null;
  consentLine: string | null;
  maxDurationSeconds: number | null;
  note: string | null;
}

export const EMPTY_CONTRACT: AgentContract = {
  model: null,
  voice: null,
  prompt: null,
  promptKey: null,
  promptRevision: null,
  promptVariables: {},
  greeting: null,
  language: null,
  turnDetection: null,
  tools: [],
  intents: [],
  escalationRules: [],
  successSignals: [],
  fallback: null,
  consentLine: null,
  maxDurationSeconds: null,
  note: null,
};

/**
 * `current` with `input` laid over it, every field checked and named when it is wrong; the result counts only after
 * `checks.done()`. Whether the prompt exists is for the caller.
 */
export function checkedContract(
  checks: Checks,
  input: AgentContractInput,
  current: AgentContract,
  around: ContractSurroundings,
): AgentContract {
  const next: AgentContract = { ...current };
  const text = (name: 'model' | 'voice' | 'prompt' | 'greeting' | 'consentLine' | 'note', max: number) => {
    if (input[name] !== undefined) next[name] = checks.optionalText(name, input[name], { max });
  };
  text('model', 100);
  text('voice', 100);
  text('prompt', MAX_PROMPT_LENGTH);
  text('greeting', 2_000);
  text('consentLine', 2_000);
  text('note', 2_000);
  if (input.promptKey !== undefined)
    next.promptKey = input.promptKey === null ? null : checks.key('promptKey', input.promptKey);
  // What is given wins over what was there: a text over a key, a key over a text, and a revision belongs to its key.
  if (input.prompt != null && input.promptKey === undefined) next.promptKey = null;
  if (input.promptKey != null && input.prompt === undefined) next.prompt = null;
  if (next.promptKey !== current.promptKey) next.promptRevision = null;
  if (input.promptRevision !== undefined)
    next.promptRevision = checks.optionalInteger('promptRevision', input.promptRevision, 1, 1_000_000);
  if (input.promptVariables !== undefined) next.promptVariables = variables(checks, input.promptVariables ?? {});
  if (input.language !== undefined) next.language = language(checks, input.language);
  if (input.maxDurationSeconds !== undefined)
    next.maxDurationSeconds = checks.optionalInteger('maxDurationSeconds', input.maxDurationSeconds, 10, 14_400);
  if (input.turnDetection !== undefined) next.turnDetection = turnDetection(checks, input.turnDetection);
  if (input.tools !== undefined) next.tools = tools(checks, input.tools ?? [], current.tools, around);
  if (input.intents !== undefined) next.intents = intents(checks, input.intents ?? []);
  if (input.escalationRules !== undefined) next.escalationRules = rules(checks, input.escalationRules ?? []);
  if (input.successSignals !== undefined)
    next.successSignals = checks.list('successSignals', input.successSignals ?? [], 50, (s, path) =>
      checks.key(path, s),
    );
  if (input.fallback !== undefined)
    next.fallback = input.fallback === null ? null : fallback(checks, 'fallback', input.fallback);
  together(checks, next);
  return next;
}

/** What only the whole contract can show. */
function together(checks: Checks, contract: AgentContract): void {
  if (contract.prompt !== null && contract.promptKey !== null)
    checks.fail('prompt', 'excludes promptKey: give one of them');
  if (contract.promptRevision !== null && contract.promptKey === null) checks.fail('promptRevision', 'needs promptKey');
  if (contract.greeting !== null) checkPlaceholders(checks, 'greeting', contract.greeting);
  if (contract.prompt !== null) {
    checkPlaceholders(checks, 'prompt', contract.prompt);
    checkVariables(checks, contract, variablesIn(contract.prompt));
  }
  checks.unique('successSignals', contract.successSignals);
  checks.unique(
    'tools',
    contract.tools.map((tool) => tool.name),
  );
  checks.unique(
    'intents',
    contract.intents.map((intent) => intent.name),
  );
  const toolNames = new Set<string>([...contract.tools.map((tool) => tool.name), ...BUILT_IN_TOOLS]);
  contract.intents.forEach((intent, i) =>
    intent.tools.forEach((name, j) => {
      if (!toolNames.has(name)) checks.fail(`intents[${i}].tools[${j}]`, `names no tool of this version: ${name}`);
    }),
  );
  const intentNames = new Set(contract.intents.map((intent) => intent.name));
  contract.escalationRules.forEach((rule, i) =>
    rule.intents.forEach((name, j) => {
      if (!intentNames.has(name))
        checks.fail(`escalationRules[${i}].intents[${j}]`, `names no intent of this version: ${name}`);
    }),
  );
}

/** A value for a variable that the prompt does not have is a misspelt one. */
export function checkVariables(checks: Checks, contract: Spoken, ofPrompt: readonly string[]): void {
  for (const name of strangeVariables(contract, ofPrompt))
    checks.fail(`promptVariables.${name}`, 'is no variable of the prompt');
}

/** Also of phone routes. */
export function fallback(
  checks: Checks,
  path: string,
  input: { action: CallFallback['action']; message?: string | null; target?: string | null },
): CallFallback {
  const action = checks.oneOf(`${path}.action`, input.action, ['message', 'transfer', 'callback']);
  const message = checks.optionalText(`${path}.message`, input.message, { max: 2_000 });
  if (action === 'message' && message === null) checks.fail(`${path}.message`, 'is needed for the action message');
  const target =
    action === 'transfer'
      ? dialTarget(checks, `${path}.target`, input.target)
      : checks.optionalText(`${path}.target`, input.target, { max: MAX_QUEUE_LENGTH });
  return { action, message, target };
}

function variables(checks: Checks, values: Record<string, string>): Record<string, string> {
  // GraphQL's JSON may be anything.
  if (typeof values !== 'object' || Array.isArray(values)) {
    checks.fail('promptVariables', 'must be an object of texts by the name of their variable');
    return {};
  }
  const entries = Object.entries(values);
  if (entries.length > 100) checks.fail('promptVariables', 'must hold at most 100 entries');
  return Object.fromEntries(
    entries.map(([name, value]) => [name, checks.text(`promptVariables.${name}`, value, { max: 5_000, min: 0 })]),
  );
}

function language(checks: Checks, value: string | null): string | null {
  const tag = checks.optionalText('language', value, { max: 20 });
  if (tag !== null && !LANGUAGE_TAG.test(tag))
    checks.fail('language', 'must be a language tag like en, de-DE or es-419');
  return tag;
}
