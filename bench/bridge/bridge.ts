import { setTimeout as sleep } from 'node:timers/promises';
import { figure, medians, table } from '../figures.js';
import type { Place, Running } from '../places.js';
import type { PartOf } from '../parts.js';

export interface BridgeOptions {
  place: Place;
  /** A folder of this run. */
  dir: string;
  template: string;
  /** An empty PostgreSQL database for each gateway; missing: the embedded one, in the same process. */
  newDatabase?: () => Promise<string | undefined>;
  /** Numbers of calls, rising. */
  calls: readonly number[];
  /** Per measurement. */
  seconds: number;
  rounds: number;
  /** Between joining and being measured. */
  settleMs: number;
  /** Length of one turn of the agent. */
  turnMs: number;
}

/** Medians over the rounds; times in ms. */
export type BridgeFigures = Record<
  | 'upP50'
  | 'upP99'
  | 'downP50'
  | 'downP99'
  /** Everything that the process does. */
  | 'cpuMsPerCallSecond'
  /** What it does while nobody calls (sweeps, polls of the job queue), a second: with many calls it hardly counts. */
  | 'idleCpuMs'
  | 'kibPerCall'
  | 'delivered',
  number
>;
type ServerName = 'gateway' | 'proxy';
export interface BridgeRow {
  calls: number;
  gateway: BridgeFigures;
  proxy: BridgeFigures;
}

const WARM_UP_CALLS = 10;

/** Measures the gateway and the proxy in turn, each in a fresh process a round. */
export async function benchBridge(options: BridgeOptions): Promise<BridgeRow[]> {
  const { place, calls, rounds, turnMs } = options;
  const samples = new Map<string, BridgeFigures[]>();
  for (let round = 0; round < rounds; round++)
    for (const name of ['gateway', 'proxy'] as const) {
      const load = await place.start('load', 'bridge/load', { turnMs });
      const modelUrl = await load.ask('modelUrl');
      const server = await startServer(name, options, modelUrl);
      for (const [n, figures] of await measure(server, load, options)) {
        const key = `${name} ${n}`;
        samples.set(key, [...(samples.get(key) ?? []), figures]);
      }
      await server.stop();
      await load.stop();
    }
  const of = (name: ServerName, n: number): BridgeFigures => medians(samples.get(`${name} ${n}`)!);
  return calls.map((n) => ({ calls: n, gateway: of('gateway', n), proxy: of('proxy', n) }));
}

type Server = Running<PartOf<'bridge/gateway'>> | Running<PartOf<'bridge/proxy'>>;

async function startServer(
  name: ServerName,
  { place, dir, template, newDatabase }: BridgeOptions,
  modelUrl: string,
): Promise<Server> {
  if (name === 'proxy') return place.start('server', 'bridge/proxy', { modelUrl });
  const databaseUrl = await newDatabase?.();
  return place.start('server', 'bridge/gateway', { dir, template, databaseUrl, modelUrl: `${modelUrl}/v1/realtime` });
}

async function measure(
  server: Server,
  load: Running<PartOf<'bridge/load'>>,
  { calls, seconds, settleMs }: BridgeOptions,
): Promise<[number, BridgeFigures][]> {
  const target = await server.ask('target');
  // Compilers and caches that the first calls fill are no cost of the later ones.
  await load.ask('open', { target, calls: Math.min(WARM_UP_CALLS, calls[0]!) });
  await sleep(settleMs);
  await load.ask('hangUp');
  // What follows a call (summary, events to the tenant) is done by then.
  await sleep(3 * settleMs);
  const { cpuMs: idleFrom, kib: idleKib } = await server.usage();
  await sleep(2 * settleMs);
  const idleCpuMs = ((await server.cpuMs()) - idleFrom) / ((2 * settleMs) / 1_000);
  const results: [number, BridgeFigures][] = [];
  for (const n of calls) {
    await load.ask('open', { target, calls: n });
    await sleep(settleMs);
    const before = await server.cpuMs();
    const { up, down, delivered } = await load.ask('measure', { seconds });
    const cpuMs = (await server.cpuMs()) - before;
    const { kib } = await server.usage();
    results.push([
      n,
      {
        upP50: up.p50,
        upP99: up.p99,
        downP50: down.p50,
        downP99: down.p99,
        cpuMsPerCallSecond: cpuMs / (n * seconds),
        idleCpuMs,
        kibPerCall: (kib - idleKib) / n,
        delivered,
      },
    ]);
  }
  await load.ask('hangUp');
  return results;
}

export function bridgeTable(rows: readonly BridgeRow[]): string {
  const alone = ({ cpuMsPerCallSecond, idleCpuMs }: BridgeFigures, calls: number): number =>
    cpuMsPerCallSecond - idleCpuMs / calls;
  return table(
    ['calls', 'bridge', 'up p50', 'p99', 'down p50', 'p99', 'CPU ms', 'ratio', 'less idle', 'KiB', 'delivered'],
    rows.flatMap(({ calls, gateway, proxy }) =>
      (['gateway', 'proxy'] as const).map((name) => {
        const row = { gateway, proxy }[name];
        const { upP50, upP99, downP50, downP99, cpuMsPerCallSecond, kibPerCall, delivered } = row;
        return [
          String(calls),
          name,
          ...[upP50, upP99, downP50, downP99, cpuMsPerCallSecond].map(figure),
          figure(cpuMsPerCallSecond / proxy.cpuMsPerCallSecond),
          figure(alone(row, calls) / alone(proxy, calls)),
          figure(kibPerCall),
          `${(delivered * 100).toFixed(1)} %`,
        ];
      }),
    ),
  );
}
