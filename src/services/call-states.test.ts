import { describe, expect, it } from 'vitest';
import { CALL_STATUSES } from '../entities/index.js';
import { apply, isTerminal, statusOf, type CallNews, type CallState } from './call-states.js';

function permutations<T>(items: T[]): T[][] {
  if (items.length < 2) return [items];
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map((rest) => [item, ...rest]));
}

const live = (end: CallNews['status'], words: CallNews['status'][]): CallNews[] =>
  [...words, end].map((status, sequence) => ({ status, sequence }));

function run(start: CallState, news: CallNews[]): CallState {
  return news.reduce((state, item) => apply(state, item) ?? state, start);
}

describe('the call state machine', () => {
  const lives = [
    live('COMPLETED', ['QUEUED', 'RINGING', 'IN_PROGRESS']),
    live('BUSY', ['QUEUED', 'RINGING']),
    live('NO_ANSWER', ['QUEUED', 'RINGING']),
    live('FAILED', ['QUEUED']),
    live('CANCELED', ['QUEUED', 'RINGING']),
  ];

  it.each(['DIALING', 'UNKNOWN'] as const)(
    'ends in the same state from %s whatever the order of the callbacks, doubled ones included',
    (status) => {
      for (const callbacks of lives) {
        const end = callbacks.at(-1)!.status;
        for (const order of permutations(callbacks))
          for (const repeated of [order, [...order, ...order], order.flatMap((n) => [n, n])])
            expect(run({ status, sequence: null }, repeated).status).toBe(end);
      }
    },
  );

  it('never moves backwards at any step of any permutation of three lives with every single callback doubled', () => {
    const rank = (s: CallState) => ['DIALING', 'QUEUED', 'RINGING', 'IN_PROGRESS'].indexOf(s.status);
    for (const callbacks of lives.slice(0, 3))
      for (const doubled of callbacks)
        for (const order of permutations([...callbacks, doubled])) {
          let state: CallState = { status: 'DIALING', sequence: null };
          for (const news of order) {
            const next = apply(state, news) ?? state;
            if (isTerminal(state.status)) expect(next).toEqual(state);
            else expect(isTerminal(next.status) || rank(next) >= rank(state)).toBe(true);
            state = next;
          }
        }
  });

  it('keeps the first terminal state', () => {
    const busy: CallState = { status: 'BUSY', sequence: 2 };
    expect(apply(busy, { status: 'COMPLETED', sequence: 3 })).toBeNull();
  });

  it('ignores news that says nothing new', () => {
    expect(apply({ status: 'RINGING', sequence: 1 }, { status: 'RINGING', sequence: 1 })).toBeNull();
    expect(apply({ status: 'RINGING', sequence: 1 }, { status: 'QUEUED', sequence: 0 })).toBeNull();
    expect(apply({ status: 'RINGING', sequence: 1 }, { status: 'QUEUED', sequence: null })).toBeNull();
  });

  it('lets any news resolve an unknown call', () => {
    for (const status of CALL_STATUSES)
      if (status !== 'DIALING' && status !== 'UNKNOWN')
        expect(apply({ status: 'UNKNOWN', sequence: null }, { status, sequence: null })?.status).toBe(status);
  });

  it('knows every word of Twilio and no others', () => {
    expect(statusOf('in-progress')).toBe('IN_PROGRESS');
    expect(statusOf('no-answer')).toBe('NO_ANSWER');
    expect(statusOf('initiated')).toBe('QUEUED');
    expect(statusOf('exploded')).toBeNull();
    expect(statusOf('constructor')).toBeNull();
  });
});
