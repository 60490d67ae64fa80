import { LockMode } from '@mikro-orm/postgresql';
import { Call, VoiceSession } from '../entities/index.js';
import type { EndReason } from '../ports/session-events.js';
import type { CallLookup } from './call-lookup.js';
import { lockCall, type CallProgress } from './call-progress.js';
import { isTerminal } from './call-states.js';
import type { ServiceContext } from './context.js';
import type { SessionEnd } from './session-end.js';

/** How a stream ended, as its owner saw it. */
export interface StreamEnding {
  sessionId: string;
  callId: string;
  /** Of the owner: a newer one makes this news worthless. */
  generation: number;
  by: 'stop' | 'close';
  /** Known reason; null: whoever resumes, or the carrier, decides. */
  reason: EndReason | null;
}

/**
 * What follows the end of a media stream (design.md §3.5): the session ends now when somebody wanted it, else the resume
 * route has its time to come, else the carrier is asked. Timers live in this process; the reaper is the net below them.
 */
export class StreamEnds {
  private readonly timers = new Set<NodeJS.Timeout>();

  constructor(
    private readonly context: ServiceContext,
    private readonly services: { sessionEnd: SessionEnd; progress: CallProgress; lookup: CallLookup },
  ) {}

  async ended(ending: StreamEnding): Promise<void> {
    const { timing } = this.context.settings;
    const { waiting, over } = await this.record(ending);
    // Whoever was transferred still talks; their end is told by the transfer's.
    if (over !== null && over !== 'TRANSFERRED') this.services.lookup.followEnd(ending.callId);
    if (!waiting) return;
    const grace = ending.by === 'stop' ? timing.resumeGraceAfterStopMs : timing.resumeGraceAfterCloseMs;
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      this.settle(ending.sessionId, ending.generation).catch((error: unknown) =>
        this.context.log.warn({ err: error, sessionId: ending.sessionId }, 'end of a stream not settled yet'),
      );
    }, grace);
    timer.unref();
    this.timers.add(timer);
  }

  /**
   * Asks the carrier about a session that nobody streams any more, and ends it when its call is over. Whoever applies the
   * carrier's news ends the session; a call that goes on (the caller listens to a transfer) keeps it.
   */
  async settle(sessionId: string, generation: number): Promise<void> {
    const em = this.context.database.em({ all: true });
    const session = await em.findOne(VoiceSession, { id: sessionId, status: 'ACTIVE', ownerGeneration: generation });
    if (session === null || session.streamEndedAt == null) return;
    const call = await em.findOneOrFail(Call, { id: session.callId });
    if (isTerminal(call.status)) await this.services.sessionEnd.end(session, 'CALL_ENDED');
    else if (!isTerminal((await this.services.lookup.ask(call)).status)) this.services.lookup.followEnd(call.id);
  }

  /** Stops waiting; sessions still open are the reaper's. */
  close(): void {
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
  }

  /** `waiting`: the session still lives and the grace begins. `over`: why it ended here and now. */
  private async record({
    sessionId,
    callId,
    generation,
    reason,
  }: StreamEnding): Promise<{ waiting: boolean; over: EndReason | null }> {
    const { database, clock } = this.context;
    const { announce, ...outcome } = await database.em({ all: true }).transactional(async (em) => {
      const call = await lockCall(em, callId);
      const session = await em.findOne(
        VoiceSession,
        { id: sessionId, status: 'ACTIVE', ownerGeneration: generation },
        { lockMode: LockMode.PESSIMISTIC_WRITE },
      );
      if (call === null || session === null) return { waiting: false, over: null, announce: null };
      session.streamEndedAt = clock.now();
      session.ownerId = null;
      await em.flush();
      // Nobody will ever call back about a synthetic call: its stream was all there is.
      const over = reason ?? (isTerminal(call.status) || call.synthetic ? 'CALL_ENDED' : null);
      if (over === null) return { waiting: true, over, announce: null };
      const { announce } = await this.services.sessionEnd.endWithin(em, session, over, clock.now());
      return { waiting: false, over, announce };
    });
    await announce?.();
    if (announce !== null) await this.endSynthetic(callId);
    return outcome;
  }

  private async endSynthetic(callId: string): Promise<void> {
    const call = await this.context.database.em({ all: true }).findOne(Call, { id: callId, synthetic: true });
    if (call !== null)
      await this.services.progress.report(callId, { status: 'COMPLETED', at: this.context.clock.now() });
  }
}
