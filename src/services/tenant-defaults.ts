import { LockMode, type EntityManager } from '@mikro-orm/postgresql';
import { Agent, AgentVersion, type RuntimeConfig } from '../entities/index.js';
import type { FieldIssue } from '../lib/errors.js';
import type { ServiceSettings } from './context.js';
import { PLAIN_PROMPT, pinPrompt, resolvePrompt } from './prompts.js';
import { loadRuntimeConfig } from './telephony.js';

type Defaults = Pick<RuntimeConfig, 'model' | 'voice' | 'systemPromptKey'>;
type Installation = Pick<ServiceSettings, 'defaultModel' | 'defaultVoice'>;

/** The model and voice of a conversation: the version's own, else the tenant's, else the installation's. */
export function speechOf(
  version: Pick<AgentVersion, 'model' | 'voice'> | null,
  config: Pick<Defaults, 'model' | 'voice'> | null,
  { defaultModel, defaultVoice }: Installation,
): { model: string; voice: string } {
  return {
    model: version?.model ?? config?.model ?? defaultModel,
    voice: version?.voice ?? config?.voice ?? defaultVoice,
  };
}

/**
 * Writes into a version what it left to its tenant: from now on it is the whole contract, and no change of the runtime config
 * makes it another one. For the transaction in which it leaves DRAFT. Gives the tenant's prompt key when that leads to no
 * published revision: then the version keeps the plain prompt, which is what it spoke so far. Throws UNPROCESSABLE when its
 * own prompt key leads to none.
 */
export async function settleContract(
  em: EntityManager,
  version: AgentVersion,
  settings: Installation,
): Promise<{ missingPrompt: string | null }> {
  const { tenantId } = version;
  const config = await loadRuntimeConfig(em, tenantId);
  Object.assign(version, speechOf(version, config, settings));
  let missingPrompt: string | null = null;
  if (version.prompt == null && version.promptKey == null) {
    const key = config?.systemPromptKey ?? null;
    const revision = key === null ? null : await resolvePrompt(em, tenantId, key, null);
    Object.assign(version, revision === null ? { prompt: PLAIN_PROMPT } : { promptKey: key });
    if (revision === null) missingPrompt = key;
  }
  await pinPrompt(em, version);
  return { missingPrompt };
}

/** What a version may leave to its tenant, and how one looks that does, or that was settled while the tenant said `value`. */
const INHERITED = [
  {
    path: 'model',
    name: 'model',
    valueIn: (config: Defaults, at: Installation) => speechOf(null, config, at).model,
    left: { model: null },
    settled: (value: string | null) => ({ model: value }),
  },
  {
    path: 'voice',
    name: 'voice',
    valueIn: (config: Defaults, at: Installation) => speechOf(null, config, at).voice,
    left: { voice: null },
    settled: (value: string | null) => ({ voice: value }),
  },
  {
    path: 'systemPromptKey',
    name: 'prompt',
    valueIn: (config: Defaults) => config.systemPromptKey ?? null,
    left: { prompt: null, promptKey: null },
    settled: (value: string | null) => (value === null ? { prompt: PLAIN_PROMPT } : { promptKey: value }),
  },
] as const;

/**
 * After a change of the runtime config, in its transaction: drafts that leave to the tenant what changed are another
 * contract now, and their evidence starts anew. Gives a warning for each changed field that live versions keep as it was.
 */
export async function inheritedChanged(
  em: EntityManager,
  { before, after, tenantId }: { before: Defaults; after: Defaults; tenantId: string },
  settings: Installation,
): Promise<FieldIssue[]> {
  const changed = INHERITED.filter(({ valueIn }) => valueIn(before, settings) !== valueIn(after, settings));
  if (changed.length === 0) return [];
  // Locked, and dated under the lock: an approval that is being given meanwhile is about what was before.
  const drafts = await em.find(
    AgentVersion,
    { tenantId, status: 'DRAFT', $or: changed.map(({ left }) => left) },
    { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true, orderBy: { id: 'asc' } },
  );
  for (const draft of drafts) draft.contractChangedAt = new Date();
  await em.flush();
  const warnings: FieldIssue[] = [];
  for (const { path, name, valueIn, settled } of changed) {
    const live = { tenantId, status: { $in: ['PUBLISHED', 'CANDIDATE'] } } as const;
    const keep = await em.find(AgentVersion, { ...live, ...settled(valueIn(before, settings)) });
    const agents = await em.find(
      Agent,
      { id: { $in: keep.map(({ agentId }) => agentId) } },
      { orderBy: { key: 'asc' } },
    );
    const keys = agents.map(({ key }) => key).join(', ');
    const kept = [name, valueIn(before, settings)].filter((word) => word !== null).join(' ');
    if (keys !== '')
      warnings.push({ path, message: `live versions of ${keys} keep the ${kept}; publish new ones to change it` });
  }
  return warnings;
}
