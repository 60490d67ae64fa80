import { AgentVersion, Call, Turn, VoiceSession, type CallAnalysis } from '../entities/index.js';
import type { Job, QueuePolicy } from '../ports/jobs.js';
import { TextModelError, type TextModel } from '../ports/text-model.js';
import { AutomaticEvaluations } from './automatic-evaluations.js';
import { analyse, EXTRACT, extractOf } from './call-analysis.js';
import { announceCall, lockCall } from './call-progress.js';
import { documentedStatus, isTerminal } from './call-states.js';
import type { ServiceContext } from './context.js';
import { COMPLETED_QUEUE, EVALUATION_QUEUE, SUMMARY_QUEUE } from './session-end.js';

/** With a quarter of an hour between the later ones: a day without the text model loses nothing. */
const TEXT_MODEL_RETRIES = 100;
const MAX_RETRY_DELAY_SECONDS = 900;

/** What follows a call: its summary, its automatic evaluation, and the one event that tells the tenant how it ended. */
export class AfterCall {
  private readonly evaluations: AutomaticEvaluations;

  constructor(
    private readonly context: ServiceContext,
    private readonly textModel: TextModel | null,
  ) {
    this.evaluations = new AutomaticEvaluations(context, textModel);
  }

  /** Registers the workers. `judging` false: a process without the text model's key leaves its work to those that have it. */
  async work({ judging = true }: { judging?: boolean } = {}): Promise<void> {
    const { jobs, settings } = this.context;
    const policy: QueuePolicy = {
      retryLimit: TEXT_MODEL_RETRIES,
      retryDelaySeconds: settings.timing.textModelRetryMs / 1_000,
      maxRetryDelaySeconds: MAX_RETRY_DELAY_SECONDS,
    };
    await jobs.work<{ sessionId: string }>(SUMMARY_QUEUE, { ...policy, concurrency: judging ? 4 : 0 }, (job) =>
      this.summarize(job),
    );
    await jobs.work<{ sessionId: string }>(EVALUATION_QUEUE, { ...policy, concurrency: judging ? 2 : 0 }, (job) =>
      this.evaluations.evaluate(job),
    );
    await jobs.work<{ callId: string }>(
      COMPLETED_QUEUE,
      { retryLimit: 10, retryDelaySeconds: 1, concurrency: 2 },
      (job) => this.complete(job.data.callId),
    );
  }

  private async summarize(job: Job<{ sessionId: string }>): Promise<void> {
    const { database, jobs } = this.context;
    const em = database.em({ all: true });
    const session = await em.findOne(VoiceSession, { id: job.data.sessionId });
    if (session === null || session.summarySource != null) return;
    const turns = await em.find(Turn, { sessionId: session.id, text: { $ne: '' } }, { orderBy: { index: 'asc' } });
    const analysis = await this.analysisOf(turns, session, job);
    const call = await database.em({ all: true }).transactional(async (tem) => {
      const row = await lockCall(tem, session.callId);
      const locked = await tem.findOneOrFail(VoiceSession, { id: session.id });
      Object.assign(locked, { analysis, summary: analysis.summary, summarySource: analysis.source });
      locked.tags = [...new Set([...locked.tags, ...analysis.tags])];
      if (row !== null) {
        row.summary = analysis.summary;
        // What the agent itself recorded stands, and what a test expects of the agent nobody else may do for it.
        if (row.outcome == null && !row.synthetic) row.outcome = locked.outcome = analysis.outcome;
      }
      await tem.flush();
      await jobs.send(COMPLETED_QUEUE, { callId: session.callId }, {}, tem);
      return row;
    });
    if (call !== null) await announceCall(this.context, call, session.id);
  }

  /** By the text model; a plain extract where there is none, nothing was said, or it will never answer. */
  private async analysisOf(turns: Turn[], session: VoiceSession, job: Job<unknown>): Promise<CallAnalysis> {
    const { clock, database, log } = this.context;
    const made = { attempts: job.retryCount + 1, at: clock.now().toISOString() };
    const extract = { source: EXTRACT, provider: null, summary: extractOf(turns, session), tags: [], outcome: null };
    if (this.textModel === null || turns.length === 0) return { ...extract, ...made };
    const version =
      session.agentVersionId == null
        ? null
        : await database.em({ all: true }).findOne(AgentVersion, { id: session.agentVersionId });
    try {
      return { ...(await analyse(this.textModel, turns, version, job.signal)), ...made };
    } catch (error) {
      const final = (error instanceof TextModelError && !error.retryable) || job.retryCount >= TEXT_MODEL_RETRIES;
      if (!final) throw error;
      log.warn({ err: error, sessionId: session.id }, 'summary by the text model failed; extract instead');
      return { ...extract, ...made };
    }
  }

  /**
   * Tells the tenant that a call is over, exactly once: when its state is final and its session has ended, with the
   * summary when it comes in time. Whatever is still missing enqueues this again when it is there.
   */
  async complete(callId: string): Promise<void> {
    const { database, jobs, clock, outbox, settings } = this.context;
    await database.em({ all: true }).transactional(async (em) => {
      const call = await lockCall(em, callId);
      if (call === null || call.completedEventSent || !isTerminal(call.status)) return;
      const session = await em.findOne(VoiceSession, { callId });
      if (session !== null && session.status === 'ACTIVE') return;
      const deadline = (session?.endedAt ?? clock.now()).getTime() + settings.timing.completedWaitsForSummaryMs;
      if (session !== null && session.summarySource == null && clock.now().getTime() < deadline) {
        await jobs.send(COMPLETED_QUEUE, { callId }, { startAfter: new Date(deadline) }, em);
        return;
      }
      call.completedEventSent = true;
      await em.flush();
      if (!call.synthetic)
        await outbox.enqueue(em, call.tenantId, 'voice.call.completed', completedData(call, session));
    });
  }
}

/** Documented names (api-v1.md), and ours after them. */
function completedData(call: Call, session: VoiceSession | null): Record<string, unknown> {
  return {
    stream_sid: session?.streamSid ?? null,
    call_sid: call.callSid ?? null,
    voice_session_id: session?.id ?? null,
    from_number: call.fromNumber ?? null,
    to_number: call.toNumber ?? null,
    direction: call.direction.toLowerCase(),
    status: documentedStatus(call.status),
    duration_seconds: call.durationSeconds ?? 0,
    escalated: call.escalated,
    function_call_count: session?.toolCallCount ?? 0,
    transcript_turn_count: session?.turnCount ?? 0,
    summary: session?.summary ?? null,
    call_id: call.id,
    agent_key: call.agentKey ?? null,
    agent_version_id: call.agentVersionId ?? null,
    org_id: call.orgId ?? null,
    outcome: call.outcome ?? null,
  };
}
