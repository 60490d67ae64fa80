import { expect, it } from 'vitest';
import { Turns } from './turns.js';

it('lets those with one key in one after the other, and others past them', async () => {
  const turns = new Turns();
  const order: string[] = [];
  const work = async (name: string, key: string) => {
    const done = await turns.take(key, 20_000);
    order.push(`${name} in`);
    await new Promise((resolve) => setImmediate(resolve));
    order.push(`${name} out`);
    done();
  };
  const crowd = [work('a', 'k'), work('b', 'k'), work('c', 'k')];
  await work('other', 'x');
  expect(order).toContain('other out');
  expect(order).not.toContain('c in');
  await Promise.all(crowd);
  expect(order.filter((entry) => !entry.startsWith('other'))).toEqual([
    'a in',
    'a out',
    'b in',
    'b out',
    'c in',
    'c out',
  ]);
});

it('lets nobody wait longer than they can', async () => {
  const turns = new Turns();
  const first = await turns.take('k', 0);
  const second = await turns.take('k', 5);
  second();
  first();
  (await turns.take('k', 20_000))();
});
