import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { twilioSignatures } from './adapters/telephony/signatures.js';
import { clientAddress, proxyTrust } from './app/client-address.js';
import { openInfrastructure, type Infrastructure, type InfrastructureOverrides } from './app/infrastructure.js';
import { closerOf } from './app/http-close.js';
import { createMedia, type Media } from './app/media.js';
import { createServices, type Services } from './app/services.js';
import { page, pageFiles } from './app/pages.js';
import { routeUpgrades, type UpgradeHandler } from './app/upgrade-router.js';
import type { Config } from './config.js';
import type { FeedTiming } from './live/session-feed.js';
import { createGraphqlSocket } from './resolvers/socket.js';
import { graphqlDoor } from './resolvers/server.js';
import { LiveAudioRoute, type LiveAudioTiming } from './media/live-audio-route.js';
import { systemClock, type Clock } from './ports/clock.js';
import { frameworkErrors, requestIds } from './rest-compat/http.js';
import { requestMetrics } from './rest-compat/metrics.js';
import { restDoor } from './rest-compat/rest-door.js';
import { LoopbackCaller } from './simulators/synthetic/loopback-caller.js';
import type { Readiness } from './rest-compat/health.js';
import type { ServiceTiming } from './services/context.js';
import { DeliveryQueue } from './services/delivery-queue.js';
import { twilioDoors } from './webhooks/inbound/twilio-doors.js';
import { WebhookDeliverer } from './webhooks/outbound/deliverer.js';

export interface AppOverrides extends InfrastructureOverrides {
  clock?: Clock;
  timing?: Partial<ServiceTiming>;
  feedTiming?: FeedTiming;
  liveAudioTiming?: Partial<LiveAudioTiming>;
  /** Where the console's bundle is, when `npm run build` has not put it into its place. */
  consoleFiles?: string;
  /** Synthetic calls run so many times faster than real ones. */
  syntheticSpeed?: number;
}

/** One gateway process, composed and not yet listening. */
export interface App {
  readonly http: FastifyInstance;
  readonly services: Services;
  readonly infrastructure: Infrastructure;
  /** Null: this process serves no telephony, or has no speech model. */
  readonly media: Media | null;
  readonly publicUrl: string;
  /** Migrates, starts the workers, listens. Resolves to the local origin. */
  start(): Promise<string>;
  /** Not ready, no new calls; running calls may finish until `drainMs` is over, then everything is let go. */
  stop(drainMs?: number): Promise<void>;
}

const BODY_LIMIT = 256 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;
/** Twilio asks for the resume route at once, and again after a second when it was sent here. */
const HAND_OVER_MS = 3_000;
/** Requests in hand get this long at the end; Twilio's patience is 15 s, and its doors answer within 10 s. */
const LAST_ANSWERS_MS = 10_000;

