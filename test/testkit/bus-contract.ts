import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Bus } from '../../src/ports/bus.js';
import { until } from './until.js';

/** What every bus does. `open` makes two ends of the same bus: two processes, or twice the same one. */
export function busContract(name: string, open: () => Promise<[Bus, Bus]>): void {
  describe(`the ${name} bus`, () => {
    let a: Bus;
    let b: Bus;
    beforeAll(async () => {
      [a, b] = await open();
    });
    afterAll(async () => {
      await a.close();
      await b.close();
    });

    it('brings a message to every subscriber of its channel, and to nobody else', async () => {
      const got: string[] = [];
      const offs = await Promise.all([
        a.subscribe('one', (m) => got.push(`a${(m as { n: number }).n}`)),
        b.subscribe('one', (m) => got.push(`b${(m as { n: number }).n}`)),
        b.subscribe('two', () => got.push('wrong')),
      ]);
      await a.publish('one', { n: 1 });
      await until(
        () => got.length === 2,
        () => got,
      );
      expect(got.toSorted()).toEqual(['a1', 'b1']);
      for (const off of offs) off();
    });

    it('delivers in order once subscribe has resolved', async () => {
      const got: number[] = [];
      const off = await b.subscribe('order', (m) => got.push(m as number));
      for (let i = 0; i < 200; i++) await a.publish('order', i);
      await until(
        () => got.length === 200,
        () => got.length,
      );
      expect(got).toEqual(Array.from({ length: 200 }, (_, i) => i));
      off();
    });

    it('counts subscriptions: one that leaves does not silence another', async () => {
      const got: string[] = [];
      const handler = (m: unknown) => got.push(m as string);
      const first = await b.subscribe('count', handler);
      const second = await b.subscribe('count', handler);
      first();
      await a.publish('count', 'x');
      await until(() => got.length > 0, 'the message');
      expect(got).toEqual(['x']);
      second();
      await a.publish('count', 'y');
      await a.ping();
      await b.ping();
      expect(got).toEqual(['x']);
    });

    it('keeps a channel that is left and entered again at once', async () => {
      const got: unknown[] = [];
      for (let i = 0; i < 50; i++) (await b.subscribe('churn', () => got.push('old')))();
      const off = await b.subscribe('churn', (m) => got.push(m));
      await a.publish('churn', 'new');
      await until(() => got.length > 0, 'the message');
      expect(got).toEqual(['new']);
      off();
    });

    it('makes every subscriber wait until the channel is in force, not only the first', async () => {
      const got: string[] = [];
      const offs = await Promise.all(['x', 'y', 'z'].map((name) => b.subscribe('together', () => got.push(name))));
      await a.publish('together', 1);
      await until(
        () => got.length === 3,
        () => got,
      );
      for (const off of offs) off();
    });

    it('lets no subscriber that throws silence another', async () => {
      const got: unknown[] = [];
      const offs = [
        await b.subscribe('throws', () => {
          throw new Error('a broken subscriber');
        }),
        await b.subscribe('throws', (m) => got.push(m)),
      ];
      await a.publish('throws', 1);
      await a.publish('throws', 2);
      await until(
        () => got.length === 2,
        () => got,
      );
      for (const off of offs) off();
    });

    it('hands out copies', async () => {
      const message = { list: [1] };
      const got: unknown[] = [];
      const off = await b.subscribe('copy', (m) => got.push(m));
      await b.publish('copy', message);
      message.list.push(2);
      await until(() => got.length > 0, 'the message');
      expect(got[0]).toEqual({ list: [1] });
      off();
    });
  });
}
