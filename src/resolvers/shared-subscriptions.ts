import { createSourceEventStream, GraphQLError, type ExecutionArgs, type ExecutionResult } from 'graphql';
import { FanOut, type Seat } from '../live/fan-out.js';
import type { FeedIterator } from '../live/feed-reader.js';
import type { Viewer } from '../services/viewer.js';
import type { GraphqlContext } from './context.js';
import { publicError } from './errors.js';
import { shownResult } from './execute.js';
import { asciiJson, type FrameOutbox } from './frame-outbox.js';
import type { PreparedOperation } from './operations-cache.js';

/**
 * Opens the feed behind a subscription; the resolver authorises each subscriber on its own. Its values are executed for
 * all of an audience at once, later.
 */
export async function openFeed(args: ExecutionArgs): Promise<FeedIterator<any> | ExecutionResult> {
  // Every `subscribe` of this schema returns a feed, and graphql-js hands it on as it is.
  return (await createSourceEventStream(args)) as FeedIterator<any> | ExecutionResult;
}

export function isFeed(result: object): result is FeedIterator<unknown> {
  return 'position' in result && Symbol.asyncIterator in result;
}

/**
 * Seats a subscriber with all who asked for the same and may see the same. The hub writes the `next` messages to the
 * connection; the iterator that graphql-ws gets only ends: when the feed does, or when it is told to.
 */
export function joinFeed(
  fanOut: FanOut,
  feed: FeedIterator<unknown>,
  subscription: { id: string; operation: PreparedOperation; args: ExecutionArgs; outbox: FrameOutbox },
): AsyncIterableIterator<never> {
  const { operation, args, outbox, id } = subscription;
  const context = args.contextValue as GraphqlContext;
  const { requestId } = context.request;
  const { log } = context.services.context;
  const head = `{"id":${asciiJson(id)},"type":"next","payload":`;
  const { promise: over, resolve, reject } = Promise.withResolvers<IteratorReturnResult<undefined>>();
  const done = { value: undefined, done: true as const };
  // It is awaited only once graphql-ws asks for the first value.
  over.catch(() => {});
  const seat: Seat = {
    deliver: (payload) => outbox.push(`${head}${payload}}`),
    get congested() {
      return outbox.congested;
    },
    room: () => outbox.room(),
    end: (error) => {
      // graphql-ws writes `complete` itself: it must not overtake the last value.
      outbox.flush();
      if (error === undefined) resolve(done);
      else reject(publicError(new GraphQLError(error.message, { originalError: error }), requestId, log));
    },
  };
  const variables = args.variableValues ?? {};
  const leave = fanOut.join(
    keyOf(operation, variables, context.viewer),
    feed,
    async (value) => asciiJson(shownResult(await operation.execute(value, context, variables), requestId, log)),
    seat,
  );
  const iterator: AsyncIterableIterator<never> = {
    next: () => over,
    return: async () => {
      leave();
      resolve(done);
      return done;
    },
    [Symbol.asyncIterator]: () => iterator,
  };
  return iterator;
}

function keyOf(
  { likeness, afterVariable }: PreparedOperation,
  variables: Readonly<Record<string, unknown>>,
  viewer: Viewer,
): string {
  const others: Record<string, unknown> = { ...variables };
  if (afterVariable !== null) delete others[afterVariable];
  return `${permissionsOf(viewer)}\n${JSON.stringify(others)}\n${likeness}`;
}

/** Viewers of equal permissions see the same. */
function permissionsOf(viewer: Viewer): string {
  return viewer.kind === 'tenant' ? `tenant ${viewer.tenantId} ${[...viewer.scopes].sort().join(' ')}` : viewer.kind;
}
