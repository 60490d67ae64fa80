import type { FastifyRequest } from 'fastify';
import { Type, type Static, type TObject, type TProperties, type TSchema } from 'typebox';
import type { OffsetRequest, Rows } from '../services/listing.js';
import type { Viewer } from '../services/viewer.js';
import { viewerOf } from './auth.js';
import type { RestApp } from './deps.js';
import { camelDeep, type CamelDeep } from './naming.js';
import { Done, done, errors, listAnswer, ListOf, listQuery, Strict, Text } from './schemas.js';
import type { Resource } from './resource.js';

type Ids<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Name | Ids<`/${Rest}`>
  : Path extends `${string}:${infer Name}`
    ? Name
    : never;
type PathOf<Line extends string> = Line extends `${string} ${infer Path}` ? Path : never;

/** One request of an admin route: everything checked, bodies in the services' own names. */
export interface Ask<Line extends string, B, Q> {
  viewer: Viewer;
  ids: Record<Ids<PathOf<Line>>, string>;
  input: CamelDeep<B>;
  query: Q;
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

interface Spec<B extends TProperties, Q extends TProperties, A extends TProperties> {
  tag: string;
  summary: string;
  description?: string;
  /** Fields of the body; unknown ones are errors. A body of optional fields may be left out. */
  body?: B;
  query?: Q;
  answer: TObject<A>;
  /** Statuses beside those of every admin route. */
  fails?: number[];
}

/** Routes of one resource under `/api/v1/admin`. */
export class AdminRoutes {
  constructor(
    private readonly app: RestApp,
    private readonly tag: string,
  ) {}

  /** A single action or row, as `POST /tenants`: the answer carries `"ok": true`. */
  one<
    Line extends `${Method} /${string}`,
    A extends TProperties,
    B extends TProperties = {},
    Q extends TProperties = {},
  >(
    line: Line,
    spec: Omit<Spec<B, Q, A>, 'tag'>,
    handle: (ask: Ask<Line, Static<TObject<B>>, Static<TObject<Q>>>) => Promise<Static<TObject<A>>>,
  ): void {
    this.add(line, { ...spec, tag: this.tag }, Done(spec.answer as TObject<TProperties>), async (request) =>
      done(await handle(askOf(request))),
    );
  }

  /** A list with `limit`, `offset` and `total`. */
  list<Line extends `GET /${string}`, P extends TProperties, T extends object, Q extends TProperties = {}>(
    line: Line,
    { row, query, ...spec }: { summary: string; description?: string; row: Resource<P>; query?: Q; fails?: number[] },
    load: (ask: Ask<Line, undefined, Static<TObject<Q>> & OffsetRequest>, page: OffsetRequest) => Promise<Rows<T>>,
  ): void {
    const described = { ...spec, tag: this.tag, query: { ...listQuery, ...query }, answer: row.schema };
    this.add(line, described, ListOf(row.schema), async (request) => {
      const ask = askOf<Line, undefined, Static<TObject<Q>> & OffsetRequest>(request);
      const page = { limit: ask.query.limit, offset: ask.query.offset };
      const { rows, total } = await load(ask, page);
      return listAnswer(
        rows.map((item) => row.of(item as never)),
        total,
        page,
      );
    });
  }

  private add(
    line: string,
    { tag, summary, description, body, query, fails = [] }: Omit<Spec<TProperties, TProperties, TProperties>, 'answer'>,
    answer: TSchema,
    handler: (request: FastifyRequest) => Promise<unknown>,
  ): void {
    const [method, url] = line.split(' ') as [Method, string];
    const ids = [...url.matchAll(/:(\w+)/g)].map(([, name]) => [name!, Text(100)]);
    this.app.route({
      method,
      url,
      config: { access: 'admin' },
      schema: {
        tags: [tag],
        summary,
        ...(description === undefined ? {} : { description }),
        ...(ids.length === 0 ? {} : { params: Strict(Object.fromEntries(ids) as TProperties) }),
        ...(body === undefined ? {} : { body: Strict(body) }),
        querystring: Strict(query ?? {}),
        response: { 200: answer, ...errors(...(body === undefined ? [] : [413, 415]), ...fails) },
      } as { response: Record<number, TSchema> },
      handler: handler as never,
    });
  }
}

function askOf<Line extends string, B, Q>(request: FastifyRequest): Ask<Line, B, Q> {
  return {
    viewer: viewerOf(request),
    ids: request.params as Ask<Line, B, Q>['ids'],
    input: camelDeep(request.body ?? {}) as CamelDeep<B>,
    query: request.query as Q,
  };
}

/** The rows of a short list that has no pages. */
export const Data = <P extends TProperties>(row: Resource<P>) => Type.Object({ data: Type.Array(row.schema) });
