import { FRAME_MS } from '../../lib/mulaw.js';

/** A lag longer than this is not caught up: Twilio drops what it could not send, too. */
export const MAX_CATCH_UP = 50;

/** Ticks every 20 ms of media for all streams, on a monotonic schedule: a late timer is caught up, never added to. */
export class Pacer {
  private readonly listeners = new Set<(missed: number) => void>();
  private timer: NodeJS.Timeout | null = null;
  private nextAt = 0;

  /** `speed` 2 plays twice as fast as a real line. `maxCatchUp`: ticks that a late timer makes up for. */
  constructor(
    private readonly speed: number,
    private readonly maxCatchUp = MAX_CATCH_UP,
  ) {}

  /** Calls `listener` every 20 ms of media, with the number of ticks that were skipped since the last. */
  add(listener: (missed: number) => void): () => void {
    this.listeners.add(listener);
    if (this.timer === null) {
      this.nextAt = performance.now() + FRAME_MS / this.speed;
      this.arm();
    }
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size > 0 || this.timer === null) return;
      clearTimeout(this.timer);
      this.timer = null;
    };
  }

  private arm(): void {
    this.timer = setTimeout(() => this.run(), Math.max(0, this.nextAt - performance.now()));
  }

  private run(): void {
    const now = performance.now();
    const interval = FRAME_MS / this.speed;
    let due = Math.floor((now - this.nextAt) / interval) + 1;
    const missed = Math.max(0, due - this.maxCatchUp);
    due -= missed;
    this.nextAt += (missed + due) * interval;
    for (let i = 0; i < due; i++) for (const listener of this.listeners) listener(i === 0 ? missed : 0);
    if (this.listeners.size > 0) this.arm();
    else this.timer = null;
  }
}
