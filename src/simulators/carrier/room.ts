import { MULAW_SILENCE, MULAW_TO_LINEAR, linearToMulaw } from '../../lib/mulaw.js';
import type { Handset } from './caller.js';
import type { Pacer } from './pacer.js';

/** A phone in a room. */
export interface Seat {
  readonly handset: Handset;
  /** The person put the phone down. */
  hungUp(): void;
}

/** Phones that hear each other, 20 ms at a time: a bridged `<Dial>`, or a conference. */
export class Room<S extends Seat = Seat> {
  /** What each said in the last tick. */
  private readonly spoken = new Map<S, Buffer | null>();
  private remove: (() => void) | null = null;

  constructor(
    private readonly pacer: Pacer,
    private readonly hears: (listener: S, speaker: S) => boolean = () => true,
  ) {}

  add(seat: S): void {
    this.spoken.set(seat, null);
    this.remove ??= this.pacer.add(() => this.tick());
  }

  delete(seat: S): void {
    this.spoken.delete(seat);
    if (this.spoken.size > 0) return;
    this.remove?.();
    this.remove = null;
  }

  private tick(): void {
    const spoken = [...this.spoken];
    for (const [seat] of spoken) {
      // Hanging up empties other seats in the middle of a tick.
      if (!this.spoken.has(seat)) continue;
      const frames = spoken.flatMap(([speaker, frame]) =>
        frame !== null && speaker !== seat && this.hears(seat, speaker) ? [frame] : [],
      );
      const { frame, hangUp } = seat.handset.tick(mixed(frames));
      this.spoken.set(seat, frame);
      if (hangUp) seat.hungUp();
    }
  }
}

/** Several voices in one; null for silence. */
function mixed(frames: readonly Buffer[]): Buffer | null {
  if (frames.length < 2) return frames[0] ?? null;
  return Buffer.from(
    frames[0]!.map((_, at) =>
      linearToMulaw(frames.reduce((sum, frame) => sum + MULAW_TO_LINEAR[frame[at] ?? MULAW_SILENCE]!, 0)),
    ),
  );
}
