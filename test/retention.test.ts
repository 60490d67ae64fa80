import { afterAll, beforeAll, expect, it } from 'vitest';
import { PgBossJobs } from '../src/adapters/jobs/pg-boss.js';
import { IdempotencyKey, ScheduledCall, SignatureCheck, UsedStreamToken } from '../src/entities/index.js';
import { newId } from '../src/lib/ids.js';
import { silentLogger } from '../src/ports/logger.js';
import { Retention, RETENTION_QUEUE } from '../src/services/retention.js';
import { seedTenant, testContext } from './testkit/context.js';
import { openTestDatabase, type TestDatabase } from './testkit/database.js';
import { until } from './testkit/until.js';

let test: TestDatabase;
let jobs: PgBossJobs;
beforeAll(async () => {
  test = await openTestDatabase();
  await seedTenant(test.database);
  jobs = new PgBossJobs(test.database, silentLogger);
  await new Retention(testContext(test.database, { jobs })).work();
  await jobs.start();
});
afterAll(async () => {
  await jobs.stop();
  await test.dispose();
});

it('forgets checks of signatures, idempotency keys and used tokens when their time is over, by a schedule', async () => {
  const em = test.database.em({ all: true });
  const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000);
  for (const [key, days] of [
    ['old', 31],
    ['young', 29],
  ] as const)
    em.create(IdempotencyKey, { tenantId: 'acme', key, requestHash: 'h', createdAt: daysAgo(days) });
  // Keys of calls that were to be made later: the count begins when nothing waits any more.
  for (const [key, state, changed] of [
    ['waiting', 'WAITING', 90],
    ['dialled lately', 'DIALED', 29],
    ['dialled long ago', 'DIALED', 31],
  ] as const) {
    const id = newId();
    em.create(IdempotencyKey, { tenantId: 'acme', key, requestHash: 'h', callId: id, createdAt: daysAgo(90) });
    em.create(ScheduledCall, {
      id,
      tenantId: 'acme',
      dueAt: daysAgo(-200),
      state,
      request: {},
      requestedBy: 'test',
      createdAt: daysAgo(90),
      updatedAt: daysAgo(changed),
    });
  }
  for (const days of [8, 6]) em.create(SignatureCheck, { tenantId: 'acme', valid: true, createdAt: daysAgo(days) });
  for (const [jti, minutes] of [
    ['old', 15],
    ['young', 5],
  ] as const)
    em.create(UsedStreamToken, { jti, callId: newId(), expiresAt: daysAgo(minutes / 1_440) });
  await em.flush();

  await jobs.send(RETENTION_QUEUE, {});
  const left = async () => [
    (await em.fork().find(IdempotencyKey, {})).map(({ key }) => key).toSorted(),
    (await em.fork().find(UsedStreamToken, {})).map(({ jti }) => jti),
    await em.fork().count(SignatureCheck, {}),
  ];
  await until(async () => (await left())[1]!.toString() === 'young', 'the old rows to go');
  expect(await left()).toEqual([['dialled lately', 'waiting', 'young'], ['young'], 1]);
  const schedules = await em
    .getConnection()
    .execute('select cron from pgboss.schedule where name = ?', [RETENTION_QUEUE]);
  expect(schedules).toEqual([{ cron: '17 * * * *' }]);
});
