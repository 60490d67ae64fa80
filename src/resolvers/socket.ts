import { GraphQLError, type ExecutionArgs, type ExecutionResult } from 'graphql';
import { CloseCode, type Context, type SubscribePayload } from 'graphql-ws';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { AppError } from '../lib/errors.js';
import { hangUp } from '../lib/hang-up.js';
import { newId } from '../lib/ids.js';
import { FanOut } from '../live/fan-out.js';
import type { RateLimiter } from '../ports/rate-limiter.js';
import { CredentialWatch, type Holder } from '../services/credential-watch.js';
import type { RequestFacts } from '../services/viewer.js';
import { GraphqlContext, type GraphqlServices } from './context.js';
import { credentialsOf, credentialsOfInit } from '../services/credentials.js';
import { publicError } from './errors.js';
import { FrameOutbox } from './frame-outbox.js';
import { checkLimits, countOperation } from './limits.js';
import { OperationsCache, type PreparedOperation } from './operations-cache.js';
import { schema } from './schema.js';
import { isFeed, joinFeed, openFeed } from './shared-subscriptions.js';
import { serveGraphql, type ConnectionExtra } from './socket-transport.js';

export interface GraphqlSocketOptions {
  services: GraphqlServices;
  /** Whose connection it is, behind proxies too. */
  addressOf: (request: IncomingMessage) => string | null;
  limiter: RateLimiter;
  /** Operations a minute, together with the tenant's requests over HTTP. */
  rateLimitPerTenant: number;
  timing?: Partial<GraphqlSocketTiming>;
}
export interface GraphqlSocketTiming {
  /** `connection_init` must come within this, ms; else 4408. */
  initTimeoutMs: number;
  /** WebSocket pings; a connection that answers none is dropped. */
  keepAliveMs: number;
  /** Credentials are looked at again this often, ms: expiry, and revocations that the bus lost. */
  recheckMs: number;
  /** A connection that takes nothing for this long, ms, is closed with 1013. */
  stalledAfterMs: number;
}

const DEFAULT_TIMING: GraphqlSocketTiming = {
  initTimeoutMs: 10_000,
  keepAliveMs: 12_000,
  recheckMs: 5_000,
  stalledAfterMs: 20_000,
};
const MAX_PAYLOAD = 256 * 1024;
const MAX_SUBSCRIPTIONS = 100;
const GOING_AWAY = { code: 1001, reason: 'Going away' };
const TRY_AGAIN_LATER = { code: 1013, reason: 'takes nothing; resume with the last seq seen' };
/** Whoever reads nothing will not read the close frame either, unless they come back within this. */
const CLOSE_TIMEOUT_MS = 10_000;
/** The same when the process leaves. */
const LEAVING_TIMEOUT_MS = 1_000;

/** One authenticated connection. */
interface Member extends Holder {
  socket: WebSocket;
  outbox: FrameOutbox;
  /** Bytes waiting at the last look, and since when there are that many or more. */
  waiting: number;
  since: number;
}
type SocketContext = Context<Record<string, unknown>, ConnectionExtra & { member?: Member }>;

export interface GraphqlSocket {
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Connections that are authenticated. */
  readonly connections: number;
  /** Who watches what. */
  readonly fanOut: FanOut;
  /** Follows revocations; call it once the bus is there. */
  start(): Promise<void>;
  /** Ends every connection with 1001. */
  dispose(): Promise<void>;
}

