import { duration, words } from '../format.js';
import type { SpokenFragment, TimelineEventFragment } from '../generated/graphql.js';

export type Turn = SpokenFragment;
export type TimelineEvent = TimelineEventFragment;

/** How much a note matters to whoever watches. */
export type Tone = 'quiet' | 'info' | 'warn' | 'act';

/** One line of a conversation as it is shown. */
export type Entry =
  | { kind: 'turn'; seq: number; at: string; turn: Turn }
  | { kind: 'note'; seq: number; at: string; key: string; tone: Tone; text: string; detail: string | null };

/** A session's log as a supervisor reads it. */
export interface Timeline {
  entries: readonly Entry[];
  /** Of the last event; a log that is sent again from the beginning changes nothing up to it. */
  lastSeq: number;
  lastAt: string | null;
  muted: boolean;
  takenOver: boolean;
  ended: boolean;
}

export const EMPTY: Timeline = {
  entries: [],
  lastSeq: 0,
  lastAt: null,
  muted: false,
  takenOver: false,
  ended: false,
};

/** Adds an event. One that is known already, as after a reconnect, changes nothing. */
export function withEvent(timeline: Timeline, event: TimelineEvent): Timeline {
  if (event.seq <= timeline.lastSeq) return timeline;
  return {
    ...timeline,
    ...controls(event),
    entries: withEntry(timeline.entries, entryOf(event)),
    lastSeq: event.seq,
    lastAt: event.at,
  };
}

/** Lets the text of a turn grow that has begun and is not complete. */
export function withGrowth(timeline: Timeline, turn: Turn): Timeline {
  if (turn.final) return timeline;
  const entries = timeline.entries.map((entry) =>
    entry.kind === 'turn' && entry.turn.index === turn.index && !entry.turn.final ? { ...entry, turn } : entry,
  );
  return { ...timeline, entries };
}

function withEntry(entries: readonly Entry[], added: Entry | null): readonly Entry[] {
  if (added === null) return entries;
  const at = entries.findIndex((entry) => keyOf(entry) === keyOf(added));
  // Where it began is where it stays: a turn that ends later does not jump over what happened meanwhile.
  return at < 0 ? [...entries, added] : entries.with(at, { ...added, seq: entries[at]!.seq, at: entries[at]!.at });
}

export const keyOf = (entry: Entry): string => (entry.kind === 'turn' ? `turn ${entry.turn.index}` : entry.key);

function controls(event: TimelineEvent): Partial<Timeline> {
  if (event.__typename === 'SessionEnded') return { ended: true };
  if (event.__typename !== 'SupervisorActed') return {};
  switch (event.action) {
    case 'MUTE':
      return { muted: true };
    case 'UNMUTE':
      return { muted: false };
    case 'TAKE_OVER':
      return { takenOver: true };
    case 'HAND_BACK':
      return { takenOver: false };
    default:
      return {};
  }
}

type Note = Pick<Extract<Entry, { kind: 'note' }>, 'tone' | 'text'> & { detail?: string | null; key?: string };

function entryOf(event: TimelineEvent): Entry | null {
  const { seq, at } = event;
  if (event.__typename === 'TurnStarted' || event.__typename === 'TurnCompleted')
    return { kind: 'turn', seq, at, turn: event.turn };
  const note = noteOf(event);
  return note === null ? null : { kind: 'note', seq, at, key: `event ${seq}`, detail: null, ...note };
}

function noteOf(event: TimelineEvent): Note | null {
  switch (event.__typename) {
    case 'SessionStarted':
      return { tone: 'quiet', text: 'The conversation begins' };
    case 'IntentIdentified':
      return { tone: 'info', text: `The caller wants: ${words(event.intent)}` };
    case 'ToolCallStarted':
      return { tone: 'quiet', text: `${event.toolCall.name} …`, key: `tool ${event.toolCall.id}` };
    case 'ToolCallCompleted': {
      const { id, name, status, durationMs } = event.toolCall;
      const took = durationMs === null ? '' : ` in ${(durationMs / 1_000).toFixed(1)} s`;
      return {
        tone: status === 'SUCCEEDED' ? 'quiet' : 'warn',
        text: `${name} ${words(status)}${took}`,
        key: `tool ${id}`,
      };
    }
    case 'ConcernRaised':
      return {
        tone: 'warn',
        text: `Concern: ${words(event.concern)}${event.count > 1 ? ` (${event.count} times)` : ''}`,
        detail: event.detail,
      };
    case 'SessionEscalated': {
      const { action, target, reason } = event.escalation;
      return {
        tone: 'warn',
        text: `Escalated: ${ESCALATIONS[action]}${target === null ? '' : ` to ${target}`}`,
        detail: reason,
      };
    }
    case 'OutcomeRecorded':
      return { tone: 'info', text: `Outcome: ${words(event.outcome)}`, detail: event.note };
    case 'SupervisorActed':
      return {
        tone: 'act',
        text: `${event.by}: ${words(event.action)}${event.target === null ? '' : ` → ${event.target}`}`,
        detail: event.text,
      };
    case 'DtmfReceived':
      return { tone: 'quiet', text: `Key ${event.digit}` };
    case 'MediaResumed':
      return { tone: 'warn', text: 'The line broke and came back' };
    case 'ModelReconnected':
      return { tone: 'warn', text: 'The speech model was lost and came back', detail: words(event.cause) };
    case 'SessionEnded':
      return { tone: 'info', text: `Ended after ${duration(event.durationMs)}: ${ENDINGS[event.reason]}` };
    default:
      return null;
  }
}

const ESCALATIONS: Record<Extract<TimelineEvent, { __typename: 'SessionEscalated' }>['escalation']['action'], string> =
  {
    CALLBACK: 'a person calls back',
    END: 'the call ends',
    RECORD: 'noted, the call goes on',
    TRANSFER: 'transferred',
  };

const ENDINGS: Record<Extract<TimelineEvent, { __typename: 'SessionEnded' }>['reason'], string> = {
  CALL_ENDED: 'hung up',
  INTENT: 'ended by us',
  MAX_DURATION: 'the longest duration was reached',
  MEDIA_LOST: 'the line was lost',
  MODEL_LOST: 'the speech model was lost',
  OWNER_LOST: 'its process was lost',
  SHUTDOWN: 'the gateway was stopped',
  TRANSFERRED: 'transferred',
};
