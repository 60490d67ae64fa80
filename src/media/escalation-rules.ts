import type { ConversationMark, EscalationRule } from '../ports/media-session.js';

/** What the gateway notices by itself. */
export type GatewaySignal = 'transcription_failed' | 'tool_failed';

/** Concerns that a model can raise without a rule of its own naming them. */
export const COMMON_CONCERNS = ['payment', 'identity_failure', 'complaint', 'low_confidence'] as const;

/** This many failures of tools in a row mean that the agent cannot be sure of anything. */
const REPEATED_TOOL_FAILURES = 2;

export interface Raised {
  /** How often this concern was raised in this session, this time included. */
  count: number;
  /** The rule that fires now; null: none does. */
  rule: EscalationRule | null;
}

/**
 * Counts concerns and says when a rule fires: exactly at its Nth occurrence, so that it fires once. A rule for some intents
 * counts what came up while one of these was named. What the caller raised before any intent was known belongs to the first
 * one that is named: a model may report the concern a moment before the intent. Counts of the time before a resume go on.
 */
export class EscalationRules {
  private readonly counts = new Map<string, number>();
  private readonly hits = new Map<EscalationRule, number>();
  /** Raised while no intent was named. */
  private early: string[] = [];
  private intent: string | null = null;
  private failuresInARow = 0;

  constructor(
    private readonly rules: readonly EscalationRule[],
    past: readonly ConversationMark[],
  ) {
    for (const mark of past) {
      if (mark.kind === 'intent') this.named(mark.name);
      else this.raise(mark.name);
    }
  }

  raise(concern: string): Raised {
    const count = (this.counts.get(concern) ?? 0) + 1;
    this.counts.set(concern, count);
    const { intent } = this;
    if (intent === null) this.early.push(concern);
    const rule = this.hit(
      concern,
      ({ intents }) => intents.length === 0 || (intent !== null && intents.includes(intent)),
    );
    return { count, rule };
  }

  /** The model named what the caller wants. Gives the rule that fires because of what came up before. */
  named(intent: string): EscalationRule | null {
    this.intent = intent;
    const early = this.early;
    this.early = [];
    const fired = early.map((concern) => this.hit(concern, ({ intents }) => intents.includes(intent)));
    return fired.find((rule) => rule !== null) ?? null;
  }

  private hit(concern: string, applies: (rule: EscalationRule) => boolean): EscalationRule | null {
    let fires: EscalationRule | null = null;
    for (const rule of this.rules) {
      if (rule.trigger !== concern || !applies(rule)) continue;
      const hits = (this.hits.get(rule) ?? 0) + 1;
      this.hits.set(rule, hits);
      if (hits === rule.repeated) fires ??= rule;
    }
    return fires;
  }

  /**
   * The concerns that a signal of the gateway amounts to: its own name where a rule asks for it, and `low_confidence`
   * for a failed transcription and for repeated failures of tools.
   */
  concernsOf(signal: GatewaySignal): string[] {
    if (signal === 'tool_failed') this.failuresInARow += 1;
    const doubtful = signal === 'transcription_failed' || this.failuresInARow >= REPEATED_TOOL_FAILURES;
    const named = this.rules.some((rule) => rule.trigger === signal);
    return [...(named ? [signal] : []), ...(doubtful ? ['low_confidence'] : [])];
  }

  toolSucceeded(): void {
    this.failuresInARow = 0;
  }
}
