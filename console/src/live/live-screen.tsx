import { useQuery, useSubscription } from 'urql';
import { useConsole } from '../context.js';
import { duration, useNow, words } from '../format.js';
import { ActiveSessionsDocument, LiveCallDocument, type LiveSessionFragment } from '../generated/graphql.js';
import { hrefOf } from '../route.js';
import { BackToList, Chip, Empty, ownNumber, Parties, Problem } from '../shell/parts.js';
import { Listen } from './listen-button.js';
import { SupervisorPanel } from './supervisor-panel.js';
import { Transcript } from './transcript.js';
import { useTimeline } from './use-timeline.js';

/** Who is on the line now, and the call that somebody looks at. */
export function LiveScreen({ sessionId }: { sessionId: string | null }) {
  const { tenantId, may } = useConsole();
  const variables = { tenantId, calls: may('calls:read') };
  const [{ data, error }] = useSubscription({ query: ActiveSessionsDocument, variables });
  const sessions = data?.activeSessions;
  return (
    <div className={sessionId === null ? 'split' : 'split open'}>
      <section className="list" aria-label="Calls on the line">
        <Problem text={error?.message} />
        {sessions?.length === 0 && <Empty>Nobody is on the line. A call shows up here as it begins.</Empty>}
        <ul>
          {sessions?.map((session) => (
            <li key={session.id}>
              <CallRow session={session} open={session.id === sessionId} />
            </li>
          ))}
        </ul>
      </section>
      {sessionId === null ? (
        <Empty>Choose a call to read along, listen and step in.</Empty>
      ) : (
        <LiveCall key={sessionId} sessionId={sessionId} />
      )}
    </div>
  );
}

function CallRow({ session, open }: { session: LiveSessionFragment; open: boolean }) {
  const { manyTenants } = useConsole();
  const now = useNow();
  return (
    <a className="row" href={hrefOf('live', session.id)} aria-current={open ? 'true' : undefined}>
      <b>
        <Parties call={session.call} />
      </b>
      <span className="clock">{duration(now - Date.parse(session.startedAt))}</span>
      <span className="muted">
        {session.agentKey ?? 'no agent'}
        {manyTenants && ` · ${session.call?.tenantId}`}
      </span>
      <span>
        {session.intent !== null && <Chip tone="info">{words(session.intent)}</Chip>}
        {session.escalated && <Chip tone="warn">escalated</Chip>}
        {session.synthetic && <Chip>synthetic</Chip>}
      </span>
    </a>
  );
}

function LiveCall({ sessionId }: { sessionId: string }) {
  const variables = { sessionId, calls: useConsole().may('calls:read') };
  const [{ data, fetching, error }] = useQuery({ query: LiveCallDocument, variables });
  const session = data?.voiceSession;
  if (session == null)
    return (
      <section className="detail">
        <BackToList screen="live" />
        {fetching ? <Empty>Loading …</Empty> : <Problem text={error?.message ?? 'There is no such call.'} />}
      </section>
    );
  return <Conversation session={session} />;
}

function Conversation({ session }: { session: LiveSessionFragment }) {
  const { timeline, problem } = useTimeline(session.id, session.status === 'ACTIVE');
  const ended = timeline.ended || session.status !== 'ACTIVE';
  const mayAct = useConsole().may('operations:write');
  return (
    <section className="detail">
      <header>
        <BackToList screen="live" />
        <h2>
          <Parties call={session.call} />
        </h2>
        <span className="muted">
          {session.agentKey}
          {session.call != null && ` at ${ownNumber(session.call)}`}
        </span>
        {ended ? <Chip>ended</Chip> : <LastSign at={timeline.lastAt ?? session.startedAt} />}
        {timeline.muted && <Chip tone="warn">agent muted</Chip>}
        {timeline.takenOver && <Chip tone="warn">taken over</Chip>}
        {ended ? <a href={hrefOf('review', session.id)}>Review it</a> : <Listen callId={session.callId} />}
      </header>
      <Problem text={problem} />
      <Transcript timeline={timeline} />
      {!ended && mayAct && <SupervisorPanel callId={session.callId} timeline={timeline} />}
      {!ended && !mayAct && <p className="panel muted">This key reads and listens; it does not step in.</p>}
    </section>
  );
}

/** A call may look alive long after nobody speaks. */
const QUIET_MS = 20_000;

function LastSign({ at }: { at: string }) {
  const silent = useNow() - Date.parse(at);
  return silent < QUIET_MS ? (
    <Chip tone="good">live</Chip>
  ) : (
    <Chip tone="warn">nothing happened for {duration(silent)}</Chip>
  );
}
