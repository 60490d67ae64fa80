import type { Clock } from '../ports/clock.js';
import type { Logger } from '../ports/logger.js';
import type { CallControl, CallPlan } from '../ports/media-session.js';
import type { MediaMetrics } from '../ports/media-metrics.js';
import type { RealtimeModel } from '../ports/realtime-model.js';
import type { CallEnding } from './call-ending.js';
import type { CallJournal } from './call-journal.js';
import type { CallerSide } from './caller-side.js';
import type { Deadlines, TickSource } from './deadlines.js';

/** What every bridge of a process shares; made once by the composition root. */
export interface EngineContext {
  model: RealtimeModel;
  clock: Clock;
  log: Logger;
  metrics: MediaMetrics;
  ticker: TickSource;
}

/** What the parts of one call share. */
export interface CallParts {
  plan: CallPlan;
  control: CallControl;
  context: EngineContext;
  /** Knows tenant, call and session. */
  log: Logger;
  journal: CallJournal;
  deadlines: Deadlines;
  ending: CallEnding;
  caller: CallerSide;
}
