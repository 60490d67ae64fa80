import type { LiveCall, LiveCalls } from '../ports/live-calls.js';
import type { CallBridge } from './call-bridge.js';

/** The bridges of this process, by session: for supervisors, for listeners, and for a shutdown that loses nobody. */
export class BridgeRegistry implements LiveCalls {
  private readonly bridges = new Map<string, CallBridge>();

  /** Until it is gone. A bridge that takes over a session replaces the one that had it. */
  add(bridge: CallBridge): void {
    this.bridges.set(bridge.sessionId, bridge);
    void bridge.gone.then(() => {
      if (this.bridges.get(bridge.sessionId) === bridge) this.bridges.delete(bridge.sessionId);
    });
  }

  get(sessionId: string): LiveCall | null {
    const bridge = this.bridges.get(sessionId);
    return bridge?.isLive === true ? bridge : null;
  }

  get size(): number {
    return this.bridges.size;
  }

  /**
   * Lets the calls end by themselves for `patienceMs`; those that have not are handed to another process through the
   * resume route. Resolves when every bridge is gone, to how many were handed over.
   */
  async drain(patienceMs: number): Promise<number> {
    await this.emptyWithin(patienceMs);
    const left = [...this.bridges.values()];
    for (const bridge of left) bridge.handOver();
    await Promise.all(left.map((bridge) => bridge.gone));
    return left.length;
  }

  private async emptyWithin(ms: number): Promise<void> {
    if (this.bridges.size === 0 || ms <= 0) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
    await Promise.race([late, Promise.all([...this.bridges.values()].map((bridge) => bridge.gone))]);
    clearTimeout(timer);
  }
}
