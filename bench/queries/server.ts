import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { Call, type Call as CallRow } from '../../src/entities/index.js';
import { GraphqlContext } from '../../src/resolvers/context.js';
import { credentialsOf } from '../../src/services/credentials.js';
import { schema } from '../../src/resolvers/schema.js';
import { startGateway, type BenchGateway, type GatewayOptions } from '../gateway.js';

export const PAGE = 25;
export const QUERY = `query Calls {
  calls(first: ${PAGE}) {
    edges { node {
      id callSid direction status fromNumber toNumber agentKey outcome escalated durationSeconds createdAt endedAt
    } }
  }
}`;

/** `memory`: the service answers with rows that it holds, so that only the door is measured. */
export type Data = 'memory' | 'database';
/** `stock`: Apollo Server as it comes, without a compiler and with its default plugins. */
export type Door = 'gateway' | 'stock';

/** The same services and resolvers behind both doors, in one process. */
export async function startQueryServer(options: GatewayOptions) {
  const gateway = await startGateway(options);
  const { app, origin, tenant } = gateway;
  await seedCalls(gateway);
  const { callsQuery } = app.services;
  const fromDatabase = callsQuery.page.bind(callsQuery);
  const held = await callsQuery.page(tenant.viewer, {}, { first: PAGE, after: null });
  const stock = await startStock(gateway);
  return {
    address: async ({ door, data }: { door: Door; data: Data }) => {
      callsQuery.page = data === 'memory' ? async () => held : fromDatabase;
      return { url: door === 'stock' ? stock.url : `${origin}/graphql`, authorization: `Bearer ${tenant.key}` };
    },
    close: async (): Promise<void> => {
      await stock.apollo.stop();
      await app.stop(0);
    },
  };
}

async function seedCalls({ app, tenant }: BenchGateway): Promise<void> {
  const em = app.services.context.database.em({ all: true });
  for (let i = 0; i < PAGE * 2; i++) {
    const row: Partial<CallRow> = {
      callSid: `CA${String(i).padStart(32, '0')}`,
      fromNumber: `+1555${1_000_000 + i}`,
      toNumber: tenant.number,
      agentKey: 'front_desk',
      outcome: 'resolved',
      durationSeconds: 60 + i,
      endedAt: new Date(),
    };
    em.create(Call, { ...row, tenantId: tenant.tenantId, direction: 'INBOUND', status: 'COMPLETED' });
  }
  await em.flush();
}

async function startStock({ app }: BenchGateway): Promise<{ apollo: ApolloServer<GraphqlContext>; url: string }> {
  const { services } = app;
  const apollo = new ApolloServer<GraphqlContext>({ schema: schema(), stopOnTerminationSignals: false });
  const { url } = await startStandaloneServer(apollo, {
    listen: { host: '127.0.0.1', port: 0 },
    context: async ({ req }) => {
      const facts = { requestId: 'bench', address: null };
      return new GraphqlContext(
        services,
        await services.viewers.authenticate(credentialsOf(req.headers, app.publicUrl)!, facts),
        facts,
        true,
      );
    },
  });
  return { apollo, url };
}
