import DataLoader from 'dataloader';
import type {
  AgentVersion,
  Agent,
  Evaluation,
  RolloutPolicy,
  Scenario,
  SyntheticCall,
  ToolCall,
  Turn,
  VoiceSession,
  Call,
} from '../entities/index.js';
import type { Viewer } from '../services/viewer.js';
import type { GraphqlServices } from './context.js';

/** Batches of one request: what 25 calls need costs as many statements as what one needs. */
export interface Loaders {
  call: DataLoader<string, Call | null>;
  session: DataLoader<string, VoiceSession | null>;
  sessionOfCall: DataLoader<string, VoiceSession | null>;
  turns: DataLoader<string, Turn[]>;
  toolCalls: DataLoader<string, ToolCall[]>;
  evaluations: DataLoader<string, Evaluation[]>;
  agent: DataLoader<string, Agent | null>;
  agentVersion: DataLoader<string, AgentVersion | null>;
  rolloutPolicy: DataLoader<string, RolloutPolicy | null>;
  scenario: DataLoader<string, Scenario | null>;
  /** By run. */
  syntheticCalls: DataLoader<string, SyntheticCall[]>;
}

/** `cache` false for subscriptions: each of their events must see the rows as they are then. */
export function createLoaders(services: GraphqlServices, viewer: () => Viewer, cache: boolean): Loaders {
  const { agents, agentVersions, rollouts, callsQuery: calls, sessionsQuery: sessions } = services;
  const one = <T>(load: (viewer: Viewer, ids: readonly string[]) => Promise<T[]>, key: (row: T) => string) =>
    new DataLoader<string, T | null>(
      async (ids) => {
        const rows = new Map((await load(viewer(), unique(ids))).map((row) => [key(row), row]));
        return ids.map((id) => rows.get(id) ?? null);
      },
      { cache },
    );
  const many = <T>(load: (viewer: Viewer, ids: readonly string[]) => Promise<T[]>, key: (row: T) => string) =>
    new DataLoader<string, T[]>(
      async (ids) => {
        const rows = Map.groupBy(await load(viewer(), unique(ids)), key);
        return ids.map((id) => rows.get(id) ?? []);
      },
      { cache },
    );
  return {
    call: one(
      (who, ids) => calls.byIds(who, ids),
      (row) => row.id,
    ),
    session: one(
      (who, ids) => sessions.byIds(who, ids),
      (row) => row.id,
    ),
    sessionOfCall: one(
      (who, ids) => calls.sessionsOf(who, ids),
      (row) => row.callId,
    ),
    turns: many(
      (who, ids) => sessions.turnsOf(who, ids),
      (row) => row.sessionId,
    ),
    toolCalls: many(
      (who, ids) => sessions.toolCallsOf(who, ids),
      (row) => row.sessionId,
    ),
    evaluations: many(
      (who, ids) => sessions.evaluationsOf(who, ids),
      (row) => row.sessionId,
    ),
    agent: one(
      (who, ids) => agents.byIds(who, ids),
      (row) => row.id,
    ),
    agentVersion: one(
      (who, ids) => agentVersions.byIds(who, ids),
      (row) => row.id,
    ),
    rolloutPolicy: one(
      (who, ids) => rollouts.policiesOf(who, ids),
      (row) => row.agentId,
    ),
    scenario: one(
      (who, ids) => services.scenarios.byIds(who, ids),
      (row) => row.id,
    ),
    syntheticCalls: many(
      (who, ids) => services.syntheticRuns.callsOf(who, ids),
      (row) => row.runId,
    ),
  };
}

const unique = (ids: readonly string[]) => [...new Set(ids)];
