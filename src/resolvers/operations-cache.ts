import {
  getOperationAST,
  Kind,
  parse,
  validate,
  visit,
  type ArgumentNode,
  type DocumentNode,
  type GraphQLError,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import { AppError } from '../lib/errors.js';
import { compile, type Execute } from './execute.js';
import { LIMITS } from './limits.js';

/** Operations kept; clients send few different ones. */
const CACHE_SIZE = 500;
/** Longer documents are prepared each time: the cache must stay small whatever clients send. */
const CACHED_LENGTH = 10_000;

/** One operation of a document, parsed and valid. */
export interface PreparedOperation {
  document: DocumentNode;
  operation: OperationDefinitionNode;
  /** Compiled when it is first asked for. */
  readonly execute: Execute;
  /**
   * What two subscriptions have in common that differ only in where they resume: the document without the root field's
   * `after`, and the name of the variable that gave it.
   */
  likeness: string;
  afterVariable: string | null;
}

/** Many subscribers send the same document: it is parsed, validated and compiled once, and held in memory once. */
export class OperationsCache {
  private readonly prepared = new Map<string, PreparedOperation>();

  constructor(private readonly schema: GraphQLSchema) {}

  /** The operation, or what is wrong with the document. Throws GraphQLError (syntax, size) and BAD_REQUEST (its name). */
  prepare(query: string, operationName: string | null | undefined): PreparedOperation | readonly GraphQLError[] {
    const key = `${operationName ?? ''}\n${query}`;
    const known = this.prepared.get(key);
    if (known !== undefined) return known;
    const document = parse(query, { maxTokens: LIMITS.tokens });
    const problems = validate(this.schema, document);
    if (problems.length > 0) return problems;
    const operation = getOperationAST(document, operationName);
    if (operation == null) throw new AppError('BAD_REQUEST', 'Name one of the operations of the document');
    const prepared = prepare(this.schema, query, document, operation);
    if (query.length > CACHED_LENGTH) return prepared;
    if (this.prepared.size >= CACHE_SIZE) this.prepared.delete(this.prepared.keys().next().value!);
    this.prepared.set(key, prepared);
    return prepared;
  }
}

function prepare(
  schema: GraphQLSchema,
  query: string,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): PreparedOperation {
  const [field] = operation.selectionSet.selections;
  const after =
    operation.operation === 'subscription' && field?.kind === Kind.FIELD
      ? field.arguments?.find((argument) => argument.name.value === 'after')
      : undefined;
  let compiled: Execute | null = null;
  return {
    document,
    operation,
    get execute() {
      return (compiled ??= compile(schema, document, operation.name?.value));
    },
    ...likenessOf(query, document, operation, after),
  };
}

function likenessOf(
  query: string,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  after: ArgumentNode | undefined,
): Pick<PreparedOperation, 'likeness' | 'afterVariable'> {
  const name = operation.name?.value ?? '';
  if (after?.loc === undefined) return { likeness: `${name}\n${query}`, afterVariable: null };
  if (after.value.kind !== Kind.VARIABLE)
    return {
      likeness: `${name}\n${query.slice(0, after.loc.start)}${query.slice(after.loc.end)}`,
      afterVariable: null,
    };
  const variable = after.value.name.value;
  // A variable that is also used elsewhere changes more than the place to resume from.
  return { likeness: `${name}\n${query}`, afterVariable: usesOf(document, variable) === 1 ? variable : null };
}

function usesOf(document: DocumentNode, variable: string): number {
  let uses = 0;
  visit(document, {
    VariableDefinition: () => false,
    Variable: (node) => {
      if (node.name.value === variable) uses++;
    },
  });
  return uses;
}
