import { setTimeout as sleep } from 'node:timers/promises';
import { Durations, type Percentiles } from '../figures.js';
import { BenchCaller, type Target } from './caller.js';
import { BenchModel } from './model.js';
import { Pacer } from './pacer.js';

/** Calls that are being opened at the same time. */
const OPENING = 10;

export interface BridgeSample {
  /** Caller to model, and back. */
  up: Percentiles;
  down: Percentiles;
  /** Messages that came through, of those that were due: 1 unless audio is dropped or the bridge falls behind. */
  delivered: number;
}

/** Both outer ends of all calls, in one process: one clock for both. */
export async function startBridgeLoad({ turnMs }: { turnMs: number }) {
  const up = new Durations();
  const down = new Durations();
  const pacer = new Pacer();
  const hear = (durations: Durations) => (bornMs: number) => durations.add(performance.now() - bornMs);
  const model = await BenchModel.listen(pacer, turnMs, hear(up));
  const callers: BenchCaller[] = [];
  return {
    modelUrl: async (): Promise<string> => model.url,

    /** Opens calls until there are so many. */
    open: async ({ target, calls }: { target: Target; calls: number }): Promise<void> => {
      while (callers.length < calls) {
        const batch = Math.min(OPENING, calls - callers.length);
        callers.push(
          ...(await Promise.all(Array.from({ length: batch }, () => BenchCaller.open(target, pacer, hear(down))))),
        );
      }
    },

    measure: async ({ seconds }: { seconds: number }): Promise<BridgeSample> => {
      up.clear();
      down.clear();
      const started = performance.now();
      await sleep(seconds * 1_000);
      const due = ((performance.now() - started) / 1_000) * callers.length * (50 + 20);
      return { up: up.percentiles(), down: down.percentiles(), delivered: (up.count + down.count) / due };
    },

    hangUp: async (): Promise<void> => {
      await Promise.all(callers.splice(0).map((caller) => caller.hangUp()));
    },

    close: async (): Promise<void> => {
      pacer.close();
      await model.close();
    },
  };
}
