import { LockMode, type EntityManager } from '@mikro-orm/postgresql';
import {
  PhoneRoute,
  Prompt,
  RuntimeConfig,
  type GovernanceSettings,
  type TelephonyDefaults,
} from '../entities/index.js';
import type { FieldIssue } from '../lib/errors.js';
import { CUSTOM_VOICE, REALTIME_VOICES } from '../ports/realtime-model.js';
import { audit } from './audit-log.js';
import { Checks } from './checks.js';
import type { ServiceContext } from './context.js';
import { CALLS_OUT } from './telephony.js';
import { inheritedChanged } from './tenant-defaults.js';
import { existingTenant } from './tenants.js';
import { emFor, requireAdmin, requireScope, type Viewer } from './viewer.js';
import { inTransaction, orConflict, snapshot } from './writes.js';

/** A field that is missing (undefined) stays as it is; null clears it. */
export interface RuntimeConfigInput {
  model?: string | null;
  voice?: string | null;
  systemPromptKey?: string | null;
  webhookUrl?: string | null;
  /** Merged field by field. */
  telephony?: TelephonyDefaults | null;
  governance?: GovernanceSettings | null;
}
export interface RuntimeConfigResult {
  config: RuntimeConfig;
  /** Accepted, but probably not meant: a prompt key that has no prompt yet, a change that no live version hears of. */
  warnings: FieldIssue[];
  /** `whsec_…`, only when this change made the endpoint of `webhookUrl`; it is never shown again. */
  webhookSecret: string | null;
}

/** Keeps the webhook endpoint of a runtime config's URL; implemented by the outbound webhooks. */
export interface RuntimeWebhook {
  /** In the transaction of the change. Gives the secret of an endpoint that it made, else null. `url` null disables it. */
  setUrl(em: EntityManager, viewer: Viewer, tenantId: string, url: string | null): Promise<string | null>;
}

export class RuntimeConfigs {
  constructor(
    private readonly ctx: ServiceContext,
    private readonly webhook: RuntimeWebhook,
  ) {}

  /** A tenant without one gets the empty config. Throws NOT_FOUND. */
  async get(viewer: Viewer, tenantId: string): Promise<RuntimeConfig> {
    requireScope(viewer, 'agents:read');
    const { id } = await existingTenant(this.ctx, viewer, tenantId);
    const em = emFor(this.ctx.database, viewer, id);
    return (await em.findOne(RuntimeConfig, { tenantId: id })) ?? em.create(RuntimeConfig, { ...EMPTY, tenantId: id });
  }

  /**
   * Counts for versions in draft, whose evidence starts anew when what they leave to their tenant changes; those that have
   * left DRAFT keep what they were cleared with. Throws VALIDATION_FAILED, NOT_FOUND, CONFLICT when two set the first one
   * at once.
   */
  async set(viewer: Viewer, tenantId: string, input: RuntimeConfigInput): Promise<RuntimeConfigResult> {
    requireAdmin(viewer);
    const { id } = await existingTenant(this.ctx, viewer, tenantId);
    const change = checked(input, this.ctx.settings.allowPrivateAddresses);
    return orConflict('The runtime config was made by somebody else just now; try again', () =>
      inTransaction(this.ctx, viewer, (em) => this.apply(em, viewer, id, change)),
    );
  }

  private async apply(
    em: EntityManager,
    viewer: Viewer,
    id: string,
    change: RuntimeConfigInput,
  ): Promise<RuntimeConfigResult> {
    // Locked: two changes at once are merged, none is lost.
    let config = await em.findOne(RuntimeConfig, { tenantId: id }, { lockMode: LockMode.PESSIMISTIC_WRITE });
    const before = config === null ? null : snapshot(config);
    const { model = null, voice = null, systemPromptKey = null } = config ?? EMPTY;
    config ??= em.create(RuntimeConfig, { ...EMPTY, tenantId: id });
    em.assign(config, {
      ...change,
      telephony: { ...config.telephony, ...change.telephony },
      governance: { ...config.governance, ...change.governance },
    });
    await em.flush();
    // Also when it is the URL of before: whoever says it wants the endpoint, which may be disabled.
    const webhookSecret =
      change.webhookUrl === undefined ? null : await this.webhook.setUrl(em, viewer, id, change.webhookUrl);
    const kept = await inheritedChanged(
      em,
      { tenantId: id, before: { model, voice, systemPromptKey }, after: config },
      this.ctx.settings,
    );
    audit(em, viewer, {
      tenantId: id,
      action: 'runtime_config.set',
      subjectType: 'runtime_config',
      subjectId: id,
      before,
      after: snapshot(config),
    });
    return { config, webhookSecret, warnings: [...kept, ...(await this.warnings(em, id, config))] };
  }

