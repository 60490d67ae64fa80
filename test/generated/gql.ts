/* eslint-disable */
import * as types from './graphql.js';



/**
 * Map of all GraphQL operations in the project.
 *
 * This map has several performance disadvantages:
 * 1. It is not tree-shakeable, so it will include all operations in the project.
 * 2. It is not minifiable, so the string of a GraphQL query will be multiple times inside the bundle.
 * 3. It does not support dead code elimination, so it will add unused operations.
 *
 * Therefore it is highly recommended to use the babel or swc plugin for production.
 * Learn more about it here: https://the-guild.dev/graphql/codegen/plugins/presets/preset-client#reducing-bundle-size
 */
type Documents = {
    "\n  query Calls($filter: CallFilter, $first: Int, $after: String) {\n    calls(filter: $filter, first: $first, after: $after) {\n      edges {\n        cursor\n        node {\n          id\n          callSid\n          direction\n          status\n          agentKey\n          outcome\n          createdAt\n          session {\n            id\n            status\n            lastSeq\n            turns {\n              index\n              speaker\n              text\n              final\n              interrupted\n            }\n          }\n        }\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n    }\n  }\n": typeof types.CallsDocument,
    "\n  mutation MakeCall($input: MakeCallInput!, $idempotencyKey: String) {\n    makeCall(input: $input, idempotencyKey: $idempotencyKey) {\n      duplicate\n      call {\n        id\n        callSid\n        status\n        toNumber\n        fromNumber\n      }\n    }\n  }\n": typeof types.MakeCallDocument,
    "\n  mutation CreateTenant($input: CreateTenantInput!) {\n    createTenant(input: $input) {\n      id\n      name\n      status\n      timeZone\n    }\n  }\n": typeof types.CreateTenantDocument,
    "\n  subscription Transcript($sessionId: ID!, $after: Int! = 0, $partial: Boolean! = false) {\n    transcriptTurns(sessionId: $sessionId, after: $after, partial: $partial) {\n      index\n      speaker\n      text\n      final\n      interrupted\n      seq\n    }\n  }\n": typeof types.TranscriptDocument,
    "\n  subscription SessionEvents($sessionId: ID!, $after: Int! = 0) {\n    sessionEvents(sessionId: $sessionId, after: $after) {\n      __typename\n      sessionId\n      seq\n      at\n      ... on TurnCompleted {\n        turn {\n          index\n          speaker\n          text\n        }\n      }\n      ... on ToolCallCompleted {\n        toolCall {\n          name\n          status\n        }\n      }\n      ... on SessionEnded {\n        status\n        reason\n      }\n    }\n  }\n": typeof types.SessionEventsDocument,
};
const documents: Documents = {
    "\n  query Calls($filter: CallFilter, $first: Int, $after: String) {\n    calls(filter: $filter, first: $first, after: $after) {\n      edges {\n        cursor\n        node {\n          id\n          callSid\n          direction\n          status\n          agentKey\n          outcome\n          createdAt\n          session {\n            id\n            status\n            lastSeq\n            turns {\n              index\n              speaker\n              text\n              final\n              interrupted\n            }\n          }\n        }\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n    }\n  }\n": types.CallsDocument,
    "\n  mutation MakeCall($input: MakeCallInput!, $idempotencyKey: String) {\n    makeCall(input: $input, idempotencyKey: $idempotencyKey) {\n      duplicate\n      call {\n        id\n        callSid\n        status\n        toNumber\n        fromNumber\n      }\n    }\n  }\n": types.MakeCallDocument,
    "\n  mutation CreateTenant($input: CreateTenantInput!) {\n    createTenant(input: $input) {\n      id\n      name\n      status\n      timeZone\n    }\n  }\n": types.CreateTenantDocument,
    "\n  subscription Transcript($sessionId: ID!, $after: Int! = 0, $partial: Boolean! = false) {\n    transcriptTurns(sessionId: $sessionId, after: $after, partial: $partial) {\n      index\n      speaker\n      text\n      final\n      interrupted\n      seq\n    }\n  }\n": types.TranscriptDocument,
    "\n  subscription SessionEvents($sessionId: ID!, $after: Int! = 0) {\n    sessionEvents(sessionId: $sessionId, after: $after) {\n      __typename\n      sessionId\n      seq\n      at\n      ... on TurnCompleted {\n        turn {\n          index\n          speaker\n          text\n        }\n      }\n      ... on ToolCallCompleted {\n        toolCall {\n          name\n          status\n        }\n      }\n      ... on SessionEnded {\n        status\n        reason\n      }\n    }\n  }\n": types.SessionEventsDocument,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Calls($filter: CallFilter, $first: Int, $after: String) {\n    calls(filter: $filter, first: $first, after: $after) {\n      edges {\n        cursor\n        node {\n          id\n          callSid\n          direction\n          status\n          agentKey\n          outcome\n          createdAt\n          session {\n            id\n            status\n            lastSeq\n            turns {\n              index\n              speaker\n              text\n              final\n              interrupted\n            }\n          }\n        }\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n    }\n  }\n"): typeof import('./graphql.js').CallsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation MakeCall($input: MakeCallInput!, $idempotencyKey: String) {\n    makeCall(input: $input, idempotencyKey: $idempotencyKey) {\n      duplicate\n      call {\n        id\n        callSid\n        status\n        toNumber\n        fromNumber\n      }\n    }\n  }\n"): typeof import('./graphql.js').MakeCallDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation CreateTenant($input: CreateTenantInput!) {\n    createTenant(input: $input) {\n      id\n      name\n      status\n      timeZone\n    }\n  }\n"): typeof import('./graphql.js').CreateTenantDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription Transcript($sessionId: ID!, $after: Int! = 0, $partial: Boolean! = false) {\n    transcriptTurns(sessionId: $sessionId, after: $after, partial: $partial) {\n      index\n      speaker\n      text\n      final\n      interrupted\n      seq\n    }\n  }\n"): typeof import('./graphql.js').TranscriptDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription SessionEvents($sessionId: ID!, $after: Int! = 0) {\n    sessionEvents(sessionId: $sessionId, after: $after) {\n      __typename\n      sessionId\n      seq\n      at\n      ... on TurnCompleted {\n        turn {\n          index\n          speaker\n          text\n        }\n      }\n      ... on ToolCallCompleted {\n        toolCall {\n          name\n          status\n        }\n      }\n      ... on SessionEnded {\n        status\n        reason\n      }\n    }\n  }\n"): typeof import('./graphql.js').SessionEventsDocument;


export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}
