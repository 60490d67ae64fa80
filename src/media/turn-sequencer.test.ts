import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TurnState } from '../ports/session-events.js';
import { heardText } from './heard-text.js';
import { TurnSequencer } from './turn-sequencer.js';

class Log {
  readonly started: TurnState[] = [];
  readonly partials: TurnState[] = [];
  readonly completed: TurnState[] = [];
  readonly turns: TurnSequencer;

  constructor(nextIndex = 0, history: TurnState[] = []) {
    this.turns = new TurnSequencer(
      {
        started: (turn) => this.started.push(turn),
        partial: (turn) => this.partials.push(turn),
        completed: (turn) => this.completed.push(turn),
      },
      { nextIndex, history, sessionMs: (nowMs) => nowMs },
    );
  }

  /** Completed turns as `index speaker text`. */
  get story(): string[] {
    return [...this.completed]
      .sort((a, b) => a.index - b.index)
      .map((turn) => `${turn.index} ${turn.speaker} ${turn.text}`);
  }
}

describe('the turn sequencer', () => {
  it('orders turns by the item chain although the transcript of the caller comes after the answer', () => {
    const log = new Log();
    log.turns.speechStarted('u1', 100);
    log.turns.speechStopped('u1', 900);
    log.turns.callerItem('u1', null, 950);
    log.turns.agentItem('a1', 'u1', 1_000);
    log.turns.agentDelta('a1', 'Hello.', 1_000);
    log.turns.agentText('a1', 'Hello.', 1_000);
    log.turns.agentPlayed('a1', 2_000);
    log.turns.callerText('u1', 'Hi there', 2_100);
    expect(log.completed.map((turn) => turn.index)).toEqual([1, 0]);
    expect(log.story).toEqual(['0 CALLER Hi there', '1 AGENT Hello.']);
    expect(log.completed[1]).toMatchObject({ startedAtMs: 100, endedAtMs: 900, final: true, interrupted: false });
  });

  it('lets an item wait for the one that it follows, but not for ever', () => {
    const log = new Log();
    log.turns.agentItem('a1', 'u1', 0);
    expect(log.started).toHaveLength(0);
    log.turns.callerItem('u1', null, 10);
    expect(log.started.map((turn) => turn.speaker)).toEqual(['CALLER', 'AGENT']);
    log.turns.agentItem('a2', 'gone', 20);
    log.turns.sweep(500);
    expect(log.started).toHaveLength(2);
    log.turns.sweep(1_100);
    expect(log.started).toHaveLength(3);
  });

  it('counts tool calls as links of the chain, not as turns', () => {
    const log = new Log();
    log.turns.callerItem('u1', null, 0);
    log.turns.other('f1', 'u1', 0);
    log.turns.agentItem('a1', 'f1', 0);
    expect(log.started.map((turn) => turn.index)).toEqual([0, 1]);
  });

  it('completes an agent turn when it was heard, not when it was generated', () => {
    const log = new Log();
    log.turns.agentItem('a1', null, 0);
    log.turns.agentText('a1', 'All of it.', 10);
    expect(log.completed).toEqual([]);
    log.turns.agentPlayed('a1', 3_000);
    expect(log.completed[0]).toMatchObject({ text: 'All of it.', endedAtMs: 3_000, interrupted: false });
  });

  it('keeps of an interrupted turn only what was heard', () => {
    const log = new Log();
    log.turns.agentItem('a1', null, 0);
    log.turns.agentDelta('a1', 'one two three four five six seven eight', 0);
    log.turns.agentInterrupted('a1', { playedMs: 500, sentMs: 1_000 }, 500);
    expect(log.completed).toEqual([]);
    log.turns.agentDelta('a1', ' nine ten', 510);
    log.turns.agentText('a1', null, 520);
    expect(log.completed[0]).toMatchObject({ text: 'one two three four five', interrupted: true, endedAtMs: 500 });
    expect(log.partials).toHaveLength(1);
  });

  it('settles a failed, a missing and an empty transcript, each once', () => {
    const log = new Log();
    log.turns.callerItem('u1', null, 0);
    log.turns.callerText('u1', null, 100);
    log.turns.callerItem('u2', 'u1', 200);
    log.turns.callerDelta('u2', 'half a sen', 300);
    log.turns.callerItem('u3', 'u2', 400);
    log.turns.callerText('u3', '', 500);
    log.turns.sweep(16_000);
    log.turns.callerText('u2', 'half a sentence, too late', 17_000);
    expect(log.story).toEqual(['0 CALLER ', '1 CALLER half a sen', '2 CALLER ']);
  });

  it('does not wait for marks that the carrier never echoes', () => {
    const log = new Log();
    log.turns.agentItem('a1', null, 0);
    log.turns.agentText('a1', 'Lost mark.', 0);
    log.turns.expectPlayedWithin('a1', 5_000, 0);
    log.turns.sweep(4_000);
    expect(log.completed).toEqual([]);
    log.turns.sweep(5_000);
    expect(log.story).toEqual(['0 AGENT Lost mark.']);
  });

  it('goes on behind the history of a resumed session, and gives everything to a new model session', () => {
    const before: TurnState = {
      id: 't',
      index: 0,
      speaker: 'CALLER',
      text: 'before',
      final: true,
      interrupted: false,
      startedAtMs: 0,
      endedAtMs: 1,
      latencyMs: null,
    };
    const log = new Log(1, [before]);
    log.turns.callerItem('u1', null, 0);
    log.turns.callerDelta('u1', 'after', 0);
    expect(log.turns.history().map((turn) => [turn.index, turn.text])).toEqual([
      [0, 'before'],
      [1, 'after'],
    ]);
  });

  it('closes the open turns of the caller when the model is lost, while the agent is heard to the end', () => {
    const log = new Log();
    log.turns.callerItem('u1', null, 0);
    log.turns.callerDelta('u1', 'I would', 0);
    log.turns.agentItem('a1', 'u1', 0);
    log.turns.agentDelta('a1', 'Yes', 0);
    log.turns.modelLost(100);
    expect(log.story).toEqual(['0 CALLER I would']);
    log.turns.agentPlayed('a1', 200);
    log.turns.callerItem('u1b', null, 300);
    expect(log.story).toEqual(['0 CALLER I would', '1 AGENT Yes']);
    expect(log.started.at(-1)!.index).toBe(2);
  });

  it('starts and completes each turn exactly once, in chain order, whatever the order of the news', () => {
    const scenario = fc.integer({ min: 1, max: 6 }).chain((count) =>
      fc.record({
        count: fc.constant(count),
        order: fc.shuffledSubarray([...Array(count * 3).keys()], { minLength: count * 3 }),
        failed: fc.array(fc.boolean(), { minLength: count, maxLength: count }),
        doubled: fc.boolean(),
      }),
    );
    fc.assert(
      fc.property(scenario, ({ count, order, failed, doubled }) => {
        const log = new Log();
        const isCaller = (k: number): boolean => k % 2 === 0;
        const previous = (k: number): string | null => (k === 0 ? null : `i${k - 1}`);
        const news = (k: number, kind: number): void => {
          const id = `i${k}`;
          if (isCaller(k)) {
            if (kind === 0) log.turns.callerItem(id, previous(k), 1);
            if (kind === 1) log.turns.callerDelta(id, 'x', 1);
            if (kind === 2) log.turns.callerText(id, failed[k] ? null : `text ${k}`, 1);
          } else {
            if (kind === 0) log.turns.agentItem(id, previous(k), 1);
            if (kind === 1) log.turns.agentText(id, `text ${k}`, 1);
            if (kind === 2) log.turns.agentPlayed(id, 1);
          }
        };
        // The news of one item's own creation comes first; between items, any order.
        const created = order.filter((n) => n < count);
        for (const k of created) news(k, 0);
        for (const n of order) {
          news(n % count, Math.floor(n / count));
          if (doubled) news(n % count, Math.floor(n / count));
        }
        expect(log.started.map((turn) => turn.index)).toEqual([...Array(count).keys()]);
        expect(log.started.map((turn) => turn.speaker === 'CALLER')).toEqual([...Array(count).keys()].map(isCaller));
        expect(log.completed.map((turn) => turn.index).sort()).toEqual([...Array(count).keys()]);
        for (const turn of log.completed) {
          if (!isCaller(turn.index) || !failed[turn.index]) expect(turn.text).toBe(`text ${turn.index}`);
        }
        expect(log.turns.callerTextPending).toBe(false);
      }),
    );
  });
});

describe('the heard part of a transcript', () => {
  it.each([
    ['hello big world', 0, 1_000, ''],
    ['hello big world', 1_000, 1_000, 'hello big world'],
    ['hello big world', 600, 1_000, 'hello big'],
    ['hello big world', 500, 1_000, 'hello'],
    ['Donaudampfschifffahrt', 500, 1_000, ''],
    ['ご注文は明日届きます', 500, 1_000, 'ご注文は明'],
  ])('%s at %i of %i ms is "%s"', (text, played, sent, heard) => expect(heardText(text, played, sent)).toBe(heard));

  it('is a prefix that grows with the time played', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(1_000), fc.nat(1_000), (text, a, b) => {
        const [less, more] = [heardText(text, Math.min(a, b), 1_000), heardText(text, Math.max(a, b), 1_000)];
        expect(text.startsWith(more)).toBe(true);
        expect(more.startsWith(less)).toBe(true);
      }),
    );
  });
});
