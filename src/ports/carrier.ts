/**
 * The telephone side: Twilio's REST API, version 2010-04-01, reduced to what the gateway does
 * (protocols.md, part B). Implemented by `adapters/telephony`; the simulator speaks the same wire.
 */
export interface Carrier {
  /** `POST /Calls.json`. Never retried by the adapter: a repeated POST is a second call. */
  createCall(account: CarrierAccount, call: NewCarrierCall): Promise<CarrierCall>;
  /** `GET /Calls/{sid}.json`; null when Twilio does not know it (eventually consistent). */
  fetchCall(account: CarrierAccount, callSid: string): Promise<CarrierCall | null>;
  /** `GET /Calls.json?To=&From=&StartTime>=`; newest first, at most 50. */
  listCalls(account: CarrierAccount, filter: { to: string; from?: string; since: Date }): Promise<CarrierCall[]>;
  /** `POST /Calls/{sid}.json`: redirect a live call to new TwiML (ends its media stream), or end it. */
  updateCall(account: CarrierAccount, callSid: string, update: CarrierCallUpdate): Promise<CarrierCall>;
  /** The number's voice configuration at the carrier; null when the account does not own it. */
  fetchNumber(account: CarrierAccount, number: string): Promise<CarrierNumber | null>;
  /** A cheap authenticated request, for provider health. Throws {@link CarrierError}. */
  probe(account: CarrierAccount): Promise<void>;
}

/** Credentials of one Twilio account (a tenant's own, or the installation's default). */
export interface CarrierAccount {
  accountSid: string;
  authToken: string;
}

export interface NewCarrierCall {
  /** E.164. */
  to: string;
  from: string;
  /** Where Twilio asks for TwiML when the call is answered. */
  url: string;
  /** Asked when `url` fails. */
  fallbackUrl: string;
  statusCallback: string;
  /** Seconds to let it ring. */
  timeoutSeconds: number;
  /** Seconds after which Twilio ends the call. */
  timeLimitSeconds?: number;
  /** `url` is asked only when it is known who answered, and says so (`AnsweredBy`). */
  machineDetection?: boolean;
}

export interface CarrierCall {
  sid: string;
  /** Twilio's words: queued, initiated, ringing, in-progress, completed, busy, failed, no-answer, canceled. */
  status: string;
  to: string;
  from: string;
  /** Seconds; null while the call lives. */
  durationSeconds: number | null;
  createdAt: Date | null;
}

export type CarrierCallUpdate = { twiml: string } | { url: string } | { status: 'completed' | 'canceled' };

export interface CarrierNumber {
  sid: string;
  phoneNumber: string;
  voiceUrl: string | null;
  voiceMethod: string | null;
  voiceFallbackUrl: string | null;
  /** A TwiML application that the number is given to: its URLs count, and the number's own are ignored. */
  voiceApplicationSid: string | null;
  /** A SIP trunk that the number belongs to: no URL is asked at all. */
  trunkSid: string | null;
}

/**
 * - `rejected`: Twilio answered 4xx: the request did nothing; `code` is Twilio's (21211 …).
 * - `unavailable`: it certainly did nothing, and may work later (429, connection refused, name not found).
 * - `unknown`: no answer, or a 5xx: it may or may not have happened. Never re-send blindly.
 */
export type CarrierFailure = 'rejected' | 'unavailable' | 'unknown';

export class CarrierError extends Error {
  constructor(
    readonly failure: CarrierFailure,
    message: string,
    /** Twilio's error code, when it gave one. */
    readonly code: number | null = null,
    readonly status: number | null = null,
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.name = 'CarrierError';
  }
}
