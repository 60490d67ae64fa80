import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PlaybackLedger } from './playback-ledger.js';

const audio = (ms: number): string => Buffer.alloc(ms * 8, 0xff).toString('base64');

describe('the playback ledger', () => {
  it('asks for a mark every 200 ms and at the end of an item', () => {
    const ledger = new PlaybackLedger();
    expect(ledger.sent('a', 0, audio(150), 0)).toBeNull();
    expect(ledger.sent('a', 0, audio(50), 0)).not.toBeNull();
    expect(ledger.finish('a')).toEqual({ mark: null, heard: false });
    ledger.sent('b', 0, audio(50), 0);
    expect(ledger.finish('b').mark).not.toBeNull();
  });

  it('counts as played what a mark acknowledged, not what was sent', () => {
    const ledger = new PlaybackLedger();
    const first = ledger.sent('a', 0, audio(400), 0)!;
    ledger.sent('a', 0, audio(10_000), 0);
    ledger.acknowledge(first, 400);
    expect(ledger.clear(400)).toEqual([{ itemId: 'a', contentIndex: 0, playedMs: 400, sentMs: 10_400 }]);
  });

  it('adds the time since the last mark, but never past a mark that has not come back', () => {
    const ledger = new PlaybackLedger();
    const first = ledger.sent('a', 0, audio(400), 0)!;
    ledger.sent('a', 0, audio(400), 0);
    ledger.sent('a', 0, audio(100), 0);
    ledger.acknowledge(first, 410);
    expect(ledger.clear(510)[0]!.playedMs).toBe(500);
    ledger.sent('b', 0, audio(400), 1_000);
    expect(ledger.clear(60_000)[0]!.playedMs).toBe(400);
  });

  it('starts the clock of each item anew, after the items before it', () => {
    const ledger = new PlaybackLedger();
    ledger.sent('a', 0, audio(1_000), 0);
    const { mark } = ledger.finish('a');
    ledger.sent('b', 0, audio(1_000), 10);
    expect(mark).toBeNull();
    expect(ledger.pendingMs(300)).toBe(1_700);
    expect(ledger.acknowledge('g0:1', 1_000)).toEqual(['a']);
    expect(ledger.clear(1_250)).toEqual([{ itemId: 'b', contentIndex: 0, playedMs: 250, sentMs: 1_000 }]);
  });

  it('gives 0 to the items queued behind the audible one', () => {
    const ledger = new PlaybackLedger();
    for (const item of ['a', 'b', 'c']) {
      ledger.sent(item, 0, audio(500), 0);
      ledger.finish(item);
    }
    expect(ledger.clear(100).map((heard) => [heard.itemId, heard.playedMs])).toEqual([
      ['a', 100],
      ['b', 0],
      ['c', 0],
    ]);
  });

  it('ignores the marks that a clear echoes', () => {
    const ledger = new PlaybackLedger();
    const old = ledger.sent('a', 0, audio(500), 0)!;
    ledger.clear(100);
    ledger.sent('a', 0, audio(500), 100);
    expect(ledger.acknowledge(old, 110)).toEqual([]);
    expect(ledger.clear(110)[0]!.playedMs).toBe(10);
  });

  it('does not list an item that was heard to its end, and does list one that the model has not finished', () => {
    const ledger = new PlaybackLedger();
    const a = ledger.sent('a', 0, audio(200), 0)!;
    ledger.finish('a');
    const b = ledger.sent('b', 0, audio(200), 0)!;
    expect(ledger.acknowledge(a, 200)).toEqual(['a']);
    expect(ledger.acknowledge(b, 400)).toEqual([]);
    expect(ledger.clear(900)).toEqual([{ itemId: 'b', contentIndex: 0, playedMs: 200, sentMs: 200 }]);
  });

  it('does not count the time in which Twilio had nothing to play', () => {
    const ledger = new PlaybackLedger();
    ledger.acknowledge(ledger.sent('a', 0, audio(200), 0)!, 200);
    ledger.sent('a', 0, audio(100), 5_000);
    expect(ledger.clear(5_030)[0]!.playedMs).toBe(230);
  });

  it('tells at once of an item whose audio was already heard when the model finished it', () => {
    const ledger = new PlaybackLedger();
    ledger.acknowledge(ledger.sent('a', 0, audio(200), 0)!, 200);
    expect(ledger.finish('a')).toEqual({ mark: null, heard: true });
    expect(ledger.idle).toBe(true);
  });

  it('never claims more than was sent, never less than was acknowledged, in any order of events', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('send' as const), item: fc.nat(3), bytes: fc.integer({ min: 1, max: 5_000 }) }),
      fc.record({ do: fc.constant('finish' as const), item: fc.nat(3) }),
      fc.record({ do: fc.constant('echo' as const), skip: fc.nat(2) }),
      fc.record({ do: fc.constant('wait' as const), ms: fc.nat(2_000) }),
      fc.record({ do: fc.constant('clear' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const ledger = new PlaybackLedger();
        const sent = new Map<string, number>();
        const acknowledged = new Map<string, number>();
        let pending: { name: string; item: string; bytes: number }[] = [];
        const stale: string[] = [];
        let now = 0;
        for (const action of steps) {
          if (action.do === 'wait') now += action.ms;
          if (action.do === 'send') {
            const item = `i${action.item}`;
            const mark = ledger.sent(item, 0, Buffer.alloc(action.bytes).toString('base64'), now);
            sent.set(item, (sent.get(item) ?? 0) + action.bytes);
            if (mark !== null) pending.push({ name: mark, item, bytes: sent.get(item)! });
          }
          if (action.do === 'finish') {
            const item = `i${action.item}`;
            const { mark, heard } = ledger.finish(item);
            if (mark !== null) pending.push({ name: mark, item, bytes: sent.get(item)! });
            if (heard) forget(item);
          }
          if (action.do === 'echo') {
            for (const name of stale.splice(0)) expect(ledger.acknowledge(name, now)).toEqual([]);
            const passed = pending.splice(0, action.skip + 1);
            const last = passed.at(-1);
            if (last === undefined) continue;
            for (const mark of passed) acknowledged.set(mark.item, mark.bytes);
            for (const item of ledger.acknowledge(last.name, now)) forget(item);
          }
          if (action.do === 'clear') {
            for (const { itemId, playedMs, sentMs } of ledger.clear(now)) {
              expect(sentMs).toBe(Math.floor(sent.get(itemId)! / 8));
              expect(playedMs).toBeLessThanOrEqual(sentMs);
              expect(playedMs).toBeGreaterThanOrEqual(Math.floor((acknowledged.get(itemId) ?? 0) / 8));
            }
            expect(ledger.idle).toBe(true);
            stale.push(...pending.map((mark) => mark.name));
            pending = [];
            sent.clear();
            acknowledged.clear();
          }
        }
        function forget(item: string): void {
          sent.delete(item);
          acknowledged.delete(item);
        }
      }),
    );
  });
});
