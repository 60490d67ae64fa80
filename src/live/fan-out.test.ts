import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FanOut, type Seat } from './fan-out.js';
import type { FeedIterator } from './feed-reader.js';

/** A log that grows, and feeds over it. */
class Log {
  private length = 0;
  private wakers = new Set<() => void>();
  opened = 0;
  open = 0;
  over = false;

  grow(by: number): void {
    this.length += by;
    this.wake();
  }
  end(): void {
    this.over = true;
    this.wake();
  }
  private wake(): void {
    for (const waker of this.wakers) waker();
    this.wakers.clear();
  }

  feed(after: number): FeedIterator<number> {
    let at = after;
    let left = false;
    let waiting: (() => void) | null = null;
    this.opened++;
    this.open++;
    const iterator: FeedIterator<number> = {
      next: async () => {
        while (at >= this.length && !this.over && !left)
          await new Promise<void>((resolve) => {
            waiting = () => ((waiting = null), resolve());
            this.wakers.add(waiting);
          });
        if (left || at >= this.length) return { value: undefined, done: true };
        return { value: ++at, done: false };
      },
      return: async () => {
        if (!left) this.open--;
        left = true;
        waiting?.();
        return { value: undefined, done: true };
      },
      get position() {
        return waiting === null ? null : at;
      },
      mark: () => {
        const place = at;
        return () => this.feed(place);
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }
}

class TestSeat implements Seat {
  readonly got: number[] = [];
  congested = false;
  ended = false;
  private makeRoom: (() => void)[] = [];

  deliver(payload: string): void {
    this.got.push(Number(payload));
  }
  room(): Promise<void> {
    return this.congested ? new Promise((resolve) => this.makeRoom.push(resolve)) : Promise.resolve();
  }
  clear(): void {
    this.congested = false;
    for (const resolve of this.makeRoom.splice(0)) resolve();
  }
  end(): void {
    this.ended = true;
  }
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
const range = (from: number, to: number) => Array.from({ length: Math.max(0, to - from) }, (_, i) => from + 1 + i);

type Step =
  { kind: 'join'; after: number } | { kind: 'grow'; by: number } | { kind: 'leave' | 'congest' | 'clear'; who: number };
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('join' as const), after: fc.nat(30) }),
  fc.record({ kind: fc.constant('grow' as const), by: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ kind: fc.constantFrom('leave' as const, 'congest' as const, 'clear' as const), who: fc.nat(20) }),
);

describe('fan-out', () => {
  it('gives everybody everything after their place, once and in order, however they come, lag and go (property)', () =>
    fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const log = new Log();
        const hub = new FanOut();
        const members: { after: number; seat: TestSeat; leave: () => void; left: number | null }[] = [];
        let length = 0;
        for (const it of steps) {
          if (it.kind === 'grow') log.grow(((length += it.by), it.by));
          else if (it.kind === 'join') {
            const seat = new TestSeat();
            const after = Math.min(it.after, length);
            members.push({ after, seat, left: null, leave: hub.join('k', log.feed(after), String, seat) });
          } else if (members.length > 0) {
            const member = members[it.who % members.length]!;
            if (it.kind === 'congest') member.seat.congested = true;
            else if (it.kind === 'clear') member.seat.clear();
            else {
              member.left ??= member.seat.got.length;
              member.leave();
            }
          }
          if (it.kind !== 'join') await settled();
        }
        for (const { seat } of members) seat.clear();
        await settled();
        await settled();
        const staying = members.filter(({ left }) => left === null);
        expect(hub.seats).toBe(staying.length);
        log.grow(1);
        await settled();
        expect(hub.audiences).toBe(staying.length === 0 ? 0 : 1);
        log.end();
        await settled();
        for (const { after, seat, left } of members)
          if (left === null) expect([seat.ended, seat.got]).toEqual([true, range(after, length + 1)]);
          else expect(seat.got).toEqual(range(after, after + left));
        expect([hub.seats, hub.audiences, log.open]).toEqual([0, 0, 0]);
      }),
      { numRuns: 200 },
    ));

  it('executes once for all who wait at the same place, and not for those who may see something else', async () => {
    const log = new Log();
    const hub = new FanOut();
    let encoded = 0;
    const encode = (value: number) => (encoded++, String(value));
    const seats = Array.from({ length: 100 }, () => new TestSeat());
    for (const seat of seats) hub.join('same', log.feed(0), encode, seat);
    hub.join('other', log.feed(0), encode, new TestSeat());
    await settled();
    expect([hub.seats, hub.audiences, log.open]).toEqual([101, 2, 2]);
    log.grow(3);
    await settled();
    expect(encoded).toBe(6);
    for (const { got } of seats) expect(got).toEqual([1, 2, 3]);
  });

  it('tells everybody when the feed fails', async () => {
    const log = new Log();
    const hub = new FanOut();
    const seat = new TestSeat();
    hub.join(
      'k',
      log.feed(0),
      () => {
        throw new Error('cannot be encoded');
      },
      seat,
    );
    log.grow(1);
    await settled();
    expect([seat.ended, hub.seats, hub.audiences, log.open]).toEqual([true, 0, 0, 0]);
  });
});
