/** Something that is due every so many ms. */
interface Beat {
  atMs: number;
  everyMs: number;
  run: (nowMs: number) => void;
}

/** One timer for everything that is paced: with a timer each the load would measure itself. */
export class Pacer {
  private readonly beats = new Set<Beat>();
  private readonly timer = setInterval(() => this.tick(), 1);

  /** Calls `run` every `everyMs` from a random moment on; what is late is caught up. Returns how to end it. */
  every(everyMs: number, run: (nowMs: number) => void): () => void {
    const beat = { atMs: performance.now() + Math.random() * everyMs, everyMs, run };
    this.beats.add(beat);
    return () => this.beats.delete(beat);
  }

  close(): void {
    clearInterval(this.timer);
    this.beats.clear();
  }

  private tick(): void {
    const now = performance.now();
    for (const beat of this.beats) for (; beat.atMs <= now; beat.atMs += beat.everyMs) beat.run(performance.now());
  }
}
