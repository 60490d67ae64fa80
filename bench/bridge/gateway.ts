import { startGateway, type GatewayOptions } from '../gateway.js';
import type { Target } from './caller.js';

/** The gateway, whole: signed webhooks, stream tokens, session log, marks, signs of life. */
export async function startGatewayBridge(options: GatewayOptions) {
  const { app, origin, tenant } = await startGateway(options);
  return {
    target: async (): Promise<Target> => ({ kind: 'gateway', origin, number: tenant.number }),
    close: () => app.stop(0),
  };
}
