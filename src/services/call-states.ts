import type { CallStatus } from '../entities/index.js';

/**
 * The life of a call as a machine that only moves forward. News arrives unordered, repeated and late (status callbacks,
 * answers of the REST API, look-ups); whatever its order, the call ends in the same state.
 */
export interface CallState {
  status: CallStatus;
  /** Twilio's `SequenceNumber` of the newest callback applied; null before the first. */
  sequence: number | null;
}

/** What somebody learned about a call. `sequence` is null when it did not come from a status callback. */
export interface CallNews {
  status: ReportedStatus;
  sequence: number | null;
}

/** What a carrier can report: the rest are our own words for not knowing. */
export type ReportedStatus = Exclude<CallStatus, 'DIALING' | 'UNKNOWN'>;

/** How far along each state is. Not knowing is the least: any news resolves it. */
const RANK: Record<CallStatus, number> = {
  UNKNOWN: 0,
  DIALING: 0,
  QUEUED: 1,
  RINGING: 2,
  IN_PROGRESS: 3,
  COMPLETED: 4,
  BUSY: 4,
  FAILED: 4,
  NO_ANSWER: 4,
  CANCELED: 4,
};
const TERMINAL_RANK = 4;

/** Twilio's words (protocols.md, part B), as they stand in callbacks and in the REST API. */
const TWILIO_WORDS: ReadonlyMap<string, ReportedStatus> = new Map([
  ['queued', 'QUEUED'],
  ['initiated', 'QUEUED'],
  ['ringing', 'RINGING'],
  ['in-progress', 'IN_PROGRESS'],
  ['answered', 'IN_PROGRESS'],
  ['completed', 'COMPLETED'],
  ['busy', 'BUSY'],
  ['failed', 'FAILED'],
  ['no-answer', 'NO_ANSWER'],
  ['canceled', 'CANCELED'],
]);

/** States in which a call may still change; the duplicate guard and the reconciler look at these. */
export const LIVE_STATUSES = ['DIALING', 'UNKNOWN', 'QUEUED', 'RINGING', 'IN_PROGRESS'] as const satisfies CallStatus[];

/** True for a state that nothing changes any more. */
export function isTerminal(status: CallStatus): boolean {
  return RANK[status] === TERMINAL_RANK;
}

/** Our word for Twilio's, or null for one that we do not know. */
export function statusOf(twilioWord: string): ReportedStatus | null {
  return TWILIO_WORDS.get(twilioWord.toLowerCase()) ?? null;
}

/**
 * The state after `news`, or null when it changes nothing. A terminal state is final; the first one wins. The highest
 * sequence number is kept even when the state stays, so that it always names the newest callback seen.
 */
export function apply(current: CallState, news: CallNews): CallState | null {
  if (isTerminal(current.status)) return null;
  const forward = RANK[news.status] > RANK[current.status];
  const newer = news.sequence !== null && (current.sequence === null || news.sequence > current.sequence);
  if (!forward && !newer) return null;
  return {
    status: forward ? news.status : current.status,
    sequence: newer ? news.sequence : current.sequence,
  };
}

const DOCUMENTED_WORDS: Record<CallStatus, string> = {
  DIALING: 'queued',
  QUEUED: 'queued',
  RINGING: 'ringing',
  IN_PROGRESS: 'in-progress',
  COMPLETED: 'completed',
  BUSY: 'busy',
  FAILED: 'failed',
  NO_ANSWER: 'no-answer',
  CANCELED: 'canceled',
  UNKNOWN: 'unknown',
};

/** The word of the documented REST API and of events to tenants: a call being dialled reads `queued`. */
export function documentedStatus(status: CallStatus): string {
  return DOCUMENTED_WORDS[status];
}
