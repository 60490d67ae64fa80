import type { Call, CallbackOrigin } from '../entities/index.js';

/** A promise to call somebody back, made during a call. */
export interface CallbackRequest {
  call: Call;
  reason: string;
  dueAt: Date | null;
  note: string | null;
  origin: CallbackOrigin;
  /** Null: the tenant's default queue. */
  queue: string | null;
}

/** Takes tasks for people. */
export interface CallbackDesk {
  createCallback(request: CallbackRequest): Promise<void>;
}

/** Keeps the numbers that must not be called again. */
export interface DoNotCallList {
  /** The customer of this call asked for it. Safe to repeat. */
  addCustomer(call: Call, reason: string): Promise<void>;
}