  private async warnings(em: EntityManager, tenantId: string, config: RuntimeConfig): Promise<FieldIssue[]> {
    const warnings: FieldIssue[] = [];
    const { systemPromptKey: key, voice, telephony } = config;
    const prompt = key == null ? null : await em.findOne(Prompt, { tenantId, key });
    if (key != null && prompt?.publishedRevision == null)
      warnings.push({
        path: 'systemPromptKey',
        message: prompt === null ? `no prompt has the key ${key} yet` : `the prompt ${key} has no published revision`,
      });
    if (voice != null && !REALTIME_VOICES.includes(voice) && !CUSTOM_VOICE.test(voice))
      warnings.push({
        path: 'voice',
        message: `${voice} is not among the known voices: ${REALTIME_VOICES.join(', ')}`,
      });
    const from = telephony.fromNumber;
    if (from != null && (await em.count(PhoneRoute, { tenantId, number: from, ...CALLS_OUT })) === 0)
      warnings.push({
        path: 'telephony.fromNumber',
        message: `no active phone route for outbound calls has ${from} yet`,
      });
    return warnings;
  }
}

const EMPTY = { model: null, voice: null, systemPromptKey: null, webhookUrl: null, telephony: {}, governance: {} };

/** Only the fields that were given. */
function checked(input: RuntimeConfigInput, allowPrivate: boolean): RuntimeConfigInput {
  const checks = new Checks();
  const change: RuntimeConfigInput = {};
  if (input.model !== undefined) change.model = checks.optionalText('model', input.model, { max: 100 });
  if (input.voice !== undefined) change.voice = checks.optionalText('voice', input.voice, { max: 100 });
  if (input.systemPromptKey !== undefined)
    change.systemPromptKey =
      input.systemPromptKey === null ? null : checks.key('systemPromptKey', input.systemPromptKey);
  if (input.webhookUrl !== undefined)
    change.webhookUrl = input.webhookUrl === null ? null : checks.url('webhookUrl', input.webhookUrl, allowPrivate);
  if (input.telephony != null) change.telephony = telephony(checks, input.telephony);
  if (input.governance != null) change.governance = governance(checks, input.governance);
  checks.done();
  return change;
}

function telephony(checks: Checks, input: TelephonyDefaults): TelephonyDefaults {
  const at = (name: string) => `telephony.${name}`;
  const all: TelephonyDefaults = {
    fromNumber: checks.optionalPhone(at('fromNumber'), input.fromNumber),
    transferNumber: checks.optionalPhone(at('transferNumber'), input.transferNumber),
    ringTimeoutSeconds: checks.optionalInteger(at('ringTimeoutSeconds'), input.ringTimeoutSeconds, 5, 600),
    maxDurationSeconds: checks.optionalInteger(at('maxDurationSeconds'), input.maxDurationSeconds, 10, 14_400),
    fallbackMessage: checks.optionalText(at('fallbackMessage'), input.fallbackMessage, { max: 2_000 }),
    callingHours: input.callingHours == null ? null : checks.weeklyHours(at('callingHours'), input.callingHours),
    callbackQueue: input.callbackQueue == null ? null : checks.key(at('callbackQueue'), input.callbackQueue),
    callbackSlaMinutes: checks.optionalInteger(at('callbackSlaMinutes'), input.callbackSlaMinutes, 1, 43_200),
    callbackAutoDial: input.callbackAutoDial ?? null,
    machineDetection: input.machineDetection ?? null,
  };
  return givenOnly(input, all);
}

function governance(checks: Checks, input: GovernanceSettings): GovernanceSettings {
  const at = (name: string) => `governance.${name}`;
  const all: GovernanceSettings = {
    minimumSyntheticCalls: checks.optionalInteger(at('minimumSyntheticCalls'), input.minimumSyntheticCalls, 0, 1_000),
    minimumSignatureRate: checks.optionalNumber(at('minimumSignatureRate'), input.minimumSignatureRate, 0, 1),
    minimumSignatureSample: checks.optionalInteger(
      at('minimumSignatureSample'),
      input.minimumSignatureSample,
      0,
      1_000,
    ),
    minimumMeanScore: checks.optionalNumber(at('minimumMeanScore'), input.minimumMeanScore, 0, 1),
    minimumEvaluatedCalls: checks.optionalInteger(at('minimumEvaluatedCalls'), input.minimumEvaluatedCalls, 0, 1_000),
    requiredApprovals:
      input.requiredApprovals == null
        ? null
        : checks.list(at('requiredApprovals'), input.requiredApprovals, 20, (name, path) => checks.key(path, name)),
    minimumApprovers: checks.optionalInteger(at('minimumApprovers'), input.minimumApprovers, 0, 20),
  };
  return givenOnly(input, all);
}

function givenOnly<T extends object>(input: T, all: T): T {
  return Object.fromEntries(Object.entries(all).filter(([name]) => input[name as keyof T] !== undefined)) as T;
}
