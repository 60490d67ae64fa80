import type { EscalationRule } from '../ports/media-session.js';

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
 * Counts concerns and says when a rule fires: exactly at its Nth occurrence, so that it fires once. Counts of the time
 * before a resume go on.
 */
export class EscalationRules {
  private readonly counts: Map<string, number>;
  private failuresInARow = 0;

  constructor(
    private readonly rules: readonly EscalationRule[],
    counts: Readonly<Record<string, number>>,
  ) {
    this.counts = new Map(Object.entries(counts));
  }

  raise(concern: string): Raised {
    const count = (this.counts.get(concern) ?? 0) + 1;
    this.counts.set(concern, count);
    const rule = this.rules.find((candidate) => candidate.trigger === concern && candidate.repeated === count);
    return { count, rule: rule ?? null };
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
