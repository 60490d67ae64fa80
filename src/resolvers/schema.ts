import 'reflect-metadata';
import type { GraphQLInterfaceType, GraphQLSchema } from 'graphql';
import { buildSchemaSync, type NonEmptyArray } from 'type-graphql';
import { AgentResolver, AgentVersionResolver } from './agent/agent.resolver.js';
import { CallResolver } from './call/call.resolver.js';
import { ScheduledCallResolver } from './call/scheduled-call.resolver.js';
import { CallbackResolver } from './callback/callback.resolver.js';
import { DoNotCallResolver } from './do-not-call/do-not-call.resolver.js';
import { EvaluationResolver } from './evaluation/evaluation.resolver.js';
import { RubricResolver } from './evaluation/rubric.resolver.js';
import { LaunchResolver } from './launch/launch.resolver.js';
import { MetricsResolver, WatchMetricsResolver } from './metrics/metrics.resolver.js';
import { ProviderHealthResolver } from './metrics/provider-health.resolver.js';
import { OperationsResolver } from './operations/operations.resolver.js';
import { PhoneRouteResolver } from './phone-route/phone-route.resolver.js';
import { PromptResolver } from './prompt/prompt.resolver.js';
import { AgentRolloutResolver, RolloutPolicyResolver } from './rollout/rollout.resolver.js';
import { SESSION_EVENT_CLASSES, type SessionEvent } from './session/session-event.type.js';
import { ActiveSessionsResolver, SessionEndedResolver, VoiceSessionResolver } from './session/session.resolver.js';
import { ScenarioResolver } from './synthetic/scenario.resolver.js';
import { SupervisorResolver } from './supervisor/supervisor.resolver.js';
import { SyntheticCallResolver, SyntheticRunResolver } from './synthetic/synthetic-run.resolver.js';
import { TenantResolver, TenantSettingsResolver } from './tenant/tenant.resolver.js';
import { ViewerResolver } from './viewer/viewer.resolver.js';
import { WebhookResolver } from './webhook/webhook.resolver.js';

/** Every class with queries, mutations, subscriptions or fields; a new noun is added here. */
const RESOLVERS: NonEmptyArray<new () => object> = [
  ViewerResolver,
  TenantResolver,
  TenantSettingsResolver,
  PromptResolver,
  AgentResolver,
  AgentVersionResolver,
  LaunchResolver,
  RolloutPolicyResolver,
  AgentRolloutResolver,
  PhoneRouteResolver,
  CallResolver,
  ScheduledCallResolver,
  CallbackResolver,
  DoNotCallResolver,
  VoiceSessionResolver,
  ActiveSessionsResolver,
  SessionEndedResolver,
  SupervisorResolver,
  EvaluationResolver,
  RubricResolver,
  ScenarioResolver,
  SyntheticRunResolver,
  SyntheticCallResolver,
  OperationsResolver,
  MetricsResolver,
  WatchMetricsResolver,
  WebhookResolver,
  ProviderHealthResolver,
];

let built: GraphQLSchema | null = null;

/** The public schema. Built once: resolvers hold nothing, everything of a request is in its context. */
export function schema(): GraphQLSchema {
  built ??= buildSchemaSync({
    resolvers: RESOLVERS,
    orphanedTypes: SESSION_EVENT_CLASSES,
    // Services validate, so that both doors refuse the same things with the same words.
    validate: false,
    // Every subscription brings its own iterator; type-graphql only wants to know that one could publish.
    pubSub: { publish: () => {}, subscribe: () => neverIterates },
  });
  // type-graphql makes a promise of every `resolveType`, and compiled operations cannot wait for one.
  (built.getType('SessionEvent') as GraphQLInterfaceType).resolveType = (event: SessionEvent) => event.type;
  return built;
}

const neverIterates: AsyncIterable<never> = {
  [Symbol.asyncIterator]: () => ({ next: async () => ({ value: undefined, done: true as const }) }),
};
