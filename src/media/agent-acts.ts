import type { EscalationRule } from '../ports/media-session.js';
import type { EscalationAction, Initiator } from '../ports/session-events.js';
import type { CallParts } from './engine-context.js';
import { EscalationRules, type GatewaySignal } from './escalation-rules.js';
import type { Farewell } from './leave-taking.js';
import { CONNECTING, GOODBYE } from './instructions.js';
import { ToolError, type BuiltInActions, type ToolArguments } from './tool-runner.js';

export interface AgentActParts extends CallParts {
  /** Begins to leave; the farewell is spoken and heard first. */
  leave: (farewell: Farewell) => void;
  /** Tells the model something that the caller does not hear; `speak`: and lets it react aloud. */
  tell: (text: string, speak: boolean) => void;
}

const ACTIONS: Record<EscalationRule['action'], EscalationAction> = {
  transfer: 'TRANSFER',
  callback: 'CALLBACK',
  end: 'END',
};

/** What the agent does besides talking: the built-in tools, and the escalation rules that watch over it. */
export class AgentActs {
  private currentIntent: string | null;
  private readonly rules: EscalationRules;
  /** A transfer is under way: whoever asks again gets the same one. */
  private transferring = false;

  readonly actions: BuiltInActions = {
    set_intent: (args) => this.setIntent(args),
    record_outcome: (args) => this.recordOutcome(args),
    end_call: () => this.endCall(),
    escalate_to_human: (args) => this.escalateToHuman(args),
    raise_concern: (args) => this.raiseConcern(args),
    request_callback: (args) => this.requestCallback(args),
    do_not_call: (args) => this.doNotCall(args),
  };

  constructor(private readonly parts: AgentActParts) {
    this.currentIntent = parts.plan.currentIntent;
    this.rules = new EscalationRules(parts.plan.escalationRules, parts.plan.marks);
  }

  get intent(): string | null {
    return this.currentIntent;
  }

  /** Something that the gateway noticed by itself. */
  signal(signal: GatewaySignal): void {
    for (const concern of this.rules.concernsOf(signal)) {
      const rule = this.raise(concern, signal, 'SYSTEM');
      if (rule !== null) this.parts.tell(this.fire(rule, signal), false);
    }
  }

  /** The agent was silenced: what it was about to do is not done. */
  abandon(): void {
    this.transferring = false;
  }

  toolSucceeded(): void {
    this.rules.toolSucceeded();
  }

  /** Sends the caller to a person, or records that one is needed when there is no number. Returns what is done. */
  escalate(reason: string, trigger: string | null, target: string | null, by: Initiator): EscalationAction {
    if (this.transferring) return 'TRANSFER';
    const action = target === null ? 'RECORD' : 'TRANSFER';
    this.transferring = target !== null;
    this.parts.journal.append('SessionEscalated', {
      escalation: { reason, trigger, action, target, initiatedBy: by },
    });
    if (target !== null)
      this.parts.leave({ instructions: CONNECTING, act: () => void this.transfer(target), revocable: false });
    return action;
  }

  private setIntent(args: ToolArguments): unknown {
    const intent = oneOf(args, 'intent', Object.keys(this.parts.plan.intents));
    if (intent !== this.currentIntent) this.parts.journal.append('IntentIdentified', { intent });
    this.currentIntent = intent;
    const rule = this.rules.named(intent);
    const known = { intent, tools: this.parts.plan.intents[intent] };
    return rule === null || this.parts.ending.leaving ? known : { ...known, note: this.fire(rule, null) };
  }

  private recordOutcome(args: ToolArguments): unknown {
    const outcome = oneOf(args, 'outcome', this.parts.plan.successSignals);
    this.parts.journal.append('OutcomeRecorded', { outcome, note: text(args, 'note') });
    return { recorded: outcome };
  }

  private endCall(): unknown {
    this.parts.leave({
      instructions: GOODBYE,
      act: () => void this.parts.ending.hangUp('INTENT'),
      revocable: true,
    });
    return { ok: true, note: 'The call ends when your goodbye was heard.' };
  }

