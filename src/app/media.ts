import { twilioSignatures } from '../adapters/telephony/signatures.js';
import { BridgeRegistry } from '../media/bridge-registry.js';
import { Ticker } from '../media/deadlines.js';
import { StreamRoute } from '../media/stream-route.js';
import type { Clock } from '../ports/clock.js';
import { noMediaMetrics, type MediaMetrics } from '../ports/media-metrics.js';
import type { RealtimeModel } from '../ports/realtime-model.js';
import type { Infrastructure } from './infrastructure.js';
import type { Services } from './services.js';

/** The audio side of a process: the media stream's door and the calls that it holds. */
export interface Media {
  registry: BridgeRegistry;
  route: StreamRoute;
  /**
   * New streams are refused; those that run may end by themselves, then they are led to another process. Resolves to how
   * many had to be.
   */
  drain(patienceMs: number): Promise<number>;
  close(): Promise<void>;
}

export interface MediaOptions {
  model: RealtimeModel;
  clock: Clock;
  publicUrl: string;
  signatureRequired: boolean;
  metrics?: MediaMetrics;
}

export function createMedia(services: Services, { log }: Infrastructure, options: MediaOptions): Media {
  const registry = new BridgeRegistry();
  const streamOrigin = options.publicUrl.replace(/^http/, 'ws');
  const { accounts, mediaSessions, phones, signatureEvidence } = services.calls;
  const route = new StreamRoute({
    context: {
      model: options.model,
      clock: options.clock,
      log,
      metrics: options.metrics ?? noMediaMetrics,
      ticker: new Ticker(options.clock),
    },
    sessions: mediaSessions,
    phones,
    registry,
    signatureRequired: options.signatureRequired,
    // Over the URL of the TwiML, which has neither query nor parameters (trap 29).
    verify: async ({ accountSid, signature, target }) => {
      const tokens = await accounts.tokensOf(accountSid);
      const valid = twilioSignatures.verify({
        authTokens: tokens.map((t) => t.authToken),
        signature,
        url: streamOrigin + target,
        params: {},
      });
      const tenantIds = [...new Set(tokens.flatMap((t) => t.tenantId ?? []))];
      void signatureEvidence.record({ accountSid, tenantIds, numbers: [], valid });
      return valid;
    },
  });
  return {
    registry,
    route,
    drain: async (patienceMs) => {
      route.drain();
      return registry.drain(patienceMs);
    },
    close: async () => {
      await route.close();
      // Of streams that were still being claimed when the drain began.
      await registry.drain(0);
    },
  };
}
