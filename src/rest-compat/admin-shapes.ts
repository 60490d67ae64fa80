import type {
  Agent,
  AgentVersion,
  ApiKey,
  PhoneRoute,
  Prompt,
  PromptRevision,
  RuntimeConfig,
  Tenant,
  TestNumber,
  TwilioCredential,
  WebhookDelivery,
  WebhookEndpoint,
} from '../entities/index.js';
import { shown } from './mappers.js';

/** What admin routes show of each row: listed fields only, secrets never. */
export const tenant = (row: Tenant) =>
  shown(row, 'id', 'name', 'status', 'sandbox', 'timeZone', 'createdAt', 'updatedAt');
export const runtimeConfig = (row: RuntimeConfig) =>
  shown(row, 'tenantId', 'model', 'voice', 'systemPromptKey', 'webhookUrl', 'telephony', 'governance', 'updatedAt');
export const apiKey = (row: ApiKey) =>
  shown(
    row,
    'id',
    'tenantId',
    'name',
    'environment',
    'prefix',
    'scopes',
    'legacy',
    'expiresAt',
    'lastUsedAt',
    'revokedAt',
    'createdAt',
  );
export const credential = (row: TwilioCredential) => shown(row, 'id', 'accountSid', 'retiresAt', 'createdAt');
export const testNumber = (row: TestNumber) => shown(row, 'id', 'number', 'label', 'createdAt');
export const agent = (row: Agent) =>
  shown(row, 'id', 'tenantId', 'key', 'name', 'publishedVersionId', 'callingHours', 'createdAt', 'updatedAt');
export const version = (row: AgentVersion) => ({
  ...shown(
    row,
    'id',
    'agentId',
    'number',
    'status',
    'model',
    'voice',
    'prompt',
    'promptKey',
    'promptRevision',
    'promptVariables',
    'greeting',
    'language',
    'turnDetection',
    'intents',
    'escalationRules',
    'successSignals',
    'fallback',
    'consentLine',
    'maxDurationSeconds',
    'clearedAt',
    'clearedBy',
    'forcedReason',
    'publishedAt',
    'rolledBackAt',
    'note',
    'createdAt',
  ),
  // The sealed secret stays inside.
  tools: row.tools.map((tool) =>
    shown(tool, 'name', 'description', 'parameters', 'url', 'method', 'timeoutMs', 'secretHeader'),
  ),
});
export const prompt = (row: Prompt) =>
  shown(row, 'id', 'tenantId', 'key', 'name', 'publishedRevision', 'createdAt', 'updatedAt');
export const revision = (row: PromptRevision) =>
  shown(row, 'id', 'number', 'text', 'variables', 'note', 'createdBy', 'createdAt');
export const phoneRoute = (row: PhoneRoute) =>
  shown(
    row,
    'id',
    'tenantId',
    'number',
    'direction',
    'agentId',
    'agentVersionId',
    'isDefault',
    'businessHours',
    'fallback',
    'transferNumber',
    'active',
    'createdAt',
    'updatedAt',
  );
export const endpoint = (row: WebhookEndpoint) =>
  shown(
    row,
    'id',
    'tenantId',
    'url',
    'events',
    'enabled',
    'disabledReason',
    'description',
    'fromRuntimeConfig',
    'previousSecretExpiresAt',
    'createdAt',
    'updatedAt',
  );
export const delivery = (row: WebhookDelivery) =>
  shown(
    row,
    'id',
    'tenantId',
    'eventId',
    'endpointId',
    'event',
    'status',
    'attemptCount',
    'nextAttemptAt',
    'lastStatusCode',
    'lastError',
    'lastLatencyMs',
    'deliveredAt',
    'attempts',
    'createdAt',
    'updatedAt',
  );
