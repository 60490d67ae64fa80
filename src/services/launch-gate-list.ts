import { Approval, PhoneRoute } from '../entities/index.js';
import {
  duplicateEvidence,
  evaluationEvidence,
  signatureEvidence,
  syntheticEvidence,
  type LaunchCandidate,
} from './launch-evidence.js';
import { reachableAgents } from './reachable-agents.js';
import { loadRuntimeConfig, telephonyOf } from './telephony.js';

/** What a gate found: `missing` in words for people, empty when nothing is. */
interface Finding {
  /** What the tenant asks for, as a number; null where it is no number. */
  required: number | null;
  observed: number | null;
  evidence: Record<string, unknown>;
  missing: string[];
  /** Why the gate asks for nothing here. */
  notApplicable?: string | null;
}

/** One condition for taking customers. */
export interface LaunchGate {
  /** In errors, reports and the audit log. */
  name: string;
  /** What it asks for. */
  title: string;
  /** It asks for something only because callers reach the agent. */
  inbound?: boolean;
  look(candidate: LaunchCandidate): Promise<Finding>;
}

export interface ApprovalReport {
  name: string;
  note: string | null;
  approvedBy: string;
  createdAt: Date;
  /** False: the contract changed since. */
  current: boolean;
}

const SWITCHED_OFF = 'This tenant’s threshold is 0.';

const syntheticCalls: LaunchGate = {
  name: 'synthetic_calls',
  title: 'Passed synthetic calls of this version, covering every supported intent',
  async look(candidate) {
    const required = candidate.thresholds.minimumSyntheticCalls;
    const found = await syntheticEvidence(candidate);
    const missing = found.intents
      .filter((intent) => intent.passed === 0)
      .map(({ intent }) => `No passed synthetic call covers the intent ${intent}.`);
    if (found.passed < required) missing.unshift(`${required - found.passed} more passed synthetic calls are needed.`);
    return {
      required,
      observed: found.passed,
      evidence: { ...found },
      missing,
      notApplicable: required === 0 ? SWITCHED_OFF : null,
    };
  },
};

const signatures: LaunchGate = {
  name: 'signature_verification',
  title: 'Share of requests in the name of the tenant’s Twilio account whose signature held',
  inbound: true,
  async look(candidate) {
    const { minimumSignatureRate: required, minimumSignatureSample: sample } = candidate.thresholds;
    const { requests, valid } = await signatureEvidence(candidate);
    const routes = (await reachableAgents(candidate.em, candidate.agent.tenantId)).get(candidate.agent.id) ?? 0;
    const observed = requests === 0 ? null : valid / requests;
    const missing: string[] = [];
    if (requests < sample) missing.push(`${sample - requests} more signed requests of the last 24 hours are needed.`);
    if (observed !== null && observed < required)
      missing.push(`${requests - valid} of ${requests} requests carried no valid signature.`);
    return {
      required,
      observed,
      evidence: { requests, valid, minimumSample: sample, inboundRoutes: routes },
      missing,
      notApplicable: routes === 0 ? 'No inbound route leads to this agent.' : required === 0 ? SWITCHED_OFF : null,
    };
  },
};

const duplicates: LaunchGate = {
  name: 'duplicate_calls',
  title: 'No customer was dialled twice at once by this agent in the last seven days',
  async look(candidate) {
    const found = await duplicateEvidence(candidate);
    const missing =
      found.duplicates === 0
        ? []
        : [`${found.duplicates} calls began while the same number was already being called: find out why.`];
    return { required: 0, observed: found.duplicates, evidence: { ...found }, missing };
  },
};

const evaluations: LaunchGate = {
  name: 'evaluation_score',
  title: 'Mean evaluation score of this version’s calls',
  async look(candidate) {
    const { minimumMeanScore: required, minimumEvaluatedCalls: sample } = candidate.thresholds;
    const { calls, mean } = await evaluationEvidence(candidate);
    const missing: string[] = [];
    if (mean === null) missing.push('No call of this version was evaluated yet.');
    if (calls < sample) missing.push(`${sample - calls} more calls have to be evaluated.`);
    if (mean !== null && mean < required) missing.push(`The mean score is ${mean.toFixed(3)}, below ${required}.`);
    return {
      required,
      observed: mean,
      evidence: { evaluatedCalls: calls, minimumEvaluatedCalls: sample },
      missing,
      notApplicable: required === 0 ? SWITCHED_OFF : null,
    };
  },
};

