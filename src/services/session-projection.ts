import type { EntityManager } from '@mikro-orm/postgresql';
import { newId } from '../lib/ids.js';
import { storable } from '../lib/json.js';
import type {
  EscalationState,
  NewSessionEvent,
  SessionEventPayloads,
  SessionEventType,
  ToolCallState,
  TurnState,
} from '../ports/session-events.js';
import type { Outbox } from './outbox.js';

/** A locked session with what its events need to know of the call. Column names, as the database gives them. */
export interface SessionRow {
  id: string;
  tenant_id: string;
  call_id: string;
  call_sid: string | null;
  stream_sid: string | null;
  status: string;
  last_seq: number;
  owner_generation: number;
  started_at: Date | string;
  synthetic: boolean;
  direction: 'INBOUND' | 'OUTBOUND';
  from_number: string | null;
  to_number: string | null;
  answered_at: Date | string | null;
}

/** What a batch of events changes on the session and on the call, gathered so that each row is written once. */
interface Changes {
  session: Map<string, unknown>;
  call: Map<string, unknown>;
}

type Projector<T extends SessionEventType> = (
  changes: Changes,
  payload: SessionEventPayloads[T],
  event: NewSessionEvent,
  session: SessionRow,
) => void;

const nothing = () => {};

/** Which columns each event sets. Turns and tool calls have rows of their own, written below. */
const PROJECTORS: { [T in SessionEventType]: Projector<T> } = {
  SessionStarted: (c, p) => {
    c.session.set('stream_sid', p.streamSid).set('model', p.model).set('voice', p.voice);
  },
  MediaResumed: (c, p) => void c.session.set('stream_sid', p.streamSid),
  TurnStarted: nothing,
  TurnCompleted: nothing,
  ToolCallStarted: nothing,
  ToolCallCompleted: nothing,
  IntentIdentified: (c, p) => void c.session.set('intent', fit(p.intent)),
  ConcernRaised: nothing,
  SessionEscalated: (c) => {
    c.session.set('escalated', true);
    c.call.set('escalated', true);
  },
  OutcomeRecorded: (c, p) => {
    c.session.set('outcome', fit(p.outcome));
    c.call.set('outcome', fit(p.outcome));
  },
  DtmfReceived: nothing,
  ModelReconnected: nothing,
  CallStatusChanged: nothing,
  SupervisorActed: (c, p) => {
    if (p.action !== 'TRANSFER' && p.action !== 'TAKE_OVER') return;
    c.session.set('escalated', true);
    c.call.set('escalated', true);
  },
  SessionEnded: (c, p, event) => {
    c.session
      .set('status', p.status)
      .set('end_reason', p.reason)
      .set('duration_ms', p.durationMs)
      .set('ended_at', event.at)
      .set('owner_id', null);
  },
};

/** Applies `events` (already numbered from `session.last_seq + 1`) to the rows. True when the call changed too. */
export async function project(
  em: EntityManager,
  outbox: Outbox,
  session: SessionRow,
  events: readonly NewSessionEvent[],
): Promise<boolean> {
  if (events.length === 0) return false;
  const changes: Changes = { session: new Map(), call: new Map() };
  const turns = new Map<number, { turn: TurnState; seq: number }>();
  const tools = new Map<string, ToolCallState>();
  for (const [i, event] of events.entries()) {
    PROJECTORS[event.type](changes, event.payload as never, event, session);
    if ('turn' in event.payload)
      turns.set(event.payload.turn.index, { turn: event.payload.turn, seq: session.last_seq + 1 + i });
    if ('toolCall' in event.payload) tools.set(event.payload.toolCall.id, event.payload.toolCall);
    const handoff = handoffOf(event);
    if (handoff !== null && !session.synthetic)
      await outbox.enqueue(em, session.tenant_id, 'voice.call.escalated', {
        call_sid: session.call_sid,
        voice_session_id: session.id,
        target: handoff.target,
        initiated_by: handoff.initiatedBy.toLowerCase(),
        reason: handoff.reason,
      });
  }
  for (const { turn, seq } of turns.values()) await upsertTurn(em, session, turn, seq);
  for (const tool of tools.values()) await upsertTool(em, session, tool);
  if (turns.size > 0 || tools.size > 0) await countRows(em, session, changes);
  await em.execute(
    ...updateStatement('voice_session', session.id, changes.session.set('last_seq', session.last_seq + events.length)),
  );
  const firstAudio = events.find((e) => e.type === 'TurnStarted' && e.payload.turn.speaker === 'AGENT');
  if (firstAudio?.type === 'TurnStarted')
    await em.execute(
      'update "call" set time_to_first_audio_ms = ?, updated_at = now() where id = ? and time_to_first_audio_ms is null',
      [Math.round(firstAudio.payload.turn.startedAtMs), session.call_id],
    );
  if (changes.call.size > 0) await em.execute(...updateStatement('call', session.call_id, changes.call));
  return changes.call.size > 0 || changes.session.has('status') || changes.session.has('stream_sid');
}

