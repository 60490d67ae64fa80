import { Call, VoiceSession } from '../entities/index.js';
import { CarrierError, type Carrier } from '../ports/carrier.js';
import type { CallLookup } from './call-lookup.js';
import { announceCall, type CallProgress } from './call-progress.js';
import { isTerminal } from './call-states.js';
import type { CarrierAccounts } from './carrier-accounts.js';
import type { ServiceContext } from './context.js';
import { COMPLETED_QUEUE, endReasonOf, type SessionEnd } from './session-end.js';

/** Rows of one kind that one sweep looks at; the rest waits for the next, those checked longest ago first. */
const BATCH = 20;
/** An unknown call is asked about at least this often at first, more rarely the older it gets. */
const UNKNOWN_RECHECK_MS = 15_000;
/** After a day without a trace the carrier never had the call. */
const UNKNOWN_GIVES_UP_MS = 86_400_000;
/** Clocks of two machines, and the time between our row and Twilio's. */
const LISTING_MARGIN_MS = 60_000;
/** A session nobody ever streamed is asked about after this. */
const ORPHAN_AFTER_MS = 60_000;
/** The owner of a live stream has this long to end the session of a call that is over. */
const OWNER_ENDS_WITHIN_MS = 10_000;
/** A job that sends the last event is thought lost after this. */
const COMPLETED_LOST_MS = 60_000;

export interface ReconcileServices {
  carrier: Carrier;
  accounts: CarrierAccounts;
  progress: CallProgress;
  lookup: CallLookup;
  sessionEnd: SessionEnd;
}

/**
 * The net below everything that can get lost: answers, callbacks, owners, jobs. Every row is claimed by stamping it
 * (`checked_at`, skipping rows that others hold), so any number of processes may sweep and each row is asked about once;
 * a row that cannot be settled blocks no other.
 */
export class Reconciler {
  private timer: NodeJS.Timeout | null = null;
  private sweeping: Promise<void> | null = null;

  constructor(
    private readonly context: ServiceContext,
    private readonly services: ReconcileServices,
  ) {}

  /** Sweeps at once and then every `sweepIntervalMs`, never two sweeps at a time in this process. */
  start(): void {
    const tick = () => {
      this.sweep().catch((error: unknown) => this.context.log.warn({ err: error }, 'sweep failed'));
    };
    this.timer = setInterval(tick, this.context.settings.timing.sweepIntervalMs);
    this.timer.unref();
    tick();
  }

  /** Waits for a running sweep. */
  async stop(): Promise<void> {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    await this.sweeping?.catch(() => {});
  }

  sweep(): Promise<void> {
    this.sweeping ??= this.sweepOnce().finally(() => (this.sweeping = null));
    return this.sweeping;
  }

  private async sweepOnce(): Promise<void> {
    await this.loseSlowDials();
    await this.each(await this.claimUnknown(), (call) => this.settleUnknown(call));
    await this.each(await this.claimSilent(), (call) => this.services.lookup.ask(call));
    await this.each(await this.claimAbandoned(), (session) => this.settleAbandoned(session));
    await this.resendCompleted();
  }

  /** A dial without an answer is unknown: it may or may not ring somewhere. */
  private async loseSlowDials(): Promise<void> {
    const { timing } = this.context.settings;
    const lost = await this.em().execute<{ id: string; tenant_id: string }[]>(
      `update "call" set status = 'UNKNOWN', updated_at = ? where status = 'DIALING' and created_at < ? returning id, tenant_id`,
      [this.now(), this.ago(timing.dialUnknownAfterMs)],
    );
    for (const { id, tenant_id } of lost) await announceCall(this.context, { id, tenantId: tenant_id });
  }

  private async claimUnknown(): Promise<Call[]> {
    const now = this.now();
    return this.claimCalls(
      `c.status = 'UNKNOWN' and (c.checked_at is null
        or c.checked_at < ?::timestamptz - greatest(make_interval(secs => ?), (?::timestamptz - c.created_at) / 4))`,
      [now, UNKNOWN_RECHECK_MS / 1_000, now],
    );
  }

  /** Running calls without news for a while, whose session does not beat either. */
  private async claimSilent(): Promise<Call[]> {
    const { timing } = this.context.settings;
    const silent = this.ago(timing.silentCallLookupMs);
    return this.claimCalls(
      `c.status in ('QUEUED', 'RINGING', 'IN_PROGRESS') and c.call_sid is not null and not c.synthetic
        and c.updated_at < ? and (c.checked_at is null or c.checked_at < ?)
        and not exists (select 1 from voice_session s where s.call_id = c.id and s.status = 'ACTIVE' and s.owner_beat_at > ?)`,
      [silent, silent, this.ago(timing.ownerDeadAfterMs)],
    );
  }

