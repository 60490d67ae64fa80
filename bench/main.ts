/** `npm run bench -- [bridge] [fan-out] [queries] [options]`: see docs/performance.md. */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { benchBridge, bridgeTable } from './bridge/bridge.js';
import { benchFanOut, fanOutTable } from './fan-out/fan-out.js';
import { makeTemplate } from './gateway.js';
import { processes } from './places.js';
import { benchQueries, queriesTable } from './queries/queries.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    calls: { type: 'string', default: '50,100,200' },
    viewers: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '2' },
    'turn-seconds': { type: 'string', default: '3600' },
    profile: { type: 'boolean', default: false },
  },
});

const place = processes({ profile: values.profile });
const dir = mkdtempSync(join(tmpdir(), 'trunkline-bench-'));
const template = await makeTemplate(dir);
const SETTLE_MS = 1_500;
const common = {
  place,
  dir,
  template,
  seconds: Number(values.seconds),
  rounds: Number(values.rounds),
  settleMs: SETTLE_MS,
};

const benchmarks = {
  bridge: async () => {
    const calls = values.calls.split(',').map(Number);
    return bridgeTable(await benchBridge({ ...common, calls, turnMs: Number(values['turn-seconds']) * 1_000 }));
  },
  'fan-out': async () => fanOutTable(await benchFanOut({ ...common, viewers: Number(values.viewers) })),
  queries: async () => queriesTable(await benchQueries(common)),
};
type Benchmark = keyof typeof benchmarks;

const wanted = (positionals.length === 0 ? Object.keys(benchmarks) : positionals) as Benchmark[];
const unknown = wanted.filter((name) => !Object.hasOwn(benchmarks, name));
try {
  if (unknown.length > 0) throw new Error(`no such benchmark: ${unknown.join(', ')}`);
  console.log(`Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}, ${place.description}`);
  for (const name of wanted) {
    const started = performance.now();
    const result = await benchmarks[name]();
    const load = loadavg()
      .map((value) => value.toFixed(1))
      .join(' ');
    console.log(
      `\n${name} (${Math.round((performance.now() - started) / 1_000)} s, load average ${load})\n\n${result}`,
    );
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