  private escalateToHuman(args: ToolArguments): unknown {
    const reason = text(args, 'reason') ?? 'The agent asked for a person.';
    const action = this.escalate(reason, null, this.parts.plan.transferTarget, 'AGENT');
    return action === 'TRANSFER'
      ? { ok: true, note: 'The caller is being transferred.' }
      : { ok: true, note: 'It is recorded. Nobody takes over now; somebody will follow up.' };
  }

  private raiseConcern(args: ToolArguments): unknown {
    const concern = text(args, 'concern');
    if (concern === null) throw new ToolError('concern is missing.');
    const detail = text(args, 'detail');
    const rule = this.raise(concern, detail, 'AGENT');
    return rule === null ? { ok: true } : { ok: true, note: this.fire(rule, detail) };
  }

  private async requestCallback(args: ToolArguments): Promise<unknown> {
    const reason = text(args, 'reason');
    if (reason === null) throw new ToolError('reason is missing.');
    const due = text(args, 'due_at');
    const dueAt = due === null ? null : new Date(due);
    if (dueAt !== null && Number.isNaN(dueAt.getTime())) throw new ToolError('due_at is not an ISO 8601 time.');
    const note = text(args, 'note');
    await this.parts.control.createCallback({ reason, dueAt, note, origin: 'AGENT', queue: null });
    this.parts.journal.append('SessionEscalated', {
      escalation: { reason, trigger: null, action: 'CALLBACK', target: null, initiatedBy: 'AGENT' },
    });
    return { ok: true, due_at: dueAt?.toISOString() ?? null };
  }

  private async doNotCall(args: ToolArguments): Promise<unknown> {
    await this.parts.control.addToDoNotCall(text(args, 'reason') ?? 'The caller asked for it.');
    return { ok: true, note: 'The caller will not be called again.' };
  }

  /** Counts a concern; returns the rule that fires. */
  private raise(concern: string, detail: string | null, source: Initiator): EscalationRule | null {
    const { count, rule } = this.rules.raise(concern);
    this.parts.journal.append('ConcernRaised', { concern, detail, count, source });
    return this.parts.ending.leaving ? null : rule;
  }

  /** Does what the rule says, and returns what the model is told of it. */
  private fire(rule: EscalationRule, detail: string | null): string {
    const { plan, journal, control, leave, ending, log, tell } = this.parts;
    const reason = `The rule for ${rule.trigger} fired${detail === null ? '' : `: ${detail}`}`;
    const target = rule.target ?? plan.transferTarget;
    if (rule.action === 'transfer') {
      return this.escalate(reason, rule.trigger, target, 'RULE') === 'TRANSFER'
        ? 'A person takes over: the caller is being transferred.'
        : 'It is recorded for a person. Say that somebody will follow up.';
    }
    journal.append('SessionEscalated', {
      escalation: {
        reason,
        trigger: rule.trigger,
        action: ACTIONS[rule.action],
        target: rule.target,
        initiatedBy: 'RULE',
      },
    });
    if (rule.action === 'end') {
      leave({ instructions: GOODBYE, act: () => void ending.hangUp('INTENT'), revocable: false });
      return 'The call has to end now. Say goodbye.';
    }
    const asked = { reason, dueAt: null, note: detail, origin: 'RULE' as const, queue: rule.target };
    control.createCallback(asked).catch((error: unknown) => {
      log.error({ err: error }, 'a callback that a rule asked for could not be created');
      tell('The callback could not be arranged. Do not promise one.', false);
    });
    return 'A person will call back. Tell the caller.';
  }

  private async transfer(target: string): Promise<void> {
    try {
      await this.parts.ending.transfer(target);
    } catch (error) {
      this.transferring = false;
      this.parts.log.error({ err: error }, 'a transfer failed; the agent stays with the caller');
      this.parts.tell('The transfer failed. Apologise, stay with the caller and offer a callback.', true);
    }
  }
}

/** A field with something in it, at most 2,000 characters of it. */
function text(args: ToolArguments, field: string): string | null {
  const value = args[field];
  return typeof value === 'string' && value.trim() !== '' ? value.trim().slice(0, 2_000) : null;
}

function oneOf(args: ToolArguments, field: string, values: readonly string[]): string {
  const value = text(args, field);
  if (value === null || !values.includes(value)) throw new ToolError(`${field} must be one of: ${values.join(', ')}.`);
  return value;
}
