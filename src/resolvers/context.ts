import type { SessionFeeds } from '../live/session-feed.js';
import type { Logger } from '../ports/logger.js';
import type { TopicBus } from '../pubsub/topics.js';
import type { AccessRequests } from '../services/access-requests.js';
import type { AgentVersions } from '../services/agent-versions.js';
import type { Agents } from '../services/agents.js';
import type { ApiKeys } from '../services/api-keys.js';
import type { AuditQuery } from '../services/audit-query.js';
import type { CallsQuery } from '../services/calls-query.js';
import type { DiagnosticsQuery } from '../services/diagnostics-query.js';
import type { Evaluations } from '../services/evaluations.js';
import type { MakeCall } from '../services/make-call.js';
import type { PhoneRoutes } from '../services/phone-routes.js';
import type { Prompts } from '../services/prompts.js';
import type { RuntimeConfigs } from '../services/runtime-configs.js';
import type { SessionsQuery } from '../services/sessions-query.js';
import type { Tenants } from '../services/tenants.js';
import type { TestNumbers } from '../services/test-numbers.js';
import type { TwilioCredentials } from '../services/twilio-credentials.js';
import type { RequestFacts, Viewer } from '../services/viewer.js';
import type { Loaders } from './loaders.js';

/** The use-cases behind the GraphQL door; wired by the composition root. */
export interface GraphqlServices {
  tenants: Tenants;
  runtimeConfigs: RuntimeConfigs;
  apiKeys: ApiKeys;
  twilioCredentials: TwilioCredentials;
  testNumbers: TestNumbers;
  accessRequests: AccessRequests;
  prompts: Prompts;
  agents: Agents;
  agentVersions: AgentVersions;
  phoneRoutes: PhoneRoutes;
  calls: CallsQuery;
  makeCall: MakeCall;
  sessions: SessionsQuery;
  evaluations: Evaluations;
  auditLog: AuditQuery;
  diagnostics: DiagnosticsQuery;
  feeds: SessionFeeds;
  topics: TopicBus;
  log: Logger;
}

/** What a resolver knows of its request. */
export interface GraphqlContext {
  /** Throws UNAUTHENTICATED when nobody proved who they are (only introspection is open to everybody). */
  readonly viewer: Viewer;
  readonly request: RequestFacts;
  readonly services: GraphqlServices;
  readonly loaders: Loaders;
}
