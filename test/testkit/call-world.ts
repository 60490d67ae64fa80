import { Agent, AgentVersion, PhoneRoute, Tenant } from '../../src/entities/index.js';
import { createCallServices, type CallPorts, type CallServices } from '../../src/services/call-services.js';
import { GuardedHttp } from '../../src/adapters/http/guarded-http.js';
import { openGate } from '../../src/services/call-gate.js';
import type { ServiceContext } from '../../src/services/context.js';
import type { TenantEventName } from '../../src/services/outbox.js';
import { SCOPES, type TenantViewer } from '../../src/services/viewer.js';
import { testContext } from './context.js';
import { FakeCarrier } from './fake-carrier.js';
import type { TestDatabase } from './database.js';

/** The installation's own carrier account in these tests. */
export const ACCOUNT = { accountSid: `AC${'1'.repeat(32)}`, authToken: 'default-token' };

/** What was enqueued for a tenant's webhooks. */
export interface SentEvent {
  tenantId: string;
  event: TenantEventName;
  data: Record<string, unknown>;
}

/** The services of calls over a test database and a carrier that does what it is told. */
export interface CallWorld {
  context: ServiceContext;
  carrier: FakeCarrier;
  services: CallServices;
  events: SentEvent[];
}

export function callWorld(
  test: TestDatabase,
  overrides: Partial<ServiceContext> = {},
  ports: Partial<CallPorts> = {},
): CallWorld {
  const events: SentEvent[] = [];
  const context = testContext(test.database, {
    outbox: { enqueue: async (_em, tenantId, event, data) => void events.push({ tenantId, event, data }) },
    ...overrides,
  });
  context.settings.defaultCarrierAccount = ACCOUNT;
  const carrier = new FakeCarrier();
  const services = createCallServices(context, {
    carrier,
    http: new GuardedHttp(true),
    textModel: null,
    gate: openGate,
    ...ports,
  });
  return { context, carrier, services, events };
}

export function viewerOf(tenantId: string): TenantViewer {
  return {
    kind: 'tenant',
    tenantId,
    apiKeyId: 'key',
    scopes: new Set(SCOPES),
    request: { requestId: null, address: null },
  };
}

export interface SeededTenant {
  tenantId: string;
  agent: Agent;
  version: AgentVersion;
  route: PhoneRoute;
}

const blankVersion = {
  promptVariables: {},
  tools: [],
  intents: [],
  escalationRules: [],
  successSignals: ['resolved'],
};
let routes = 0;

/** A tenant with one published agent and one default phone route; each call uses another number. */
export async function seedCallTenant(
  test: TestDatabase,
  tenantId: string,
  version: Partial<AgentVersion> = {},
  route: Partial<PhoneRoute> = {},
): Promise<SeededTenant> {
  const em = test.database.em({ all: true });
  em.create(Tenant, { id: tenantId, name: tenantId });
  const agent = em.create(Agent, { tenantId, key: 'front_desk', name: 'Front desk' });
  await em.flush();
  const made = em.create(AgentVersion, {
    tenantId,
    agentId: agent.id,
    number: 1,
    status: 'PUBLISHED',
    prompt: 'You are the front desk.',
    clearedAt: new Date(),
    ...blankVersion,
    ...version,
  });
  await em.flush();
  agent.publishedVersionId = made.id;
  const phone = em.create(PhoneRoute, {
    tenantId,
    number: `+1555555${String(1_000 + routes++)}`,
    agentId: agent.id,
    isDefault: true,
    ...route,
  });
  await em.flush();
  return { tenantId, agent, version: made, route: phone };
}

/** One more version of the agent, not cleared for customers. */
export async function seedDraft(test: TestDatabase, tenant: SeededTenant, number = 2): Promise<AgentVersion> {
  const em = test.database.em({ all: true });
  const draft = em.create(AgentVersion, {
    tenantId: tenant.tenantId,
    agentId: tenant.agent.id,
    number,
    ...blankVersion,
  });
  await em.flush();
  return draft;
}
