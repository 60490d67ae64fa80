import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import { Database } from '../../src/entities/database.js';
import { onServer, withDatabase } from './postgres.js';

export interface TestDatabase {
  database: Database;
  /** For a second connection, as another process would make it; null on the embedded database. */
  url: string | null;
  /** Closes and removes it. */
  dispose(): Promise<void>;
}

/** A fresh, migrated database of this test file: embedded, or on PostgreSQL in the services suite. */
export async function openTestDatabase(): Promise<TestDatabase> {
  const server = inject('pgServer');
  if (server !== null) {
    const name = `trunkline_test_${randomBytes(6).toString('hex')}`;
    await onServer(server.url, `create database ${name} template ${server.template}`);
    const url = withDatabase(server.url, name);
    const database = await Database.open({ url, poolSize: 8 });
    return {
      database,
      url,
      dispose: async () => {
        await database.close();
        await onServer(server.url, `drop database if exists ${name} with (force)`);
      },
    };
  }
  const dir = mkdtempSync(join(tmpdir(), 'trunkline-test-'));
  cpSync(inject('pgTemplate')!, dir, { recursive: true });
  const database = await Database.open({ pgliteDir: dir });
  return {
    database,
    url: null,
    dispose: async () => {
      await database.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
