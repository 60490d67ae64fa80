import { LockMode, type EntityManager } from '@mikro-orm/postgresql';
import { Agent, Scenario, SyntheticCall, type CallerLine } from '../entities/index.js';
import type { Page } from '../lib/cursor.js';
import { AppError, notFound } from '../lib/errors.js';
import { isUuid } from '../lib/ids.js';
import { MULAW_BYTES_PER_MS } from '../lib/mulaw.js';
import { audit } from './audit-log.js';
import { Checks, knownId } from './checks.js';
import type { ServiceContext } from './context.js';
import { listOffset, listPage, type OffsetRequest, type PageRequest, type Rows } from './listing.js';
import { emFor, requireAdmin, requireScope, type Viewer } from './viewer.js';
import { inTransaction, orConflict, snapshot } from './writes.js';

/** Undefined: as it is. Null clears it. */
export interface ScenarioChange {
  /** Unique per agent. */
  name?: string | null;
  /** What the caller wants, in the agent's own word for it. Fixed once the scenario was run. */
  intent?: string | null;
  /** Who calls and what they want, for a caller who improvises. */
  persona?: string | null;
  /** Said in order, word for word; none: the persona improvises. */
  callerLines?: readonly CallerLineInput[] | null;
  expectedOutcome?: string | null;
  /** Tools that must have run with success. */
  expectedTools?: readonly string[] | null;
  mustSay?: readonly string[] | null;
  mustNotSay?: readonly string[] | null;
  /** The approved escalation: a rule's trigger, an action (transfer, callback …), a target, or words of the reason. Null: none may happen. */
  escalationPath?: string | null;
  /** Whether runs that name no scenarios take it. */
  active?: boolean | null;
}
export interface NewScenario extends ScenarioChange {
  agentId: string;
  name: string;
  intent: string;
}
export interface CallerLineInput {
  text: string;
  /** A recording, base64 of µ-law at 8 kHz. Missing: a line of the same text keeps its recording, else it is spoken. */
  audio?: string | null;
}
export interface ScenarioFilter {
  tenantId?: string | null;
  agentId?: string | null;
}

const MAX_LINES = 50;
const MAX_PHRASES = 50;
const MAX_PHRASE = 500;
/** A recording is as long as something that one person says at a time. */
const RECORDING_MS = { min: 100, max: 20_000 } as const;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

type Fields = Pick<
  Scenario,
  | 'name'
  | 'intent'
  | 'persona'
  | 'callerLines'
  | 'expectedOutcome'
  | 'expectedTools'
  | 'mustSay'
  | 'mustNotSay'
  | 'escalationPath'
  | 'active'
>;

/** What synthetic callers do and what is expected of the agent. */
export class Scenarios {
  constructor(private readonly ctx: ServiceContext) {}

  /** Throws VALIDATION_FAILED naming every wrong field, NOT_FOUND, CONFLICT when the agent has one of this name. */
  async create(viewer: Viewer, input: NewScenario): Promise<Scenario> {
    requireAdmin(viewer);
    const fields = checked(input, null);
    return this.write(fields.name, viewer, async (em) => {
      const agent = await em.findOne(Agent, { id: knownId('agent', input.agentId) });
      if (agent === null) throw notFound('agent');
      const scenario = em.create(Scenario, { ...fields, tenantId: agent.tenantId, agentId: agent.id });
      await em.flush();
      record(em, viewer, 'scenario.created', scenario, null);
      return scenario;
    });
  }

  /**
   * Throws VALIDATION_FAILED, NOT_FOUND; CONFLICT while a run plays it, and for another `intent` once it was run: its
   * calls are evidence for the old one.
   */
  async update(viewer: Viewer, id: string, change: ScenarioChange): Promise<Scenario> {
    requireAdmin(viewer);
    return this.write(change.name ?? '', viewer, async (em) => {
      const scenario = await scenarioOf(em, id, true);
      const before = shown(scenario);
      const fields = checked(change, scenario);
      await refuseRewriting(em, scenario, fields);
      em.assign(scenario, fields);
      await em.flush();
      record(em, viewer, 'scenario.updated', scenario, before);
      return scenario;
    });
  }

  /** Throws NOT_FOUND; CONFLICT once it was run: reports refer to it. Such a one is set inactive instead. */
  async remove(viewer: Viewer, id: string): Promise<Scenario> {
    requireAdmin(viewer);
    return inTransaction(this.ctx, viewer, async (em) => {
      const scenario = await scenarioOf(em, id, true);
      if ((await em.count(SyntheticCall, { scenarioId: scenario.id })) > 0)
        throw new AppError(
          'CONFLICT',
          'This scenario was run and its reports refer to it; set active to false instead',
        );
      const before = shown(scenario);
      await em.remove(scenario).flush();
      record(em, viewer, 'scenario.removed', scenario, before);
      return scenario;
    });
  }

  /** Throws NOT_FOUND. */
  async get(viewer: Viewer, id: string): Promise<Scenario> {
    requireScope(viewer, 'agents:read');
    return scenarioOf(emFor(this.ctx.database, viewer), id);
  }
  page(viewer: Viewer, filter: ScenarioFilter, request: PageRequest): Promise<Page<Scenario>> {
    requireScope(viewer, 'agents:read');
    return listPage(emFor(this.ctx.database, viewer, filter.tenantId), Scenario, whereScenario(filter), request);
  }
  list(viewer: Viewer, filter: ScenarioFilter, request: OffsetRequest): Promise<Rows<Scenario>> {
    requireScope(viewer, 'agents:read');
    return listOffset(emFor(this.ctx.database, viewer, filter.tenantId), Scenario, whereScenario(filter), request);
  }

