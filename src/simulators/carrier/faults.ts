/** The carrier simulator's fault switchboard; everything off by default, changeable while it runs. */
export interface CarrierFaults {
  /** Of `POST /Calls.json`: an HTTP status, a reset connection, or a call that is made while its answer never comes. */
  createCall: number | 'reset' | 'lost-answer' | null;
  /** Of `GET` requests. */
  fetch: number | null;
  /** Status callbacks. */
  callbacks: 'normal' | 'shuffled' | 'dropped';
  doubledCallbacks: boolean;
  /** Webhooks come twice, with the same idempotency token. */
  doubledWebhooks: boolean;
  /** Share of inbound frames that never arrive, 0-1. */
  dropFrames: number;
  /** No inbound frames at all, as on a muted line with silence suppression. */
  stopFrames: boolean;
}

export const noCarrierFaults = (): CarrierFaults => ({
  createCall: null,
  fetch: null,
  callbacks: 'normal',
  doubledCallbacks: false,
  doubledWebhooks: false,
  dropFrames: 0,
  stopFrames: false,
});
