/** Ten seconds of speech: longer than any model takes to connect. */
const MAX_BASE64 = Math.ceil((10_000 * 8 * 4) / 3);

/**
 * The caller's audio while the model cannot take it: before `session.updated` it would be read in the wrong format
 * (protocols.md, trap 17). Bounded; the oldest audio goes first, because what was said last wants an answer.
 */
export class InboundBuffer {
  private frames: string[] = [];
  private size = 0;

  /** Returns how many frames had to go. */
  push(base64: string): number {
    this.frames.push(base64);
    this.size += base64.length;
    let dropped = 0;
    while (this.size > MAX_BASE64) {
      this.size -= this.frames[dropped]!.length;
      dropped += 1;
    }
    if (dropped > 0) this.frames = this.frames.slice(dropped);
    return dropped;
  }

  /** Hands over everything, oldest first, and is empty. */
  drain(take: (base64: string) => void): void {
    const frames = this.frames;
    this.clear();
    for (const frame of frames) take(frame);
  }

  clear(): void {
    this.frames = [];
    this.size = 0;
  }
}
