import { LockMode, type EntityManager } from '@mikro-orm/postgresql';
import { Agent, AgentVersion } from '../entities/index.js';
import { notFound } from '../lib/errors.js';
import { knownId } from './checks.js';

/** Numbers and traffic of one agent change one at a time; read anew. Throws NOT_FOUND. */
export async function lockedAgent(em: EntityManager, id: string): Promise<Agent> {
  const where = { id: knownId('agent', id) };
  const agent = await em.findOne(Agent, where, { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true });
  if (agent === null) throw notFound('agent');
  return agent;
}

/** `lock`: for the rest of the transaction, and read anew. Throws NOT_FOUND. */
export async function versionOf(em: EntityManager, id: string, lock = false): Promise<AgentVersion> {
  const version = await em.findOne(
    AgentVersion,
    { id: knownId('agent version', id) },
    lock ? { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true } : {},
  );
  if (version === null) throw notFound('agent version');
  return version;
}
