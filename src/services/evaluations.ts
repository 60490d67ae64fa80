import { LockMode, type EntityManager } from '@mikro-orm/postgresql';
import {
  Call,
  Evaluation,
  Rubric,
  VoiceSession,
  type EvaluationSource,
  type JudgedCriterion,
} from '../entities/index.js';
import type { Page } from '../lib/cursor.js';
import { AppError, invalid, notFound } from '../lib/errors.js';
import { isUuid } from '../lib/ids.js';
import { auditAdmin } from './audit-log.js';
import { Checks } from './checks.js';
import type { ServiceContext } from './context.js';
import { scoreOf } from './evaluation-rules.js';
import { listOffset, listPage, type OffsetRequest, type PageRequest, type Rows } from './listing.js';
import { watchCandidateOf } from './rollout-watch.js';
import { MAX_CRITERIA } from './rubrics.js';
import { actorOf, emFor, requireScope, type Viewer } from './viewer.js';
import { inTransaction, snapshot } from './writes.js';

/** One criterion of the agent's rubric, as a person judges it. */
export interface CriterionScore {
  key: string;
  /** 0-1. */
  score: number;
  comment?: string | null;
}
export interface NewEvaluation {
  sessionId: string;
  /** 0-1; missing: made of the criteria by the rubric's weights. */
  score?: number | null;
  /** Some or all of the agent's rubric as it is now, comparable with what the model says of the same. */
  criteria?: readonly CriterionScore[] | null;
  tags?: readonly string[] | null;
  notes?: string | null;
  /** HUMAN or API; missing: API for a tenant key, HUMAN for an admin. */
  source?: EvaluationSource | null;
  /** Who judged, as the application knows people; kept beside the credential, which vouches for it. */
  evaluatedBy?: string | null;
}
/** What the gateway itself makes of a session. */
export interface Judgement {
  source: 'RULES' | 'MODEL';
  /** `rules`, or the name of the model. */
  evaluatedBy: string;
  score: number;
  criteria: JudgedCriterion[];
  /** Null: not by a rubric. */
  rubricRevision: number | null;
  tags?: readonly string[];
  notes?: string | null;
}
export interface EvaluationFilter {
  tenantId?: string | null;
  sessionId?: string | null;
  agentVersionId?: string | null;
  source?: EvaluationSource | null;
}

const BY_PEOPLE = ['HUMAN', 'API'] as const;

/** Everything of an evaluation that does not follow from its session. */
type Verdict = Pick<Evaluation, 'source' | 'score' | 'tags' | 'notes' | 'criteria' | 'rubricRevision' | 'evaluatedBy'>;

export class Evaluations {
  constructor(private readonly ctx: ServiceContext) {}

  /**
   * A person (or a program of the tenant) judges a session that is over: its tags gather, and its call carries the mean: of
   * what people said where people said something, else of all. It becomes REVIEWED, unless it FAILED. Throws
   * VALIDATION_FAILED, NOT_FOUND, CONFLICT while the session is live.
   */
  async record(viewer: Viewer, input: NewEvaluation): Promise<Evaluation> {
    requireScope(viewer, 'evaluations:write');
    const given = checkedEvaluation(viewer, input);
    if (!isUuid(input.sessionId)) throw notFound('voice session');
    const row = await this.write(viewer, input.sessionId, async (em, call) => {
      const wanted = given.criteria.length > 0 && call.agentId != null;
      const rubric = wanted ? await em.findOne(Rubric, { agentId: call.agentId }) : null;
      const criteria = byRubric(given.criteria, rubric);
      // One of the two is there.
      const score = given.score ?? scoreOf(criteria)!;
      return { ...given, criteria, score, rubricRevision: rubric?.revision ?? null };
    });
    return row!;
  }

  /** The gateway's own: a second one of the same source changes nothing. */
  async recordOnce(viewer: Viewer, sessionId: string, judgement: Judgement): Promise<void> {
    await this.write(viewer, sessionId, async (em) => {
      if ((await em.count(Evaluation, { sessionId, source: judgement.source })) > 0) return null;
      return { ...judgement, tags: [...(judgement.tags ?? [])], notes: judgement.notes ?? null };
    });
  }

  /** `verdictOf` runs under the locks of call and session; null: nothing is to be written. */
  private async write(
    viewer: Viewer,
    sessionId: string,
    verdictOf: (em: EntityManager, call: Call) => Promise<Verdict | null>,
  ): Promise<Evaluation | null> {
    const written = await inTransaction(this.ctx, viewer, async (em) => {
      const found = await em.findOne(VoiceSession, { id: sessionId });
      if (found === null) throw notFound('voice session');
      // Call row first, then session row: the one order of locks in this product.
      const call = await em.findOneOrFail(Call, { id: found.callId }, { lockMode: LockMode.PESSIMISTIC_WRITE });
      const session = await em.findOneOrFail(
        VoiceSession,
        { id: found.id },
        { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true },
      );
      if (session.status === 'ACTIVE')
        throw new AppError('CONFLICT', 'The session is live: it can be judged when it has ended');
      const verdict = await verdictOf(em, call);
      if (verdict === null) return null;
      const row = await this.add(em, call, session, verdict);
      auditAdmin(em, viewer, {
        tenantId: row.tenantId as string,
        action: 'evaluation.recorded',
        subjectType: 'voice_session',
        subjectId: session.id,
        after: snapshot(row),
      });
      return { row, callId: call.id };
    });
    if (written === null) return null;
    const { row, callId } = written;
    await this.ctx.topics.publish('callChanged', { tenantId: row.tenantId, callId, sessionId: row.sessionId });
    return row;
  }

