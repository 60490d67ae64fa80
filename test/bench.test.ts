import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { benchBridge, bridgeTable } from '../bench/bridge/bridge.js';
import { benchFanOut, fanOutTable } from '../bench/fan-out/fan-out.js';
import { makeTemplate } from '../bench/gateway.js';
import { here } from '../bench/places.js';
import { benchQueries, queriesTable } from '../bench/queries/queries.js';

// The benchmarks measure nothing here, with everything in one busy process; they must still run and give figures.
const dir = mkdtempSync(join(tmpdir(), 'trunkline-bench-test-'));
let common: { place: typeof here; dir: string; template: string; seconds: number; rounds: number; settleMs: number };

beforeAll(async () => {
  const template = inject('pgTemplate') ?? (await makeTemplate(dir));
  common = { place: here, dir, template, seconds: 0.4, rounds: 1, settleMs: 50 };
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Every figure of a row; memory may shrink while others allocate. */
function figuresOf(rows: readonly object[]): number[] {
  return rows.flatMap((row) =>
    Object.values(row).flatMap((cell: unknown) =>
      typeof cell === 'object' && cell !== null
        ? Object.entries(cell).flatMap(([name, value]) => (name.startsWith('kib') ? [] : [value as number]))
        : [],
    ),
  );
}

it('measures the bridge at the wire of both ends, marks and turns included', async () => {
  const rows = await benchBridge({ ...common, calls: [1, 2], turnMs: 150 });
  expect(rows.map(({ calls }) => calls)).toEqual([1, 2]);
  expect(figuresOf(rows).every((value) => Number.isFinite(value) && value > 0)).toBe(true);
  expect(bridgeTable(rows)).toContain('| gateway |');
});

it('measures the fan-out at the socket door, and nothing is lost on the way', async () => {
  const rows = await benchFanOut({ ...common, viewers: 3, seconds: 1 });
  expect(figuresOf(rows).every((value) => Number.isFinite(value) && value > 0)).toBe(true);
  for (const { gateway, stock } of rows) expect([gateway.delivered, stock.delivered]).toEqual([1, 1]);
  expect(fanOutTable(rows)).toContain('one viewer per call');
});

it('measures queries at the HTTP door, with rows from memory and from the database', async () => {
  const rows = await benchQueries(common);
  expect(rows.map(({ data }) => data)).toEqual(['memory', 'database']);
  expect(figuresOf(rows).every((value) => Number.isFinite(value) && value > 0)).toBe(true);
  expect(queriesTable(rows)).toContain('stock Apollo');
});