/** The composition root: the only place that constructs adapters and wires the layers. Every part can be replaced. */
export async function buildApp(config: Config, overrides: AppOverrides = {}): Promise<App> {
  const infrastructure = await openInfrastructure(config, overrides);
  const port = config.port === 0 ? await freePort() : config.port;
  const publicUrl = config.publicUrl ?? `http://127.0.0.1:${port}`;
  const listening = Promise.withResolvers<string>();
  const syntheticCaller =
    config.surfaces.has('telephony') && infrastructure.realtime !== null
      ? new LoopbackCaller({
          model: infrastructure.realtime,
          publicUrl,
          localOrigin: listening.promise,
          log: infrastructure.log,
          speed: overrides.syntheticSpeed,
        })
      : null;
  const state = { draining: false, recordersHealthy: true };
  const services = createServices(config, infrastructure, {
    publicUrl,
    clock: overrides.clock ?? systemClock,
    gate: { draining: () => state.draining, modelConfigured: () => infrastructure.realtime !== null },
    syntheticCaller,
    timing: overrides.timing,
    feedTiming: overrides.feedTiming,
    onRecorderHealth: (healthy) => (state.recordersHealthy = healthy),
  });
  const deliverer = new WebhookDeliverer(
    services.context,
    infrastructure.http,
    services.webhookEndpoints,
    new DeliveryQueue(services.context),
    (status) => infrastructure.metrics.webhookDelivery(status),
  );
  const trust = proxyTrust(config.trustProxy);
  const addressOf = (request: IncomingMessage) => clientAddress(request, trust);
  const http = Fastify({
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    trustProxy: trust,
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, allErrors: true } },
    forceCloseConnections: false,
    // While it closes, each door still says itself what a caller or a client should do.
    return503OnClosing: false,
    frameworkErrors: frameworkErrors(infrastructure.log),
    routerOptions: { maxParamLength: 300 },
  });
  const closeServer = closerOf(http.server);
  const upgrades = new Map<string, UpgradeHandler>();
  routeUpgrades(http.server, upgrades);
  const media =
    config.surfaces.has('telephony') && services.providerHealth.realtime !== null
      ? createMedia(services, infrastructure, {
          model: services.providerHealth.realtime,
          clock: overrides.clock ?? systemClock,
          publicUrl,
          signatureRequired: config.streamSignatureRequired,
          metrics: infrastructure.metrics.media,
        })
      : null;
  if (media !== null) upgrades.set('/media-stream', (...upgrade) => media.route.handleUpgrade(...upgrade));
  await http.register(requestIds);
  await http.register(requestMetrics, { metrics: infrastructure.metrics });
  if (config.surfaces.has('telephony'))
    await http.register(twilioDoors, {
      ...twilioOptions(publicUrl, services, infrastructure),
      refused: async (request: FastifyRequest) =>
        (await infrastructure.limiter.take(`ip:${request.ip}`, config.rateLimitPerIp)).allowed,
    });
  await http.register(restDoor, {
    services,
    surfaces: config.surfaces,
    limiter: infrastructure.limiter,
    rateLimitPerTenant: config.rateLimitPerTenant,
    rateLimitPerIp: config.rateLimitPerIp,
    log: infrastructure.log,
    metrics: infrastructure.metrics,
    metricsToken: config.metricsToken,
    readiness: () => readiness(infrastructure, state),
  });
  const liveAudio = new LiveAudioRoute({
    viewers: services.viewers,
    audio: services.calls.liveAudio,
    topics: services.context.topics,
    addressOf,
    publicUrl: services.context.settings.publicUrl,
    limiter: infrastructure.limiter,
    rateLimitPerIp: config.rateLimitPerIp,
    log: infrastructure.log,
    timing: overrides.liveAudioTiming,
  });
  infrastructure.metrics.gauge('trunkline_audio_listeners', 'People who listen to calls.', () => liveAudio.size);
  const graphql = createGraphqlSocket({
    services,
    addressOf,
    limiter: infrastructure.limiter,
    rateLimitPerTenant: config.rateLimitPerTenant,
  });
  infrastructure.metrics.gauge(
    'trunkline_subscribers',
    'GraphQL subscriptions that are open.',
    () => graphql.fanOut.seats,
  );
  infrastructure.metrics.gauge(
    'trunkline_subscriber_audiences',
    'Feeds that are read for them: subscribers of the same thing share one.',
    () => graphql.fanOut.audiences,
  );
  if (config.surfaces.has('runtime') || config.surfaces.has('admin')) {
    await http.register(graphqlDoor, {
      services,
      limiter: infrastructure.limiter,
      rateLimitPerTenant: config.rateLimitPerTenant,
      rateLimitPerIp: config.rateLimitPerIp,
    });
    await http.register(page, { name: 'console', files: overrides.consoleFiles ?? pageFiles('console') });
    if (!config.production) await http.register(page, { name: 'graphiql' });
    upgrades.set('/api/v1/live-audio', (...upgrade) => liveAudio.handleUpgrade(...upgrade));
    upgrades.set('/graphql', (...upgrade) => graphql.handleUpgrade(...upgrade));
  }

  let started = false;
  return {
    http,
    services,
    infrastructure,
    media,
    publicUrl,
    start: async () => {
      await infrastructure.database.migrate();
      await services.calls.afterCall.work({ judging: config.surfaces.has('telephony') });
      await services.rolloutWatch.work();
      await services.syntheticRunner.work();
      await services.calls.retention.work();
      await services.calls.callbackPromises.work();
      await deliverer.work();
      if (config.surfaces.has('telephony')) await services.calls.dueDials.work();
      await infrastructure.jobs.start();
      await services.viewers.start();
      await graphql.start();
      await liveAudio.start();
      if (media !== null) await services.calls.commands.serve(media.registry);
      if (media !== null) await services.calls.liveAudio.serve(media.registry);
      if (media !== null) await services.calls.phones.serve(media.registry);
      if (config.surfaces.has('telephony')) services.calls.reconciler.start();
      services.metricsRollup.start();
      services.providerHealth.start();
      started = true;
      const origin = await http.listen({ port, host: config.host });
      listening.resolve(reachedAt(config.host, port));
      return origin;
    },
    stop: async (drainMs = 0) => {
      state.draining = true;
      services.syntheticRunner.stop();
      const handedOver = (await media?.drain(drainMs)) ?? 0;
      // Their callers ask here where to go on, until the load balancer sends them elsewhere.
      if (drainMs > 0 && handedOver > 0) await delay(HAND_OVER_MS);
      services.calls.commands.stop();
      services.calls.legs.stop();
      services.calls.phones.stop();
      services.calls.liveAudio.stop();
      await liveAudio.close();
      await services.calls.reconciler.stop();
      await services.metricsRollup.stop();
      services.providerHealth.stop();
      services.calls.streamEnds.close();
      services.calls.lookup.close();
      await graphql.dispose();
      services.viewers.stop();
      await media?.close();
      await closeServer(() => http.close(), drainMs > 0 ? LAST_ANSWERS_MS : 0);
      if (started) await deliverer.stop();
      if (started) await infrastructure.jobs.stop();
      await infrastructure.close();
    },
  };
}

/** Where this process reaches itself. */
function reachedAt(host: string, port: number): string {
  const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
  return `http://${name}:${port}`;
}

function twilioOptions(publicUrl: string, services: Services, { log }: Infrastructure) {
  const { accounts, signatureEvidence, inbound, continuations, statusCallbacks, legs, diagnostics } = services.calls;
  return {
    publicUrl,
    accounts,
    signatures: twilioSignatures,
    evidence: signatureEvidence,
    inbound,
    continuations,
    statusCallbacks,
    legs,
    diagnostics,
    log,
  };
}

/** 503 only while draining or without the database; what else is missing leaves callers their fallback (design.md §6). */
async function readiness(
  infrastructure: Infrastructure,
  state: { draining: boolean; recordersHealthy: boolean },
): Promise<Readiness> {
  const works = (check: Promise<void>): Promise<boolean> =>
    check.then(
      () => true,
      () => false,
    );
  const [database, bus] = await Promise.all([works(infrastructure.database.ping()), works(infrastructure.bus.ping())]);
  const parts = {
    database: database && state.recordersHealthy,
    bus,
    carrier: infrastructure.defaultAccount !== null,
    model: infrastructure.realtime !== null,
  };
  const ready = parts.database && !state.draining;
  const status = !ready ? 'unavailable' : Object.values(parts).every(Boolean) ? 'ready' : 'degraded';
  return { status, draining: state.draining, parts };
}

/** A port that nobody holds: the public URL must be known before the routes that show it are made. */
async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => probe.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
