import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { benchBridge, bridgeTable } from '../bench/bridge/bridge.js';
import { benchFanOut, fanOutTable } from '../bench/fan-out/fan-out.js';
import { makeTemplate } from '../bench/gateway.js';
import { benchMetrics, metricsTable } from '../bench/metrics/metrics.js';
import { here } from '../bench/places.js';
import { benchQueries, queriesTable } from '../bench/queries/queries.js';

// The benchmarks measure nothing here, with everything in one busy process; they must still run and give figures.
const dir = mkdtempSync(join(tmpdir(), 'trunkline-bench-test-'));
let common: { place: typeof here; dir: string; template: string; seconds: number; rounds: number; settleMs: number };

beforeAll(async () => {
  const template = inject('pgTemplate') ?? (await makeTemplate(dir));
  common = { place: here, dir, template, seconds: 0.3, rounds: 1, settleMs: 50 };
}, 90_000);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Every figure of a row. Only that they are numbers is certain: memory shrinks, and an idle moment may be a busy one. */
function figuresOf(rows: readonly object[]): number[] {
  return rows.flatMap((row) =>
    Object.values(row).flatMap((cell: unknown) =>
      typeof cell === 'object' && cell !== null ? (Object.values(cell) as number[]) : [],
    ),
  );
}

it('measures the bridge at the wire of both ends, marks and turns included', async () => {
  const rows = await benchBridge({ ...common, calls: [1, 2], turnMs: 150, seconds: 0.6 });
  expect(rows.map(({ calls }) => calls)).toEqual([1, 2]);
  expect(figuresOf(rows).every(Number.isFinite)).toBe(true);
  for (const { gateway, proxy } of rows) {
    expect(Math.min(gateway.delivered, gateway.upP50, gateway.downP50)).toBeGreaterThan(0);
    expect(Math.min(proxy.delivered, proxy.upP50, proxy.downP50)).toBeGreaterThan(0);
  }
  expect(bridgeTable(rows)).toContain('| gateway |');
}, 90_000);

it('measures the fan-out at the socket door, and nothing is lost on the way', async () => {
  const rows = await benchFanOut({ ...common, viewers: 3 });
  expect(figuresOf(rows).every(Number.isFinite)).toBe(true);
  for (const { gateway, stock, limit } of rows)
    expect([gateway, stock, limit].map(({ delivered }) => delivered)).toEqual([1, 1, 1]);
  expect(fanOutTable(rows)).toContain('one viewer per call');
}, 90_000);

it('measures queries at the HTTP door, with rows from memory and from the database', async () => {
  const rows = await benchQueries(common);
  expect(rows.map(({ data }) => data)).toEqual(['memory', 'database']);
  expect(figuresOf(rows).every(Number.isFinite)).toBe(true);
  expect(queriesTable(rows)).toContain('stock Apollo');
}, 90_000);

it('measures operations metrics, taken apart and together, beside the calls that they come from', async () => {
  const figures = await benchMetrics({ ...common, stored: 500 });
  expect(figures.rows).toHaveLength(12);
  for (const { gateway, fromCalls } of figures.rows) expect(Math.min(gateway.p50, fromCalls.p50)).toBeGreaterThan(0);
  expect(metricsTable(figures)).toContain('last day, all tenants, by minute');
}, 90_000);
