import type { AgentEscalationRule, AgentIntent, AgentTool } from '../entities/index.js';
import { seal, type SealingKeys } from '../lib/crypto.js';
import { BUILT_IN_TOOLS } from '../ports/media-session.js';
import type { AgentContractInput, AgentToolInput } from './agent-contract.js';
import type { Checks } from './checks.js';

const TOOL_NAME = /^[A-Za-z0-9_-]{1,64}$/;
const DEFAULT_TOOL_TIMEOUT_MS = 10_000;
const VAD_FIELDS: Record<string, (checks: Checks, path: string, value: unknown) => unknown> = {
  threshold: (c, path, v) => c.optionalNumber(path, v, 0, 1),
  prefix_padding_ms: (c, path, v) => c.optionalInteger(path, v, 0, 5_000),
  silence_duration_ms: (c, path, v) => c.optionalInteger(path, v, 0, 10_000),
  idle_timeout_ms: (c, path, v) => c.optionalInteger(path, v, 5_000, 30_000),
  eagerness: (c, path, v) => c.oneOf(path, v, ['low', 'medium', 'high', 'auto']),
  create_response: flag,
  interrupt_response: flag,
};
const FIELDS_OF_VAD = {
  server_vad: ['threshold', 'prefix_padding_ms', 'silence_duration_ms', 'idle_timeout_ms'],
  semantic_vad: ['eagerness'],
};

/** Of the queue that a callback goes to: a longer name could not be written when a caller is promised one. */
export const MAX_QUEUE_LENGTH = 100;

/** What the checks need to know of the surroundings. */
export interface ContractSurroundings {
  encryptionKey: SealingKeys;
  allowPrivateAddresses: boolean;
}

/** A number or SIP address that a caller can be transferred to. */
export function dialTarget(checks: Checks, path: string, value: unknown): string {
  return typeof value === 'string' && /^sips?:[^\s<>"']{3,250}$/.test(value) ? value : checks.phone(path, value);
}

function flag(checks: Checks, path: string, value: unknown): unknown {
  if (typeof value !== 'boolean') checks.fail(path, 'must be true or false');
  return value;
}

export function turnDetection(checks: Checks, value: Record<string, unknown> | null): Record<string, unknown> | null {
  if (value === null) return null;
  const type = checks.oneOf('turnDetection.type', value.type, ['server_vad', 'semantic_vad']);
  const allowed = [...(FIELDS_OF_VAD[type] ?? []), 'create_response', 'interrupt_response'];
  const fields = Object.entries(value).filter(([name]) => name !== 'type');
  return Object.fromEntries([
    ['type', type],
    ...fields.map(([name, field]) => {
      const path = `turnDetection.${name}`;
      if (!allowed.includes(name)) checks.fail(path, `is no setting of ${type}; there are ${allowed.join(', ')}`);
      else VAD_FIELDS[name]!(checks, path, field);
      return [name, field];
    }),
  ]);
}

export function tools(
  checks: Checks,
  input: AgentToolInput[],
  current: readonly AgentTool[],
  { encryptionKey, allowPrivateAddresses }: ContractSurroundings,
): AgentTool[] {
  return checks.list('tools', input, 50, (item, at) => {
    const tool = item as AgentToolInput;
    const name = checks.text(`${at}.name`, tool.name, { max: 64 });
    if (!TOOL_NAME.test(name)) checks.fail(`${at}.name`, 'may hold letters, digits, underscore and dash');
    if ((BUILT_IN_TOOLS as readonly string[]).includes(name))
      checks.fail(`${at}.name`, 'is the name of a built-in tool');
    const secretHeader = checks.optionalText(`${at}.secretHeader`, tool.secretHeader, { max: 100 });
    if (secretHeader !== null && !/^[A-Za-z0-9-]+$/.test(secretHeader))
      checks.fail(`${at}.secretHeader`, 'must be a header name');
    const secret = checks.optionalText(`${at}.secret`, tool.secret, { max: 2_000 });
    if (secret !== null && /[^\x20-\x7e]/.test(secret)) checks.fail(`${at}.secret`, 'must be visible ASCII');
    const kept = tool.secret === undefined ? (current.find((t) => t.name === name)?.secretSealed ?? null) : null;
    const secretSealed = secret === null ? kept : seal(encryptionKey, secret);
    if (secretHeader !== null && secretSealed === null) checks.fail(`${at}.secret`, 'is needed with secretHeader');
    if (secretHeader === null && secret !== null) checks.fail(`${at}.secretHeader`, 'is needed with secret');
    return {
      name,
      description: checks.text(`${at}.description`, tool.description, { max: 2_000 }),
      parameters: parameters(checks, `${at}.parameters`, tool.parameters),
      url: checks.url(`${at}.url`, tool.url, allowPrivateAddresses),
      method: checks.oneOf(`${at}.method`, tool.method ?? 'POST', ['GET', 'POST']),
      timeoutMs: checks.integer(`${at}.timeoutMs`, tool.timeoutMs ?? DEFAULT_TOOL_TIMEOUT_MS, 100, 30_000),
      secretHeader,
      secretSealed: secretHeader === null ? null : secretSealed,
    };
  });
}

/** The shape that the model's function calling wants; the schema's inside is the tenant's business. */
function parameters(checks: Checks, path: string, schema: Record<string, unknown> | null | undefined) {
  if (schema == null) return { type: 'object', properties: {} };
  const { type, properties } = schema;
  if (type !== 'object') checks.fail(path, 'must be a JSON Schema with "type": "object"');
  if (properties !== undefined && (typeof properties !== 'object' || properties === null || Array.isArray(properties)))
    checks.fail(`${path}.properties`, 'must be an object');
  if (JSON.stringify(schema).length > 20_000) checks.fail(path, 'must be at most 20000 characters of JSON');
  return schema;
}

export function intents(checks: Checks, input: NonNullable<AgentContractInput['intents']>): AgentIntent[] {
  return checks.list('intents', input, 50, (item, at) => {
    const intent = item as Partial<AgentIntent>;
    return {
      name: checks.key(`${at}.name`, intent.name),
      description: checks.optionalText(`${at}.description`, intent.description, { max: 2_000 }),
      tools: checks.list(`${at}.tools`, intent.tools ?? [], 60, (tool, path) => checks.text(path, tool, { max: 64 })),
    };
  });
}

export function rules(
  checks: Checks,
  input: NonNullable<AgentContractInput['escalationRules']>,
): AgentEscalationRule[] {
  return checks.list('escalationRules', input, 50, (item, at) => {
    const rule = item as Partial<AgentEscalationRule>;
    const action = checks.oneOf(`${at}.action`, rule.action, ['transfer', 'callback', 'end']);
    const target =
      action === 'transfer' && rule.target != null
        ? dialTarget(checks, `${at}.target`, rule.target)
        : checks.optionalText(`${at}.target`, rule.target, { max: MAX_QUEUE_LENGTH });
    return {
      trigger: checks.key(`${at}.trigger`, rule.trigger),
      repeated: checks.integer(`${at}.repeated`, rule.repeated ?? 1, 1, 20),
      action,
      target,
      intents: checks.list(`${at}.intents`, rule.intents ?? [], 50, (name, path) =>
        checks.text(path, name, { max: 100 }),
      ),
    };
  });
}
