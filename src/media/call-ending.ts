import type { Logger } from '../ports/logger.js';
import type { CallControl } from '../ports/media-session.js';
import type { EndReason } from '../ports/session-events.js';
import type { Deadlines } from './deadlines.js';

/** After a request that ends the stream: how long Twilio may take to say `stop`. */
const STOP_WAIT_MS = 10_000;
/** Between attempts to hang up. */
const RETRY_MS = 1_000;
const HANG_UP_TRIES = 3;

/**
 * How this side ends a call. The reason is noted before the carrier is asked, because our own redirect produces the same
 * `stop` as a caller who hangs up (protocols.md, trap 35).
 */
export class CallEnding {
  private current: EndReason | null = null;

  constructor(
    private readonly parts: { control: CallControl; deadlines: Deadlines; log: Logger },
    /** The stream did not end by itself: let go of it. */
    private readonly letGo: () => void,
  ) {}

  /** Why the stream will end or ended; null: nobody here wanted it. */
  get reason(): EndReason | null {
    return this.current;
  }

  /** The carrier was asked to end the stream, or is about to be. */
  get leaving(): boolean {
    return this.current !== null;
  }

  /** Hangs up. When the carrier cannot be reached, closing the stream does it: the resume route hangs up for an ended session. */
  async hangUp(reason: EndReason): Promise<void> {
    this.current = reason;
    await this.tryHangUp(1);
  }

  /** Sends the caller to a number. When that is refused the call goes on as before, and the rejection is the caller's. */
  transfer(target: string): Promise<void> {
    return this.sendOn(() => this.parts.control.transfer(target));
  }

  /** The same, into the room in which somebody waits. */
  joinPerson(commandId: string): Promise<void> {
    return this.sendOn(() => this.parts.control.joinPerson(commandId));
  }

  private async sendOn(redirect: () => Promise<void>): Promise<void> {
    this.current = 'TRANSFERRED';
    try {
      await redirect();
    } catch (error) {
      this.current = null;
      throw error;
    }
    this.expectStop();
  }

  /** There is no agent any more: the version's fallback takes the caller. */
  async fallBack(cause: string): Promise<void> {
    this.current = 'MODEL_LOST';
    try {
      await this.parts.control.runFallback(cause);
      this.expectStop();
    } catch (error) {
      this.parts.log.error({ err: error }, 'the fallback could not be started; the stream is closed instead');
      this.letGo();
    }
  }

  private async tryHangUp(attempt: number): Promise<void> {
    try {
      await this.parts.control.hangUp();
      this.expectStop();
    } catch (error) {
      this.parts.log.warn({ err: error, attempt }, 'hanging up failed');
      if (attempt >= HANG_UP_TRIES) this.letGo();
      else this.parts.deadlines.after('hang-up', RETRY_MS, () => void this.tryHangUp(attempt + 1));
    }
  }

  private expectStop(): void {
    this.parts.deadlines.after('stop', STOP_WAIT_MS, this.letGo);
  }
}