  /** For dataloaders: the visible ones of `ids`. */
  async byIds(viewer: Viewer, ids: readonly string[]): Promise<Scenario[]> {
    requireScope(viewer, 'agents:read');
    return emFor(this.ctx.database, viewer).find(Scenario, { id: { $in: ids.filter(isUuid) } });
  }

  private write(name: string, viewer: Viewer, work: (em: EntityManager) => Promise<Scenario>): Promise<Scenario> {
    return orConflict(`This agent has a scenario named ${name.trim()}`, () => inTransaction(this.ctx, viewer, work));
  }
}

function whereScenario({ agentId }: ScenarioFilter) {
  if (agentId == null) return {};
  // What is no UUID matches nothing, and must not reach the database.
  return isUuid(agentId) ? { agentId } : { id: { $in: [] } };
}

/** `lock`: no run begins to play it before the transaction ends. */
async function scenarioOf(em: EntityManager, id: string, lock = false): Promise<Scenario> {
  const scenario = await em.findOne(
    Scenario,
    { id: knownId('scenario', id) },
    lock ? { lockMode: LockMode.PESSIMISTIC_WRITE } : {},
  );
  if (scenario === null) throw notFound('scenario');
  return scenario;
}

async function refuseRewriting(em: EntityManager, scenario: Scenario, fields: Fields): Promise<void> {
  const calls = { scenarioId: scenario.id };
  if ((await em.count(SyntheticCall, { ...calls, status: { $in: ['QUEUED', 'RUNNING', 'JUDGING'] } })) > 0)
    throw new AppError('CONFLICT', 'A run is playing this scenario; wait for its end or cancel it');
  if (fields.intent !== scenario.intent && (await em.count(SyntheticCall, calls)) > 0)
    throw new AppError('CONFLICT', 'This scenario was run: its intent is fixed; create another one', {
      details: [{ path: 'intent', message: 'is fixed once the scenario was run' }],
    });
}

/** Every field of the scenario after `input`. Throws VALIDATION_FAILED. */
function checked(input: ScenarioChange, current: Scenario | null): Fields {
  const checks = new Checks();
  const words = (path: 'mustSay' | 'mustNotSay') =>
    input[path] === undefined
      ? (current?.[path] ?? [])
      : checks.list(path, input[path] ?? [], MAX_PHRASES, (phrase, at) => checks.text(at, phrase, { max: MAX_PHRASE }));
  const optional = (path: 'persona' | 'expectedOutcome' | 'escalationPath', max: number) =>
    input[path] === undefined ? (current?.[path] ?? null) : checks.optionalText(path, input[path], { max });
  const needed = (path: 'name' | 'intent', max: number) =>
    input[path] === undefined && current !== null ? current[path] : checks.text(path, input[path], { max });
  const fields: Fields = {
    name: needed('name', 200),
    intent: needed('intent', 100),
    persona: optional('persona', 8_000),
    callerLines:
      input.callerLines === undefined
        ? (current?.callerLines ?? [])
        : checks.list('callerLines', input.callerLines ?? [], MAX_LINES, (line, at) =>
            callerLine(checks, at, line, current?.callerLines ?? []),
          ),
    expectedOutcome: optional('expectedOutcome', 100),
    expectedTools:
      input.expectedTools === undefined
        ? (current?.expectedTools ?? [])
        : checks.list('expectedTools', input.expectedTools ?? [], 50, (tool, at) =>
            checks.text(at, tool, { max: 100 }),
          ),
    mustSay: words('mustSay'),
    mustNotSay: words('mustNotSay'),
    escalationPath: optional('escalationPath', 200),
    active: input.active ?? current?.active ?? true,
  };
  checks.unique('expectedTools', fields.expectedTools);
  if (fields.persona == null && fields.callerLines.length === 0)
    checks.fail('persona', 'or callerLines is needed: somebody has to say something');
  checks.done();
  return fields;
}

function callerLine(checks: Checks, path: string, given: unknown, before: readonly CallerLine[]): CallerLine {
  const line = (given ?? {}) as CallerLineInput;
  const text = checks.text(`${path}.text`, line.text, { max: MAX_PHRASE });
  if (line.audio == null) return { text, audio: before.find((old) => old.text === text)?.audio ?? null };
  const ms = typeof line.audio === 'string' && BASE64.test(line.audio) ? recordedMs(line.audio) : null;
  if (ms === null) checks.fail(`${path}.audio`, 'must be base64');
  else if (ms < RECORDING_MS.min || ms > RECORDING_MS.max)
    checks.fail(`${path}.audio`, 'must be µ-law at 8 kHz, between 0.1 and 20 seconds of it');
  return { text, audio: line.audio };
}

/** Length of a recorded line in milliseconds. */
export function recordedMs(audio: string): number {
  return Math.round(Buffer.byteLength(audio, 'base64') / MULAW_BYTES_PER_MS);
}

/** As the audit log keeps it: a recording is what it says, not its bytes. */
function shown(scenario: Scenario): Record<string, unknown> {
  const callerLines = scenario.callerLines.map(({ text, audio }) => ({ text, recorded: audio !== null }));
  return { ...snapshot(scenario), callerLines };
}

function record(
  em: EntityManager,
  viewer: Viewer,
  action: string,
  scenario: Scenario,
  before: Record<string, unknown> | null,
): void {
  audit(em, viewer, {
    tenantId: scenario.tenantId,
    action,
    subjectType: 'scenario',
    subjectId: scenario.id,
    before,
    after: action === 'scenario.removed' ? null : shown(scenario),
  });
}
