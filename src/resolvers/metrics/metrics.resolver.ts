import { Arg, Ctx, FieldResolver, ID, Int, Query, Resolver, Root, Subscription } from 'type-graphql';
import { followChanges } from '../../live/changes.js';
import type { FeedIterator } from '../../live/feed-reader.js';
import {
  DEFAULT_WINDOW_MINUTES,
  type MetricsDimension as Dimension,
  type MetricsGroup as Group,
  type MetricsPoint as Point,
  type MetricsSnapshot,
} from '../../services/operations-metrics.js';
import type { GraphqlContext } from '../context.js';
import { MetricsDimension, MetricsGroup, MetricsPoint, OperationsMetrics } from './metrics.type.js';

interface WindowArgs {
  tenantId?: string | null;
  windowMinutes?: number | null;
}

/** The figures now, and again whenever calls were counted or the window moved on. */
async function metricsFeed(
  { tenantId, windowMinutes }: WindowArgs,
  { viewer, services }: GraphqlContext,
): Promise<FeedIterator<MetricsSnapshot>> {
  const { tenantId: only } = services.operationsMetrics.window(viewer, tenantId, windowMinutes);
  const load = () => services.operationsMetrics.snapshot(viewer, only, windowMinutes);
  return followChanges(services.context.topics, {
    topic: 'metricsChanged',
    keyOf: ({ tenantId: changed }) => (only === null || changed === null || changed === only ? 'metrics' : null),
    snapshot: async () => [await load()],
    load,
  });
}

@Resolver(() => OperationsMetrics)
export class MetricsResolver {
  @Query(() => OperationsMetrics, { description: 'At most a day. A second or so behind the calls.' })
  operationsMetrics(
    @Arg('tenantId', () => ID, { nullable: true }) tenantId: string | null,
    @Arg('windowMinutes', () => Int, { nullable: true, defaultValue: DEFAULT_WINDOW_MINUTES })
    windowMinutes: number | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<MetricsSnapshot> {
    return services.operationsMetrics.snapshot(viewer, tenantId, windowMinutes);
  }

  @FieldResolver(() => [MetricsGroup], { description: 'The same figures apart, those with most calls first.' })
  groups(
    @Root() metrics: MetricsSnapshot,
    @Arg('by', () => MetricsDimension) by: Dimension,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Group[]> {
    return services.operationsMetrics.groups(viewer, metrics, by);
  }

  @FieldResolver(() => [MetricsPoint], {
    description: 'For charts: each minute in which calls were created or deliveries failed, oldest first.',
  })
  minutes(@Root() metrics: MetricsSnapshot, @Ctx() { viewer, services }: GraphqlContext): Promise<Point[]> {
    return services.operationsMetrics.minutes(viewer, metrics);
  }
}

@Resolver()
export class WatchMetricsResolver {
  @Subscription(() => OperationsMetrics, {
    name: 'operationsMetrics',
    subscribe: ({ args, context }) => metricsFeed(args as WindowArgs, context as GraphqlContext),
    description: 'The figures now, then whenever they change; each message is the whole current state.',
  })
  watchOperationsMetrics(
    @Arg('tenantId', () => ID, { nullable: true }) _tenantId: string | null,
    @Arg('windowMinutes', () => Int, { nullable: true, defaultValue: DEFAULT_WINDOW_MINUTES })
    _windowMinutes: number | null,
    @Root() metrics: MetricsSnapshot,
  ): MetricsSnapshot {
    return metrics;
  }
}
