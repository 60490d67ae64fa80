import type { Scenario, SyntheticCheck, ToolCall, Turn, VoiceSession } from '../entities/index.js';
import { says, spokenForm } from '../lib/phrases.js';
import type { EndReason, EscalationState, StoredSessionEvent } from '../ports/session-events.js';
import type { SyntheticCallEnd, SyntheticCallResult } from '../ports/synthetic-caller.js';

/** Everything that is known of a synthetic call that is over. */
export interface CallFacts {
  scenario: Pick<
    Scenario,
    'intent' | 'expectedOutcome' | 'expectedTools' | 'mustSay' | 'mustNotSay' | 'escalationPath'
  >;
  /** Of the version. None: it names no intents, and is not asked for one. */
  declaredIntents: readonly string[];
  result: SyntheticCallResult;
  /** Null: the agent was never reached. */
  session: Pick<VoiceSession, 'status' | 'endReason' | 'outcome'> | null;
  turns: readonly Pick<Turn, 'id' | 'index' | 'speaker' | 'text'>[];
  tools: readonly Pick<ToolCall, 'name' | 'status' | 'turnIndex'>[];
  /** The session's log, in order. */
  events: readonly StoredSessionEvent[];
}

/** A check that words alone decide, or leave open: then `question` is what a text model may decide instead. */
export interface Finding extends SyntheticCheck {
  /** A statement about the call that must hold for the check to pass. */
  question?: string;
}

/** Who decided what words alone can decide. */
export const EXACT = 'exact';

/** Ends that leave nobody on a dead line. */
const CLEAN_ENDS: ReadonlySet<SyntheticCallEnd> = new Set(['caller', 'agent', 'led_away']);
const CLEAN_REASONS: ReadonlySet<string> = new Set<EndReason>(['INTENT', 'TRANSFERRED', 'CALL_ENDED']);

const END_WORDS: Record<SyntheticCallEnd, string> = {
  caller: 'The caller hung up when everything was said.',
  agent: 'The agent hung up.',
  led_away: 'The call was led away.',
  timeout: 'The conversation did not come to an end, and the caller gave up.',
  not_connected: 'The call never reached the agent.',
  broken: 'The stream ended although nobody wanted it.',
  no_caller: 'The caller could not speak.',
  aborted: 'The call was broken off.',
};

/** Every check of a call, in the order in which people read them. A call passes when all do. */
export function exactChecks(facts: CallFacts): Finding[] {
  const answered = answeredCheck(facts);
  if (!answered.passed) return [answered];
  return [
    answered,
    endCheck(facts),
    ...intentChecks(facts),
    ...outcomeChecks(facts),
    ...facts.scenario.expectedTools.map((name) => toolCheck(facts, name)),
    ...facts.scenario.mustSay.map((phrase) => mustSayCheck(facts, phrase)),
    ...facts.scenario.mustNotSay.map((phrase) => mustNotSayCheck(facts, phrase)),
    ...escalationChecks(facts),
  ];
}

function answeredCheck({ session, result, turns }: CallFacts): Finding {
  const heard = turns.find((turn) => turn.speaker === 'AGENT' && turn.text !== '');
  if (session !== null && heard !== undefined) return finding('answered', true, 'The agent answered.', heard);
  const spoken = result.said.length === 0 ? '' : ` The line said: “${result.said.join(' ')}”`;
  const why = result.problem === null ? END_WORDS[result.end] : `${END_WORDS[result.end]} ${result.problem}`;
  return finding('answered', false, `${session === null ? '' : 'The agent said nothing. '}${why}${spoken}`, null);
}

function endCheck({ session, result, turns }: CallFacts): Finding {
  const last = turns.at(-1) ?? null;
  const clean = CLEAN_ENDS.has(result.end) && CLEAN_REASONS.has(session?.endReason ?? '');
  if (clean) return finding('ended_cleanly', true, END_WORDS[result.end], last);
  const problem = result.problem === null ? '' : ` ${result.problem}`;
  return finding(
    'ended_cleanly',
    false,
    `${END_WORDS[result.end]} The session ended with ${session?.endReason ?? 'nothing'}.${problem}`,
    last,
  );
}

function intentChecks(facts: CallFacts): Finding[] {
  const { intent } = facts.scenario;
  // An intent that the version does not know cannot be named: such a scenario tests how the agent gets out of it.
  if (!facts.declaredIntents.includes(intent)) return [];
  const named = facts.events.flatMap((event) =>
    event.type === 'IntentIdentified' ? [{ intent: event.payload.intent, turn: turnBefore(facts, event.seq) }] : [],
  );
  const found = named.find((one) => one.intent === intent);
  if (found !== undefined) return [finding('intent', true, `The agent named the intent ${intent}.`, found.turn)];
  const others = [...new Set(named.map((one) => one.intent))];
  const what = others.length === 0 ? 'no intent' : others.join(', ');
  return [finding('intent', false, `The agent named ${what}, not ${intent}.`, named.at(-1)?.turn ?? null)];
}

