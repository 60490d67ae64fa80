import { AppError } from '../lib/errors.js';
import type { SessionFeeds } from '../live/session-feed.js';
import type { ServiceContext } from '../services/context.js';
import type { UseCases } from '../services/use-cases.js';
import type { RequestFacts, Viewer } from '../services/viewer.js';
import { createLoaders, type Loaders } from './loaders.js';

/** What this door shows. */
export interface GraphqlServices extends UseCases {
  context: ServiceContext;
  feeds: SessionFeeds;
}

/**
 * What a resolver knows of its request. A class, because Apollo copies contexts property by property: a getter of the
 * object itself would be read, and throw, while it is copied.
 */
export class GraphqlContext {
  readonly loaders: Loaders;

  /** `proven` null: nobody proved who they are. `cache` as in {@link createLoaders}. */
  constructor(
    readonly services: GraphqlServices,
    readonly proven: Viewer | null,
    readonly request: RequestFacts,
    cache: boolean,
  ) {
    this.loaders = createLoaders(services, () => this.viewer, cache);
  }

  /** Throws UNAUTHENTICATED when nobody proved who they are (only introspection is open to everybody). */
  get viewer(): Viewer {
    if (this.proven === null) throw unauthenticated();
    return this.proven;
  }
}

const unauthenticated = (): AppError =>
  new AppError('UNAUTHENTICATED', 'Send a tenant key as "Authorization: Bearer …", or an admin key as "x-admin-key"');
