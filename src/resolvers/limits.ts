import {
  getNamedType,
  isCompositeType,
  isListType,
  isNonNullType,
  Kind,
  visit,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLCompositeType,
  type GraphQLOutputType,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';
import { AppError } from '../lib/errors.js';
import { MAX_PAGE } from '../lib/cursor.js';
import { refuseUnstorable } from '../lib/storable.js';
import type { RateLimiter } from '../ports/rate-limiter.js';
import type { Viewer } from '../services/viewer.js';

export const LIMITS = {
  /** Of a document, before it is parsed. */
  tokens: 2_000,
  depth: 12,
  /** Aliases and repetitions of one field in one place. */
  sameField: 30,
  /** Fields selected in the whole operation, fragments counted wherever they are spread. */
  fields: 1_000,
  /** Objects that the lists of the answer may hold at most. */
  cost: 50_000,
} as const;

/** Counts one operation of somebody who proved who they are, by whatever way it came. Throws RATE_LIMITED. */
export async function countOperation(limiter: RateLimiter, perMinute: number, viewer: Viewer): Promise<void> {
  if (viewer.kind === 'tenant') await count(limiter, `tenant:${viewer.tenantId}`, perMinute);
}

/** Counts one under `key`. Throws RATE_LIMITED. */
export async function count(limiter: RateLimiter, key: string, perMinute: number): Promise<void> {
  const { allowed, resetSeconds } = await limiter.take(key, perMinute);
  if (!allowed) throw new AppError('RATE_LIMITED', 'Too many requests; slow down', { retryAfterSeconds: resetSeconds });
}

/** A list without `first`: turns, tool calls, versions … of one thing. */
const PLAIN_LIST_SIZE = 10;
const DEFAULT_PAGE = 25;

interface Weight {
  depth: number;
  fields: number;
  cost: number;
}

/**
 * Refuses an operation that asks for too much, or says what no database can store; it has passed validation, so its
 * fragments have no cycles. The time is linear in the document: a fragment is weighed once, however often it is spread.
 * Throws QUERY_TOO_COMPLEX, VALIDATION_FAILED.
 */
export function checkLimits(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>>,
): void {
  refuseUnstorable(variables);
  // Only an escape can write such a character into a literal: the parser refuses the character itself.
  if (document.loc?.source.body.includes('\\u') !== false)
    visit(document, { StringValue: ({ value }) => refuseUnstorable(value, 'query') });
  const root = schema.getRootType(operation.operation);
  if (root == null) return;
  const { depth, fields, cost } = new Scales(schema, document, variables).weigh(operation.selectionSet, root);
  if (depth > LIMITS.depth) throw tooMuch('depth', depth, LIMITS.depth);
  if (fields > LIMITS.fields) throw tooMuch('fields', fields, LIMITS.fields);
  if (cost > LIMITS.cost) throw tooMuch('cost', cost, LIMITS.cost);
}

function tooMuch(what: string, found: number, limit: number): AppError {
  return new AppError('QUERY_TOO_COMPLEX', `This query is too complex: ${what} ${found}, at most ${limit}`, {
    extra: { limit: { [what]: limit } },
  });
}

class Scales {
  private readonly fragments = new Map<string, FragmentDefinitionNode>();
  private readonly weighed = new Map<string, Weight>();

  constructor(
    private readonly schema: GraphQLSchema,
    document: DocumentNode,
    private readonly variables: Readonly<Record<string, unknown>>,
  ) {
    for (const node of document.definitions)
      if (node.kind === Kind.FRAGMENT_DEFINITION) this.fragments.set(node.name.value, node);
  }

  weigh(selections: SelectionSetNode, parent: GraphQLCompositeType): Weight {
    const total: Weight = { depth: 0, fields: 0, cost: 0 };
    const seen = new Map<string, number>();
    for (const node of selections.selections) {
      if (node.kind === Kind.FIELD) {
        const count = (seen.get(node.name.value) ?? 0) + 1;
        if (count > LIMITS.sameField) throw tooMuch(`${node.name.value} repeated`, count, LIMITS.sameField);
        seen.set(node.name.value, count);
        add(total, this.field(node, parent));
      } else if (node.kind === Kind.FRAGMENT_SPREAD) add(total, this.fragment(node.name.value));
      else add(total, this.weigh(node.selectionSet, this.named(node.typeCondition?.name.value) ?? parent));
    }
    return total;
  }

  private fragment(name: string): Weight {
    let weight = this.weighed.get(name);
    if (weight === undefined) {
      const fragment = this.fragments.get(name);
      const type = this.named(fragment?.typeCondition.name.value);
      weight =
        fragment === undefined || type === null
          ? { depth: 0, fields: 0, cost: 0 }
          : this.weigh(fragment.selectionSet, type);
      this.weighed.set(name, weight);
    }
    return weight;
  }

  private named(name: string | undefined): GraphQLCompositeType | null {
    const type = name === undefined ? undefined : this.schema.getType(name);
    return isCompositeType(type) ? type : null;
  }

  private field(node: FieldNode, parent: GraphQLCompositeType): Weight {
    // Introspection has its own limit in graphql's validation rules.
    if (node.name.value.startsWith('__') || !('getFields' in parent)) return { depth: 1, fields: 1, cost: 0 };
    const definition = parent.getFields()[node.name.value];
    const type = definition === undefined ? undefined : getNamedType(definition.type);
    if (definition === undefined || node.selectionSet === undefined || !isCompositeType(type))
      return { depth: 1, fields: 1, cost: 0 };
    const inner = this.weigh(node.selectionSet, type);
    const paged = definition.args.some((argument) => argument.name === 'first');
    // A connection's own edges and nodes are what `first` counts.
    const size = paged
      ? this.pageSize(node)
      : !isList(definition.type) || node.name.value === 'edges'
        ? 1
        : PLAIN_LIST_SIZE;
    return { depth: inner.depth + 1, fields: inner.fields + 1, cost: size * (inner.cost + 1) };
  }

  private pageSize(node: FieldNode): number {
    const value = node.arguments?.find((argument) => argument.name.value === 'first')?.value;
    if (value?.kind === Kind.INT) return Math.min(Number(value.value), MAX_PAGE);
    if (value?.kind === Kind.VARIABLE) {
      const given = this.variables[value.name.value];
      if (typeof given === 'number') return Math.min(given, MAX_PAGE);
    }
    return value === undefined ? DEFAULT_PAGE : MAX_PAGE;
  }
}

function add(total: Weight, more: Weight): void {
  total.depth = Math.max(total.depth, more.depth);
  total.fields += more.fields;
  total.cost += more.cost;
}

function isList(type: GraphQLOutputType): boolean {
  return isListType(isNonNullType(type) ? type.ofType : type);
}
