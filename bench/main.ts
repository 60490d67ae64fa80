/** `npm run bench -- [bridge] [fan-out] [queries] [metrics] [journey] [options]`: see docs/performance.md. */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { benchBridge, bridgeTable } from './bridge/bridge.js';
import { benchFanOut, fanOutTable } from './fan-out/fan-out.js';
import { onServer, withDatabase } from '../test/testkit/postgres.js';
import { makeTemplate } from './gateway.js';
import { benchJourney, journeyTable } from './journey/journey.js';
import { benchMetrics, metricsTable } from './metrics/metrics.js';
import { processes, type Place } from './places.js';
import { benchQueries, queriesTable } from './queries/queries.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    calls: { type: 'string', default: '50,100,200' },
    viewers: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '2' },
    'turn-seconds': { type: 'string', default: '3600' },
    stored: { type: 'string', default: '1000000' },
    profile: { type: 'boolean', default: false },
  },
});

function refuse(problem: string): never {
  console.error(problem);
  process.exit(1);
}

/** The whole numbers of an option. */
function numbers(
  option: 'calls' | 'viewers' | 'seconds' | 'rounds' | 'turn-seconds' | 'stored',
): [number, ...number[]] {
  const list = values[option].split(',').map(Number);
  if (!list.every((value) => Number.isInteger(value) && value > 0)) refuse(`--${option} takes positive whole numbers`);
  return list as [number, ...number[]];
}

const SETTLE_MS = 1_500;
const calls = numbers('calls').sort((a, b) => a - b);
const [viewers] = numbers('viewers');
const [turnSeconds] = numbers('turn-seconds');
const [seconds] = numbers('seconds');
const [stored] = numbers('stored');
const [rounds] = numbers('rounds');

const benchmarks = {
  bridge: async (common: Common) =>
    bridgeTable(await benchBridge({ ...common, newDatabase, calls, turnMs: turnSeconds * 1_000 })),
  'fan-out': async (common: Common) => fanOutTable(await benchFanOut({ ...common, viewers })),
  queries: async (common: Common) => queriesTable(await benchQueries(common)),
  metrics: async (common: Common) =>
    metricsTable(await benchMetrics({ ...common, databaseUrl: await newDatabase(), stored })),
  journey: async (common: Common) => {
    const [databaseUrl, redisUrl] = [await newDatabase(), process.env.REDIS_URL];
    if (databaseUrl === undefined || redisUrl === undefined)
      return 'left out: two processes need DATABASE_URL and REDIS_URL';
    return journeyTable(await benchJourney({ ...common, databaseUrl, redisUrl, calls }));
  },
};
type Benchmark = keyof typeof benchmarks;
interface Common {
  place: Place;
  dir: string;
  template: string;
  seconds: number;
  rounds: number;
  settleMs: number;
}

const made: string[] = [];

/** A database of this run on the server of DATABASE_URL; undefined without one: then it is the embedded database. */
async function newDatabase(): Promise<string | undefined> {
  const server = process.env.DATABASE_URL;
  if (server === undefined) return undefined;
  const name = `trunkline_bench_${process.pid}_${made.length}`;
  await onServer(server, `create database ${name}`);
  made.push(name);
  return withDatabase(server, name);
}

async function dropDatabases(): Promise<void> {
  for (const name of made.splice(0)) await onServer(process.env.DATABASE_URL!, `drop database ${name} with (force)`);
}

const wanted = (positionals.length === 0 ? Object.keys(benchmarks) : positionals) as Benchmark[];
for (const name of wanted) if (!Object.hasOwn(benchmarks, name)) refuse(`no such benchmark: ${name}`);

const place = processes({ profile: values.profile });
const dir = mkdtempSync(join(tmpdir(), 'trunkline-bench-'));
process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

console.log(`Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}, ${place.description}`);
const common = { place, dir, template: await makeTemplate(dir), seconds, rounds, settleMs: SETTLE_MS };
for (const name of wanted) {
  const started = performance.now();
  const result = await benchmarks[name](common).finally(dropDatabases);
  const took = Math.round((performance.now() - started) / 1_000);
  const load = loadavg().map((value) => value.toFixed(1));
  console.log(`\n${name} (${took} s, load average ${load.join(' ')})\n\n${result}`);
}
