/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
export type CallDirection =
  | 'INBOUND'
  | 'OUTBOUND';

export type CallFilter = {
  agentKey?: string | null | undefined;
  agentVersionId?: string | number | null | undefined;
  /** At or after. */
  createdAfter?: string | null | undefined;
  /** Before. */
  createdBefore?: string | null | undefined;
  direction?: CallDirection | null | undefined;
  escalated?: boolean | null | undefined;
  fromNumber?: string | null | undefined;
  orgId?: string | null | undefined;
  outcome?: string | null | undefined;
  status?: Array<CallStatus> | null | undefined;
  synthetic?: boolean | null | undefined;
  tenantId?: string | number | null | undefined;
  toNumber?: string | null | undefined;
};

/** UNKNOWN: the carrier never answered whether it dialled. */
export type CallStatus =
  | 'BUSY'
  | 'CANCELED'
  | 'COMPLETED'
  | 'DIALING'
  | 'FAILED'
  | 'IN_PROGRESS'
  | 'NO_ANSWER'
  | 'QUEUED'
  | 'RINGING'
  | 'UNKNOWN';

export type CreateTenantInput = {
  /** Slug; appears in URLs and events and never changes. */
  id: string | number;
  name: string;
  sandbox?: boolean | null | undefined;
  /** IANA; default UTC. */
  timeZone?: string | null | undefined;
};

/** INTENT: somebody wanted it. */
export type EndReason =
  | 'CALL_ENDED'
  | 'INTENT'
  | 'MAX_DURATION'
  | 'MEDIA_LOST'
  | 'MODEL_LOST'
  | 'OWNER_LOST'
  | 'SHUTDOWN'
  | 'TRANSFERRED';

export type MakeCallInput = {
  agentKey?: string | null | undefined;
  agentVersionId?: string | number | null | undefined;
  /** Also when this number is being dialled or talked to already. */
  allowConcurrent?: boolean | null | undefined;
  /** Default: the tenant’s phone route. */
  from?: string | null | undefined;
  greeting?: string | null | undefined;
  orgId?: string | null | undefined;
  /** Texts by name, for {{name}} in the prompt and greeting of this call; they win over the version’s. */
  promptVariables?: unknown;
  /** Dial then instead of now. */
  schedule?: string | null | undefined;
  /** When calling hours refuse, wait for their next opening instead. */
  scheduleIfClosed?: boolean | null | undefined;
  /** Named by admins. */
  tenantId?: string | number | null | undefined;
  to: string;
};

/** REVIEWED: completed and evaluated by a person. */
export type SessionStatus =
  | 'ACTIVE'
  | 'COMPLETED'
  | 'FAILED'
  | 'REVIEWED';

export type Speaker =
  | 'AGENT'
  | 'CALLER'
  | 'SUPERVISOR'
  | 'SYSTEM';

export type TenantStatus =
  | 'ACTIVE'
  | 'SUSPENDED';

export type ToolCallStatus =
  | 'FAILED'
  | 'REFUSED'
  | 'RUNNING'
  | 'SUCCEEDED';

export type CallsQueryVariables = Exact<{
  filter?: CallFilter | null | undefined;
  first?: number | null | undefined;
  after?: string | null | undefined;
}>;


export type CallsQuery = { calls: { edges: Array<{ cursor: string, node: { id: string, callSid: string | null, direction: CallDirection, status: CallStatus, agentKey: string | null, outcome: string | null, createdAt: string, session: { id: string, status: SessionStatus, lastSeq: number, turns: Array<{ index: number, speaker: Speaker, text: string, final: boolean, interrupted: boolean }> } | null } }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } };

export type MakeCallMutationVariables = Exact<{
  input: MakeCallInput;
  idempotencyKey?: string | null | undefined;
}>;


export type MakeCallMutation = { makeCall: { duplicate: boolean, call: { id: string, callSid: string | null, status: CallStatus, toNumber: string | null, fromNumber: string | null } | null } };

export type CreateTenantMutationVariables = Exact<{
  input: CreateTenantInput;
}>;


export type CreateTenantMutation = { createTenant: { id: string, name: string, status: TenantStatus, timeZone: string } };

export type TranscriptSubscriptionVariables = Exact<{
  sessionId: string | number;
  after?: number;
  partial?: boolean;
}>;


export type TranscriptSubscription = { transcriptTurns: { index: number, speaker: Speaker, text: string, final: boolean, interrupted: boolean, seq: number } };

export type SessionEventsSubscriptionVariables = Exact<{
  sessionId: string | number;
  after?: number;
}>;


export type SessionEventsSubscription = { sessionEvents:
    | { __typename: 'CallStatusChanged', sessionId: string, seq: number, at: string }
    | { __typename: 'ConcernRaised', sessionId: string, seq: number, at: string }
    | { __typename: 'DtmfReceived', sessionId: string, seq: number, at: string }
    | { __typename: 'IntentIdentified', sessionId: string, seq: number, at: string }
    | { __typename: 'MediaResumed', sessionId: string, seq: number, at: string }
    | { __typename: 'ModelReconnected', sessionId: string, seq: number, at: string }
    | { __typename: 'OutcomeRecorded', sessionId: string, seq: number, at: string }
    | { __typename: 'SessionEnded', status: SessionStatus, reason: EndReason, sessionId: string, seq: number, at: string }
    | { __typename: 'SessionEscalated', sessionId: string, seq: number, at: string }
    | { __typename: 'SessionStarted', sessionId: string, seq: number, at: string }
    | { __typename: 'SupervisorActed', sessionId: string, seq: number, at: string }
    | { __typename: 'ToolCallCompleted', sessionId: string, seq: number, at: string, toolCall: { name: string, status: ToolCallStatus } }
    | { __typename: 'ToolCallStarted', sessionId: string, seq: number, at: string }
    | { __typename: 'TurnCompleted', sessionId: string, seq: number, at: string, turn: { index: number, speaker: Speaker, text: string } }
    | { __typename: 'TurnStarted', sessionId: string, seq: number, at: string }
   };

export class TypedDocumentString<TResult, TVariables>
  extends String
  implements DocumentTypeDecoration<TResult, TVariables>
{
  __apiType?: NonNullable<DocumentTypeDecoration<TResult, TVariables>['__apiType']>;
  private value: string;
  public __meta__?: Record<string, any> | undefined;

  constructor(value: string, __meta__?: Record<string, any> | undefined) {
    super(value);
    this.value = value;
    this.__meta__ = __meta__;
  }

  override toString(): string & DocumentTypeDecoration<TResult, TVariables> {
    return this.value;
  }
}

export const CallsDocument = new TypedDocumentString(`
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
    `) as unknown as TypedDocumentString<CallsQuery, CallsQueryVariables>;
export const MakeCallDocument = new TypedDocumentString(`
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
    `) as unknown as TypedDocumentString<MakeCallMutation, MakeCallMutationVariables>;
export const CreateTenantDocument = new TypedDocumentString(`
    mutation CreateTenant($input: CreateTenantInput!) {
  createTenant(input: $input) {
    id
    name
    status
    timeZone
  }
}
    `) as unknown as TypedDocumentString<CreateTenantMutation, CreateTenantMutationVariables>;
export const TranscriptDocument = new TypedDocumentString(`
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
    `) as unknown as TypedDocumentString<TranscriptSubscription, TranscriptSubscriptionVariables>;
export const SessionEventsDocument = new TypedDocumentString(`
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
    `) as unknown as TypedDocumentString<SessionEventsSubscription, SessionEventsSubscriptionVariables>;