function outcomeChecks(facts: CallFacts): Finding[] {
  const { expectedOutcome } = facts.scenario;
  if (expectedOutcome == null) return [];
  const recorded = facts.events.findLast((event) => event.type === 'OutcomeRecorded');
  const turn = recorded === undefined ? null : turnBefore(facts, recorded.seq);
  const outcome = facts.session?.outcome ?? null;
  return outcome === expectedOutcome
    ? [finding('outcome', true, `The outcome is ${outcome}.`, turn)]
    : [finding('outcome', false, `The outcome is ${outcome ?? 'not recorded'}, not ${expectedOutcome}.`, turn)];
}

function toolCheck(facts: CallFacts, name: string): Finding {
  const calls = facts.tools.filter((tool) => tool.name === name);
  const good = calls.find((tool) => tool.status === 'SUCCEEDED');
  const shown = good ?? calls.at(-1);
  const turn = facts.turns.find((one) => one.index === shown?.turnIndex) ?? null;
  if (good !== undefined) return finding(`tool:${name}`, true, `The tool ${name} ran with success.`, turn);
  const how = shown === undefined ? 'was never called' : `${shown.status.toLowerCase()} and never succeeded`;
  return finding(`tool:${name}`, false, `The tool ${name} ${how}.`, turn);
}

function mustSayCheck({ turns }: CallFacts, phrase: string): Finding {
  const turn = turns.find((one) => one.speaker === 'AGENT' && says(one.text, phrase));
  if (turn !== undefined) return finding(`must_say:${phrase}`, true, `The agent said “${phrase}”.`, turn);
  return {
    ...finding(`must_say:${phrase}`, false, `The agent never said “${phrase}”.`, null),
    question: `The agent says this, in these or other words: “${phrase}”`,
  };
}

function mustNotSayCheck({ turns }: CallFacts, phrase: string): Finding {
  const turn = turns.find((one) => one.speaker === 'AGENT' && says(one.text, phrase));
  if (turn !== undefined)
    return finding(`must_not_say:${phrase}`, false, `The agent said “${phrase}”, which it must not say.`, turn);
  return {
    ...finding(`must_not_say:${phrase}`, true, `The agent never said “${phrase}”.`, null),
    question: `The agent never says this, neither in these nor in other words: “${phrase}”`,
  };
}

/** One check of the path, and one of the line: a transfer that is only written down leaves the caller where they were. */
function escalationChecks(facts: CallFacts): Finding[] {
  const path = facts.scenario.escalationPath ?? null;
  const seen = facts.events.flatMap((event) =>
    event.type === 'SessionEscalated'
      ? [{ escalation: event.payload.escalation, turn: turnBefore(facts, event.seq) }]
      : [],
  );
  if (path === null) {
    const [first] = seen;
    return first === undefined
      ? [finding('escalation', true, 'Nothing was escalated.', null)]
      : [finding('escalation', false, `${describe(first.escalation)} No escalation was approved.`, first.turn)];
  }
  if (seen.length === 0) return [finding('escalation', false, `Nothing was escalated; ${path} was expected.`, null)];
  const stray = seen.find(({ escalation }) => !follows(escalation, path));
  const shown = stray ?? seen[0]!;
  const onPath: Finding =
    stray === undefined
      ? finding('escalation', true, describe(shown.escalation), shown.turn)
      : {
          ...finding('escalation', false, `${describe(shown.escalation)} The approved path is ${path}.`, shown.turn),
          question: `Every escalation of this call follows the approved path “${path}”. Escalations: ${seen
            .map(({ escalation }) => describe(escalation))
            .join(' ')}`,
        };
  const transfer = seen.find(({ escalation }) => escalation.action === 'TRANSFER');
  return transfer === undefined ? [onPath] : [onPath, transferCheck(facts, transfer)];
}

function transferCheck(
  { result }: CallFacts,
  { escalation, turn }: { escalation: EscalationState; turn: TurnRef | null },
): Finding {
  const led = escalation.target !== null && result.dialed.includes(escalation.target);
  return finding(
    'transferred',
    led,
    led ? 'The call was led to the target.' : 'A transfer was decided, but the call was not led to its target.',
    turn,
  );
}

/** Does an escalation follow the approved path: its trigger, its action, its target, or words of its reason? */
function follows(escalation: EscalationState, path: string): boolean {
  const wanted = spokenForm(path);
  return (
    escalation.target === path ||
    [escalation.trigger ?? '', escalation.action].some((word) => spokenForm(word) === wanted) ||
    says(escalation.reason, path)
  );
}

function describe({ action, trigger, reason, target }: EscalationState): string {
  const to = target === null ? '' : ' to a number';
  return `Escalated by ${action.toLowerCase()}${to} (${trigger ?? 'without a rule'}: ${reason}).`;
}

type TurnRef = Pick<Turn, 'id' | 'index'>;

/** The turn that was the newest when this event came. */
function turnBefore({ events, turns }: CallFacts, seq: number): TurnRef | null {
  const started = events.findLast((event) => event.type === 'TurnStarted' && event.seq < seq);
  const index = started?.type === 'TurnStarted' ? started.payload.turn.index : null;
  return turns.find((turn) => turn.index === index) ?? null;
}

function finding(check: string, passed: boolean, detail: string, turn: TurnRef | null): Finding {
  return { check, passed, detail, turnIndex: turn?.index ?? null, turnId: turn?.id ?? null, judge: EXACT };
}