  /** Active sessions that no living process streams, or whose call is long over. */
  private async claimAbandoned(): Promise<VoiceSession[]> {
    const { timing } = this.context.settings;
    const calls = await this.claimCalls(
      `(c.checked_at is null or c.checked_at < ?) and exists (
        select 1 from voice_session s where s.call_id = c.id and s.status = 'ACTIVE' and (
          (s.stream_ended_at is not null and s.stream_ended_at < ?)
          or (s.stream_ended_at is null and s.owner_beat_at < ?)
          or (s.owner_beat_at is null and s.started_at < ?)
          or c.ended_at < ?))`,
      [
        this.ago(timing.sweepIntervalMs),
        this.ago(timing.resumeGraceAfterCloseMs),
        this.ago(timing.ownerDeadAfterMs),
        this.ago(ORPHAN_AFTER_MS),
        this.ago(OWNER_ENDS_WITHIN_MS),
      ],
    );
    return this.em().find(VoiceSession, { callId: { $in: calls.map((call) => call.id) }, status: 'ACTIVE' });
  }

  private async claimCalls(condition: string, parameters: unknown[]): Promise<Call[]> {
    const rows = await this.em().execute<{ id: string }[]>(
      `update "call" set checked_at = ? where id in (
         select c.id from "call" c where ${condition}
         order by c.checked_at asc nulls first, c.created_at asc limit ${BATCH} for update skip locked)
       returning id`,
      [this.now(), ...parameters],
    );
    return this.em().find(Call, { id: { $in: rows.map((row) => row.id) } });
  }

  /** Looks the call up, by its sid or among the carrier's calls. Only the one possible match is adopted. */
  private async settleUnknown(call: Call): Promise<void> {
    const { lookup, accounts, carrier, progress } = this.services;
    if (call.callSid != null) return void (await lookup.ask(call));
    const account = await accounts.forCall(this.em(), call);
    if (account !== null && call.toNumber != null) {
      const since = new Date(call.createdAt.getTime() - LISTING_MARGIN_MS);
      const until = call.createdAt.getTime() + this.context.settings.timing.unknownBlocksMs;
      const listed = await carrier.listCalls(account, { to: call.toNumber, from: call.fromNumber ?? undefined, since });
      const known = await this.em().find(Call, { callSid: { $in: listed.map((found) => found.sid) } });
      const matches = listed.filter(
        (found) =>
          !known.some((row) => row.callSid === found.sid) &&
          (found.createdAt === null || (found.createdAt >= since && found.createdAt.getTime() <= until)),
      );
      if (matches.length === 1 && (await this.isOnlyUnknown(call))) return void (await lookup.learn(call, matches[0]!));
    }
    if (this.now().getTime() - call.createdAt.getTime() > UNKNOWN_GIVES_UP_MS)
      await progress.report(call.id, { status: 'FAILED', at: this.now(), errorCode: 'never_placed' });
  }

  /** Two lost dials to one number: nobody can say whose the listed call is. */
  private async isOnlyUnknown(call: Call): Promise<boolean> {
    const { toNumber, fromNumber, accountSid } = call;
    const rivals = await this.em().count(Call, {
      id: { $ne: call.id },
      status: { $in: ['UNKNOWN', 'DIALING'] },
      callSid: null,
      toNumber,
      fromNumber,
      accountSid,
    });
    return rivals === 0;
  }

  /** Whoever applies the news that the call is over ends its session; only a call known to be over needs nothing more. */
  private async settleAbandoned(session: VoiceSession): Promise<void> {
    const { progress, lookup, sessionEnd } = this.services;
    const call = await this.em().findOneOrFail(Call, { id: session.callId });
    if (isTerminal(call.status)) await sessionEnd.end(session, endReasonOf(session));
    // Nobody but the dead owner could know more about a call without a line.
    else if (call.synthetic)
      await progress.report(call.id, { status: 'FAILED', at: this.now(), errorCode: 'owner_lost' });
    else await lookup.ask(call);
  }

  /** Calls that are over and whose last event nobody sent: the process died between the two. */
  private async resendCompleted(): Promise<void> {
    const calls = await this.claimCalls(
      `c.status in ('COMPLETED', 'BUSY', 'FAILED', 'NO_ANSWER', 'CANCELED') and not c.completed_event_sent
        and c.ended_at < ? and (c.checked_at is null or c.checked_at < ?)
        and not exists (select 1 from voice_session s where s.call_id = c.id and s.status = 'ACTIVE')`,
      [this.ago(COMPLETED_LOST_MS), this.ago(COMPLETED_LOST_MS)],
    );
    await this.each(calls, (call) => this.context.jobs.send(COMPLETED_QUEUE, { callId: call.id }));
  }

  private async each<T extends { id: string }>(rows: T[], settle: (row: T) => Promise<unknown>): Promise<void> {
    for (const row of rows)
      try {
        await settle(row);
      } catch (error) {
        const failure = error instanceof CarrierError ? error.failure : undefined;
        this.context.log.warn({ err: error, rowId: row.id, failure }, 'row not reconciled; trying again later');
      }
  }

  private em() {
    return this.context.database.em({ all: true });
  }
  private now(): Date {
    return this.context.clock.now();
  }
  private ago(ms: number): Date {
    return new Date(this.now().getTime() - ms);
  }
}
