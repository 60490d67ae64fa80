import type { Database } from '../entities/database.js';
import type { SealingKeys } from '../lib/crypto.js';
import type { Clock } from '../ports/clock.js';
import type { Jobs } from '../ports/jobs.js';
import type { Logger } from '../ports/logger.js';
import type { TopicBus } from '../pubsub/topics.js';
import type { Outbox } from './outbox.js';

/** What every service needs; made once by the composition root. */
export interface ServiceContext {
  database: Database;
  topics: TopicBus;
  jobs: Jobs;
  outbox: Outbox;
  clock: Clock;
  log: Logger;
  settings: ServiceSettings;
}

/** The part of the configuration that services know. Secrets are values, never names of variables. */
export interface ServiceSettings {
  /** Public origin without a trailing slash: `https://voice.example.com`. */
  publicUrl: string;
  streamTokenSecret: string;
  streamTokenSecretPrevious: string | null;
  /** For lib/crypto `seal` and `open`. */
  encryptionKey: SealingKeys;
  defaultCarrierAccount: { accountSid: string; authToken: string } | null;
  legacyBearerAuth: boolean;
  /** Tools and webhooks may reach private addresses. */
  allowPrivateAddresses: boolean;
  /** Seconds, one entry per attempt. */
  webhookRetrySchedule: number[];
  /** Model used where nobody says otherwise. */
  defaultModel: string;
  defaultVoice: string;
  /** Identifies this process as owner of sessions. */
  processId: string;
  /** Milliseconds; tests shorten them. */
  timing: ServiceTiming;
}

/** Every waiting time of the services, in milliseconds, so that tests and operators see one table. */
export interface ServiceTiming {
  /** A dial without an answer from Twilio becomes UNKNOWN. */
  dialUnknownAfterMs: number;
  /** An UNKNOWN call blocks its number this long. */
  unknownBlocksMs: number;
  /** Requests with the same idempotency key wait for the first this long. */
  idempotencyWaitMs: number;
  /** After Twilio's `stop`: how long the resume route may still come. */
  resumeGraceAfterStopMs: number;
  /** After a bare close of the media socket. */
  resumeGraceAfterCloseMs: number;
  /** An owner that has not beaten this long is dead. */
  ownerDeadAfterMs: number;
  /** `voice.call.completed` waits this long for the summary. */
  completedWaitsForSummaryMs: number;
  /** A running call without news is looked up at Twilio after this. */
  silentCallLookupMs: number;
  /** A call that was hung up is looked up after this, then after twice as long, until it is known to be over. */
  endingLookupMs: number;
  /** A caller who was brought to a person is looked after once, after this: the person may have left meanwhile. */
  emptyRoomMs: number;
  /** Batching of session log appends. */
  recorderBatchMs: number;
  /** Signs of life of the calls of a process are stored together, this often. */
  beatBatchMs: number;
  /** Reaper and reconciliation sweep. */
  sweepIntervalMs: number;
  /** Changes of calls are counted into the metrics together, this often. */
  metricsSettleMs: number;
  /** A supervisor's command is acknowledged by the call's owner within this, else it does nothing. */
  commandAckMs: number;
  /** A provider of which nothing was heard for so long is probed; 0: never. */
  providerProbeMs: number;
  /** First pause before a provider that is down is tried again, growing to twelve times that; 0: no circuit ever opens. */
  circuitCoolDownMs: number;
  /** An endpoint that has not answered a delivery by then has failed. */
  webhookTimeoutMs: number;
  /** First pause before a text model that failed is asked again; doubles. Whole seconds. */
  textModelRetryMs: number;
}

export const DEFAULT_TIMING: ServiceTiming = {
  dialUnknownAfterMs: 30_000,
  unknownBlocksMs: 300_000,
  idempotencyWaitMs: 15_000,
  resumeGraceAfterStopMs: 3_000,
  resumeGraceAfterCloseMs: 30_000,
  ownerDeadAfterMs: 20_000,
  completedWaitsForSummaryMs: 5_000,
  silentCallLookupMs: 60_000,
  endingLookupMs: 2_000,
  emptyRoomMs: 10_000,
  recorderBatchMs: 50,
  beatBatchMs: 500,
  sweepIntervalMs: 5_000,
  metricsSettleMs: 1_000,
  commandAckMs: 2_000,
  providerProbeMs: 30_000,
  circuitCoolDownMs: 5_000,
  webhookTimeoutMs: 15_000,
  textModelRetryMs: 5_000,
};
