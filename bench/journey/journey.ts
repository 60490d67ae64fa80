import { setTimeout as sleep } from 'node:timers/promises';
import { figure, medians, table, type Percentiles } from '../figures.js';
import type { Place } from '../places.js';

export interface JourneyOptions {
  place: Place;
  /** A folder of this run. */
  dir: string;
  template: string;
  databaseUrl: string;
  redisUrl: string;
  /** Calls on the air, rising; each is watched by one viewer at the other process. */
  calls: readonly number[];
  seconds: number;
  rounds: number;
  settleMs: number;
}

/** Times in ms, from the model's event to the subscriber's message; medians over the rounds. */
export interface JourneyRow {
  calls: number;
  gateway: Percentiles;
  redis: Percentiles;
}

/** Words of one agent that speaks without end. */
const WORDS_PER_SECOND = 2.5;

/**
 * The way of a word: from the model's socket through the process that owns the call, over the bus, to a subscriber of
 * another process. The reference is Redis alone, at the same rate.
 */
export async function benchJourney(options: JourneyOptions): Promise<JourneyRow[]> {
  const { place, dir, template, databaseUrl, redisUrl, calls, seconds, rounds, settleMs } = options;
  const load = await place.start('load', 'bridge/load', { turnMs: 3_600_000 });
  const shared = { dir, template, databaseUrl, redisUrl };
  const owner = await place.start('server', 'journey/gateway', { ...shared, modelUrl: await load.ask('modelUrl') });
  const other = await place.start('server', 'journey/gateway', { ...shared, tenant: await owner.ask('tenant') });
  const viewers = await place.start('load', 'fan-out/viewers', {});
  const alone = await place.start('load', 'journey/redis', { redisUrl });
  const [target, address] = [await owner.ask('target'), await other.ask('address')];
  const rows: JourneyRow[] = [];
  for (const count of calls) {
    await load.ask('open', { target, calls: count });
    await viewers.ask('open', { address, sessionIds: await owner.ask('sessions') });
    const samples: Record<'gateway' | 'redis', Percentiles[]> = { gateway: [], redis: [] };
    for (let round = 0; round < rounds; round++) {
      await sleep(settleMs);
      await viewers.ask('clear');
      await sleep(seconds * 1_000);
      samples.gateway.push(await viewers.ask('settled', { expected: 0 }));
      samples.redis.push(await alone.ask('run', { seconds, perSecond: count * WORDS_PER_SECOND }));
    }
    await viewers.ask('leave');
    rows.push({ calls: count, gateway: percentiles(samples.gateway), redis: percentiles(samples.redis) });
  }
  await load.ask('hangUp');
  for (const part of [viewers, alone, other, owner, load]) await part.stop();
  return rows;
}

const percentiles = (rounds: readonly Percentiles[]): Percentiles =>
  medians(rounds.map(({ p50, p99 }) => ({ p50, p99 })));

export function journeyTable(rows: readonly JourneyRow[]): string {
  return table(
    ['calls', 'p50', 'p99', 'Redis alone, p50', 'p99'],
    rows.map(({ calls, gateway, redis }) => [
      String(calls),
      figure(gateway.p50),
      figure(gateway.p99),
      figure(redis.p50),
      figure(redis.p99),
    ]),
  );
}
