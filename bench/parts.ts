/**
 * The parts of the benchmarks: servers under test and the load on them. Each is a function that is started with options
 * and gives back what it can be asked; places.ts decides in which process that happens.
 */
export const PARTS = {
  'bridge/gateway': async () => (await import('./bridge/gateway.js')).startGatewayBridge,
  'bridge/proxy': async () => (await import('./bridge/proxy.js')).startProxy,
  'bridge/load': async () => (await import('./bridge/load.js')).startBridgeLoad,
  'fan-out/gateway': async () => (await import('./fan-out/gateway.js')).startGatewayFeed,
  'fan-out/stock': async () => (await import('./fan-out/stock.js')).startStockFeed,
  'fan-out/limit': async () => (await import('./fan-out/limit.js')).startLimitFeed,
  'fan-out/viewers': async () => (await import('./fan-out/viewers.js')).startViewers,
  'queries/server': async () => (await import('./queries/server.js')).startQueryServer,
  'queries/clients': async () => (await import('./queries/clients.js')).startClients,
  'journey/gateway': async () => (await import('./journey/gateway.js')).startGatewayOfTwo,
  'journey/redis': async () => (await import('./journey/redis.js')).startRedisAlone,
  'metrics/server': async () => (await import('./metrics/server.js')).startMetricsServer,
} as const;

export type PartName = keyof typeof PARTS;
type Start<N extends PartName> = Awaited<ReturnType<(typeof PARTS)[N]>>;
export type OptionsOf<N extends PartName> = Parameters<Start<N>>[0];
export type PartOf<N extends PartName> = Awaited<ReturnType<Start<N>>>;

/** What every part is: questions that can be asked across a process border, `close` among them. */
export type AnyPart = { [question: string]: (argument: any) => Promise<unknown> } & { close(): Promise<void> };

export async function startPart(name: PartName, options: unknown): Promise<AnyPart> {
  const start = (await PARTS[name]()) as (options: unknown) => Promise<unknown>;
  return (await start(options)) as AnyPart;
}
