import type { EntityManager } from '@mikro-orm/postgresql';
import { isUuid } from '../lib/ids.js';
import { storable } from '../lib/json.js';
import type { NewSessionEvent } from '../ports/session-events.js';
import type { ServiceContext } from './context.js';
import { project, type SessionRow } from './session-projection.js';

/** What became of an append. `refused`: a newer owner holds the session, or it has ended; nothing was stored then. */
export type AppendResult =
  | { outcome: 'stored'; lastSeq: number; stored: number }
  | { outcome: 'refused'; because: 'superseded' | 'ended' | 'missing' };

/** Everything that an append has to tell after its commit. */
interface Committed {
  result: AppendResult;
  session: SessionRow | null;
  callChanged: boolean;
}

/**
 * The append-only log of each session (design.md §4). One transaction: lock, number, store, update the rows that the
 * events are about, enqueue what tenants hear of it. Published only after the commit, so what was seen is stored.
 */
export class SessionLog {
  constructor(private readonly context: ServiceContext) {}

  /**
   * Appends in order. `generation` is the owner's, null for the gateway itself. Events that are stored already (same
   * `eventId`) are skipped, so a batch may be sent again after a lost COMMIT answer. Throws when the database is away.
   */
  async append(
    sessionId: string,
    generation: number | null,
    events: readonly NewSessionEvent[],
  ): Promise<AppendResult> {
    const committed = await this.context.database
      .em({ all: true })
      .transactional((em) => this.appendIn(em, sessionId, generation, events));
    await this.announce(committed);
    return committed.result;
  }

  /**
   * The same inside a transaction of the caller, who holds no lock on the session yet and calls the returned
   * `announce` after its commit.
   */
  async appendWithin(
    em: EntityManager,
    sessionId: string,
    events: readonly NewSessionEvent[],
  ): Promise<{ result: AppendResult; announce: () => Promise<void> }> {
    const committed = await this.appendIn(em, sessionId, null, events);
    return { result: committed.result, announce: () => this.announce(committed) };
  }

  private async appendIn(
    em: EntityManager,
    sessionId: string,
    generation: number | null,
    events: readonly NewSessionEvent[],
  ): Promise<Committed> {
    const session = await lockSession(em, sessionId);
    const refused = (because: 'superseded' | 'ended' | 'missing'): Committed => ({
      result: { outcome: 'refused', because },
      session: null,
      callChanged: false,
    });
    if (session === null) return refused('missing');
    if (generation !== null && generation < session.owner_generation) return refused('superseded');
    const fresh = await withoutStored(em, sessionId, events);
    if (fresh.length > 0 && session.status !== 'ACTIVE') return refused('ended');
    const last = fresh.findIndex((event) => event.type === 'SessionEnded');
    const wanted = last === -1 ? fresh : fresh.slice(0, last + 1);
    if (wanted.length > 0) await insertEvents(em, session, wanted);
    const callChanged = await project(em, this.context.outbox, session, wanted);
    return {
      result: { outcome: 'stored', lastSeq: session.last_seq + wanted.length, stored: wanted.length },
      session,
      callChanged,
    };
  }

  private async announce({ result, session, callChanged }: Committed): Promise<void> {
    if (result.outcome !== 'stored' || session === null || result.stored === 0) return;
    const { topics, log } = this.context;
    await Promise.all([
      topics.publish('sessionAppended', { sessionId: session.id, seq: result.lastSeq }),
      callChanged
        ? topics.publish('callChanged', { tenantId: session.tenant_id, callId: session.call_id, sessionId: session.id })
        : null,
    ]).catch((error: unknown) =>
      log.warn({ err: error, sessionId: session.id }, 'bus publish failed; readers find it in the store'),
    );
  }
}

/** Locks the call row, then the session row: always in this order, so that two writers cannot wait for each other. */
export async function lockSession(em: EntityManager, sessionId: string): Promise<SessionRow | null> {
  if (!isUuid(sessionId)) return null;
  await em.execute(
    'select c.id from "call" c join voice_session s on s.call_id = c.id where s.id = ? for update of c',
    [sessionId],
  );
  const [row] = await em.execute<SessionRow[]>(
    `select s.*, c.synthetic, c.direction, c.from_number, c.to_number, c.answered_at
       from voice_session s join "call" c on c.id = s.call_id where s.id = ? for update of s`,
    [sessionId],
  );
  return row ?? null;
}

async function withoutStored(
  em: EntityManager,
  sessionId: string,
  events: readonly NewSessionEvent[],
): Promise<NewSessionEvent[]> {
  if (events.length === 0) return [];
  const rows = await em.execute<{ event_id: string }[]>(
    `select event_id from session_event where session_id = ? and event_id in (${events.map(() => '?').join(',')})`,
    [sessionId, ...events.map((e) => e.eventId)],
  );
  const seen = new Set(rows.map((row) => row.event_id));
  return events.filter((event) => !seen.has(event.eventId) && seen.add(event.eventId));
}

async function insertEvents(em: EntityManager, session: SessionRow, events: readonly NewSessionEvent[]): Promise<void> {
  await em.execute(
    `insert into session_event (session_id, seq, tenant_id, event_id, type, at, payload)
     values ${events.map(() => '(?, ?, ?, ?, ?, ?, ?::jsonb)').join(', ')}`,
    events.flatMap((event, i) => [
      session.id,
      session.last_seq + 1 + i,
      session.tenant_id,
      event.eventId,
      event.type,
      event.at,
      storable(event.payload),
    ]),
  );
}
