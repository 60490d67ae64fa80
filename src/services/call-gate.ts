/** Whether this process may take calls now; answered by whoever runs it, read at every call. */
export interface CallGate {
  /** Shutting down: no new calls; running ones go on. */
  draining(): boolean;
  /** A speech model is configured. Without one callers get the fallback instead of silence. */
  modelConfigured(): boolean;
}

/** Takes every call. */
export const openGate: CallGate = { draining: () => false, modelConfigured: () => true };
