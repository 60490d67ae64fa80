import { Call, VoiceSession } from '../entities/index.js';
import { AppError, notFound } from '../lib/errors.js';
import { isUuid } from '../lib/ids.js';
import type { Unsubscribe } from '../ports/bus.js';
import type { LiveCall, LiveCalls } from '../ports/live-calls.js';
import type { Topics } from '../pubsub/topics.js';
import { audit } from './audit-log.js';
import type { ServiceContext } from './context.js';
import { emFor, requireScope, type Viewer } from './viewer.js';

export type AudioFrame = Topics['callAudio'];

/** Who listens to which call. */
export interface ListenedCall {
  callId: string;
  callSid: string | null;
  sessionId: string;
}

/** Listeners say so this often, and look whether the call still lives. */
const RENEW_MS = 1_000;
/** An owner that has not heard of a listener for so long stops sending. */
const LEASE_MS = 4_000;
/** Frames handed to the bus that it has not taken: ten seconds of both sides. More are thrown away. */
const MAX_ON_THE_WAY = 1_000;

/**
 * The audio of calls for those who listen in, at whatever process. It travels over the bus, and only while somebody says
 * that they listen; a bus that does not keep up costs frames, never a call.
 */
export class LiveAudio {
  private live: LiveCalls | null = null;
  private unsubscribe: Unsubscribe = () => {};
  private sweeper: NodeJS.Timeout | undefined;
  private readonly taps = new Map<string, { call: LiveCall; untap: () => void; untilMs: number }>();
  private onTheWay = 0;

  constructor(private readonly context: ServiceContext) {}

  /** Sends the audio of this process's calls to whoever wants it. */
  async serve(live: LiveCalls): Promise<void> {
    this.live = live;
    this.sweeper = setInterval(() => this.sweep(), RENEW_MS).unref();
    this.unsubscribe = await this.context.topics.subscribe('audioWanted', null, ({ sessionId }) => this.tap(sessionId));
  }

  stop(): void {
    clearInterval(this.sweeper);
    this.unsubscribe();
    for (const { untap } of this.taps.values()) untap();
    this.taps.clear();
    this.live = null;
  }

  /** Calls of this process that somebody listens to. */
  get tapped(): number {
    return this.taps.size;
  }

  /**
   * The running call that a viewer begins to listen to, by its id or sid; the audit log keeps that they did. Throws
   * FORBIDDEN, NOT_FOUND, CALL_NOT_ACTIVE.
   */
  async find(viewer: Viewer, ref: string): Promise<ListenedCall> {
    requireScope(viewer, 'live:read');
    const em = emFor(this.context.database, viewer);
    const call = await em.findOne(Call, isUuid(ref) ? { id: ref } : { callSid: ref });
    if (call === null) throw notFound('call');
    const session = await em.findOne(VoiceSession, { callId: call.id, status: 'ACTIVE' });
    if (session === null) throw new AppError('CALL_NOT_ACTIVE', 'This call has no conversation now');
    await this.context.database.em({ tenantId: call.tenantId }).transactional(async (tem) => {
      audit(tem, viewer, {
        tenantId: call.tenantId,
        action: 'call.listened',
        subjectType: 'call',
        subjectId: call.id,
      });
    });
    return { callId: call.id, callSid: call.callSid ?? null, sessionId: session.id };
  }

  /** Hears a call from now on, wherever it lives, until it is left or over: `ended` is called once in that case. */
  async follow(sessionId: string, hear: (frame: AudioFrame) => void, ended: () => void): Promise<() => void> {
    const { topics, log } = this.context;
    let left = false;
    const off = await topics.subscribe('callAudio', sessionId, (frame) => {
      if (!left) hear(frame);
    });
    const leave = (): void => {
      left = true;
      clearInterval(timer);
      off();
    };
    const renew = async (): Promise<void> => {
      await topics.publish('audioWanted', { sessionId });
      if ((await this.isOver(sessionId)) && !left) {
        leave();
        ended();
      }
    };
    const tick = (): void =>
      void renew().catch((error: unknown) => log.warn({ err: error, sessionId }, 'listening in was not renewed'));
    const timer = setInterval(tick, RENEW_MS).unref();
    tick();
    return leave;
  }

  private async isOver(sessionId: string): Promise<boolean> {
    const em = this.context.database.em({ all: true });
    return (await em.count(VoiceSession, { id: sessionId, status: 'ACTIVE' })) === 0;
  }

  private tap(sessionId: string): void {
    const call = this.live?.get(sessionId) ?? null;
    if (call === null) return;
    const untilMs = this.context.clock.monotonicMs() + LEASE_MS;
    const known = this.taps.get(sessionId);
    if (known?.call === call) return void (known.untilMs = untilMs);
    known?.untap();
    const untap = call.addTap((side, payload, timestampMs) => this.send({ sessionId, side, payload, timestampMs }));
    this.taps.set(sessionId, { call, untap, untilMs });
  }

  /** On the audio path: waits for nothing. */
  private send(frame: AudioFrame): void {
    if (this.onTheWay >= MAX_ON_THE_WAY) return;
    this.onTheWay += 1;
    const done = (): void => void (this.onTheWay -= 1);
    // A frame that does not arrive is silence for 20 ms; the renewal says when the bus is away.
    this.context.topics.publish('callAudio', frame).then(done, done);
  }

  private sweep(): void {
    const now = this.context.clock.monotonicMs();
    for (const [sessionId, { call, untap, untilMs }] of this.taps) {
      if (untilMs > now && this.live?.get(sessionId) === call) continue;
      untap();
      this.taps.delete(sessionId);
    }
  }
}
