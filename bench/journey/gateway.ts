import type { DemoTenant } from '../../src/demo/seed.js';
import type { Target } from '../bridge/caller.js';
import type { FeedAddress } from '../fan-out/gateway.js';
import { startGateway, type GatewayOptions } from '../gateway.js';

/** One of two processes of an installation. */
export async function startGatewayOfTwo(options: GatewayOptions) {
  const { app, origin, tenant } = await startGateway(options);
  return {
    tenant: async (): Promise<DemoTenant> => tenant,
    target: async (): Promise<Target> => ({ kind: 'gateway', origin, number: tenant.number }),
    address: async (): Promise<FeedAddress> => ({
      url: `${origin.replace('http', 'ws')}/graphql`,
      connectionParams: { authorization: `Bearer ${tenant.key}` },
    }),
    sessions: async (): Promise<string[]> => {
      const active = await app.services.sessionsQuery.active(tenant.viewer, {});
      return active.map(({ id }) => id);
    },
    close: () => app.stop(0),
  };
}
