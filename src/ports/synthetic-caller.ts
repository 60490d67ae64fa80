import type { CarrierAccount, CarrierCallUpdate } from './carrier.js';

/**
 * Somebody who calls the gateway at its own doors with a machine on the line: the carrier's part and the caller's in one.
 * Nothing of such a call reaches a real carrier.
 */
export interface SyntheticCaller {
  /** Whose voice the callers have. The calls of a `simulator` are no evidence for a launch gate. */
  readonly provider: 'openai' | 'simulator';
  /** Places one call and stays on the line until it is over; aborting hangs up. Never rejects. */
  call(call: SyntheticCallPlan, signal: AbortSignal): Promise<SyntheticCallResult>;
  /** Does to the line of a running call what the carrier's API would do. False: no such line in this process. */
  update(callSid: string, update: CarrierCallUpdate): boolean;
}

export interface SyntheticCallPlan {
  /** Of the call that is announced already; travels in the URL of the first webhook. */
  callId: string;
  /** Signs the webhooks and the stream. */
  account: CarrierAccount;
  /** The number called, as the door hears it. */
  to: string;
  caller: SyntheticPerson;
  /** Realtime model that speaks for the caller. */
  model: string;
  /** The caller hangs up after so many milliseconds of conversation. */
  maxDurationMs: number;
}

/** Lines are said in order, word for word: recordings (base64 of µ-law) as they are, the others spoken. A persona improvises. */
export type SyntheticPerson =
  { kind: 'lines'; lines: readonly { text: string; audio: string | null }[] } | { kind: 'persona'; persona: string };

/**
 * How the call ended, as the line saw it.
 *
 * - `caller`, `agent`: who hung up. `led_away`: the call was sent on to a number.
 * - `timeout`: the caller gave up; the conversation did not come to an end.
 * - `not_connected`: no stream to the agent came about. `broken`: the stream ended and nobody wanted it.
 * - `no_caller`: the caller's own voice failed. `aborted`: by the signal.
 */
export type SyntheticCallEnd =
  'caller' | 'agent' | 'led_away' | 'timeout' | 'not_connected' | 'broken' | 'no_caller' | 'aborted';

export interface SyntheticCallResult {
  end: SyntheticCallEnd;
  /** Numbers to which the call was led. */
  dialed: string[];
  /** What the gateway let the line say instead of an agent: a fallback. */
  said: string[];
  /** For people, when something went wrong on the line; else null. */
  problem: string | null;
}
