import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EMPTY, keyOf, withEvent, withGrowth, type Timeline, type TimelineEvent, type Turn } from './timeline.js';

const at = '2026-05-01T10:00:00Z';
const turn = (index: number, text: string, final: boolean): Turn =>
  ({ index, speaker: 'AGENT', text, final, interrupted: false, startedAtMs: 0, latencyMs: null }) as Turn;
const fold = (events: readonly TimelineEvent[], from = EMPTY): Timeline => events.reduce(withEvent, from);

/** A log as the gateway writes it: numbers without holes, turns and tools that end after they began. */
const logs = fc
  .array(fc.constantFrom('turn', 'tool', 'MUTE', 'UNMUTE', 'TAKE_OVER', 'HAND_BACK', 'intent'), { maxLength: 12 })
  .map((kinds) => {
    const log: TimelineEvent[] = [];
    const open: (() => TimelineEvent)[] = [];
    const push = (event: object): void => void log.push({ seq: log.length + 1, at, ...event } as TimelineEvent);
    for (const [i, kind] of kinds.entries()) {
      if (kind === 'turn') {
        push({ __typename: 'TurnStarted', turn: turn(i, '', false) });
        open.push(() => ({ __typename: 'TurnCompleted', turn: turn(i, `said ${i}`, true) }) as TimelineEvent);
      } else if (kind === 'tool') {
        push({ __typename: 'ToolCallStarted', toolCall: { id: `t${i}`, name: 'look_up', status: 'RUNNING' } });
        open.push(
          () =>
            ({
              __typename: 'ToolCallCompleted',
              toolCall: { id: `t${i}`, name: 'look_up', status: 'FAILED', durationMs: 1_500 },
            }) as TimelineEvent,
        );
      } else if (kind === 'intent') push({ __typename: 'IntentIdentified', intent: 'order_status' });
      else push({ __typename: 'SupervisorActed', action: kind, by: 'ann', text: null, target: null });
      if (i % 3 === 2) for (const end of open.splice(0)) push(end());
    }
    return log;
  });

describe('a conversation', () => {
  it('is the same after any number of breaks, each of which sends the log again from its beginning', () => {
    fc.assert(
      fc.property(logs, fc.array(fc.nat()), (log, cuts) => {
        const broken = cuts.reduce((timeline, cut) => fold(log.slice(0, cut % (log.length + 1)), timeline), EMPTY);
        expect(fold(log, broken)).toEqual(fold(log));
      }),
    );
  });

  it('shows each thing once, where it began', () => {
    fc.assert(
      fc.property(logs, (log) => {
        const { entries } = fold(log);
        expect(new Set(entries.map(keyOf)).size).toBe(entries.length);
        expect(entries.map(({ seq }) => seq)).toEqual(entries.map(({ seq }) => seq).toSorted((a, b) => a - b));
      }),
    );
  });

  it('lets a turn grow until it is complete, and no longer', () => {
    const begun = fold([{ seq: 1, at, __typename: 'TurnStarted', turn: turn(0, '', false) } as TimelineEvent]);
    const grown = withGrowth(begun, turn(0, 'Good mor', false));
    expect(grown.entries).toMatchObject([{ turn: { text: 'Good mor' } }]);
    const done = withEvent(grown, {
      seq: 2,
      at,
      __typename: 'TurnCompleted',
      turn: turn(0, 'Good morning', true),
    } as TimelineEvent);
    expect(withGrowth(done, turn(0, 'Good mor', false))).toEqual(done);
  });

  it('knows who speaks for the agent', () => {
    const acts = (...actions: string[]) =>
      fold(
        actions.map(
          (action, i) =>
            ({
              seq: i + 1,
              at,
              __typename: 'SupervisorActed',
              action,
              by: 'ann',
              text: null,
              target: null,
            }) as TimelineEvent,
        ),
      );
    expect(acts('MUTE')).toMatchObject({ muted: true, takenOver: false });
    expect(acts('MUTE', 'TAKE_OVER', 'UNMUTE')).toMatchObject({ muted: false, takenOver: true });
    expect(acts('TAKE_OVER', 'HAND_BACK')).toMatchObject({ takenOver: false });
  });
});
