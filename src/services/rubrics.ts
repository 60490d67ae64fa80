import { isDeepStrictEqual } from 'node:util';
import { LockMode } from '@mikro-orm/postgresql';
import { Agent, Rubric, type RubricCriterion } from '../entities/index.js';
import { notFound } from '../lib/errors.js';
import { audit } from './audit-log.js';
import { Checks, knownId } from './checks.js';
import type { ServiceContext } from './context.js';
import { emFor, requireAdmin, requireScope, type Viewer } from './viewer.js';
import { inTransaction } from './writes.js';

export interface RubricInput {
  criteria: readonly RubricCriterion[];
  /** Share of calls that are judged automatically, 0-1; missing: as it is, at first every call. */
  sampleRate?: number | null;
}

/** As many as a model judges in one answer. */
export const MAX_CRITERIA = 20;
const MAX_WEIGHT = 100;

/** How calls of an agent are judged: weighted criteria in words. Without one, no call is judged automatically. */
export class Rubrics {
  constructor(private readonly ctx: ServiceContext) {}

  /** Null: the agent has none. Throws NOT_FOUND when the agent is missing or foreign. */
  async find(viewer: Viewer, agentId: string): Promise<Rubric | null> {
    requireScope(viewer, 'evaluations:read');
    const em = emFor(this.ctx.database, viewer);
    if ((await em.count(Agent, { id: knownId('agent', agentId) })) === 0) throw notFound('agent');
    return em.findOne(Rubric, { agentId });
  }

  /** Throws NOT_FOUND. */
  async get(viewer: Viewer, agentId: string): Promise<Rubric> {
    const rubric = await this.find(viewer, agentId);
    if (rubric === null) throw notFound('rubric');
    return rubric;
  }

  /** Replaces it; a change of the criteria makes a new revision. Throws VALIDATION_FAILED, NOT_FOUND. */
  async set(viewer: Viewer, agentId: string, input: RubricInput): Promise<Rubric> {
    requireAdmin(viewer);
    knownId('agent', agentId);
    const checks = new Checks();
    const criteria = criteriaOf(checks, input.criteria);
    const sampleRate = checks.optionalNumber('sampleRate', input.sampleRate, 0, 1);
    checks.done();
    return inTransaction(this.ctx, viewer, async (em) => {
      // Locked, so that two first rubrics of one agent come one after the other.
      const agent = await em.findOne(Agent, { id: agentId }, { lockMode: LockMode.PESSIMISTIC_WRITE });
      if (agent === null) throw notFound('agent');
      const existing = await em.findOne(Rubric, { agentId });
      const before = existing === null ? null : shown(existing);
      const rubric =
        existing ?? em.create(Rubric, { agentId, tenantId: agent.tenantId, criteria, sampleRate: sampleRate ?? 1 });
      if (existing !== null && !isDeepStrictEqual(existing.criteria, criteria)) {
        existing.criteria = criteria;
        existing.revision += 1;
      }
      if (sampleRate !== null) rubric.sampleRate = sampleRate;
      await em.flush();
      audit(em, viewer, {
        tenantId: agent.tenantId,
        action: 'rubric.set',
        subjectType: 'agent',
        subjectId: agentId,
        before,
        after: shown(rubric),
      });
      return rubric;
    });
  }

  /** Calls of this agent are judged by people alone from now on. Throws NOT_FOUND. */
  async remove(viewer: Viewer, agentId: string): Promise<Rubric> {
    requireAdmin(viewer);
    knownId('agent', agentId);
    return inTransaction(this.ctx, viewer, async (em) => {
      const rubric = await em.findOne(Rubric, { agentId });
      if (rubric === null) throw notFound('rubric');
      audit(em, viewer, {
        tenantId: rubric.tenantId,
        action: 'rubric.removed',
        subjectType: 'agent',
        subjectId: agentId,
        before: shown(rubric),
      });
      em.remove(rubric);
      return rubric;
    });
  }
}

function criteriaOf(checks: Checks, given: unknown): RubricCriterion[] {
  const criteria = checks.list('criteria', given, MAX_CRITERIA, (item, path) => {
    const { key, description, weight } = (item ?? {}) as Partial<RubricCriterion>;
    if (!(typeof weight === 'number' && weight > 0 && weight <= MAX_WEIGHT))
      checks.fail(`${path}.weight`, `must be a number above 0, at most ${MAX_WEIGHT}`);
    return {
      key: checks.key(`${path}.key`, key, 60),
      description: checks.text(`${path}.description`, description, { max: 1_000 }),
      weight: weight as number,
    };
  });
  if (criteria.length === 0) checks.fail('criteria', 'needs at least one entry');
  checks.unique(
    'criteria',
    criteria.map(({ key }) => key),
  );
  return criteria;
}

const shown = ({ revision, criteria, sampleRate }: Rubric): Record<string, unknown> => ({
  revision,
  criteria,
  sampleRate: Number(sampleRate),
});
