import type { Clock } from '../ports/clock.js';

/**
 * All waiting times of one call, by name. Nothing here owns a timer: the process's one ticker asks for what is due, so
 * that hundreds of calls cost one timer, and a call that ends leaves none behind.
 */
export class Deadlines {
  private readonly entries = new Map<string, { atMs: number; run: () => void }>();

  constructor(private readonly clock: Clock) {}

  /** Runs `run` once, `ms` from now. A second call with the same name moves the deadline. */
  after(name: string, ms: number, run: () => void): void {
    this.entries.set(name, { atMs: this.clock.monotonicMs() + ms, run });
  }

  cancel(name: string): void {
    this.entries.delete(name);
  }

  has(name: string): boolean {
    return this.entries.has(name);
  }

  clear(): void {
    this.entries.clear();
  }

  /** Runs what is due, earliest first; what is added meanwhile waits for the next tick. */
  tick(nowMs: number): void {
    // Ten times a second, and hardly ever is anything due.
    if (!this.entries.values().some((entry) => entry.atMs <= nowMs)) return;
    const due = [...this.entries].filter(([, entry]) => entry.atMs <= nowMs).sort((a, b) => a[1].atMs - b[1].atMs);
    for (const [name, entry] of due) {
      // A deadline that ran before this one may have cancelled or moved it.
      if (this.entries.get(name) !== entry) continue;
      this.entries.delete(name);
      entry.run();
    }
  }
}

/** Something that wants to be told of the passing of time. */
export interface Ticking {
  tick(nowMs: number): void;
}

/** Where a call asks to be told. Tests drive their own. */
export interface TickSource {
  add(member: Ticking): void;
  remove(member: Ticking): void;
}

/** Milliseconds between ticks: the precision of every deadline of a call. */
const TICK_MS = 100;

/** The one timer that all calls of a process share. It runs only while somebody listens and keeps no process alive. */
export class Ticker implements TickSource {
  private readonly members = new Set<Ticking>();
  private timer: NodeJS.Timeout | null = null;

  constructor(private readonly clock: Clock) {}

  add(member: Ticking): void {
    this.members.add(member);
    this.timer ??= setInterval(() => this.tick(), TICK_MS).unref();
  }

  remove(member: Ticking): void {
    this.members.delete(member);
    if (this.members.size > 0 || this.timer === null) return;
    clearInterval(this.timer);
    this.timer = null;
  }

  private tick(): void {
    const nowMs = this.clock.monotonicMs();
    for (const member of this.members) member.tick(nowMs);
  }
}