  private async add(em: EntityManager, call: Call, session: VoiceSession, verdict: Verdict): Promise<Evaluation> {
    const before = await em.find(Evaluation, { sessionId: session.id });
    const row = em.create(Evaluation, {
      ...verdict,
      tenantId: session.tenantId,
      sessionId: session.id,
      agentVersionId: session.agentVersionId ?? null,
    });
    if (isByPeople(row)) {
      session.reviewedAt ??= this.ctx.clock.now();
      // How it failed stays to be seen and counted.
      if (session.status === 'COMPLETED') session.status = 'REVIEWED';
    }
    session.tags = [...new Set([...session.tags, ...verdict.tags])];
    call.evaluationScore = meanScore([...before, row]);
    await em.flush();
    await watchCandidateOf(em, this.ctx, call.id);
    if (!call.synthetic)
      await this.ctx.outbox.enqueue(em, session.tenantId, 'voice.session.evaluated', {
        voice_session_id: session.id,
        call_sid: session.callSid ?? null,
        evaluation_id: row.id,
        agent_version_id: row.agentVersionId ?? null,
        score: row.score,
        tags: row.tags,
        source: row.source.toLowerCase(),
        evaluated_by: row.evaluatedBy,
      });
    return row;
  }

  page(viewer: Viewer, filter: EvaluationFilter, request: PageRequest): Promise<Page<Evaluation>> {
    requireScope(viewer, 'evaluations:read');
    return listPage(emFor(this.ctx.database, viewer, filter.tenantId), Evaluation, whereEvaluation(filter), request);
  }
  list(viewer: Viewer, filter: EvaluationFilter, request: OffsetRequest): Promise<Rows<Evaluation>> {
    requireScope(viewer, 'evaluations:read');
    return listOffset(emFor(this.ctx.database, viewer, filter.tenantId), Evaluation, whereEvaluation(filter), request);
  }
}

const isByPeople = ({ source }: Pick<Evaluation, 'source'>): boolean =>
  (BY_PEOPLE as readonly EvaluationSource[]).includes(source);

function meanScore(all: readonly Evaluation[]): number {
  const people = all.filter(isByPeople);
  const counted = people.length > 0 ? people : all;
  return counted.reduce((sum, { score }) => sum + Number(score), 0) / counted.length;
}

function checkedEvaluation(viewer: Viewer, input: NewEvaluation) {
  const checks = new Checks();
  const score = checks.optionalNumber('score', input.score, 0, 1);
  const criteria = checks.list('criteria', input.criteria ?? [], MAX_CRITERIA, (item, path) => {
    const { key, score: given, comment } = (item ?? {}) as Partial<CriterionScore>;
    const judged = checks.optionalNumber(`${path}.score`, given, 0, 1);
    if (judged === null) checks.fail(`${path}.score`, 'is needed');
    return {
      key: checks.text(`${path}.key`, key, { max: 60 }),
      score: judged!,
      comment: checks.optionalText(`${path}.comment`, comment, { max: 1_000 }),
    };
  });
  checks.unique(
    'criteria',
    criteria.map(({ key }) => key),
  );
  if (score === null && criteria.length === 0) checks.fail('score', 'is needed, or criteria');
  const tags = checks.list('tags', input.tags ?? [], 50, (tag, path) => checks.text(path, tag, { max: 100 }));
  const notes = checks.optionalText('notes', input.notes, { max: 10_000 });
  const who = checks.optionalText('evaluatedBy', input.evaluatedBy, { max: 100 });
  const source = input.source ?? (viewer.kind === 'tenant' ? 'API' : 'HUMAN');
  // RULES and MODEL are the gateway's own words: a gate counts on them.
  checks.oneOf('source', source, BY_PEOPLE);
  checks.done();
  const credential = actorOf(viewer);
  const evaluatedBy = who === null ? credential : `${who} (${credential})`;
  return { score, criteria, tags: [...new Set(tags)], notes, source, evaluatedBy };
}

/** With the weights of the rubric. Throws VALIDATION_FAILED for criteria that it does not have. */
function byRubric(given: readonly CriterionScore[], rubric: Rubric | null): JudgedCriterion[] {
  const known = new Map((rubric?.criteria ?? []).map((criterion) => [criterion.key, criterion]));
  const strangers = given.flatMap(({ key }, index) =>
    known.has(key)
      ? []
      : [
          {
            path: `criteria[${index}].key`,
            message: rubric === null ? 'the agent has no rubric' : `must be one of ${[...known.keys()].join(', ')}`,
          },
        ],
  );
  if (strangers.length > 0) throw invalid(...strangers);
  return given.map(({ key, score, comment }) => ({
    key,
    weight: known.get(key)!.weight,
    score,
    comment: comment ?? null,
    quotes: [],
  }));
}

function whereEvaluation({ sessionId, agentVersionId, source }: EvaluationFilter) {
  // What is no UUID matches nothing, and must not reach the database.
  if ([sessionId, agentVersionId].some((id) => id != null && !isUuid(id))) return { id: { $in: [] } };
  return {
    ...(sessionId == null ? {} : { sessionId }),
    ...(agentVersionId == null ? {} : { agentVersionId }),
    ...(source == null ? {} : { source }),
  };
}
