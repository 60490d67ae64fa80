import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PgBossJobs } from '../src/adapters/jobs/pg-boss.js';
import { Agent, AuditEntry, RolloutHistory, Tenant } from '../src/entities/index.js';
import { silentLogger } from '../src/ports/logger.js';
import { openTestDatabase, type TestDatabase } from './testkit/database.js';
import { until } from './testkit/until.js';

describe('the database', () => {
  let test: TestDatabase;
  beforeAll(async () => {
    test = await openTestDatabase();
    const em = test.database.em({ all: true });
    for (const id of ['acme', 'globex']) {
      em.create(Tenant, { id, name: id });
      em.create(Agent, { tenantId: id, key: 'front_desk', name: 'Front desk' });
    }
    await em.flush();
  });
  afterAll(() => test.dispose());

  it('has entities that say exactly what the migrations make', async () => {
    expect(await test.database.orm.schema.getUpdateSchemaSQL({ wrap: false })).toBe('');
  });

  it('refuses a query without a tenant scope', async () => {
    await expect(test.database.orm.em.fork().find(Agent, {})).rejects.toThrow(/filter 'tenant'/);
  });

  it('shows one tenant its own rows only', async () => {
    const rows = await test.database.em({ tenantId: 'acme' }).find(Agent, {});
    expect(rows.map((a) => a.tenantId)).toEqual(['acme']);
    expect(await test.database.em({ all: true }).count(Agent)).toBe(2);
  });

  it('never changes an audit entry, nor the history of what traffic reached', async () => {
    const em = test.database.em({ all: true });
    em.create(AuditEntry, { actor: 'x', action: 'y', subjectType: 'z', subjectId: '1' });
    const agent = await em.findOneOrFail(Agent, { tenantId: 'acme' });
    em.create(RolloutHistory, { tenantId: 'acme', agentId: agent.id, action: 'PUBLISHED', by: 'x' });
    await em.flush();
    for (const table of ['audit_entry', 'rollout_history'])
      for (const change of [`update ${table} set created_at = now()`, `delete from ${table}`, `truncate ${table}`])
        await expect(em.execute(change), change).rejects.toThrow(`${table} is append-only`);
  });

  it('commits a job with the transaction that sends it, and only then', async () => {
    const jobs = new PgBossJobs(test.database, silentLogger);
    const done: number[] = [];
    await jobs.work<{ n: number }>('try', {}, async (job) => void done.push(job.data.n));
    await jobs.start();
    try {
      const em = test.database.em({ all: true });
      await expect(
        em.transactional(async (tem) => {
          await jobs.send('try', { n: 1 }, {}, tem);
          throw new Error('rolled back');
        }),
      ).rejects.toThrow('rolled back');
      await em.transactional((tem) => jobs.send('try', { n: 2 }, {}, tem));
      await until(() => done.includes(2), 'the job');
      expect(done).toEqual([2]);
    } finally {
      await jobs.stop();
    }
  });
});
