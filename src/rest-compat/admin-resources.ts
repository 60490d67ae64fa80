import { Type } from 'typebox';
import {
  AGENT_VERSION_STATUSES,
  DELIVERY_STATUSES,
  DIAGNOSTIC_SEVERITIES,
  ROUTE_DIRECTIONS,
  TENANT_STATUSES,
} from '../entities/index.js';
import { ACCESS_REQUEST_STATUSES } from '../services/access-requests.js';
import { lowerAll } from './naming.js';
import { resource } from './resource.js';
import { Anything, Free, Nullable, Time, Word } from './schemas.js';
import { Contract, Fallback, Hours, OpeningHours, Telephony, GovernanceFields } from './admin-parts.js';

/** What the admin API shows of each row. Secrets are in none of them. */

const id = Type.String();
const text = Type.String();
const nullable = Nullable(Type.String());
const created_at = Time();
const updated_at = Time();

export const TenantRow = resource(
  {
    id,
    name: text,
    status: Word(lowerAll(TENANT_STATUSES)),
    sandbox: Type.Boolean(),
    time_zone: text,
    created_at,
    updated_at,
  },
  ['status'],
);

export const RuntimeConfigRow = resource({
  tenant_id: id,
  model: nullable,
  voice: nullable,
  system_prompt_key: nullable,
  webhook_url: nullable,
  telephony: Type.Object(Telephony),
  governance: Type.Object(GovernanceFields),
});

export const ApiKeyRow = resource({
  id,
  tenant_id: id,
  name: text,
  environment: text,
  prefix: text,
  scopes: Type.Array(text),
  legacy: Type.Boolean(),
  expires_at: Nullable(Time()),
  last_used_at: Nullable(Time()),
  revoked_at: Nullable(Time()),
  created_at,
});

export const TwilioCredentialRow = resource({
  id,
  tenant_id: id,
  account_sid: text,
  retires_at: Nullable(Time('Valid for signatures until then; null: the one that dials.')),
  created_at,
});

export const TestNumberRow = resource({ id, tenant_id: id, number: text, label: nullable, created_at });

export const AgentRow = resource({
  id,
  tenant_id: id,
  key: text,
  name: text,
  published_version_id: nullable,
  calling_hours: Nullable(Hours),
  created_at,
  updated_at,
});

const { tools: _, ...ContractWithoutTools } = Contract;
export const AgentVersionRow = resource(
  {
    id,
    tenant_id: id,
    agent_id: id,
    number: Type.Integer(),
    status: Word(lowerAll(AGENT_VERSION_STATUSES)),
    ...ContractWithoutTools,
    tools: Type.Array(
      Type.Object({
        name: text,
        description: text,
        parameters: Free(),
        url: text,
        method: text,
        timeout_ms: Type.Integer(),
        secret_header: nullable,
      }),
    ),
    cleared_at: Nullable(Time('When the launch gates last held, or it was forced.')),
    cleared_by: nullable,
    forced_reason: nullable,
    published_at: Nullable(Time()),
    rolled_back_at: Nullable(Time()),
    created_at,
    updated_at,
  },
  ['status'],
);

export const PromptRow = resource({
  id,
  tenant_id: id,
  key: text,
  name: text,
  published_revision: Nullable(Type.Integer()),
  created_at,
  updated_at,
});
export const PromptRevisionRow = resource({
  id,
  prompt_id: id,
  number: Type.Integer(),
  text,
  variables: Type.Array(text),
  note: nullable,
  created_by: text,
  created_at,
});

export const PhoneRouteRow = resource(
  {
    id,
    tenant_id: id,
    number: text,
    direction: Word(lowerAll(ROUTE_DIRECTIONS)),
    agent_id: id,
    agent_version_id: nullable,
    is_default: Type.Boolean(),
    business_hours: Nullable(OpeningHours),
    fallback: Nullable(Fallback),
    transfer_number: nullable,
    active: Type.Boolean(),
    created_at,
    updated_at,
  },
  ['direction'],
);
export const RouteVerificationRow = resource({
  verified: Type.Boolean({ description: 'Whether the number points here.' }),
  found: Nullable(
    Type.Object({
      sid: text,
      phone_number: text,
      voice_url: nullable,
      voice_method: nullable,
      voice_fallback_url: nullable,
      voice_application_sid: nullable,
      trunk_sid: nullable,
    }),
  ),
  expected_voice_url: text,
  expected_fallback_url: text,
  problems: Type.Array(text, { description: 'One sentence per setting that is wrong.' }),
});

export const WebhookEndpointRow = resource({
  id,
  tenant_id: id,
  url: text,
  events: Type.Array(text, { description: 'Empty: every event.' }),
  enabled: Type.Boolean(),
  disabled_reason: nullable,
  description: nullable,
  from_runtime_config: Type.Boolean(),
  previous_secret_expires_at: Nullable(Time()),
  created_at,
  updated_at,
});
export const WebhookDeliveryRow = resource(
  {
    id,
    tenant_id: id,
    event_id: id,
    endpoint_id: id,
    event: text,
    status: Word(lowerAll(DELIVERY_STATUSES)),
    attempt_count: Type.Integer(),
    next_attempt_at: Nullable(Time()),
    last_status_code: Nullable(Type.Integer()),
    last_error: nullable,
    last_latency_ms: Nullable(Type.Integer()),
    delivered_at: Nullable(Time()),
    attempts: Type.Array(
      Type.Object({
        at: text,
        status_code: Nullable(Type.Integer()),
        error: nullable,
        latency_ms: Type.Integer(),
        response_excerpt: nullable,
      }),
    ),
    created_at,
    updated_at,
  },
  ['status'],
);

export const DiagnosticRow = resource(
  {
    id,
    tenant_id: nullable,
    code: text,
    severity: Word(lowerAll(DIAGNOSTIC_SEVERITIES)),
    message: text,
    action: nullable,
    detail: Anything('What belongs to it, by code.'),
    count: Type.Integer(),
    first_seen_at: Time(),
    last_seen_at: Time(),
    resolved_at: Nullable(Time()),
  },
  ['severity'],
);

export const AuditRow = resource({
  id,
  tenant_id: nullable,
  actor: text,
  address: nullable,
  request_id: nullable,
  action: text,
  subject_type: text,
  subject_id: text,
  before: Anything('Secrets are masked.'),
  after: Anything('Secrets are masked.'),
  reason: nullable,
  created_at,
});

export const AccessRequestRow = resource({
  id,
  name: text,
  email: text,
  company: nullable,
  use_case: nullable,
  status: Word(ACCESS_REQUEST_STATUSES),
  created_at,
});
