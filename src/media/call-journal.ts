import { newId } from '../lib/ids.js';
import type { Clock } from '../ports/clock.js';
import type { CallPlan, SessionRecorder } from '../ports/media-session.js';
import type { NewSessionEvent, SessionEventPayloads, SessionEventType, TurnState } from '../ports/session-events.js';

/** The engine's pen for the session log: gives events their ids and times. Says nothing more once it is closed. */
export class CallJournal {
  private closed = false;
  /** Session time at monotonic zero. */
  private readonly offsetMs: number;

  constructor(
    plan: CallPlan,
    private readonly recorder: SessionRecorder,
    private readonly clock: Clock,
  ) {
    this.offsetMs = clock.now().getTime() - plan.sessionStartedAt.getTime() - clock.monotonicMs();
  }

  /** Milliseconds since the session began. */
  sessionMs(nowMs: number): number {
    return Math.max(0, Math.round(this.offsetMs + nowMs));
  }

  /** `eventId`: for an event that somebody waits for; unique in its session. */
  append<T extends SessionEventType>(type: T, payload: SessionEventPayloads[T], eventId: string = newId()): void {
    if (this.closed) return;
    const event: { eventId: string; type: T; at: Date; payload: SessionEventPayloads[T] } = {
      eventId,
      type,
      at: this.clock.now(),
      payload,
    };
    // One generic member of the union; TypeScript cannot see that T is a single type here.
    this.recorder.append(event as NewSessionEvent);
  }

  partial(turn: TurnState): void {
    if (!this.closed) this.recorder.partial(turn);
  }

  flush(): Promise<void> {
    return this.recorder.flush();
  }

  /** Another owner writes from here on. */
  close(): void {
    this.closed = true;
  }
}
