import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'redis';
import { ageMs, stampedWord } from '../fan-out/turns.js';
import { Durations, type Percentiles } from '../figures.js';

/** The reference: words that go from one connection to another through Redis, and nothing else. */
export async function startRedisAlone({ redisUrl }: { redisUrl: string }) {
  const publisher = createClient({ url: redisUrl });
  const subscriber = createClient({ url: redisUrl });
  await Promise.all([publisher.connect(), subscriber.connect()]);
  const received = new Durations();
  const channel = `bench:${process.pid}`;
  await subscriber.subscribe(channel, (text) => received.add(ageMs(Buffer.from(text)) ?? 0));
  return {
    run: async ({ seconds, perSecond }: { seconds: number; perSecond: number }): Promise<Percentiles> => {
      received.clear();
      const started = performance.now();
      for (let sent = 0; sent < seconds * perSecond;) {
        const due = Math.floor(((performance.now() - started) / 1_000) * perSecond) + 1;
        for (; sent < due; sent++) void publisher.publish(channel, stampedWord());
        await sleep(1);
      }
      await sleep(200);
      return received.percentiles();
    },
    close: async (): Promise<void> => {
      publisher.destroy();
      subscriber.destroy();
    },
  };
}
