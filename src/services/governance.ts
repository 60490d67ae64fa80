import type { GovernanceSettings, RuntimeConfig } from '../entities/index.js';

/** Thresholds of a tenant's launch gates, complete. Rates and scores 0-1; a threshold of 0 switches its gate off. */
export type Governance = { [K in keyof GovernanceSettings]-?: NonNullable<GovernanceSettings[K]> };

/** Where a tenant says nothing else. */
export const DEFAULT_GOVERNANCE: Governance = {
  minimumSyntheticCalls: 20,
  minimumSignatureRate: 0.95,
  minimumSignatureSample: 20,
  minimumMeanScore: 0.7,
  minimumEvaluatedCalls: 3,
  requiredApprovals: ['security', 'behaviour', 'operations', 'rollout'],
  minimumApprovers: 1,
};

export function governanceOf(config: Pick<RuntimeConfig, 'governance'> | null): Governance {
  const own = Object.entries(config?.governance ?? {}).filter(([, value]) => value != null);
  return { ...DEFAULT_GOVERNANCE, ...Object.fromEntries(own) };
}
