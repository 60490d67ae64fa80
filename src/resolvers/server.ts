import { ApolloServer, HeaderMap, type ApolloServerPlugin } from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginUsageReportingDisabled,
  ApolloServerPluginSchemaReportingDisabled,
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
} from '@apollo/server/plugin/disabled';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { GraphQLError, Kind, type OperationDefinitionNode } from 'graphql';
import { AppError } from '../lib/errors.js';
import type { RateLimiter } from '../ports/rate-limiter.js';
import type { RequestFacts, Viewer } from '../services/viewer.js';
import { GraphqlContext, type GraphqlServices } from './context.js';
import { credentialsOf } from '../services/credentials.js';
import { publicError, requestError } from './errors.js';
import { compiledExecution } from './execute.js';
import { checkLimits, count, countOperation, LIMITS } from './limits.js';
import { schema } from './schema.js';

export interface GraphqlDoorOptions {
  services: GraphqlServices;
  limiter: RateLimiter;
  /** Requests a minute. */
  rateLimitPerTenant: number;
  rateLimitPerIp: number;
}

const BODY_LIMIT = 256 * 1024;

/** GraphQL over HTTP at `/graphql`. */
export async function graphqlDoor(app: FastifyInstance, options: GraphqlDoorOptions): Promise<void> {
  const { services } = options;
  const { log } = services.context;
  const apollo = new ApolloServer<GraphqlContext>({
    gateway: compiledExecution(schema(), log),
    parseOptions: { maxTokens: LIMITS.tokens },
    introspection: true,
    persistedQueries: false,
    csrfPrevention: true,
    allowBatchedHttpRequests: false,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    logger: {
      debug: () => {},
      info: () => {},
      warn: (m) => log.warn({ detail: m }, 'Apollo Server warns'),
      error: (m) => log.error({ detail: m }, 'Apollo Server failed'),
    },
    // Apollo's own plugins measure and report what nobody here reads; cacheControl alone costs 1.8 times.
    plugins: [
      ApolloServerPluginCacheControlDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
      ApolloServerPluginSchemaReportingDisabled(),
      ApolloServerPluginInlineTraceDisabled(),
      ApolloServerPluginLandingPageDisabled(),
      guard,
    ],
    formatError: (formatted, error) =>
      // What went through the executor is public already; what never got there is made so now.
      formatted.extensions?.requestId !== undefined || !(error instanceof GraphQLError)
        ? formatted
        : publicError(error, null, log).toJSON(),
  });
  await apollo.start();
  app.addHook('onClose', () => apollo.stop());
  // A form of another site could send it unasked.
  app.removeContentTypeParser('text/plain');
  app.route({
    url: '/graphql',
    method: ['GET', 'POST', 'OPTIONS'],
    bodyLimit: BODY_LIMIT,
    handler: fastifyApolloHandler(apollo, {
      context: async (request) => {
        const facts: RequestFacts = { requestId: request.id, address: request.ip };
        return new GraphqlContext(services, await viewerOf(request, facts, options), facts, true);
      },
    }),
    errorHandler: (error, request, reply) => {
      // Only what happens before Apollo gets here: malformed JSON, a wrong content type, a body that is too large.
      const { statusCode = 500 } = error as { statusCode?: number };
      const code = CODE_OF_STATUS[statusCode] ?? (statusCode < 500 ? 'BAD_REQUEST' : 'INTERNAL');
      const failure = statusCode < 500 ? new AppError(code, (error as Error).message) : (error as Error);
      const shown = publicError(new GraphQLError(failure.message, { originalError: failure }), request.id, log);
      return reply.code(statusCode).send({ errors: [shown.toJSON()] });
    },
  });
}

const CODE_OF_STATUS: Readonly<Record<number, 'PAYLOAD_TOO_LARGE' | 'UNSUPPORTED_MEDIA_TYPE'>> = {
  413: 'PAYLOAD_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
};

/** Null for a request without credentials: it may look at the schema. A wrong credential is refused at once. */
async function viewerOf(
  request: FastifyRequest,
  facts: RequestFacts,
  { services, limiter, rateLimitPerTenant, rateLimitPerIp }: GraphqlDoorOptions,
): Promise<Viewer | null> {
  const ofAddress = () => count(limiter, `ip:${request.ip}`, rateLimitPerIp);
  try {
    const credentials = credentialsOf(request.headers, services.context.settings.publicUrl);
    if (credentials === null) return (await ofAddress(), null);
    let viewer: Viewer;
    try {
      viewer = await services.viewers.authenticate(credentials, facts);
    } catch (error) {
      await ofAddress();
      throw error;
    }
    await countOperation(limiter, rateLimitPerTenant, viewer);
    return viewer;
  } catch (error) {
    throw error instanceof AppError ? requestError(error) : error;
  }
}

/** Limits and authentication once the operation is known, and the request id on everything that went wrong before. */
const guard: ApolloServerPlugin<GraphqlContext> = {
  requestDidStart: async () => ({
    didResolveOperation: async ({ document, operation, request, contextValue }) => {
      // Apollo itself says that the operation was not named.
      if (operation === undefined) return;
      try {
        checkLimits(schema(), document, operation, request.variables ?? {});
        // The getter throws when nobody proved who they are.
        if (!onlyIntrospection(operation)) void contextValue.viewer;
      } catch (error) {
        throw error instanceof AppError ? requestError(error) : error;
      }
    },
    willSendResponse: async ({ response, contextValue }) => {
      response.http.headers ??= new HeaderMap();
      if (contextValue.request.requestId !== null)
        response.http.headers.set('x-request-id', contextValue.request.requestId);
      if (response.body.kind !== 'single' || response.body.singleResult.errors === undefined) return;
      const { errors } = response.body.singleResult;
      response.body.singleResult.errors = errors.map((error) => ({
        ...error,
        extensions: { ...error.extensions, requestId: contextValue.request.requestId },
      }));
    },
  }),
};

function onlyIntrospection(operation: OperationDefinitionNode): boolean {
  return operation.selectionSet.selections.every(
    (node) => node.kind === Kind.FIELD && node.name.value.startsWith('__'),
  );
}
