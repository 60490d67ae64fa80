import { LockMode, type EntityManager } from '@mikro-orm/postgresql';
import { Call, Tenant, VoiceSession } from '../entities/index.js';
import { isUuid } from '../lib/ids.js';
import { LAST_RESORT, TRANSFER_FAILED_MESSAGE, type CallAnswer } from './call-answers.js';
import type { CallGate } from './call-gate.js';
import type { CallLookup } from './call-lookup.js';
import { lockCall, type CallProgress } from './call-progress.js';
import { loadCallSetting, versionOfCall } from './call-setting.js';
import { isTerminal } from './call-states.js';
import { mayReport, type CarrierIdentity } from './carrier-identity.js';
import { mayTalk } from './clearance.js';
import type { ServiceContext } from './context.js';
import type { DiagnosticSink } from './diagnostics.js';
import type { Fallbacks } from './fallbacks.js';
import { nothingToAnnounce, type Announce, type SessionEnd } from './session-end.js';
import { openSession } from './session-open.js';
import { connectAnswer } from './stream-answer.js';
import { loadRuntimeConfig } from './telephony.js';
import { callbackUrl } from './telephony-urls.js';

/** A webhook about a call that we know already. */
export interface KnownCall {
  /** From the webhook's URL. */
  callId: string | null;
  callSid: string;
}

export interface ContinuationServices {
  progress: CallProgress;
  sessionEnd: SessionEnd;
  fallbacks: Fallbacks;
  diagnostics: DiagnosticSink;
  gate: CallGate;
  lookup: CallLookup;
}

/** What the transaction decided; the answer may still need the configuration. */
type Decision =
  | { kind: 'answer'; answer: CallAnswer; announce: Announce }
  | { kind: 'fallback'; call: Call; why: string; announce: Announce };

const RESUME_WINDOW_MS = 60_000;
/** More resumes than this in a minute: whatever breaks the stream breaks it again. */
const RESUMES_PER_WINDOW = 3;
/** Time for the load balancer to notice that a leaving process is not ready. */
const ASK_AGAIN_SECONDS = 1;
const TRANSFER_DONE: ReadonlySet<string> = new Set(['completed', 'answered']);

/** What becomes of a call after its first step: answered, resumed after its stream ended, back from a transfer. */
export class CallContinuations {
  constructor(
    private readonly context: ServiceContext,
    private readonly services: ContinuationServices,
  ) {}

  /** The customer answered a call that we dialled: its session begins. */
  answered(identity: CarrierIdentity, known: KnownCall): Promise<CallAnswer> {
    return this.decide(identity, known, 'answer-call', async (em, call) => {
      const announce = await this.services.progress.apply(em, call, {
        status: 'IN_PROGRESS',
        at: this.context.clock.now(),
        callSid: known.callSid,
      });
      // Whoever answered hears no agent: that is an error of the call, which nothing else would tell.
      const refused = (why: string): Decision => {
        call.errorCode ??= why;
        return { kind: 'fallback', call, why, announce };
      };
      const existing = await em.findOne(VoiceSession, { callId: call.id });
      if (existing !== null && existing.status !== 'ACTIVE')
        return { kind: 'answer', answer: { kind: 'hang-up' }, announce };
      // A conversation that has begun goes on; this one has not.
      if (existing === null && (await em.findOneOrFail(Tenant, { id: call.tenantId })).status === 'SUSPENDED')
        return refused('tenant_suspended');
      if (!this.services.gate.modelConfigured()) return refused('model_not_configured');
      if (this.services.gate.modelDown()) return refused('model_down');
      const version = await versionOfCall(em, call);
      if (!(await mayTalk(em, call, version, { begun: existing !== null }))) return refused('version_not_cleared');
      const config = await loadRuntimeConfig(em, call.tenantId);
      const session = existing ?? (await openSession(em, this.context, call, version, config));
      return { kind: 'answer', answer: connectAnswer(this.context, call, session, 'initial'), announce };
    });
  }

