/**
 * What goes wrong with a REST request: an HTTP status as the answer, a connection reset before anything was done, or
 * everything done and the answer lost.
 */
export type RequestFault = number | 'reset' | 'lost-answer';

/** The carrier simulator's fault switchboard; everything off by default, changeable while it runs. */
export interface CarrierFaults {
  /** Of requests that dial: `POST /Calls.json`, and a participant of a conference. */
  createCall: RequestFault | null;
  /** Of every other `POST` and `DELETE`. */
  update: RequestFault | null;
  /** Of `GET` requests: the status that answers them. */
  fetch: number | null;
  /** Every REST answer comes so much later. */
  slowAnswersMs: number;
  /** Status callbacks. */
  callbacks: 'normal' | 'shuffled' | 'dropped';
  doubledCallbacks: boolean;
  /** Every status callback comes so much later. */
  callbackDelayMs: number;
  /** Webhooks come twice, with the same idempotency token. */
  doubledWebhooks: boolean;
  /** Media streams are not connected at all, as when the carrier cannot reach the gateway's socket. */
  refuseStreams: boolean;
  /** Share of inbound frames that never arrive, 0-1. */
  dropFrames: number;
  /** Share of inbound frames that arrive with a later one, 0-1. */
  lateFrames: number;
  /** No inbound frames at all, as on a muted line with silence suppression. */
  stopFrames: boolean;
}

export const noCarrierFaults = (): CarrierFaults => ({
  createCall: null,
  update: null,
  fetch: null,
  slowAnswersMs: 0,
  callbacks: 'normal',
  doubledCallbacks: false,
  callbackDelayMs: 0,
  doubledWebhooks: false,
  refuseStreams: false,
  dropFrames: 0,
  lateFrames: 0,
  stopFrames: false,
});
