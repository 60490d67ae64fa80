import { fromKysely, fromPglite, PgBoss, type ConstructorOptions } from 'pg-boss';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { Database } from '../../entities/database.js';
import type { Job, JobOptions, Jobs, QueuePolicy } from '../../ports/jobs.js';
import type { Logger } from '../../ports/logger.js';

/** A job of a process that died is handed to another after this long (pg-boss refuses less than 10 s). */
const HEARTBEAT_SECONDS = 15;
const DEFAULT_POLL_SECONDS = 2;
const DEFAULT_EXPIRE_SECONDS = 300;

/** An id that no job has. */
const NO_JOB = '00000000-0000-0000-0000-000000000000';

interface Registration {
  policy: QueuePolicy;
  handler: (job: Job<never>) => Promise<void>;
  workerIds: string[];
}

/** {@link Jobs} on pg-boss, in the same database as everything else: PostgreSQL or the embedded one. */
export class PgBossJobs implements Jobs {
  private readonly boss: PgBoss;
  private readonly queues = new Map<string, Registration>();
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
      // A minute's precision is all that the schedules need, and each check is a query on an idle machine.
      cronMonitorIntervalSeconds: 30,
      cronWorkerIntervalSeconds: 5,
      superviseIntervalSeconds: 10,
      monitorIntervalSeconds: 10,
      ...options,
    });
    this.boss.on('error', (error: Error) => log.error({ err: error }, 'job queue error'));
  }

  async send(queue: string, data: object, options: JobOptions = {}, em?: EntityManager): Promise<string | null> {
    const id = await this.boss.send(queue, data, {
      ...(options.startAfter === undefined ? {} : { startAfter: options.startAfter }),
      ...(options.singletonKey === undefined ? {} : { singletonKey: options.singletonKey }),
      // Without the transaction's connection the embedded database would wait for itself (toolchain trap 9).
      ...(em === undefined ? {} : { db: fromKysely(em.getKysely() as never) }),
    });
    if (options.startAfter === undefined) this.wake(queue, em !== undefined);
    return id;
  }

  async work<T extends object>(
    queue: string,
    policy: QueuePolicy,
    handler: (job: Job<T>) => Promise<void>,
  ): Promise<void> {
    if (this.queues.has(queue)) throw new Error(`queue ${queue} has a worker already`);
    this.queues.set(queue, { policy, handler: handler as Registration['handler'], workerIds: [] });
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
    const { policy, handler, workerIds } = this.queues.get(queue)!;
    await this.boss.createQueue(queue, {
      retryLimit: policy.retryLimit ?? 5,
      retryDelay: policy.retryDelaySeconds ?? 2,
      retryBackoff: policy.backoff ?? true,
      ...(policy.maxRetryDelaySeconds === undefined ? {} : { retryDelayMax: policy.maxRetryDelaySeconds }),
      expireInSeconds: policy.expireSeconds ?? DEFAULT_EXPIRE_SECONDS,
      heartbeatSeconds: HEARTBEAT_SECONDS,
      deleteAfterSeconds: 3_600,
    });
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
        pollingIntervalSeconds: policy.pollSeconds ?? DEFAULT_POLL_SECONDS,
      },
      async (jobs) => {
        for (const job of jobs)
          await handler({ id: job.id, data: job.data as never, retryCount: job.retryCount, signal: job.signal }).catch(
            (error: unknown) => {
              this.log.warn({ err: error, queue, jobId: job.id, retryCount: job.retryCount }, 'job failed');
              throw error;
            },
          );
      },
    );
    workerIds.push(workerId);
  }

  /** A worker of this process looks at once; inside a transaction, once it has had time to commit. Polling is the net. */
  private wake(queue: string, inTransaction: boolean): void {
    const notify = () => {
      for (const id of this.queues.get(queue)?.workerIds ?? []) this.boss.notifyWorker(id);
    };
    if (!inTransaction) return notify();
    for (const delay of [15, 150]) setTimeout(notify, delay).unref();
  }
}
