import { LockMode } from '@mikro-orm/postgresql';
import { Call, Evaluation, VoiceSession, type EvaluationSource, type JudgedCriterion } from '../entities/index.js';
import type { Page } from '../lib/cursor.js';
import { AppError, notFound } from '../lib/errors.js';
import { isUuid } from '../lib/ids.js';
import { auditAdmin } from './audit-log.js';
import { Checks } from './checks.js';
import type { ServiceContext } from './context.js';
import { listOffset, listPage, type OffsetRequest, type PageRequest, type Rows } from './listing.js';
import { watchCandidateOf } from './rollout-watch.js';
import { actorOf, emFor, requireScope, type Viewer } from './viewer.js';
import { inTransaction, snapshot } from './writes.js';

export interface NewEvaluation {
  sessionId: string;
  /** 0-1. */
  score: number;
  tags?: readonly string[] | null;
  notes?: string | null;
  /** Missing: API for a tenant key, HUMAN for an admin. */
  source?: EvaluationSource | null;
  /** Made by automatic evaluations. */
  criteria?: JudgedCriterion[] | null;
  /** Who judged, when it is not the viewer: the model's name. */
  evaluatedBy?: string | null;
  /** The gateway's own: a second one of the same source changes nothing. */
  once?: boolean;
}
export interface EvaluationFilter {
  tenantId?: string | null;
  sessionId?: string | null;
  agentVersionId?: string | null;
  source?: EvaluationSource | null;
}

const BY_PEOPLE = ['HUMAN', 'API'] as const;

export class Evaluations {
  constructor(private readonly ctx: ServiceContext) {}

  /**
   * Judges a session that is over: its tags gather, and its call carries the mean: of what people said where people said
   * something, else of all. A person's evaluation makes it REVIEWED. Throws VALIDATION_FAILED, NOT_FOUND, CONFLICT while
   * the session is live.
   */
  async record(viewer: Viewer, input: NewEvaluation): Promise<Evaluation> {
    requireScope(viewer, 'evaluations:write');
    const fields = checkedEvaluation(viewer, input);
    if (!isUuid(input.sessionId)) throw notFound('voice session');
    const evaluation = await inTransaction(this.ctx, viewer, async (em) => {
      const found = await em.findOne(VoiceSession, { id: input.sessionId });
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
      const before = await em.find(Evaluation, { sessionId: session.id });
      const known = input.once === true ? before.find(({ source }) => source === fields.source) : undefined;
      if (known !== undefined) return { row: known, callId: call.id };
      const row = em.create(Evaluation, {
        ...fields,
        tenantId: session.tenantId,
        sessionId: session.id,
        agentVersionId: session.agentVersionId ?? null,
      });
      if (session.status === 'COMPLETED' && isByPeople(row)) session.status = 'REVIEWED';
      session.tags = [...new Set([...session.tags, ...fields.tags])];
      call.evaluationScore = meanScore([...before, row]);
      await em.flush();
      auditAdmin(em, viewer, {
        tenantId: row.tenantId as string,
        action: 'evaluation.recorded',
        subjectType: 'voice_session',
        subjectId: session.id,
        after: snapshot(row),
      });
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
      return { row, callId: call.id };
    });
    const { row, callId } = evaluation;
    await this.ctx.topics.publish('callChanged', { tenantId: row.tenantId, callId, sessionId: row.sessionId });
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
  if (score === null) checks.fail('score', 'is needed');
  const tags = checks.list('tags', input.tags ?? [], 50, (tag, path) => checks.text(path, tag, { max: 100 }));
  const notes = checks.optionalText('notes', input.notes, { max: 10_000 });
  const source = input.source ?? (viewer.kind === 'tenant' ? 'API' : 'HUMAN');
  // RULES and MODEL are the gateway's own words: a gate counts on them.
  if (viewer.kind !== 'system') checks.oneOf('source', source, BY_PEOPLE);
  checks.done();
  const evaluatedBy = viewer.kind === 'system' ? (input.evaluatedBy ?? actorOf(viewer)) : actorOf(viewer);
  const criteria = viewer.kind === 'system' ? (input.criteria ?? []) : [];
  return { score: score!, tags: [...new Set(tags)], notes, source, evaluatedBy, criteria };
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
