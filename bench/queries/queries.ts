import { figure, medians, table } from '../figures.js';
import type { Place } from '../places.js';
import type { Data, Door } from './server.js';

export interface QueriesOptions {
  place: Place;
  /** A folder of this run. */
  dir: string;
  template: string;
  /** Per measurement. */
  seconds: number;
  rounds: number;
}

/** Medians over the rounds; times in ms. */
export type QueryFigures = Record<'requestsPerCpuSecond' | 'p50' | 'p99', number>;
export interface QueryRow {
  data: Data;
  gateway: QueryFigures;
  stock: QueryFigures;
}

/** A share of each measurement, before it: compilers warm up. */
const WARM_UP = 0.5;

/** Measures the gateway's door and stock Apollo's in turn. */
export async function benchQueries({ place, dir, template, seconds, rounds }: QueriesOptions): Promise<QueryRow[]> {
  const server = await place.start('server', 'queries/server', { dir, template });
  const load = await place.start('load', 'queries/clients', {});
  const sample = async (data: Data, door: Door): Promise<QueryFigures> => {
    const address = await server.ask('address', { data, door });
    await load.ask('run', { ...address, seconds: seconds * WARM_UP });
    const before = await server.cpuMs();
    const { requests, p50, p99 } = await load.ask('run', { ...address, seconds });
    const cpuMs = (await server.cpuMs()) - before;
    return { requestsPerCpuSecond: (requests / cpuMs) * 1_000, p50, p99 };
  };
  const rows: QueryRow[] = [];
  for (const data of ['memory', 'database'] as const) {
    const samples: Record<Door, QueryFigures[]> = { gateway: [], stock: [] };
    for (let round = 0; round < rounds; round++)
      for (const door of ['gateway', 'stock'] as const) samples[door].push(await sample(data, door));
    rows.push({ data, gateway: medians(samples.gateway), stock: medians(samples.stock) });
  }
  await load.stop();
  await server.stop();
  return rows;
}

export function queriesTable(rows: readonly QueryRow[]): string {
  return table(
    ['rows from', 'server', 'requests per CPU-second', 'ratio', 'p50', 'p99'],
    rows.flatMap(({ data, gateway, stock }) =>
      (
        [
          ['gateway', gateway],
          ['stock Apollo', stock],
        ] as const
      ).map(([name, row]) => [
        data,
        name,
        figure(row.requestsPerCpuSecond),
        figure(row.requestsPerCpuSecond / stock.requestsPerCpuSecond),
        figure(row.p50),
        figure(row.p99),
      ]),
    ),
  );
}
