import { fromKysely, fromPglite, PgBoss, type ConstructorOptions } from 'pg-boss';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { Database } from '../../entities/database.js';
import type { Job, JobOptions, Jobs, QueuePolicy } from '../../ports/jobs.js';
import type { Logger } from '../../ports/logger.js';

/** A job of a process that died is handed to another after this long (pg-boss refuses less than 10 s). */
const HEARTBEAT_SECONDS = 15;
/** Without notifications (a pooler that shares connections between transactions), and how often even with them. */
const POLL_SECONDS = 2;
const POLL_SECONDS_WHEN_NOTIFIED = 5;
const DEFAULT_EXPIRE_SECONDS = 300;

/** Until it is written down what a job's time counts from. */
const WRITTEN_MS = 100;
/** Node's own limit. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** An id that no job has. */
const NO_JOB = '00000000-0000-0000-0000-000000000000';

interface Registration {
  policy: QueuePolicy;
  handler: (job: Job<never>) => Promise<void>;
}

/** {@link Jobs} on pg-boss, in the same database as everything else: PostgreSQL or the embedded one. */
export class PgBossJobs implements Jobs {
  private readonly boss: PgBoss;
  private readonly queues = new Map<string, Registration>();
  /** Worker ids of pg-boss. */
  private readonly workers = new Map<string, string>();
  private readonly schedules = new Map<string, string>();
  private started = false;
  private starting: Promise<void> | null = null;

  constructor(
    database: Database,
    private readonly log: Logger,
    options: Partial<ConstructorOptions> = {},
  ) {
    this.boss = new PgBoss({
      ...(database.pglite === null
        ? { connectionString: database.url!, max: 4 }
        : { db: fromPglite(database.pglite), backend: 'pglite' as const }),
      // A worker looks when the transaction of a job commits, in whichever process; polls are the net.
      useListenNotify: true,
      // A minute's precision is all that the schedules need, and each check is a query on an idle machine.
      cronMonitorIntervalSeconds: 30,
      cronWorkerIntervalSeconds: 5,
      superviseIntervalSeconds: 10,
      monitorIntervalSeconds: 10,
      ...options,
    });
    this.boss.on('error', (error: Error) => log.error({ err: error }, 'job queue error'));
    this.boss.on('warning', ({ message }) => log.warn({ detail: message }, 'job queue warns'));
  }

  async send(queue: string, data: object, options: JobOptions = {}, em?: EntityManager): Promise<string | null> {
    const id = await this.boss.send(queue, data, {
      ...(options.startAfter === undefined ? {} : { startAfter: options.startAfter }),
      // Without the transaction's connection the embedded database would wait for itself (toolchain trap 9).
      ...(em === undefined ? {} : { db: fromKysely(em.getKysely() as never) }),
    });
    if (options.startAfter !== undefined) this.lookIn(options.startAfter.getTime() - Date.now(), queue);
    return id;
  }

  async work<T extends object>(
    queue: string,
    policy: QueuePolicy,
    handler: (job: Job<T>) => Promise<void>,
  ): Promise<void> {
    if (this.queues.has(queue)) throw new Error(`queue ${queue} has a worker already`);
    this.queues.set(queue, { policy, handler: handler as Registration['handler'] });
    if (this.started) await this.open(queue);
  }

  async schedule(queue: string, cron: string): Promise<void> {
    this.schedules.set(queue, cron);
    if (this.started) await this.boss.schedule(queue, cron);
  }

  start(): Promise<void> {
    this.starting ??= this.startOnce();
    return this.starting;
  }

  private async startOnce(): Promise<void> {
    await this.boss.start();
    for (const queue of this.queues.keys()) await this.open(queue);
    for (const [queue, cron] of this.schedules) await this.boss.schedule(queue, cron);
    this.started = true;
  }

  async stop(timeoutMs = 5_000): Promise<void> {
    if (this.starting === null) return;
    await this.starting.catch(() => {});
    await this.boss.stop({ graceful: true, timeout: timeoutMs, close: true });
  }

  private async open(queue: string): Promise<void> {
    const { policy, handler } = this.queues.get(queue)!;
    const options = {
      notify: true,
      retryLimit: policy.retryLimit ?? 5,
      retryDelay: policy.retryDelaySeconds ?? 2,
      retryBackoff: policy.backoff ?? true,
      ...(policy.maxRetryDelaySeconds === undefined ? {} : { retryDelayMax: policy.maxRetryDelaySeconds }),
      expireInSeconds: policy.expireSeconds ?? DEFAULT_EXPIRE_SECONDS,
      heartbeatSeconds: HEARTBEAT_SECONDS,
      deleteAfterSeconds: 3_600,
    };
    await this.boss.createQueue(queue, options);
    // A queue that an older version made keeps its options otherwise.
    await this.boss.updateQueue(queue, options);
    if (policy.concurrency === 0) {
      // pg-boss looks a queue up when it is first asked about it; a first look inside of a transaction would wait for that
      // very transaction on the embedded database (toolchain trap 9).
      await this.boss.findJobs(queue, { id: NO_JOB });
      return;
    }
    const workerId = await this.boss.work<object>(
      queue,
      {
        includeMetadata: true,
        batchSize: policy.batchSize ?? 1,
        localConcurrency: policy.concurrency ?? 1,
        pollingIntervalSeconds: POLL_SECONDS,
        notifyPollingIntervalSeconds: POLL_SECONDS_WHEN_NOTIFIED,
      },
      async (jobs) => {
        for (const job of jobs)
          await handler({ id: job.id, data: job.data as never, retryCount: job.retryCount, signal: job.signal }).catch(
            (error: unknown) => {
              this.log.warn({ err: error, queue, jobId: job.id, retryCount: job.retryCount }, 'job failed');
              const { retryDelay, retryBackoff } = options;
              const delay = retryBackoff ? retryDelay * 2 ** job.retryCount : retryDelay;
              const seconds = Math.min(delay, policy.maxRetryDelaySeconds ?? delay);
              this.lookIn(seconds * 1_000, queue);
              throw error;
            },
          );
      },
    );
    this.workers.set(queue, workerId);
  }

  /** Delayed jobs and retries notify nobody when their time comes: a poll could find them seconds late. */
  private lookIn(ms: number, queue: string): void {
    setTimeout(
      () => {
        const worker = this.workers.get(queue);
        if (worker !== undefined) this.boss.notifyWorker(worker);
      },
      Math.min(Math.max(ms, 0) + WRITTEN_MS, LONGEST_TIMER_MS),
    ).unref();
  }
}
