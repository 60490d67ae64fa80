import type { EntityManager } from '@mikro-orm/postgresql';

/** Durable background work in the database (pg-boss), so that an outage delays it and a crash does not lose it. */
export interface Jobs {
  /** Enqueues; with `em` inside that transaction: committed together or not at all. Resolves to the job's id. */
  send(queue: string, data: object, options?: JobOptions, em?: EntityManager): Promise<string | null>;
  /** Registers the worker of a queue. A handler that throws is retried after the queue's policy. */
  work<T extends object>(queue: string, policy: QueuePolicy, handler: (job: Job<T>) => Promise<void>): Promise<void>;
  /** Runs `queue` with an empty payload on a cron schedule (UTC, minutes), once in the whole installation. */
  schedule(queue: string, cron: string): Promise<void>;
  start(): Promise<void>;
  /** Waits for running jobs, at most `timeoutMs`. */
  stop(timeoutMs?: number): Promise<void>;
}

export interface Job<T> {
  id: string;
  data: T;
  /** 0 on the first attempt. */
  retryCount: number;
  signal: AbortSignal;
}

export interface JobOptions {
  startAfter?: Date;
}

export interface QueuePolicy {
  retryLimit?: number;
  /** Seconds before the first retry; doubles when `backoff`. */
  retryDelaySeconds?: number;
  backoff?: boolean;
  /** Jobs taken at once and run one after the other; they succeed or are tried again together. For quick ones. */
  batchSize?: number;
  /** It doubles to at most this. */
  maxRetryDelaySeconds?: number;
  /** Jobs run at once in this process; 0: it only enqueues. */
  concurrency?: number;
  expireSeconds?: number;
}
