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
type ServerName = 'gateway' | 'graphql-ws';
export interface FanOutRow {
  scenario: string;
  gateway: FanOutFigures;
  stock: FanOutFigures;
}

interface Scenario {
  name: string;
  /** All viewers watch one call, or each his own. */
  calls: 'one' | 'each';
  publication: Omit<Publication, 'sessionIds'>;
}

/** Turns of a call that people watch come a few times a second; a batch of the session log comes at once. */
const scenarios = (seconds: number): readonly Scenario[] => [
  { name: 'one call', calls: 'one', publication: { burst: 1, everyMs: 50, times: seconds * 20 } },
  { name: 'one call, bursts of 10', calls: 'one', publication: { burst: 10, everyMs: 500, times: seconds * 2 } },
  { name: 'one viewer per call', calls: 'each', publication: { burst: 1, everyMs: 200, times: seconds * 5 } },
];

/** Measures the gateway and stock graphql-ws in turn, each in a fresh process a round. */
export async function benchFanOut(options: FanOutOptions): Promise<FanOutRow[]> {
  const { place, dir, template, rounds, seconds } = options;
  const samples = new Map<string, FanOutFigures[]>();
  for (let round = 0; round < rounds; round++)
    for (const name of ['gateway', 'graphql-ws'] as const) {
      const load = await place.start('load', 'fan-out/viewers', {});
      const server =
        name === 'gateway'
          ? await place.start('server', 'fan-out/gateway', { dir, template })
          : await place.start('server', 'fan-out/stock', {});
      for (const [scenario, figures] of await measure(server, load, options)) {
        const key = `${name} ${scenario}`;
        samples.set(key, [...(samples.get(key) ?? []), figures]);
      }
      await server.stop();
      await load.stop();
    }
  const of = (name: ServerName, scenario: string): FanOutFigures => medians(samples.get(`${name} ${scenario}`)!);
  return scenarios(seconds).map(({ name }) => ({
    scenario: name,
    gateway: of('gateway', name),
    stock: of('graphql-ws', name),
  }));
}

async function measure(
  server: Running<PartOf<'fan-out/gateway'>> | Running<PartOf<'fan-out/stock'>>,
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

export function fanOutTable(rows: readonly FanOutRow[]): string {
  return table(
    ['scenario', 'server', 'deliveries per CPU-second', 'ratio', 'p50', 'p99', 'KiB per viewer', 'delivered'],
    rows.flatMap(({ scenario, gateway, stock }) =>
      (
        [
          ['gateway', gateway],
          ['graphql-ws', stock],
        ] as const
      ).map(([name, row]) => [
        scenario,
        name,
        figure(row.deliveriesPerCpuSecond),
        figure(row.deliveriesPerCpuSecond / stock.deliveriesPerCpuSecond),
        figure(row.p50),
        figure(row.p99),
        figure(row.kibPerViewer),
        `${(row.delivered * 100).toFixed(1)} %`,
      ]),
    ),
  );
}
