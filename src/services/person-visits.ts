import type { EntityManager } from '@mikro-orm/postgresql';
import { Call, CallCommand, SessionEvent, VoiceSession } from '../entities/index.js';
import { derivedId, isUuid } from '../lib/ids.js';
import { acknowledgementId } from '../ports/live-calls.js';
import type { SessionEventPayloads } from '../ports/session-events.js';
import type { KnownCall } from './call-continuations.js';
import { mayReport, type CarrierIdentity } from './carrier-identity.js';

/** A webhook about the phone of a person who was brought into a call, found and allowed. */
export interface Visit {
  call: Call;
  session: VoiceSession;
  /** What asked for the person. */
  command: CallCommand;
}

/** Null: no webhook of ours, or of another account's call. */
export async function findVisit(
  em: EntityManager,
  identity: CarrierIdentity,
  known: KnownCall,
  commandId: string | null,
): Promise<Visit | null> {
  if (known.callId === null || commandId === null || !isUuid(known.callId) || !isUuid(commandId)) return null;
  const call = await em.findOne(Call, { id: known.callId });
  if (call === null || !mayReport(identity, call)) return null;
  const session = await em.findOne(VoiceSession, { callId: call.id });
  const command = session && (await em.findOne(CallCommand, { id: commandId, sessionId: session.id }));
  return session === null || command === null ? null : { call, session, command };
}

/** The call waits for this person: nobody has given up on them, and the conversation goes on. */
export async function isWanted(em: EntityManager, { session, command }: Visit): Promise<boolean> {
  if (session.status !== 'ACTIVE' || command.state !== 'DONE') return false;
  const acts = await em.find(
    SessionEvent,
    { sessionId: session.id, type: 'SupervisorActed' },
    { orderBy: { seq: 'asc' } },
  );
  const payloads = acts.map((event) => event.payload as unknown as SessionEventPayloads['SupervisorActed']);
  const begun = payloads.findIndex((act) => act.commandId === command.id);
  // The act is written down some milliseconds after the phone was dialled, which may be quicker.
  return begun === -1 || !payloads.slice(begun).some((act) => act.action === 'HAND_BACK');
}

/** The caller was brought to this person. */
export async function hasCaller(em: EntityManager, sessionId: string, commandId: string): Promise<boolean> {
  const eventId = acknowledgementId(derivedId(commandId, 'CONNECT'));
  return (await em.count(SessionEvent, { sessionId, eventId })) > 0;
}
