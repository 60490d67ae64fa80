import type { NewSessionEvent, TurnState } from '../ports/session-events.js';
import type { SessionRecorder } from '../ports/media-session.js';
import type { ServiceContext } from './context.js';
import type { SessionLog } from './session-log.js';

/** Between two publications of the same growing turn, ms: faster than anybody reads. */
const PARTIAL_INTERVAL_MS = 80;
const MAX_BACKOFF_MS = 2_000;

/**
 * Writes one session's log behind the engine's back: what arrives within a batch interval is one transaction; an outage
 * is waited out with everything kept in memory, and nothing here ever throws at the audio path.
 */
export class BatchingRecorder implements SessionRecorder {
  private queue: NewSessionEvent[] = [];
  private timer: NodeJS.Timeout | null = null;
  private writing: Promise<void> | null = null;
  private superseded = false;
  private readonly supersededListeners: (() => void)[] = [];
  private readonly finalTurns = new Set<string>();
  private lastPartialAt = 0;

  constructor(
    private readonly context: ServiceContext,
    private readonly sessionLog: SessionLog,
    private readonly sessionId: string,
    private readonly generation: number,
    /** Told while writes fail, so that readiness can say it. */
    private readonly onHealth: (healthy: boolean) => void = () => {},
  ) {}

  append(event: NewSessionEvent): void {
    if (this.superseded) return;
    if (event.type === 'TurnCompleted') this.finalTurns.add(event.payload.turn.id);
    this.queue.push(event);
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.writing ??= this.write();
    }, this.context.settings.timing.recorderBatchMs);
  }

  partial(turn: TurnState): void {
    const now = this.context.clock.monotonicMs();
    if (this.finalTurns.has(turn.id) || now - this.lastPartialAt < PARTIAL_INTERVAL_MS) return;
    this.lastPartialAt = now;
    // Ephemeral: a lost partial is followed by the next one or by the finished turn.
    this.context.topics.publish('turnPartial', { sessionId: this.sessionId, turn }).catch(() => {});
  }

  async flush(): Promise<void> {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    while (this.queue.length > 0 || this.writing !== null) await (this.writing ??= this.write());
  }

  onSuperseded(listener: () => void): void {
    this.supersededListeners.push(listener);
  }

  /** A newer owner took the session: what is still queued here is refused by the log anyway. */
  supersede(): void {
    if (this.superseded) return;
    this.superseded = true;
    this.queue = [];
    for (const listener of this.supersededListeners) listener();
  }

  private async write(): Promise<void> {
    let backoff = 50;
    while (this.queue.length > 0) {
      const batch = this.queue;
      this.queue = [];
      try {
        const result = await this.sessionLog.append(this.sessionId, this.generation, batch);
        this.onHealth(true);
        if (result.outcome === 'refused' && result.because === 'superseded') this.supersede();
      } catch (error) {
        this.queue = [...batch, ...this.queue];
        this.onHealth(false);
        this.context.log.warn(
          { err: error, sessionId: this.sessionId, waiting: this.queue.length },
          'session log write failed; trying again',
        );
        await new Promise((resolve) => setTimeout(resolve, backoff));
        backoff = Math.min(backoff * 2, MAX_BACKOFF_MS);
      }
    }
    this.writing = null;
  }
}
