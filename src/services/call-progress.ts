import { LockMode, type EntityManager } from '@mikro-orm/postgresql';
import { Call, VoiceSession } from '../entities/index.js';
import { apply, isTerminal, type ReportedStatus } from './call-states.js';
import type { ServiceContext } from './context.js';
import { COMPLETED_QUEUE, endReasonOf, hasLiveStream, type Announce, type SessionEnd } from './session-end.js';
import type { SessionLog } from './session-log.js';

/** What somebody learned about a call: a status callback, an answer of the carrier, a look-up, our own media stream. */
export interface CallReport {
  status: ReportedStatus;
  /** Twilio's `SequenceNumber`; null when it is no callback. */
  sequence?: number | null;
  /** When it happened, as well as it is known. */
  at: Date;
  /** Of the whole call; never Twilio's `Duration`, which counts minutes (trap 31). */
  durationSeconds?: number | null;
  callSid?: string;
  errorCode?: string | null;
}

/** Locks a call for the rest of the transaction; null when it is gone. Calls are locked before sessions, always. */
export function lockCall(em: EntityManager, id: string): Promise<Call | null> {
  return em.findOne(Call, { id }, { lockMode: LockMode.PESSIMISTIC_WRITE });
}

/** Applies what is learned about calls, whatever its source: one place where a call's row moves. */
export class CallProgress {
  constructor(
    private readonly context: ServiceContext,
    private readonly sessionLog: SessionLog,
    private readonly sessionEnd: SessionEnd,
  ) {}

  /** Locks the call and applies the report; null when there is no such call. */
  async report(callId: string, report: CallReport): Promise<Call | null> {
    const { call, announce } = await this.context.database.em({ all: true }).transactional(async (em) => {
      const locked = await lockCall(em, callId);
      if (locked === null) return { call: null, announce: null };
      return { call: locked, announce: await this.apply(em, locked, report) };
    });
    await announce?.();
    return call;
  }

  /** The same on a call that the caller's transaction has locked already; tell the bus after the commit. */
  async apply(em: EntityManager, call: Call, report: CallReport): Promise<Announce> {
    const before = { status: call.status, sid: call.callSid };
    if (report.callSid !== undefined && call.callSid === null) call.callSid = report.callSid;
    const next = apply(
      { status: call.status, sequence: call.statusSequence ?? null },
      { status: report.status, sequence: report.sequence ?? null },
    );
    if (next !== null) {
      call.status = next.status;
      call.statusSequence = next.sequence;
    }
    this.setTimes(call, report, isTerminal(call.status) && !isTerminal(before.status));
    await em.flush();
    const announces: Announce[] = [];
    if (call.status !== before.status) announces.push(...(await this.tellSession(em, call, report.at)));
    const changed = call.status !== before.status || call.callSid !== before.sid;
    return async () => {
      for (const announce of announces) await announce();
      if (changed) await announceCall(this.context, call);
    };
  }

  private setTimes(call: Call, report: CallReport, justEnded: boolean): void {
    // A late "in-progress" still says when the call was answered, even of a call that has ended.
    if (report.status === 'IN_PROGRESS') call.answeredAt ??= report.at;
    const ending = report.status === call.status && isTerminal(call.status);
    if (ending && report.durationSeconds != null) call.durationSeconds ??= report.durationSeconds;
    if (!justEnded) return;
    call.endedAt = report.at;
    call.errorCode ??= report.errorCode ?? null;
    const { durationSeconds } = call;
    if (call.status === 'COMPLETED' && durationSeconds != null)
      call.answeredAt ??= new Date(report.at.getTime() - durationSeconds * 1_000);
    call.durationSeconds ??=
      call.answeredAt == null ? 0 : Math.max(0, Math.round((report.at.getTime() - call.answeredAt.getTime()) / 1_000));
  }

  private async tellSession(em: EntityManager, call: Call, at: Date): Promise<Announce[]> {
    const announces: Announce[] = [];
    const session = await em.findOne(VoiceSession, { callId: call.id, status: 'ACTIVE' });
    // The log begins with SessionStarted; what the call did before that is on its own row.
    if (session !== null && session.lastSeq > 0) {
      const appended = await this.sessionLog.appendWithin(em, session.id, [
        {
          eventId: `call-status:${call.status}`,
          type: 'CallStatusChanged',
          at,
          payload: { status: call.status },
        },
      ]);
      announces.push(appended.announce);
    }
    if (!isTerminal(call.status)) return announces;
    // The owner of a live stream still holds words that were spoken; it ends the session when Twilio's `stop` comes.
    const { clock, settings } = this.context;
    if (session !== null && !hasLiveStream(session, clock.now(), settings.timing.ownerDeadAfterMs))
      announces.push((await this.sessionEnd.endWithin(em, session, endReasonOf(session), clock.now())).announce);
    await this.context.jobs.send(COMPLETED_QUEUE, { callId: call.id }, {}, em);
    return announces;
  }
}

/** Tells the feeds that a call changed. A lost message costs latency only, so a bus outage fails nothing here. */
export async function announceCall(
  context: ServiceContext,
  call: { id: string; tenantId: string },
  sessionId: string | null = null,
): Promise<void> {
  await context.topics
    .publish('callChanged', { tenantId: call.tenantId, callId: call.id, sessionId })
    .catch((error: unknown) => context.log.warn({ err: error, callId: call.id }, 'bus publish failed'));
}
