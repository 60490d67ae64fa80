import type { EntityManager } from '@mikro-orm/postgresql';
import type { VoiceSession } from '../entities/index.js';
import type { EndReason } from '../ports/session-events.js';
import type { ServiceContext } from './context.js';
import { watchCandidateOf } from './rollout-watch.js';
import type { SessionLog } from './session-log.js';

/** Queues of what follows a call. */
export const SUMMARY_QUEUE = 'call-summary';
export const EVALUATION_QUEUE = 'call-evaluation';
export const COMPLETED_QUEUE = 'call-completed';

/** What was committed and still has to be told on the bus; called after the commit. */
export type Announce = () => Promise<void>;
export const nothingToAnnounce: Announce = async () => {};

/** Reasons after which the caller was left without an agent: the resume route answers with the fallback. */
const FAILURES: ReadonlySet<EndReason> = new Set(['MODEL_LOST', 'MEDIA_LOST', 'OWNER_LOST', 'SHUTDOWN']);

/** True while a process holds the session's stream and proves that it lives; that process ends the session itself. */
export function hasLiveStream(session: VoiceSession, now: Date, ownerDeadAfterMs: number): boolean {
  return (
    session.ownerId != null &&
    session.streamOpenedAt != null &&
    session.streamEndedAt == null &&
    session.ownerBeatAt != null &&
    now.getTime() - session.ownerBeatAt.getTime() < ownerDeadAfterMs
  );
}

/** Why a session ends whose call is over: its owner died over it, or the call simply ended. */
export function endReasonOf(session: VoiceSession): EndReason {
  return session.streamEndedAt == null && session.ownerBeatAt != null ? 'OWNER_LOST' : 'CALL_ENDED';
}

/** The only way a session ends: once, with `SessionEnded` as the log's last event, and with what follows it enqueued. */
export class SessionEnd {
  constructor(
    private readonly context: ServiceContext,
    private readonly sessionLog: SessionLog,
  ) {}

  /** Ends it now. False when it had ended before. */
  async end(session: EndingSession, reason: EndReason): Promise<boolean> {
    const { ended, announce } = await this.context.database
      .em({ all: true })
      .transactional((em) => this.endWithin(em, session, reason, this.context.clock.now()));
    await announce();
    return ended;
  }

  /** The same in a transaction of the caller, who holds no lock on the session row yet (the call's is fine). */
  async endWithin(
    em: EntityManager,
    session: EndingSession,
    reason: EndReason,
    at: Date,
  ): Promise<{ ended: boolean; announce: Announce }> {
    const { result, announce } = await this.sessionLog.appendWithin(em, session.id, [
      {
        eventId: 'session-ended',
        type: 'SessionEnded',
        at,
        payload: {
          status: FAILURES.has(reason) ? 'FAILED' : 'COMPLETED',
          reason,
          durationMs: Math.max(0, at.getTime() - session.startedAt.getTime()),
        },
      },
    ]);
    const ended = result.outcome === 'stored' && result.stored > 0;
    if (ended) {
      await this.context.jobs.send(SUMMARY_QUEUE, { sessionId: session.id }, {}, em);
      await this.context.jobs.send(EVALUATION_QUEUE, { sessionId: session.id }, {}, em);
      await this.context.jobs.send(COMPLETED_QUEUE, { callId: session.callId }, {}, em);
      await watchCandidateOf(em, this.context, session.callId);
    }
    return { ended, announce };
  }
}

export type EndingSession = Pick<VoiceSession, 'id' | 'callId' | 'startedAt'>;