/** GraphQL over WebSocket (graphql-transport-ws). The process's one upgrade router hands the sockets over. */
export function createGraphqlSocket(options: GraphqlSocketOptions): GraphqlSocket {
  const { services, timing: given } = options;
  const timing = { ...DEFAULT_TIMING, ...given };
  const members = new Set<Member>();
  const fanOut = new FanOut();
  const operations = new OperationsCache(schema());
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_PAYLOAD,
    // Compression costs 3 to 11 times the CPU and 210 KiB a connection.
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has('graphql-transport-ws') ? 'graphql-transport-ws' : false),
  });
  serveGraphql<{ member?: Member }>(
    {
      schema: schema(),
      connectionInitWaitTimeout: timing.initTimeoutMs,
      onConnect: async (ctx) => {
        const member = await admit(options, ctx);
        if (member === null) return false;
        ctx.extra.member = member;
        members.add(member);
        return true;
      },
      onClose: (ctx) => void (ctx.extra.member !== undefined && members.delete(ctx.extra.member)),
      onSubscribe: (ctx, _id, payload) => operationOf(options, operations, ctx, payload),
      subscribe: async (args): Promise<AsyncIterable<ExecutionResult> | ExecutionResult> => {
        const opened = await openFeed(args);
        return 'errors' in opened ? { errors: shown(opened.errors ?? [], args, services) } : opened;
      },
      onOperation: (ctx, id, { query, operationName }, args, feed) => {
        if (!isFeed(feed)) return undefined;
        const operation = operations.prepare(query, operationName) as PreparedOperation;
        return joinFeed(fanOut, feed, { id, operation, args, outbox: ctx.extra.member!.outbox });
      },
      onNext: (_ctx, _id, _payload, args, result) =>
        result.errors === undefined ? undefined : { ...result, errors: shown(result.errors, args, services) },
    },
    server,
    {
      keepAliveMs: timing.keepAliveMs,
      onFailure: (err) => services.context.log.error({ err }, 'a GraphQL socket failed'),
    },
  );
  const sweep = setInterval(() => closeStalled(members, timing.stalledAfterMs), 1_000);
  sweep.unref();
  const watch = new CredentialWatch(
    { viewers: services.viewers, topics: services.context.topics },
    timing.recheckMs,
    () => [...members],
    refuse,
  );

  return {
    handleUpgrade: (request, socket, head) =>
      server.handleUpgrade(request, socket, head, (client) => void server.emit('connection', client, request)),
    get connections() {
      return members.size;
    },
    fanOut,
    start: () => watch.start(),
    dispose: async () => {
      clearInterval(sweep);
      watch.stop();
      for (const client of server.clients) hangUp(client, GOING_AWAY, LEAVING_TIMEOUT_MS);
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Null: the connection is closed with 4403. */
async function admit({ services, addressOf }: GraphqlSocketOptions, ctx: SocketContext): Promise<Member | null> {
  const { request, socket } = ctx.extra;
  const credentials =
    credentialsOfInit(ctx.connectionParams) ?? credentialsOf(request.headers, services.context.settings.publicUrl);
  if (credentials === null) return null;
  const facts: RequestFacts = { requestId: newId(), address: addressOf(request) };
  try {
    const viewer = await services.viewers.authenticate(credentials, facts);
    return {
      viewer,
      credentials,
      facts,
      socket,
      outbox: new FrameOutbox(socket, request.socket),
      waiting: 0,
      since: 0,
    };
  } catch (error) {
    if (error instanceof AppError) return null;
    throw error;
  }
}

/** Parses, validates and weighs here: what is wrong is told with the same codes as over HTTP. */
async function operationOf(
  { services, limiter, rateLimitPerTenant }: GraphqlSocketOptions,
  operations: OperationsCache,
  ctx: SocketContext,
  { query, operationName, variables }: SubscribePayload,
): Promise<ExecutionArgs | readonly GraphQLError[]> {
  const member = ctx.extra.member!;
  const { requestId } = member.facts;
  const { log } = services.context;
  const refuseWith = (...errors: GraphQLError[]) => errors.map((error) => publicError(error, requestId, log));
  try {
    if (Object.keys(ctx.subscriptions).length > MAX_SUBSCRIPTIONS)
      throw new AppError('RATE_LIMITED', `One connection may hold ${MAX_SUBSCRIPTIONS} subscriptions`);
    await countOperation(limiter, rateLimitPerTenant, member.viewer);
    const prepared = operations.prepare(query, operationName);
    if (!('document' in prepared)) return refuseWith(...prepared);
    const { document, operation } = prepared;
    checkLimits(schema(), document, operation, variables ?? {});
    return {
      schema: schema(),
      document,
      operationName,
      variableValues: variables,
      contextValue: new GraphqlContext(services, member.viewer, member.facts, operation.operation !== 'subscription'),
    };
  } catch (error) {
    const original = error as Error;
    if (original instanceof GraphQLError) return refuseWith(original);
    return refuseWith(new GraphQLError(original.message, { originalError: original }));
  }
}

function shown(errors: readonly GraphQLError[], args: ExecutionArgs, services: GraphqlServices): GraphQLError[] {
  const { requestId } = (args.contextValue as GraphqlContext).request;
  return errors.map((error) => publicError(error, requestId, services.context.log));
}

function refuse({ socket }: Member): void {
  socket.close(CloseCode.Forbidden, 'Forbidden');
}

function closeStalled(members: ReadonlySet<Member>, stalledAfterMs: number): void {
  const now = performance.now();
  for (const member of members) {
    const { bufferedAmount, readyState } = member.socket;
    if (readyState !== member.socket.OPEN) continue;
    if (bufferedAmount === 0 || bufferedAmount < member.waiting || member.since === 0) member.since = now;
    member.waiting = bufferedAmount;
    if (bufferedAmount === 0 || now - member.since < stalledAfterMs) continue;
    hangUp(member.socket, TRY_AGAIN_LATER, CLOSE_TIMEOUT_MS);
  }
}
