import { graphql } from '../generated/gql.js';

/** What a tenant sees of its calls. */
export const callsQuery = graphql(`
  query Calls($filter: CallFilter, $first: Int, $after: String) {
    calls(filter: $filter, first: $first, after: $after) {
      edges {
        cursor
        node {
          id
          callSid
          direction
          status
          agentKey
          outcome
          createdAt
          session {
            id
            status
            lastSeq
            turns {
              index
              speaker
              text
              final
              interrupted
            }
          }
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

export const makeCallMutation = graphql(`
  mutation MakeCall($input: MakeCallInput!, $idempotencyKey: String) {
    makeCall(input: $input, idempotencyKey: $idempotencyKey) {
      duplicate
      call {
        id
        callSid
        status
        toNumber
        fromNumber
      }
    }
  }
`);

export const createTenantMutation = graphql(`
  mutation CreateTenant($input: CreateTenantInput!) {
    createTenant(input: $input) {
      id
      name
      status
      timeZone
    }
  }
`);

export const transcriptSubscription = graphql(`
  subscription Transcript($sessionId: ID!, $after: Int! = 0, $partial: Boolean! = false) {
    transcriptTurns(sessionId: $sessionId, after: $after, partial: $partial) {
      index
      speaker
      text
      final
      interrupted
      seq
    }
  }
`);

export const sessionEventsSubscription = graphql(`
  subscription SessionEvents($sessionId: ID!, $after: Int! = 0) {
    sessionEvents(sessionId: $sessionId, after: $after) {
      __typename
      sessionId
      seq
      at
      ... on TurnCompleted {
        turn {
          index
          speaker
          text
        }
      }
      ... on ToolCallCompleted {
        toolCall {
          name
          status
        }
      }
      ... on SessionEnded {
        status
        reason
      }
    }
  }
`);
