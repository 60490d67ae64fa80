import { ArgsType, Field, Int, ObjectType, type ClassType } from 'type-graphql';
import { encodeCursor, type Page } from '../../lib/cursor.js';

@ObjectType({ simpleResolvers: true })
export class PageInfo {
  @Field(() => Boolean)
  hasNextPage!: boolean;
  @Field(() => Boolean)
  hasPreviousPage!: boolean;
  @Field(() => String, { nullable: true })
  startCursor!: string | null;
  @Field(() => String, { nullable: true })
  endCursor!: string | null;
}

/** What a connection's resolver gives back; Relay cursor specification. */
export interface Connection<N> {
  edges: { node: N; cursor: string }[];
  pageInfo: PageInfo;
}

/** The GraphQL types `NameEdge` and `NameConnection`. */
export function connectionType(name: string, node: () => ClassType): ClassType<Connection<object>> {
  @ObjectType(`${name}Edge`, { simpleResolvers: true })
  class Edge {
    @Field(node)
    node!: object;
    @Field(() => String)
    cursor!: string;
  }
  @ObjectType(`${name}Connection`, { simpleResolvers: true })
  class ConnectionOfNode {
    @Field(() => [Edge])
    edges!: Edge[];
    @Field(() => PageInfo)
    pageInfo!: PageInfo;
  }
  return ConnectionOfNode;
}

@ArgsType()
export class PageArgs {
  @Field(() => Int, { nullable: true, defaultValue: 25, description: 'At most 100.' })
  first?: number | null;
  @Field(() => String, { nullable: true, description: 'The cursor of the last row seen.' })
  after?: string | null;
}

/** `at` is the column that orders the list. Cursors are made for those who ask for them. */
export function toConnection<N extends { id: string }>(
  { rows, hasNextPage }: Page<N>,
  { after }: PageArgs,
  at: (row: N) => Date,
): Connection<N> {
  const cursorOf = (row: N): string => encodeCursor({ at: at(row), id: row.id });
  const [first, last] = [rows[0], rows.at(-1)];
  return {
    edges: rows.map((node) => ({
      node,
      get cursor() {
        return cursorOf(node);
      },
    })),
    pageInfo: {
      hasNextPage,
      hasPreviousPage: after != null,
      get startCursor() {
        return first === undefined ? null : cursorOf(first);
      },
      get endCursor() {
        return last === undefined ? null : cursorOf(last);
      },
    },
  };
}
export const byCreation = (row: { createdAt: Date }): Date => row.createdAt;