const escalationPaths: LaunchGate = {
  name: 'escalation_paths',
  title: 'Every supported intent has an escalation rule that leads to a person',
  async look(candidate) {
    const { intents, escalationRules } = candidate.version;
    const anywhere = await transferTargets(candidate);
    // Ending the call leads to nobody, and neither does a transfer without a number.
    const leading = escalationRules.filter(
      ({ action, target }) => action === 'callback' || (action === 'transfer' && (target !== null || anywhere)),
    );
    const found = intents.map(({ name }) => ({
      intent: name,
      triggers: leading
        .filter((rule) => rule.intents.length === 0 || rule.intents.includes(name))
        .map((r) => r.trigger),
    }));
    const without = found.filter(({ triggers }) => triggers.length === 0);
    return {
      required: intents.length,
      observed: found.length - without.length,
      evidence: { intents: found },
      missing: without.map(({ intent }) => `The intent ${intent} has no rule that transfers or promises a callback.`),
      notApplicable: intents.length === 0 ? 'This version declares no intents.' : null,
    };
  },
};

const approvals: LaunchGate = {
  name: 'approvals',
  title: 'Named approvals of this version',
  async look(candidate) {
    const { requiredApprovals: names, minimumApprovers } = candidate.thresholds;
    const given = await approvalsOf(candidate);
    const missing = names.flatMap((name) => {
      const approval = given.find((row) => row.name === name);
      if (approval === undefined) return [`The approval ${name} is missing.`];
      return approval.current ? [] : [`The approval ${name} was given before the contract changed.`];
    });
    const observed = names.length - missing.length;
    const counting = given.filter(({ name, current }) => current && names.includes(name));
    const approvers = [...new Set(counting.map(({ approvedBy }) => approvedBy))];
    // More people than approvals cannot be asked for.
    const enough = Math.min(minimumApprovers, names.length);
    if (missing.length === 0 && approvers.length < enough)
      missing.push(`${enough} different admins have to approve; ${approvers.length} did.`);
    return {
      required: names.length,
      observed,
      evidence: {
        names,
        approved: given.filter((row) => row.current).map((row) => row.name),
        approvers,
        minimumApprovers,
      },
      missing,
      notApplicable: names.length === 0 ? 'This tenant asks for no approvals.' : null,
    };
  },
};

const notRolledBack: LaunchGate = {
  name: 'not_rolled_back',
  title: 'This version was not rolled back before',
  look: async ({ version }) => ({
    required: null,
    observed: null,
    evidence: { rolledBackAt: version.rolledBackAt?.toISOString() ?? null },
    missing: version.rolledBackAt == null ? [] : ['This version was rolled back before: make a new one from it.'],
  }),
};

/** Every gate, in the order in which people read them. */
export const GATES: readonly LaunchGate[] = [
  syntheticCalls,
  signatures,
  duplicates,
  evaluations,
  escalationPaths,
  approvals,
  notRolledBack,
];

/** Given so far, by name. */
export async function approvalsOf({ em, version, since }: LaunchCandidate): Promise<ApprovalReport[]> {
  const rows = await em.find(
    Approval,
    { agentVersionId: version.id, tenantId: version.tenantId },
    { orderBy: { name: 'asc' } },
  );
  return rows.map(({ name, note = null, approvedBy, createdAt }) => ({
    name,
    note,
    approvedBy,
    createdAt,
    current: createdAt >= since,
  }));
}

/** Whether a transfer without a target of its own reaches a person: on every route of the agent, or by the tenant's number. */
async function transferTargets({ em, agent }: LaunchCandidate): Promise<boolean> {
  if (telephonyOf(await loadRuntimeConfig(em, agent.tenantId)).transferNumber !== null) return true;
  const routes = await em.find(PhoneRoute, { agentId: agent.id, tenantId: agent.tenantId, active: true });
  return routes.length > 0 && routes.every((route) => route.transferNumber != null);
}
