/** What the media engine counts. Called from the audio path: implementations only add numbers. */
export interface MediaMetrics {
  /** A bridge came to life or ended; the difference is the number of calls on the air in this process. */
  bridgeOpened(): void;
  bridgeClosed(): void;
  /** Milliseconds from the stream's start to the first audio sent to the caller. */
  timeToFirstAudio(ms: number): void;
  /** Milliseconds from the end of the caller's speech to the first audio of the answer. */
  turnLatency(ms: number): void;
  /** The caller spoke while the agent was audible. */
  bargeIn(): void;
  /** Audio thrown away because the receiving socket does not keep up. */
  framesDropped(direction: 'to_model' | 'to_caller', count: number): void;
  /** Text that is no Twilio message, or binary. */
  malformedMessage(): void;
  /** A new model session replaced a lost one, or the attempts ran out. */
  modelReconnect(cause: string, outcome: 'ready' | 'gave_up'): void;
  toolCall(status: 'SUCCEEDED' | 'FAILED' | 'REFUSED', ms: number): void;
  /** A media stream was refused at the door, with the close code given. */
  streamRefused(closeCode: number): void;
}

/** Counts nothing; for tests and tools. */
export const noMediaMetrics: MediaMetrics = {
  bridgeOpened() {},
  bridgeClosed() {},
  timeToFirstAudio() {},
  turnLatency() {},
  bargeIn() {},
  framesDropped() {},
  malformedMessage() {},
  modelReconnect() {},
  toolCall() {},
  streamRefused() {},
};