  /**
   * The stream is over and the caller is still there: a new stream while the session lives, the end when somebody wanted
   * it, the fallback when the agent was lost or the stream keeps breaking.
   */
  resumed(identity: CarrierIdentity, known: KnownCall): Promise<CallAnswer> {
    return this.decide(identity, known, 'resume-call', async (em, call) => {
      const session = await em.findOne(VoiceSession, { callId: call.id }, { lockMode: LockMode.PESSIMISTIC_WRITE });
      const announce = nothingToAnnounce;
      if (session === null) return { kind: 'fallback', call, why: 'no_session', announce };
      if (session.status === 'FAILED') return { kind: 'fallback', call, why: 'the agent could not go on', announce };
      if (session.status !== 'ACTIVE') return { kind: 'answer', answer: { kind: 'hang-up' }, announce };
      if (!(await mayTalk(em, call, await versionOfCall(em, call), { begun: true })))
        return { kind: 'fallback', call, why: 'version_not_cleared', announce };
      const now = this.context.clock.now();
      const recent = session.resumeTimes.filter((at) => at > now.getTime() - RESUME_WINDOW_MS);
      if (recent.length >= RESUMES_PER_WINDOW) {
        const { announce: ended } = await this.services.sessionEnd.endWithin(em, session, 'MEDIA_LOST', now);
        return { kind: 'fallback', call, why: 'the media stream kept breaking', announce: ended };
      }
      session.resumeTimes = [...recent, now.getTime()];
      session.resumeCount += 1;
      await em.flush();
      return { kind: 'answer', answer: connectAnswer(this.context, call, session, 'resume'), announce };
    });
  }

  /** The transfer's own call is over: the caller goes when somebody answered, and hears so when nobody did. */
  async transferEnded(identity: CarrierIdentity, known: KnownCall, dialStatus: string): Promise<CallAnswer> {
    const call = await this.find(known);
    const ours = call !== null && mayReport(identity, call);
    // Every answer from here on ends the call.
    if (ours) this.services.lookup.followEnd(call.id);
    if (TRANSFER_DONE.has(dialStatus)) return { kind: 'hang-up' };
    if (!ours) return LAST_RESORT;
    await this.services.diagnostics.raise({
      tenantId: call.tenantId,
      code: 'transfer_failed',
      severity: 'WARNING',
      message: 'A caller was transferred and nobody answered.',
      action: 'Check the transfer number of the phone route and who answers it.',
      detail: { callId: call.id, dialStatus },
    });
    return { kind: 'fallback', fallback: { message: TRANSFER_FAILED_MESSAGE, language: null, transfer: null } };
  }

  /** What Twilio says about the stream itself; only a failure needs anybody. */
  async streamStatus(
    identity: CarrierIdentity,
    known: KnownCall,
    stream: { event: string; error: string | null; code: string | null },
  ): Promise<void> {
    if (stream.event !== 'stream-error') return;
    const call = await this.find(known);
    const ours = call !== null && mayReport(identity, call) ? call : null;
    await this.services.diagnostics.raise({
      tenantId: ours?.tenantId ?? null,
      code: 'stream_error',
      severity: 'CRITICAL',
      message: 'The carrier could not open or keep a media stream; the caller was led to the resume route.',
      action: 'Check that PUBLIC_URL reaches this gateway over TLS and that WebSocket upgrades pass every proxy.',
      detail: { callId: ours?.id ?? null, error: stream.error, code: stream.code },
    });
  }

  private async decide(
    identity: CarrierIdentity,
    known: KnownCall,
    door: 'answer-call' | 'resume-call',
    step: (em: EntityManager, call: Call) => Promise<Decision>,
  ): Promise<CallAnswer> {
    const found = await this.find(known);
    if (found === null || !mayReport(identity, found)) return LAST_RESORT;
    // Another replica goes on with this call; here it would be cut off within seconds.
    if (this.services.gate.draining())
      return {
        kind: 'ask-again',
        url: callbackUrl(this.context.settings, door, found.id),
        afterSeconds: ASK_AGAIN_SECONDS,
      };
    const decision = await this.context.database.em({ all: true }).transactional(async (em): Promise<Decision> => {
      const call = (await lockCall(em, found.id))!;
      if (isTerminal(call.status) || (call.callSid != null && call.callSid !== known.callSid))
        return { kind: 'answer', answer: { kind: 'hang-up' }, announce: nothingToAnnounce };
      return step(em, call);
    });
    await decision.announce();
    if (decision.kind === 'answer') return decision.answer;
    const { call, why } = decision;
    const setting = await loadCallSetting(this.context.database.em({ tenantId: call.tenantId }), call);
    return { kind: 'fallback', fallback: await this.services.fallbacks.prepare(call, setting, why) };
  }

  private async find({ callId, callSid }: KnownCall): Promise<Call | null> {
    const em = this.context.database.em({ all: true });
    if (callId === null) return em.findOne(Call, { callSid });
    return isUuid(callId) ? em.findOne(Call, { id: callId }) : null;
  }
}
