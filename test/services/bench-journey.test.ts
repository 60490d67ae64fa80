import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { benchJourney, journeyTable } from '../../bench/journey/journey.js';
import { here } from '../../bench/places.js';
import { onServer, withDatabase } from '../testkit/postgres.js';

const server = process.env.DATABASE_URL!;
const name = `trunkline_journey_${process.pid}`;
const dir = mkdtempSync(join(tmpdir(), 'trunkline-journey-'));
beforeAll(() => onServer(server, `create database ${name}`));
afterAll(async () => {
  await onServer(server, `drop database ${name} with (force)`);
  rmSync(dir, { recursive: true, force: true });
});

it('measures the way of a word from the model to a subscriber of another process', async () => {
  const rows = await benchJourney({
    place: here,
    dir,
    template: dir,
    databaseUrl: withDatabase(server, name),
    redisUrl: process.env.REDIS_URL!,
    calls: [1],
    seconds: 1.5,
    rounds: 1,
    settleMs: 50,
  });
  expect(rows).toHaveLength(1);
  for (const { gateway, redis } of rows) {
    expect(gateway.p50).toBeGreaterThan(0);
    expect(redis.p50).toBeGreaterThan(0);
  }
  expect(journeyTable(rows)).toContain('Redis alone');
}, 60_000);
