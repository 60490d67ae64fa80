import { useReducer } from 'react';
import { useSubscription } from 'urql';
import { GrowingTurnsDocument, SessionTimelineDocument } from '../generated/graphql.js';
import { EMPTY, withEvent, withGrowth, type Timeline, type TimelineEvent, type Turn } from './timeline.js';

type Act = { event: TimelineEvent } | { growth: Turn };

/**
 * A session's whole log and what is being said. Use it under a key of the session: another session begins anew.
 * Without `live` no growing text is asked for.
 */
export function useTimeline(sessionId: string, live: boolean): { timeline: Timeline; problem: string | null } {
  const [timeline, tell] = useReducer(
    (before: Timeline, act: Act) => ('event' in act ? withEvent(before, act.event) : withGrowth(before, act.growth)),
    EMPTY,
  );
  const [log] = useSubscription({ query: SessionTimelineDocument, variables: { sessionId } }, (_, data) => {
    tell({ event: data.sessionEvents });
    return data;
  });
  useSubscription({ query: GrowingTurnsDocument, variables: { sessionId }, pause: !live }, (_, data) => {
    tell({ growth: data.transcriptTurns });
    return data;
  });
  return { timeline, problem: log.error?.message ?? null };
}
