import type { AgentVersion, JudgedCriterion, ToolCall, Turn, VoiceSession } from '../entities/index.js';

/** What is known of a session that is over, as far as rules look at it. */
export interface SessionFacts {
  session: Pick<VoiceSession, 'status' | 'escalated' | 'intent'>;
  version: Pick<AgentVersion, 'successSignals' | 'escalationRules'> | null;
  turns: readonly Pick<Turn, 'index' | 'speaker' | 'text' | 'interrupted' | 'latencyMs'>[];
  tools: readonly Pick<ToolCall, 'name' | 'status'>[];
  /** Outcomes that the agent recorded, in order. */
  outcomes: readonly string[];
  /** How often each concern was raised. */
  concerns: ReadonlyMap<string, number>;
}

type Judgement = Pick<JudgedCriterion, 'score' | 'comment' | 'quotes'>;
interface Rule {
  key: string;
  weight: number;
  /** Null: there is nothing here that this rule is about. */
  judge(facts: SessionFacts): Judgement | null;
}

/** An answer that comes later than this feels like silence. */
const PROMPT_MS = 2_000;
const MAX_QUOTES = 3;

/** What can be said of any call without a model, with how much it counts. */
export const RULES: readonly Rule[] = [
  {
    key: 'success_signal',
    weight: 3,
    judge: ({ version, outcomes }) => {
      const signals = version?.successSignals ?? [];
      if (signals.length === 0) return null;
      const reached = outcomes.findLast((outcome) => signals.includes(outcome));
      return plain(reached === undefined ? 0 : 1, reached ?? 'the agent recorded none of its success signals');
    },
  },
  {
    key: 'escalation_rules_kept',
    weight: 3,
    judge: ({ version, session, concerns }) => {
      const due = (version?.escalationRules ?? []).filter(
        ({ trigger, repeated, intents }) =>
          (concerns.get(trigger) ?? 0) >= repeated &&
          (intents.length === 0 || (session.intent != null && intents.includes(session.intent))),
      );
      if (due.length === 0) return null;
      return plain(session.escalated ? 1 : 0, due.map(({ trigger }) => trigger).join(', '));
    },
  },
  {
    key: 'not_broken_off',
    weight: 2,
    judge: ({ session }) => plain(session.status === 'FAILED' ? 0 : 1, null),
  },
  {
    key: 'tools_succeeded',
    weight: 2,
    judge: ({ tools }) => {
      if (tools.length === 0) return null;
      const failed = tools.filter(({ status }) => status !== 'SUCCEEDED').map(({ name }) => name);
      return plain(1 - failed.length / tools.length, failed.length === 0 ? null : failed.join(', '));
    },
  },
  {
    key: 'answered_promptly',
    weight: 1,
    judge: ({ turns }) =>
      share(
        turns.filter(({ latencyMs }) => latencyMs != null),
        ({ latencyMs }) => latencyMs! <= PROMPT_MS,
      ),
  },
  {
    key: 'let_the_caller_speak',
    weight: 1,
    judge: ({ turns }) =>
      share(
        turns.filter(({ speaker }) => speaker === 'AGENT'),
        ({ interrupted }) => !interrupted,
      ),
  },
];

/** Every rule that has something to say about this session. */
export function judgeByRules(facts: SessionFacts): JudgedCriterion[] {
  return RULES.flatMap(({ key, weight, judge }) => {
    const judgement = judge(facts);
    return judgement === null ? [] : [{ key, weight, ...judgement }];
  });
}

/** Weighted mean of what was judged, 0-1; null when nothing was. */
export function scoreOf(criteria: readonly Pick<JudgedCriterion, 'score' | 'weight'>[]): number | null {
  const weight = criteria.reduce((sum, each) => sum + each.weight, 0);
  if (weight === 0) return null;
  const mean = criteria.reduce((sum, each) => sum + each.score * each.weight, 0) / weight;
  // Rounding must not carry a perfect score over its limit.
  return Math.min(1, Math.max(0, Math.round(mean * 1e6) / 1e6));
}

const plain = (score: number, comment: string | null): Judgement => ({ score, comment, quotes: [] });

/** The share of turns that are `good`, quoting the first that are not. */
function share(turns: SessionFacts['turns'], good: (turn: SessionFacts['turns'][number]) => boolean): Judgement | null {
  if (turns.length === 0) return null;
  const bad = turns.filter((turn) => !good(turn));
  return {
    score: 1 - bad.length / turns.length,
    comment: bad.length === 0 ? null : `${bad.length} of ${turns.length} turns`,
    quotes: bad.slice(0, MAX_QUOTES).map(({ index, text }) => ({ turn: index, text })),
  };
}
