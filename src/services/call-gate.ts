import type { AppError } from '../lib/errors.js';

/** Whether this process may take calls now; answered by whoever runs it, read at every call. */
export interface CallGate {
  /** Shutting down: no new calls; running ones go on. */
  draining(): boolean;
  /** A speech model is configured. Without one callers get the fallback instead of silence. */
  modelConfigured(): boolean;
  /** The speech model cannot be reached: callers get the fallback at once instead of waiting for it in silence. */
  modelDown(): boolean;
  /** Why nobody can be dialled now, or null. */
  refusalToDial(): AppError | null;
}

/** Takes every call. */
export const openGate: CallGate = {
  draining: () => false,
  modelConfigured: () => true,
  modelDown: () => false,
  refusalToDial: () => null,
};
