import { Call, CallCommand, VoiceSession } from '../entities/index.js';
import { AppError } from '../lib/errors.js';
import { isUuid } from '../lib/ids.js';
import type { Unsubscribe } from '../ports/bus.js';
import type { LiveCall, LiveCalls } from '../ports/live-calls.js';
import type { ClaimedPhone, MediaPhones, PhoneEar, PhoneLine, StreamStart } from '../ports/media-session.js';
import type { ServiceContext } from './context.js';
import type { LiveAudio } from './live-audio.js';
import { useToken } from './media-sessions.js';
import { readStreamToken } from './stream-token.js';

/** A phone says that it is there this often; the engine gives it up after six seconds of silence. */
const PRESENT_EVERY_MS = 1_000;
/** Frames handed to the bus that it has not taken: four seconds. More are thrown away. */
const MAX_ON_THE_WAY = 200;

/**
 * Phones of supervisors in calls. A phone's stream may end at one process and the call live at another: what the person
 * hears and says crosses the bus, and so does, again and again, that the phone is there.
 */
export class SupervisorPhones implements MediaPhones {
  private live: LiveCalls | null = null;
  private offs: Unsubscribe[] = [];
  private sweeper: NodeJS.Timeout | undefined;
  /** Calls of this process in which a phone is heard. */
  private readonly heard = new Map<string, { call: LiveCall; off: Promise<Unsubscribe> }>();

  constructor(
    private readonly context: ServiceContext,
    private readonly audio: LiveAudio,
  ) {}

  /** Seats the phones of the calls of this process. */
  async serve(live: LiveCalls): Promise<void> {
    const { topics } = this.context;
    this.live = live;
    this.sweeper = setInterval(() => this.sweep(), PRESENT_EVERY_MS).unref();
    this.offs = [
      await topics.subscribe('phonePresent', null, (phone) => this.present(phone)),
      await topics.subscribe('phoneGone', null, ({ sessionId, phoneId }) =>
        this.live?.get(sessionId)?.phoneGone(phoneId),
      ),
    ];
  }

  stop(): void {
    clearInterval(this.sweeper);
    for (const off of this.offs.splice(0)) off();
    this.live = null;
    this.sweep();
  }

  /** Exchanges the token of a phone's stream for its line. Throws UNAUTHENTICATED, CALL_NOT_ACTIVE. */
  async claim(start: StreamStart): Promise<ClaimedPhone> {
    const { settings, clock, database } = this.context;
    if (start.token === null) throw new AppError('UNAUTHENTICATED', 'The stream carries no token');
    const secrets = [settings.streamTokenSecret, settings.streamTokenSecretPrevious].filter((s) => s !== null);
    const token = readStreamToken(secrets, start.token, clock.now());
    const phoneId = token.phoneId ?? '';
    if (token.kind !== 'phone' || token.callSid !== start.callSid || !isUuid(token.callId) || !isUuid(phoneId))
      throw new AppError('UNAUTHENTICATED', 'The stream token belongs to something else');
    const session = await database.em({ all: true }).transactional(async (em) => {
      await useToken(em, token, clock.now());
      const call = await em.findOne(Call, { id: token.callId });
      const active = await em.findOne(VoiceSession, { callId: token.callId, status: 'ACTIVE' });
      if (call?.accountSid !== start.accountSid)
        throw new AppError('UNAUTHENTICATED', 'The stream belongs to another account');
      if (active === null || (await em.count(CallCommand, { id: phoneId, sessionId: active.id })) === 0)
        throw new AppError('CALL_NOT_ACTIVE', 'This call is over');
      return active;
    });
    const line = new BusLine(this.context, this.audio, session.id, phoneId);
    return { phoneId, sessionId: session.id, streamSid: start.streamSid, line };
  }

  private present({ sessionId, phoneId }: { sessionId: string; phoneId: string }): void {
    const call = this.live?.get(sessionId) ?? null;
    if (call === null) return;
    if (!call.phonePresent(phoneId)) {
      // It was handed back, or another phone is in the call.
      void this.context.topics.publish('phoneDismissed', { phoneId }).catch(() => {});
    } else if (this.heard.get(sessionId)?.call !== call) {
      this.forget(sessionId);
      const off = this.context.topics.subscribe('phoneAudio', sessionId, (said) =>
        call.phoneAudio(said.phoneId, said.payload),
      );
      off.catch((error: unknown) => this.context.log.warn({ err: error, sessionId }, 'a phone cannot be heard'));
      this.heard.set(sessionId, { call, off });
    }
  }

  private sweep(): void {
    for (const [sessionId, { call }] of this.heard) if (this.live?.get(sessionId) !== call) this.forget(sessionId);
  }

  private forget(sessionId: string): void {
    const known = this.heard.get(sessionId);
    this.heard.delete(sessionId);
    known?.off.then(
      (off) => off(),
      () => {},
    );
  }
}

/** One phone's line to its call, wherever that lives. */
class BusLine implements PhoneLine {
  private offs: Unsubscribe[] = [];
  private left = false;
  private onTheWay = 0;

  constructor(
    private readonly context: ServiceContext,
    private readonly audio: LiveAudio,
    private readonly sessionId: string,
    private readonly phoneId: string,
  ) {}

  async join(ear: PhoneEar): Promise<void> {
    const { sessionId, phoneId } = this;
    const { topics, log } = this.context;
    // The caller alone: two voices would have to be mixed, and the agent is silent.
    this.keep(
      await this.audio.follow(
        sessionId,
        ({ side, payload }) => {
          if (side === 'caller') ear.hear(payload);
        },
        () => ear.over(),
      ),
    );
    this.keep(await topics.subscribe('phoneDismissed', phoneId, () => ear.over()));
    const say = (): void =>
      void topics
        .publish('phonePresent', { sessionId, phoneId })
        .catch((error: unknown) => log.warn({ err: error, sessionId }, 'bus publish failed'));
    const timer = setInterval(say, PRESENT_EVERY_MS).unref();
    this.keep(() => clearInterval(timer));
    if (!this.left) say();
  }

  speak(payload: string): void {
    if (this.left || this.onTheWay >= MAX_ON_THE_WAY) return;
    this.onTheWay += 1;
    const done = (): void => void (this.onTheWay -= 1);
    const { sessionId, phoneId } = this;
    this.context.topics.publish('phoneAudio', { sessionId, phoneId, payload }).then(done, done);
  }

  leave({ hungUp }: { hungUp: boolean }): void {
    if (this.left) return;
    this.left = true;
    for (const off of this.offs.splice(0)) off();
    if (!hungUp) return;
    const { sessionId, phoneId } = this;
    // A lost message is noticed as well, some seconds later.
    this.context.topics.publish('phoneGone', { sessionId, phoneId }).catch(() => {});
  }

  private keep(off: Unsubscribe): void {
    if (this.left) off();
    else this.offs.push(off);
  }
}
