import {
  getOperationAST,
  getVariableValues,
  GraphQLError,
  valueFromASTUntyped,
  type DocumentNode,
  type ExecutionResult,
  type GraphQLSchema,
  type VariableDefinitionNode,
} from 'graphql';
import { compileQuery, isCompiledQuery } from 'graphql-jit';
import type { GatewayExecutor, GatewayInterface } from '@apollo/server-gateway-interface';
import type { Logger } from '../ports/logger.js';
import type { GraphqlContext } from './context.js';
import { publicError } from './errors.js';

/** Compiled operations kept; clients send few different ones. */
const CACHE_SIZE = 500;

/**
 * Apollo's way to another executor: each operation is compiled once (graphql-jit), which makes a list of calls about
 * twice as fast as interpreting it. Errors leave here as clients may see them.
 */
export function compiledExecution(schema: GraphQLSchema, log: Logger): GatewayInterface {
  const compiled = new Map<string, Execute>();

  const compiledOnce = (document: DocumentNode, operationName: string | undefined, key: string): Execute => {
    const known = compiled.get(key);
    if (known !== undefined) return known;
    const query = compile(schema, document, operationName);
    if (compiled.size >= CACHE_SIZE) compiled.delete(compiled.keys().next().value!);
    compiled.set(key, query);
    return query;
  };

  const executor: GatewayExecutor = async ({ document, operationName, queryHash, request, context }) => {
    const { requestId } = (context as GraphqlContext).request;
    const query = compiledOnce(document, operationName ?? undefined, `${queryHash} ${operationName ?? ''}`);
    return shownResult(await query({}, context as GraphqlContext, request.variables ?? {}), requestId, log);
  };
  return {
    onSchemaLoadOrUpdate(callback) {
      callback({ apiSchema: schema, coreSupergraphSdl: '' });
      return () => {};
    },
    load: async () => ({ executor }),
    stop: async () => {},
  };
}

/** An operation as a function of the root value, the context and the raw variables. */
export type Execute = (root: unknown, context: GraphqlContext, variables: Variables) => Promise<ExecutionResult>;
type Variables = Readonly<Record<string, unknown>>;

/** Compiles one operation. Throws what graphql-jit cannot compile. */
export function compile(schema: GraphQLSchema, document: DocumentNode, operationName: string | undefined): Execute {
  const compiled = compileQuery(schema, document, operationName, {
    disableLeafSerialization: false,
    customJSONSerializer: false,
  });
  if (!isCompiledQuery(compiled)) throw compiled.errors?.[0] ?? new Error('an operation could not be compiled');
  const definitions = getOperationAST(document, operationName)?.variableDefinitions ?? [];
  const defaults = defaultsOf(definitions);
  return async (root, context, variables) => {
    const result = await compiled.query(root, context, { ...defaults, ...variables });
    // Without data: the variables were refused. graphql-jit says neither which field nor why; graphql itself does.
    if (result.errors === undefined || 'data' in result) return result;
    const { errors } = getVariableValues(schema, definitions, variables);
    return errors === undefined ? result : { errors };
  };
}

/** graphql-jit calls a variable of a required type missing although its definition has a default. */
function defaultsOf(definitions: readonly VariableDefinitionNode[]): Variables {
  return Object.fromEntries(
    definitions
      .filter(({ defaultValue }) => defaultValue !== undefined)
      .map(({ variable, defaultValue }) => [variable.name.value, valueFromASTUntyped(defaultValue!)]),
  );
}

/** The result of a compiled operation, its errors as clients may see them. */
export function shownResult(result: ExecutionResult, requestId: string | null, log: Logger): ExecutionResult {
  if (result.errors === undefined) return result;
  return { ...result, errors: result.errors.map((error) => publicError(whole(error), requestId, log)) };
}

/** graphql-jit's own errors lack `extensions`, and Apollo crashes on them. */
function whole(error: GraphQLError): GraphQLError {
  if (error.extensions !== undefined) return error;
  const { message, nodes, path, originalError } = error as GraphQLError;
  return new GraphQLError(message, {
    nodes,
    path,
    originalError,
    ...(originalError === undefined ? { extensions: { code: 'BAD_USER_INPUT' } } : {}),
  });
}