/** What tenants hear of as an escalation: a handoff, a callback, or a person who took the call over. */
function handoffOf(event: NewSessionEvent): Pick<EscalationState, 'target' | 'initiatedBy' | 'reason'> | null {
  if (event.type === 'SessionEscalated') return event.payload.escalation;
  if (event.type !== 'SupervisorActed' || event.payload.action !== 'TAKE_OVER') return null;
  return { target: event.payload.target, initiatedBy: 'SUPERVISOR', reason: 'A supervisor took the call over.' };
}

function updateStatement(table: string, id: string, columns: Map<string, unknown>): [string, unknown[]] {
  const names = [...columns.keys()];
  return [
    `update "${table}" set ${names.map((n) => `${n} = ?`).join(', ')}, updated_at = now() where id = ?`,
    [...columns.values(), id],
  ];
}

/** A final state is never overwritten by an earlier, growing one that arrives late. */
async function upsertTurn(em: EntityManager, session: SessionRow, turn: TurnState, seq: number): Promise<void> {
  await em.execute(
    `insert into turn (id, session_id, tenant_id, "index", speaker, text, final, interrupted, seq, started_at_ms, ended_at_ms, latency_ms, created_at, updated_at)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, now(), now())
     on conflict (session_id, "index") do update set text = excluded.text, final = excluded.final, interrupted = excluded.interrupted,
       seq = excluded.seq, started_at_ms = excluded.started_at_ms, ended_at_ms = excluded.ended_at_ms, latency_ms = excluded.latency_ms, updated_at = now()
     where not turn.final or excluded.final`,
    [
      turn.id,
      session.id,
      session.tenant_id,
      turn.index,
      turn.speaker,
      JSON.parse(storable(turn.text)),
      turn.final,
      turn.interrupted,
      seq,
      Math.round(turn.startedAtMs),
      turn.endedAtMs === null ? null : Math.round(turn.endedAtMs),
      turn.latencyMs === null ? null : Math.round(turn.latencyMs),
    ],
  );
}

async function upsertTool(em: EntityManager, session: SessionRow, tool: ToolCallState): Promise<void> {
  await em.execute(
    `insert into tool_call (id, session_id, tenant_id, model_call_id, name, arguments, result, status, turn_index, started_at_ms, duration_ms, created_at, updated_at)
     values (?, ?, ?, ?, ?, ?::jsonb, ?::jsonb, ?, ?, ?, ?, now(), now())
     on conflict (id) do update set result = excluded.result, status = excluded.status, duration_ms = excluded.duration_ms, updated_at = now()`,
    [
      tool.id || newId(),
      session.id,
      session.tenant_id,
      fit(tool.modelCallId),
      fit(tool.name),
      storable(tool.arguments ?? null),
      storable(tool.result ?? null),
      tool.status,
      tool.turnIndex,
      Math.round(tool.startedAtMs),
      tool.durationMs === null ? null : Math.round(tool.durationMs),
    ],
  );
}

async function countRows(em: EntityManager, session: SessionRow, changes: Changes): Promise<void> {
  const [counts] = await em.execute<{ turns: string; interruptions: string; tools: string }[]>(
    `select (select count(*) from turn where session_id = ?) as turns,
            (select count(*) from turn where session_id = ? and interrupted) as interruptions,
            (select count(*) from tool_call where session_id = ?) as tools`,
    [session.id, session.id, session.id],
  );
  changes.session
    .set('turn_count', Number(counts!.turns))
    .set('interruption_count', Number(counts!.interruptions))
    .set('tool_call_count', Number(counts!.tools));
}

/**
 * A word of the model as its column can hold it. A value that the database refuses would be written again and again, and
 * nothing after it would ever be stored; the event's payload keeps the whole of it.
 */
function fit(word: string): string {
  const clean = JSON.parse(storable(word)) as string;
  return clean.slice(0, MAX_WORD).toWellFormed();
}

/** Length of the columns that hold one word of the model. */
const MAX_WORD = 100;
