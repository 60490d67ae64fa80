/** How long an item waits for the item that it says it follows, ms. */
const PREDECESSOR_WAIT_MS = 1_000;

/**
 * Gives the model's items their order. An item names its predecessor; one whose predecessor is not known yet waits for it
 * a moment, so that news which arrives in the wrong order does not become a conversation in the wrong order.
 */
export class ItemChain {
  private readonly placed = new Set<string>();
  private readonly waiting = new Map<string, { previousItemId: string; untilMs: number }>();

  /** `place` is called once per item, in order. */
  constructor(private readonly place: (itemId: string, nowMs: number) => void) {}

  /** `previousItemId` null: the first item; undefined: the event does not say, so it follows what is there. */
  add(itemId: string, previousItemId: string | null | undefined, nowMs: number): void {
    if (itemId === '' || this.placed.has(itemId)) return;
    if (typeof previousItemId === 'string' && previousItemId !== itemId && !this.placed.has(previousItemId)) {
      if (!this.waiting.has(itemId)) this.waiting.set(itemId, { previousItemId, untilMs: nowMs + PREDECESSOR_WAIT_MS });
      return;
    }
    if (previousItemId === undefined && this.waiting.has(itemId)) return;
    this.settle(itemId, nowMs);
  }

  /** Places what has waited long enough for a predecessor that never came. */
  sweep(nowMs: number): void {
    for (const [itemId, { untilMs }] of this.waiting) if (untilMs <= nowMs) this.settle(itemId, nowMs);
  }

  /** A new model session: its items begin a new chain. Items still waiting are placed now. */
  restart(nowMs: number): void {
    for (const itemId of this.waiting.keys()) this.settle(itemId, nowMs);
    this.placed.clear();
  }

  private settle(itemId: string, nowMs: number): void {
    const ready = [itemId];
    for (let next = ready.shift(); next !== undefined; next = ready.shift()) {
      this.waiting.delete(next);
      if (this.placed.has(next)) continue;
      this.placed.add(next);
      this.place(next, nowMs);
      for (const [follower, { previousItemId }] of this.waiting) if (previousItemId === next) ready.push(follower);
    }
  }
}
