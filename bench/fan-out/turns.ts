import { setTimeout as sleep } from 'node:timers/promises';
import type { TurnState } from '../../src/ports/session-events.js';

/** What viewers ask for: the conversation as it grows, seven fields. */
export const SUBSCRIPTION = `subscription Watch($sessionId: ID!) {
  transcriptTurns(sessionId: $sessionId, partial: true) { id index speaker text final interrupted seq }
}`;

/** Marks where the time of publication stands in a turn's text. */
const MARK = '@';
const STAMP_LENGTH = 16;

/** Microseconds of the machine's monotonic clock, which all its processes share. */
const nowUs = (): number => Number(process.hrtime.bigint() / 1_000n);

/** A word that says when it was spoken. */
export const stampedWord = (): string => `${MARK}${String(nowUs()).padStart(STAMP_LENGTH, '0')}`;

/** A turn whose text is still growing, born now. */
export function growingTurn(): TurnState {
  return {
    id: '0193f7a0-0000-7000-8000-000000000000',
    index: 3,
    speaker: 'AGENT',
    text: `Your order left our warehouse yesterday and will arrive on Thursday. ${stampedWord()}`,
    final: false,
    interrupted: false,
    startedAtMs: 12_000,
    endedAtMs: null,
    latencyMs: 430,
  };
}

/** Milliseconds since the newest word in this message was spoken, or the turn published; null: it holds none. */
export function ageMs(message: Buffer): number | null {
  const at = message.lastIndexOf(MARK);
  return at < 0 ? null : (nowUs() - Number(message.toString('latin1', at + 1, at + 1 + STAMP_LENGTH))) / 1_000;
}

/** What is published: `burst` turns at once to each session, `times` times, `everyMs` apart. */
export interface Publication {
  sessionIds: readonly string[];
  burst: number;
  times: number;
  everyMs: number;
}

/** Sessions take turns within an interval, so that one viewer per call is no burst. */
export async function publishAll(
  { sessionIds, burst, times, everyMs }: Publication,
  publish: (sessionId: string, turn: TurnState) => void,
): Promise<void> {
  const started = performance.now();
  const all = times * sessionIds.length;
  for (let done = 0; done < all;) {
    const due = Math.min(all, Math.floor(((performance.now() - started) / everyMs) * sessionIds.length) + 1);
    for (; done < due; done++)
      for (let i = 0; i < burst; i++) publish(sessionIds[done % sessionIds.length]!, growingTurn());
    await sleep(1);
  }
}
