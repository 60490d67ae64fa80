import { Ctx, Field, Float, Int, ObjectType, Query, Resolver } from 'type-graphql';
import { CIRCUIT_STATES, type CircuitState as Circuit } from '../../lib/circuit-breaker.js';
import { PROVIDERS, type Provider as Name, type ProviderHealthView } from '../../services/provider-health.js';
import {
  PROVIDER_COMPONENTS,
  PROVIDER_STATUSES,
  type ProviderComponent as Component,
  type ProviderStatus as Status,
} from '../../services/provider-monitor.js';
import { enumOf } from '../common/enums.js';
import { DateTime } from '../common/scalars.js';
import type { GraphqlContext } from '../context.js';

const Provider = enumOf('Provider', PROVIDERS);
const ProviderComponent = enumOf('ProviderComponent', PROVIDER_COMPONENTS);
const ProviderStatus = enumOf(
  'ProviderStatus',
  PROVIDER_STATUSES,
  'DEGRADED: something failed in the last five minutes. DOWN: its circuit is not closed. UNKNOWN: not used yet.',
);
const CircuitState = enumOf('CircuitState', CIRCUIT_STATES, 'HALF_OPEN: one trial decides.');

@ObjectType({ simpleResolvers: true, description: 'How a provider does, as the process that answers sees it.' })
export class ProviderHealth implements ProviderHealthView {
  @Field(() => Provider)
  provider!: Name;
  @Field(() => ProviderComponent)
  component!: Component;
  @Field(() => ProviderStatus)
  status!: Status;
  @Field(() => CircuitState)
  circuit!: Circuit;
  @Field(() => DateTime, { nullable: true, description: 'When it is tried again.' })
  openUntil!: Date | null;
  @Field(() => Int, { description: 'Of the last five minutes.' })
  requests!: number;
  @Field(() => Int)
  failures!: number;
  @Field(() => Float, { nullable: true, description: '0-1.' })
  errorRate!: number | null;
  @Field(() => Int, { nullable: true })
  latencyP50Ms!: number | null;
  @Field(() => Int, { nullable: true })
  latencyP95Ms!: number | null;
  @Field(() => DateTime, { nullable: true })
  lastSuccessAt!: Date | null;
  @Field(() => DateTime, { nullable: true })
  lastFailureAt!: Date | null;
  @Field(() => String, { nullable: true, description: 'A word: no_answer, http_503 …' })
  lastError!: string | null;
}

@Resolver()
export class ProviderHealthResolver {
  @Query(() => [ProviderHealth], { description: 'From real traffic, and from light probes where there is none.' })
  providerHealth(@Ctx() { viewer, services }: GraphqlContext): ProviderHealthView[] {
    return services.providerHealth.list(viewer);
  }
}
