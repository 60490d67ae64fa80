import { Call, VoiceSession } from '../../src/entities/index.js';
import { startGateway, type GatewayOptions } from '../gateway.js';
import { publishAll, type Publication } from './turns.js';

/** Where viewers go. */
export interface FeedAddress {
  url: string;
  connectionParams: Record<string, string>;
}

/** The gateway's own socket door; turns come to it over the bus, as they come from the media engine. */
export async function startGatewayFeed(options: GatewayOptions) {
  const { app, origin, tenant } = await startGateway(options);
  const { database, topics } = app.services.context;
  return {
    address: async (): Promise<FeedAddress> => ({
      url: `${origin.replace('http', 'ws')}/graphql`,
      connectionParams: { authorization: `Bearer ${tenant.key}` },
    }),

    /** Makes sessions to be watched, and gives their ids. */
    sessions: async ({ count }: { count: number }): Promise<string[]> => {
      const em = database.em({ all: true });
      const { tenantId } = tenant;
      const calls = Array.from({ length: count }, () =>
        em.create(Call, { tenantId, direction: 'INBOUND', status: 'IN_PROGRESS' }),
      );
      await em.flush();
      const sessions = calls.map((call) =>
        em.create(VoiceSession, { tenantId, callId: call.id, model: 'gpt-realtime', startedAt: new Date() }),
      );
      await em.flush();
      return sessions.map((session) => session.id);
    },

    publish: (publication: Publication): Promise<void> =>
      publishAll(publication, (sessionId, turn) => void topics.publish('turnPartial', { sessionId, turn })),

    close: () => app.stop(0),
  };
}
