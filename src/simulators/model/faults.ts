/**
 * The model simulator's fault switchboard; everything off by default, changeable while it runs. `ModelSimulator.faults`
 * is for every session; `SimulatedSession.faults` shows the same and takes exceptions for one session.
 */
export interface ModelFaults {
  /** Answer upgrades with this HTTP status. */
  refuseWith: number | null;
  /** Never answer upgrades. */
  stallUpgrade: boolean;
  /** Before `session.updated`, ms. */
  slowUpdateMs: number;
  /** Transcriptions of the caller are late by so many ms. */
  transcriptDelayMs: number;
  /** `reordered`: each one waits until the next has been sent. */
  transcripts: 'normal' | 'never' | 'failed' | 'reordered';
  /** No events any more, sockets stay open. */
  stall: boolean;
  /** Each response fails with this error instead of speaking. */
  failResponses: { type: string; code: string | null } | null;
  /** Deltas of a cancelled response still come, also after its `response.done`. */
  lateDeltas: boolean;
  /** A message that is no JSON, before each response. */
  malformed: boolean;
}

export const noModelFaults = (): ModelFaults => ({
  refuseWith: null,
  stallUpgrade: false,
  slowUpdateMs: 0,
  transcriptDelayMs: 30,
  transcripts: 'normal',
  stall: false,
  failResponses: null,
  lateDeltas: false,
  malformed: false,
});
