import type { NewSessionEvent, TurnState } from '../ports/session-events.js';
import type { SessionRecorder } from '../ports/media-session.js';
import type { ServiceContext } from './context.js';
import type { SessionLog } from './session-log.js';

/** Between two publications of the same growing turn, ms: faster than anybody reads. */
const PARTIAL_INTERVAL_MS = 80;
const MAX_BACKOFF_MS = 2_000;
/** Events of one transaction: after a long outage the statement must not outgrow what the database takes. */
const MAX_BATCH = 500;

export interface RecorderListener {
  /** Told while writes fail, so that readiness can say it. */
  health?: (healthy: boolean) => void;
  /** The database refuses this event for what it holds; it is not in the log. */
  setAside?: (event: NewSessionEvent, error: unknown) => void;
}

/**
 * Writes one session's log behind the engine's back: what arrives within a batch interval is one transaction; an outage
 * is waited out with everything kept in memory, an event that the database refuses for its data is set aside so that
 * those after it are stored, and nothing here ever throws at the audio path.
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
    private readonly listener: RecorderListener = {},
  ) {}

  append(event: NewSessionEvent): void {
    if (this.superseded) return;
    if (event.type === 'TurnCompleted') this.finalTurns.add(event.payload.turn.id);
    this.queue.push(event);
    this.timer ??= setTimeout(() => {
      this.timer = null;
      void this.write();
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
    while (this.queue.length > 0 || this.writing !== null) await this.write();
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

  /** The one write that runs. It is forgotten in a turn of its own: one that has nothing to do ends before it is known. */
  private write(): Promise<void> {
    this.writing ??= this.writeAll().finally(() => (this.writing = null));
    return this.writing;
  }

  private async writeAll(): Promise<void> {
    let backoff = 50;
    // So many events are written each by itself: one of them is refused for its data, and this finds out which.
    let suspects = 0;
    while (this.queue.length > 0) {
      const batch = this.queue.splice(0, suspects > 0 ? 1 : MAX_BATCH);
      try {
        const result = await this.sessionLog.append(this.sessionId, this.generation, batch);
        this.listener.health?.(true);
        if (result.outcome === 'refused' && result.because === 'superseded') this.supersede();
        suspects -= 1;
      } catch (error) {
        if (isAboutData(error)) {
          if (batch.length === 1) this.setAside(batch[0]!, error);
          else this.queue.unshift(...batch);
          suspects = batch.length === 1 ? suspects - 1 : batch.length;
          continue;
        }
        this.queue.unshift(...batch);
        this.listener.health?.(false);
        this.context.log.warn(
          { err: error, sessionId: this.sessionId, waiting: this.queue.length },
          'session log write failed; trying again',
        );
        await new Promise((resolve) => setTimeout(resolve, backoff));
        backoff = Math.min(backoff * 2, MAX_BACKOFF_MS);
      }
    }
  }

  /** Never the error itself: it quotes what was said. */
  private setAside(event: NewSessionEvent, error: unknown): void {
    const { eventId, type } = event;
    this.context.log.error(
      { sessionId: this.sessionId, eventId, type, sqlState: sqlStateOf(error) },
      'session event refused by the database and set aside; the log goes on without it',
    );
    this.listener.setAside?.(event, error);
  }
}

/** The SQLSTATE of an error; null when it did not come from the database. */
export function sqlStateOf(error: unknown): string | null {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : null;
}

/** SQLSTATE classes of values that no later attempt makes acceptable: data exception, constraint, program limit. */
const DATA_CLASSES: ReadonlySet<string> = new Set(['22', '23', '54']);

function isAboutData(error: unknown): boolean {
  const state = sqlStateOf(error);
  // What cannot even be written as a statement fails here, before the database sees it.
  return state === null
    ? error instanceof TypeError || error instanceof RangeError
    : DATA_CLASSES.has(state.slice(0, 2));
}
