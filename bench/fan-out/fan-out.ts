import { setTimeout as sleep } from 'node:timers/promises';
import { figure, medians, table } from '../figures.js';
import type { PartOf } from '../parts.js';
import type { Place, Running } from '../places.js';
import type { Publication } from './turns.js';

export interface FanOutOptions {
  place: Place;
  /** A folder of this run. */
  dir: string;
  template: string;
  viewers: number;
  /** Per measurement. */
  seconds: number;
  rounds: number;
  /** Between joining and being measured. */
  settleMs: number;
}

/** Medians over the rounds; times in ms. `delivered` of 1 is everything. */
export type FanOutFigures = Record<
  /** Of everything that the process does, less what it does while nobody watches. */
  'deliveriesPerCpuSecond' | 'p50' | 'p99' | 'kibPerViewer' | 'delivered',
  number
>;
const SERVERS = ['gateway', 'stock', 'limit'] as const;
type ServerName = (typeof SERVERS)[number];
export type FanOutRow = { scenario: string } & Record<ServerName, FanOutFigures>;

interface Scenario {
  name: string;
  /** All viewers watch one call, or each his own. */
  calls: 'one' | 'each';
  publication: Omit<Publication, 'sessionIds'>;
}

/** Turns of a call that people watch come a few times a second; a batch of the session log comes at once. */
const scenarios = (seconds: number): readonly Scenario[] => [
  { name: 'one call', calls: 'one', publication: { burst: 1, everyMs: 50, times: Math.ceil(seconds * 20) } },
  {
    name: 'one call, bursts of 10',
    calls: 'one',
    publication: { burst: 10, everyMs: 500, times: Math.ceil(seconds * 2) },
  },
  {
    name: 'one viewer per call',
    calls: 'each',
    publication: { burst: 1, everyMs: 200, times: Math.ceil(seconds * 5) },
  },
];

/** Measures the gateway and both references in turn, each in a fresh process a round. */
export async function benchFanOut(options: FanOutOptions): Promise<FanOutRow[]> {
  const { place, rounds, seconds } = options;
  const samples = new Map<string, FanOutFigures[]>();
  for (let round = 0; round < rounds; round++)
    for (const name of SERVERS) {
      const load = await place.start('load', 'fan-out/viewers', {});
      const server = await startServer(name, options);
      for (const [scenario, figures] of await measure(server, load, options)) {
        const key = `${name} ${scenario}`;
        samples.set(key, [...(samples.get(key) ?? []), figures]);
      }
      await server.stop();
      await load.stop();
    }
  const of = (name: ServerName, scenario: string): FanOutFigures => medians(samples.get(`${name} ${scenario}`)!);
  return scenarios(seconds).map(({ name: scenario }) => ({
    scenario,
    gateway: of('gateway', scenario),
    stock: of('stock', scenario),
    limit: of('limit', scenario),
  }));
}

type Server = Running<PartOf<'fan-out/gateway'>> | Running<PartOf<'fan-out/stock'>> | Running<PartOf<'fan-out/limit'>>;

function startServer(name: ServerName, { place, dir, template }: FanOutOptions): Promise<Server> {
  return name === 'gateway'
    ? place.start('server', 'fan-out/gateway', { dir, template })
    : place.start('server', `fan-out/${name}`, {});
}

async function measure(
  server: Server,
  load: Running<PartOf<'fan-out/viewers'>>,
  { viewers, seconds, settleMs }: FanOutOptions,
): Promise<[string, FanOutFigures][]> {
  const address = await server.ask('address');
  const results: [string, FanOutFigures][] = [];
  await sleep(settleMs);
  const idleFrom = await server.cpuMs();
  await sleep(settleMs);
  const idleShare = ((await server.cpuMs()) - idleFrom) / settleMs;
  let watched: Scenario['calls'] | null = null;
  let sessionIds: string[] = [];
  let kibPerViewer = 0;
  for (const { name, calls, publication } of scenarios(seconds)) {
    if (calls !== watched) {
      await load.ask('leave');
      sessionIds = await server.ask('sessions', { count: calls === 'one' ? 1 : viewers });
      const { kib: before } = await server.usage();
      const watchers = calls === 'one' ? Array<string>(viewers).fill(sessionIds[0]!) : sessionIds;
      await load.ask('open', { address, sessionIds: watchers });
      await sleep(settleMs);
      kibPerViewer = ((await server.usage()).kib - before) / viewers;
      watched = calls;
    }
    const expected = publication.burst * publication.times * viewers;
    await load.ask('clear');
    const [cpuBefore, started] = [await server.cpuMs(), performance.now()];
    await server.ask('publish', { ...publication, sessionIds });
    const { count, p50, p99 } = await load.ask('settled', { expected });
    const cpuMs = (await server.cpuMs()) - cpuBefore - (performance.now() - started) * idleShare;
    const deliveriesPerCpuSecond = (count / cpuMs) * 1_000;
    results.push([name, { deliveriesPerCpuSecond, p50, p99, kibPerViewer, delivered: count / expected }]);
  }
  await load.ask('leave');
  return results;
}

const LABELS: Record<ServerName, string> = { gateway: 'gateway', stock: 'graphql-ws', limit: 'limit' };

export function fanOutTable(rows: readonly FanOutRow[]): string {
  return table(
    ['scenario', 'server', 'deliveries per CPU-second', 'ratio', 'p50', 'p99', 'KiB per viewer', 'delivered'],
    rows.flatMap((row) =>
      SERVERS.map((name) => [
        row.scenario,
        LABELS[name],
        figure(row[name].deliveriesPerCpuSecond),
        figure(row[name].deliveriesPerCpuSecond / row.stock.deliveriesPerCpuSecond),
        figure(row[name].p50),
        figure(row[name].p99),
        figure(row[name].kibPerViewer),
        `${(row[name].delivered * 100).toFixed(1)} %`,
      ]),
    ),
  );
}
