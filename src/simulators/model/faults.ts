/** The model simulator's fault switchboard; everything off by default, changeable while it runs. */
export interface ModelFaults {
  /** Answer upgrades with this HTTP status. */
  refuseWith: number | null;
  /** Never answer upgrades. */
  stallUpgrade: boolean;
  /** Before `session.updated`, ms. */
  slowUpdateMs: number;
  /** Transcriptions of the caller: late by so many ms, never, or failed. */
  transcriptDelayMs: number;
  transcripts: 'normal' | 'never' | 'failed';
  /** No events any more, sockets stay open. */
  stall: boolean;
  /** Each response fails instead of speaking. */
  failResponses: boolean;
  /** Deltas of a cancelled response still come. */
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
  failResponses: false,
  lateDeltas: false,
  malformed: false,
});
