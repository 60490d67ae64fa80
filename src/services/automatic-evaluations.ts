import { createHash } from 'node:crypto';
import {
  AgentVersion,
  Call,
  Evaluation,
  Rubric,
  SessionEvent,
  ToolCall,
  Turn,
  VoiceSession,
  type EvaluationSource,
} from '../entities/index.js';
import type { Job } from '../ports/jobs.js';
import { TextModelError, type TextModel } from '../ports/text-model.js';
import type { ServiceContext } from './context.js';
import { Diagnostics } from './diagnostics.js';
import { judgeByRules, scoreOf, type SessionFacts } from './evaluation-rules.js';
import { Evaluations } from './evaluations.js';
import { judgeByModel } from './model-evaluation.js';
import { systemViewer } from './viewer.js';

const VIEWER = systemViewer('evaluation');

/** A session whose agent has a rubric and which was drawn for evaluation. */
interface Drawn {
  session: VoiceSession;
  rubric: Rubric;
  version: AgentVersion | null;
  turns: Turn[];
}

/**
 * Judges calls after they ended, by rules and by the text model, when their agent has a rubric and the sample falls on
 * them. Each of both judges a session once, however often the job runs; an outage of the model delays its judgement only.
 */
export class AutomaticEvaluations {
  private readonly evaluations: Evaluations;
  private readonly diagnostics: Diagnostics;

  constructor(
    private readonly context: ServiceContext,
    private readonly textModel: TextModel | null,
  ) {
    this.evaluations = new Evaluations(context);
    this.diagnostics = new Diagnostics(context);
  }

  /** The work of one job. Throws to be run again. */
  async evaluate(job: Job<{ sessionId: string }>): Promise<void> {
    const drawn = await this.draw(job.data.sessionId);
    if (drawn === null) return;
    const { session } = drawn;
    if (!(await this.has(session.id, 'RULES'))) await this.byRules(drawn);
    if (this.textModel === null || drawn.turns.length === 0 || (await this.has(session.id, 'MODEL'))) return;
    try {
      await this.byModel(this.textModel, drawn, job.signal);
    } catch (error) {
      if (!(error instanceof TextModelError) || error.retryable) throw error;
      await this.diagnostics.raise({
        tenantId: session.tenantId,
        code: 'evaluation_refused',
        severity: 'WARNING',
        message: 'The text model refuses to judge calls of this tenant; the rules still do.',
        action:
          'Read the criteria of the rubric, and check that TEXT_MODEL names a model that knows structured output.',
        detail: { sessionId: session.id, agentVersionId: session.agentVersionId ?? null },
      });
    }
  }

  private async draw(sessionId: string): Promise<Drawn | null> {
    const em = this.context.database.em({ all: true });
    const session = await em.findOne(VoiceSession, { id: sessionId });
    if (session === null || session.status === 'ACTIVE') return null;
    const call = await em.findOneOrFail(Call, { id: session.callId });
    const rubric = call.agentId == null ? null : await em.findOne(Rubric, { agentId: call.agentId });
    // A test call was placed to be judged.
    if (rubric === null || !(call.synthetic || isSampled(sessionId, Number(rubric.sampleRate)))) return null;
    return {
      session,
      rubric,
      version: session.agentVersionId == null ? null : await em.findOne(AgentVersion, { id: session.agentVersionId }),
      turns: await em.find(Turn, { sessionId, text: { $ne: '' } }, { orderBy: { index: 'asc' } }),
    };
  }

  private async byRules({ session, version, turns }: Drawn): Promise<void> {
    const em = this.context.database.em({ all: true });
    const facts: SessionFacts = {
      session,
      version,
      turns,
      tools: await em.find(ToolCall, { sessionId: session.id }),
      ...(await this.marks(session.id)),
    };
    const criteria = judgeByRules(facts);
    const score = scoreOf(criteria);
    if (score === null) return;
    await this.evaluations.recordOnce(VIEWER, session.id, {
      source: 'RULES',
      evaluatedBy: 'rules',
      score,
      criteria,
      rubricRevision: null,
    });
  }

  private async byModel(model: TextModel, { session, rubric, turns }: Drawn, signal: AbortSignal): Promise<void> {
    const { criteria, tags, notes } = await judgeByModel(model, rubric.criteria, turns, signal);
    const score = scoreOf(criteria);
    if (score === null) return;
    await this.evaluations.recordOnce(VIEWER, session.id, {
      source: 'MODEL',
      evaluatedBy: model.model,
      score,
      criteria,
      rubricRevision: rubric.revision,
      tags,
      notes,
    });
  }

  private async has(sessionId: string, source: EvaluationSource): Promise<boolean> {
    return (await this.context.database.em({ all: true }).count(Evaluation, { sessionId, source })) > 0;
  }

  /** What the agent recorded and noticed, from the log: rows may have been completed since by others. */
  private async marks(sessionId: string): Promise<Pick<SessionFacts, 'outcomes' | 'concerns'>> {
    const events = await this.context.database
      .em({ all: true })
      .find(
        SessionEvent,
        { sessionId, type: { $in: ['OutcomeRecorded', 'ConcernRaised'] } },
        { orderBy: { seq: 'asc' } },
      );
    const concerns = new Map<string, number>();
    const outcomes: string[] = [];
    for (const { type, payload } of events)
      if (type === 'OutcomeRecorded') outcomes.push(String(payload.outcome));
      else concerns.set(String(payload.concern), Number(payload.count));
    return { outcomes, concerns };
  }
}

/** The same answer each time for one session: a job that runs again must not draw again. */
export function isSampled(sessionId: string, rate: number): boolean {
  return createHash('sha256').update(sessionId).digest().readUInt32BE() / 2 ** 32 < rate;
}
