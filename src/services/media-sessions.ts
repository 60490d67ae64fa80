import { LockMode, type EntityManager } from '@mikro-orm/postgresql';
import { VoiceSession, type AgentVersion, type Call } from '../entities/index.js';
import { AppError, notFound } from '../lib/errors.js';
import { isUuid } from '../lib/ids.js';
import type { CallPlan, ClaimedSession, MediaSessions, StreamStart } from '../ports/media-session.js';
import { OwnedCall, type CallControlServices } from './call-control.js';
import { assemblePlan } from './call-plan.js';
import { announceCall, lockCall, type CallProgress } from './call-progress.js';
import { versionOfCall } from './call-setting.js';
import { isTerminal } from './call-states.js';
import { mayTalk } from './clearance.js';
import type { ServiceContext } from './context.js';
import { hasLiveStream, type Announce } from './session-end.js';
import type { SessionLog } from './session-log.js';
import { BatchingRecorder, sqlStateOf } from './session-recorder.js';
import { readStreamToken, type StreamTokenClaims } from './stream-token.js';

export interface MediaSessionServices extends CallControlServices {
  sessionLog: SessionLog;
  progress: CallProgress;
  /** Who speaks: `openai`, or `simulator`, whose calls are no evidence for a launch gate. */
  modelProvider: string | null;
  /** Told whether session logs can be written, for readiness. */
  onRecorderHealth: (healthy: boolean) => void;
}

/** Gives a media stream its session: one live stream per call, a rising generation, and the hands and eyes of its owner. */
export class StreamClaims implements MediaSessions {
  constructor(
    private readonly context: ServiceContext,
    private readonly services: MediaSessionServices,
  ) {}

  async claim(start: StreamStart): Promise<ClaimedSession> {
    try {
      return await this.claimProven(start);
    } catch (error) {
      // What is late or doubled happens in every network; who cannot prove what they are is somebody's business.
      if (error instanceof AppError && error.code === 'UNAUTHENTICATED')
        void this.services.diagnostics.raise({
          tenantId: null,
          code: 'stream_refused',
          severity: 'WARNING',
          message: 'A media stream was refused: its token was missing, wrong, expired or used.',
          action:
            'Compare STREAM_TOKEN_SECRET of all telephony processes, and see whether anybody but Twilio connects.',
          detail: { callSid: start.callSid, reason: error.message },
        });
      throw error;
    }
  }

  private async claimProven(start: StreamStart): Promise<ClaimedSession> {
    const { settings, clock, database, topics } = this.context;
    if (start.token === null) throw new AppError('UNAUTHENTICATED', 'The stream carries no token');
    const secrets = [settings.streamTokenSecret, settings.streamTokenSecretPrevious].filter((s) => s !== null);
    const token = readStreamToken(secrets, start.token, clock.now());
    if (token.callSid !== start.callSid || !isUuid(token.callId) || token.kind === 'phone')
      throw new AppError('UNAUTHENTICATED', 'The stream token belongs to another call');
    const claimed = await database.em({ all: true }).transactional((em) => this.claimIn(em, start, token));
    await claimed.announce();
    const { plan, version } = claimed;
    await topics
      .publish('sessionClaimed', { sessionId: plan.sessionId, generation: plan.generation })
      .catch((error: unknown) => this.context.log.warn({ err: error, callId: plan.callId }, 'bus publish failed'));
    return this.own(plan, version);
  }

