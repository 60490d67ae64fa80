import { useEffect, useReducer, useState } from 'react';
import { useClient, type AnyVariables, type TypedDocumentNode } from 'urql';

/** One page of a list, as every list of the gateway answers. */
interface Connection<Node> {
  edges: readonly { node: Node }[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
}

export interface Pages<Node> {
  /** Of every page that was asked for; undefined: not known yet. */
  nodes: readonly Node[] | undefined;
  hasMore: boolean;
  problem: string | null;
  /** Asks for one page more. */
  showMore: () => void;
  /** Asks at once for what is asked for every few seconds anyway. */
  refresh: () => void;
}

interface Loaded<Node> {
  nodes?: readonly Node[];
  hasMore: boolean;
  problem: string | null;
}

const EVERY_MS = 5_000;

/**
 * A list that grows page by page and is kept up to date. Pages are read one after the other each time, since a row that
 * comes or goes moves the border between them. Use it under a key of its variables: others begin anew. `firstPages`: so
 * many before anybody asks for more.
 */
export function usePages<Data, Variables extends AnyVariables, Node>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  connectionOf: (data: Data) => Connection<Node>,
  firstPages = 1,
): Pages<Node> {
  const client = useClient();
  const [asked] = useState({ document, variables, connectionOf });
  const [pages, showMore] = useReducer((count: number) => count + 1, firstPages);
  const [turn, refresh] = useReducer((count: number) => count + 1, 0);
  const [loaded, setLoaded] = useState<Loaded<Node>>({ hasMore: false, problem: null });
  useEffect(() => {
    let left = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const read = async (): Promise<Loaded<Node>> => {
      const nodes: Node[] = [];
      let after: string | null = null;
      let problem: string | null = null;
      for (let page = 0; page < pages; page++) {
        const { data, error } = await client.query(asked.document, { ...asked.variables, after }, FRESH).toPromise();
        problem = error?.message ?? null;
        if (data === undefined) return { hasMore: false, problem };
        const { edges, pageInfo } = asked.connectionOf(data);
        nodes.push(...edges.map(({ node }) => node));
        after = pageInfo.endCursor;
        if (!pageInfo.hasNextPage) return { nodes, hasMore: false, problem };
      }
      return { nodes, hasMore: true, problem };
    };
    const keep = async (): Promise<void> => {
      const next = await read();
      if (left) return;
      // What was known stays while the gateway cannot be asked.
      setLoaded((before) => (next.nodes === undefined ? { ...before, problem: next.problem } : next));
      timer = setTimeout(() => void keep(), EVERY_MS);
    };
    void keep();
    return () => {
      left = true;
      clearTimeout(timer);
    };
  }, [client, asked, pages, turn]);
  return { nodes: loaded.nodes, hasMore: loaded.hasMore, problem: loaded.problem, showMore, refresh };
}

const FRESH = { requestPolicy: 'network-only' } as const;
