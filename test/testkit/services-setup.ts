import { createClient } from 'redis';
import type { TestProject } from 'vitest/node';
import { Database } from '../../src/entities/database.js';
import { prepare } from './global-setup.js';
import { onServer, withDatabase } from './postgres.js';

/** The same, on a real PostgreSQL: fails loudly where there is none, because a skipped suite proves nothing. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { DATABASE_URL: url, REDIS_URL: redis } = process.env;
  if (!url || !redis)
    throw new Error(
      'npm run test:services needs DATABASE_URL and REDIS_URL, e.g. postgres://postgres@127.0.0.1:5432/postgres and redis://127.0.0.1:6379',
    );
  await reachable('PostgreSQL at DATABASE_URL', () => onServer(url, 'select 1'));
  await reachable('Redis at REDIS_URL', async () => {
    const client = createClient({ url: redis, socket: { reconnectStrategy: false } });
    // Without a listener the error would end the process before it is told.
    client.on('error', () => {});
    await client.connect();
    client.destroy();
  });
  const template = `trunkline_template_${process.pid}`;
  await onServer(url, `create database ${template}`);
  await prepare(await Database.open({ url: withDatabase(url, template) }));
  project.provide('pgTemplate', null);
  project.provide('pgServer', { url, template });
  return async () => {
    await onServer(url, `drop database if exists ${template} with (force)`);
  };
}

/** Fails with one sentence before anything hangs on a service that is not there. */
async function reachable(what: string, probe: () => Promise<void>): Promise<void> {
  try {
    await probe();
  } catch (cause) {
    throw new Error(`npm run test:services: ${what} does not answer`, { cause });
  }
}