  private async claimIn(
    em: EntityManager,
    start: StreamStart,
    token: StreamTokenClaims,
  ): Promise<{ plan: CallPlan; version: AgentVersion | null; announce: Announce }> {
    const { clock, settings } = this.context;
    const call = await lockCall(em, token.callId);
    const session = await em.findOne(VoiceSession, { callId: token.callId }, { lockMode: LockMode.PESSIMISTIC_WRITE });
    if (call === null || session === null) throw notFound('call');
    if (call.accountSid !== start.accountSid && !call.synthetic)
      throw new AppError('UNAUTHENTICATED', 'The stream belongs to another account');
    await useToken(em, token, clock.now());
    const version = await versionOfCall(em, call);
    if (!(await mayTalk(em, call, version, { begun: true })))
      throw new AppError('NOT_CLEARED', 'The agent version of this call is not cleared for customers');
    if (isTerminal(call.status) || session.status !== 'ACTIVE')
      throw new AppError('CALL_NOT_ACTIVE', 'This call is over');
    if (token.kind === 'initial' && hasLiveStream(session, clock.now(), settings.timing.ownerDeadAfterMs))
      throw new AppError('CONFLICT', 'This call has a media stream already');
    const first = session.ownerGeneration === 0;
    session.ownerGeneration += 1;
    session.ownerId = settings.processId;
    session.ownerBeatAt = clock.now();
    session.streamOpenedAt = clock.now();
    session.streamEndedAt = null;
    session.streamSid = start.streamSid;
    session.callSid ??= start.callSid;
    session.provider = this.services.modelProvider;
    await em.flush();
    const answered = await this.services.progress.apply(em, call, { status: 'IN_PROGRESS', at: clock.now() });
    if (first && !call.synthetic) await this.tellTenant(em, call, session);
    const plan = await assemblePlan(em, { call, session, streamSid: start.streamSid });
    const announce = async () => {
      await answered();
      await announceCall(this.context, call, session.id);
    };
    return { plan, version, announce };
  }

  private async tellTenant(em: EntityManager, call: Call, session: VoiceSession): Promise<void> {
    await this.context.outbox.enqueue(em, call.tenantId, 'voice.call.started', {
      call_sid: session.callSid ?? null,
      stream_sid: session.streamSid ?? null,
      tenant_id: call.tenantId,
      call_id: call.id,
      voice_session_id: session.id,
      direction: call.direction.toLowerCase(),
      from_number: call.fromNumber ?? null,
      to_number: call.toNumber ?? null,
      agent_key: call.agentKey ?? null,
      org_id: call.orgId ?? null,
    });
  }

  private async own(plan: CallPlan, version: AgentVersion | null): Promise<ClaimedSession> {
    const { sessionLog, diagnostics, onRecorderHealth } = this.services;
    const recorder = new BatchingRecorder(this.context, sessionLog, plan.sessionId, plan.generation, {
      health: onRecorderHealth,
      setAside: ({ eventId, type }, error) =>
        void diagnostics.raise({
          tenantId: plan.tenantId,
          code: 'session_event_refused',
          severity: 'WARNING',
          message: 'The database refused an event of a session for its data; the log goes on without it.',
          action: 'Report it with the SQLSTATE and the type of the event: the gateway should have made it fit.',
          detail: { sessionId: plan.sessionId, eventId, type, sqlState: sqlStateOf(error) },
        }),
    });
    // Without the bus a takeover is still noticed: by the next append, which is refused, or by the next beat.
    const unsubscribe = await this.context.topics
      .subscribe('sessionClaimed', plan.sessionId, ({ generation }) => {
        if (generation > plan.generation) recorder.supersede();
      })
      .catch((error: unknown) => {
        this.context.log.warn({ err: error, sessionId: plan.sessionId }, 'bus subscribe failed');
        return () => {};
      });
    recorder.onSuperseded(unsubscribe);
    const control = new OwnedCall(this.context, this.services, plan, version, recorder, unsubscribe);
    return { plan, recorder, control };
  }
}

/** A token opens one stream. Throws UNAUTHENTICATED when it was used before. */
export async function useToken(em: EntityManager, token: StreamTokenClaims, now: Date): Promise<void> {
  const rows = await em.execute<unknown[]>(
    'insert into used_stream_token (jti, call_id, expires_at, created_at) values (?, ?, ?, ?) on conflict do nothing returning jti',
    [token.jti, token.callId, token.expiresAt, now],
  );
  if (rows.length === 0) throw new AppError('UNAUTHENTICATED', 'The stream token was used already');
}
