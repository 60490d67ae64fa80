import type { EntityManager } from '@mikro-orm/postgresql';
import type { RolloutPolicy, StopCondition, StopMetric } from '../entities/index.js';

/** How the real calls of one version went; synthetic ones count nowhere. Rates and scores 0-1. */
export interface VersionQuality {
  /** Calls that ended. Those that the gateway itself broke off (shut down, died) say nothing about a version. */
  calls: number;
  /** Share whose caller was left without an agent. */
  errorRate: number | null;
  escalationRate: number | null;
  /** Calls that were judged. */
  evaluatedCalls: number;
  /** Mean over calls of the mean of each call's evaluations. */
  meanScore: number | null;
  /** Calls in which the agent was heard. */
  heardCalls: number;
  timeToFirstAudioP95Ms: number | null;
}

/** Longer than any call lasts: one that ended in a window was made at most this long before it. */
const LONGEST_CALL_MS = 5 * 3_600_000;

/** Of the calls that ended, and the evaluations that were made, since `since`; only calls made at or after `from` count. */
export async function versionQuality(
  em: EntityManager,
  versionId: string,
  since: Date,
  from: Date = new Date(0),
): Promise<VersionQuality> {
  const [ended] = await em.execute<Record<'calls' | 'failed' | 'escalated' | 'heard' | 'p95', string | null>[]>(
    `select count(*) as calls, count(*) filter (where s.status = 'FAILED') as failed,
            count(*) filter (where c.escalated) as escalated, count(c.time_to_first_audio_ms) as heard,
            percentile_disc(0.95) within group (order by c.time_to_first_audio_ms) as p95
     from "call" c join voice_session s on s.call_id = c.id
     where c.agent_version_id = ? and not c.synthetic and c.created_at >= ? and s.ended_at >= ?
       and s.end_reason is distinct from 'SHUTDOWN' and s.end_reason is distinct from 'OWNER_LOST'`,
    [versionId, new Date(Math.max(from.getTime(), since.getTime() - LONGEST_CALL_MS)), since],
  );
  const [judged] = await em.execute<Record<'calls' | 'mean', string | null>[]>(
    `select count(*) as calls, avg(score) as mean from (
       select avg(e.score) as score from evaluation e
       join voice_session s on s.id = e.session_id join "call" c on c.id = s.call_id
       where e.agent_version_id = ? and e.created_at >= ? and not c.synthetic and c.created_at >= ?
       group by e.session_id) as each_call`,
    [versionId, since, from],
  );
  const calls = Number(ended!.calls);
  return {
    calls,
    errorRate: calls === 0 ? null : Number(ended!.failed) / calls,
    escalationRate: calls === 0 ? null : Number(ended!.escalated) / calls,
    evaluatedCalls: Number(judged!.calls),
    // Rounded: the mean of equal scores must not fall below them.
    meanScore: judged!.mean === null ? null : Math.round(Number(judged!.mean) * 1e6) / 1e6,
    heardCalls: Number(ended!.heard),
    timeToFirstAudioP95Ms: ended!.p95 === null ? null : Number(ended!.p95),
  };
}

/** What each metric of a stop condition reads, from how many calls, and which side of the threshold is bad. */
export const STOP_RULES: Record<
  StopMetric,
  { value: keyof VersionQuality; sample: keyof VersionQuality; bad: 'above' | 'below'; max: number }
> = {
  ERROR_RATE: { value: 'errorRate', sample: 'calls', bad: 'above', max: 1 },
  ESCALATION_RATE: { value: 'escalationRate', sample: 'calls', bad: 'above', max: 1 },
  MEAN_SCORE: { value: 'meanScore', sample: 'evaluatedCalls', bad: 'below', max: 1 },
  TIME_TO_FIRST_AUDIO_P95_MS: { value: 'timeToFirstAudioP95Ms', sample: 'heardCalls', bad: 'above', max: 60_000 },
};

/** A stop condition and where it stands. */
export interface ConditionState extends StopCondition {
  /** Null: nothing to measure yet. */
  value: number | null;
  /** Calls that the value comes from; below `minimumCalls` nothing is concluded. */
  sample: number;
  breached: boolean;
}

/** Every condition of the running candidate with its current value; without a candidate there is nothing to measure. */
export async function conditionStates(
  em: EntityManager,
  { candidateVersionId, startedAt, stopConditions }: RolloutPolicy,
  now: Date,
): Promise<ConditionState[]> {
  if (candidateVersionId == null) return stopConditions.map((condition) => stateOf(condition, null));
  const windows = new Map<number, VersionQuality>();
  for (const { windowMinutes } of stopConditions) {
    if (windows.has(windowMinutes)) continue;
    const since = new Date(now.getTime() - windowMinutes * 60_000);
    windows.set(windowMinutes, await versionQuality(em, candidateVersionId, since, startedAt ?? now));
  }
  return stopConditions.map((condition) => stateOf(condition, windows.get(condition.windowMinutes)!));
}

function stateOf(condition: StopCondition, quality: VersionQuality | null): ConditionState {
  const rule = STOP_RULES[condition.metric];
  const value = quality?.[rule.value] ?? null;
  const sample = quality?.[rule.sample] ?? 0;
  const bad = value !== null && (rule.bad === 'above' ? value > condition.threshold : value < condition.threshold);
  return { ...condition, value, sample, breached: bad && sample >= condition.minimumCalls };
}
