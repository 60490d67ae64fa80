import type { StoredSessionEvent, TurnState } from '../../ports/session-events.js';
import type { SessionEvent } from './session-event.type.js';
import type { TranscriptTurn } from './session.type.js';

/** A stored event as the API shows it: the payload beside the common fields, turns and tool calls with their session. */
export function viewOfEvent({ sessionId, seq, type, at, payload }: StoredSessionEvent): SessionEvent {
  const common = { sessionId, seq, at };
  return {
    ...payload,
    ...('turn' in payload ? { turn: viewOfTurn(sessionId, payload.turn, seq) } : {}),
    ...('toolCall' in payload ? { toolCall: { ...payload.toolCall, sessionId } } : {}),
    ...common,
    type,
  };
}

export function viewOfTurn(sessionId: string, turn: TurnState, seq: number): TranscriptTurn {
  return { ...turn, sessionId, seq };
}
