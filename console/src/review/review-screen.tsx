import { useState } from 'react';
import { useQuery } from 'urql';
import { useConsole } from '../context.js';
import { dayAndTime, duration, words } from '../format.js';
import {
  EndedSessionsDocument,
  ReviewedSessionDocument,
  type EndedSessionsQuery,
  type ReviewedSessionQuery,
  type SessionStatus,
} from '../generated/graphql.js';
import { Transcript } from '../live/transcript.js';
import { useTimeline } from '../live/use-timeline.js';
import { hrefOf } from '../route.js';
import { Chip, Empty, Parties, Problem } from '../shell/parts.js';
import { EvaluationForm } from './evaluation-form.js';

const VIEWS: Record<string, { status: SessionStatus[]; escalated?: boolean; reviewed?: boolean }> = {
  'Not reviewed': { status: ['COMPLETED', 'FAILED'], reviewed: false },
  Escalated: { status: ['COMPLETED', 'FAILED', 'REVIEWED'], escalated: true },
  Failed: { status: ['FAILED'] },
  Reviewed: { status: ['REVIEWED', 'FAILED'], reviewed: true },
};

/** Calls that are over, to be read and judged. */
export function ReviewScreen({ sessionId }: { sessionId: string | null }) {
  const { tenantId } = useConsole();
  const [view, setView] = useState('Not reviewed');
  const [{ data, error }] = useQuery({ query: EndedSessionsDocument, variables: { tenantId, ...VIEWS[view] } });
  const sessions = data?.voiceSessions.edges.map(({ node }) => node);
  return (
    <div className="split">
      <section className="list" aria-label="Ended calls">
        <div className="tabs">
          {Object.keys(VIEWS).map((name) => (
            <button key={name} aria-pressed={name === view} onClick={() => setView(name)}>
              {name}
            </button>
          ))}
        </div>
        <Problem text={error?.message} />
        {sessions?.length === 0 && <Empty>No such calls.</Empty>}
        <ul>
          {sessions?.map((session) => (
            <li key={session.id}>
              <EndedRow session={session} open={session.id === sessionId} />
            </li>
          ))}
        </ul>
        {data?.voiceSessions.pageInfo.hasNextPage && <p className="muted">Only the newest 50 are shown.</p>}
      </section>
      {sessionId === null ? (
        <Empty>Choose a call to read and judge it.</Empty>
      ) : (
        <ReviewedCall key={sessionId} sessionId={sessionId} />
      )}
    </div>
  );
}

type Ended = EndedSessionsQuery['voiceSessions']['edges'][number]['node'];

function EndedRow({ session, open }: { session: Ended; open: boolean }) {
  const { manyTenants } = useConsole();
  const score = session.call?.evaluationScore ?? null;
  return (
    <a className="row" href={hrefOf('review', session.id)} aria-current={open ? 'true' : undefined}>
      <b>
        <Parties call={session.call} />
      </b>
      <span className="clock">{session.durationMs !== null && duration(session.durationMs)}</span>
      <span className="muted">
        {dayAndTime(session.startedAt)} · {session.agentKey ?? 'no agent'}
        {manyTenants && ` · ${session.call?.tenantId}`}
      </span>
      <span>
        {session.outcome !== null && <Chip tone="info">{words(session.outcome)}</Chip>}
        {session.escalated && <Chip tone="warn">escalated</Chip>}
        {session.status === 'FAILED' && <Chip tone="bad">{words(session.endReason ?? 'failed')}</Chip>}
        {score !== null && <Chip tone={score < 0.6 ? 'bad' : 'good'}>{score.toFixed(2)}</Chip>}
      </span>
    </a>
  );
}

function ReviewedCall({ sessionId }: { sessionId: string }) {
  const [{ data, fetching, error }, ask] = useQuery({ query: ReviewedSessionDocument, variables: { sessionId } });
  const { timeline, problem } = useTimeline(sessionId, false);
  const session = data?.voiceSession;
  if (session == null)
    return (
      <section className="detail">
        {fetching ? <Empty>Loading …</Empty> : <Problem text={error?.message ?? 'There is no such call.'} />}
      </section>
    );
  const quoted = new Set(
    session.evaluations.flatMap(({ criteria }) => criteria.flatMap(({ quotes }) => quotes.map(({ turn }) => turn))),
  );
  return (
    <section className="detail">
      <header>
        <h2>
          <Parties call={session.call} />
        </h2>
        <span className="muted">
          {session.agentKey}
          {session.agentVersion !== null && ` version ${session.agentVersion.number}`} · {dayAndTime(session.startedAt)}
        </span>
        <Chip tone={session.status === 'FAILED' ? 'bad' : session.status === 'REVIEWED' ? 'good' : 'plain'}>
          {words(session.status)}
        </Chip>
        {session.tags.map((tag) => (
          <Chip key={tag}>{tag}</Chip>
        ))}
      </header>
      {session.summary !== null && (
        <p className="summary" title={`by ${session.summarySource ?? 'nobody'}`}>
          {session.summary}
        </p>
      )}
      <Problem text={problem ?? error?.message} />
      <Transcript timeline={timeline} highlight={quoted} />
      <footer className="panel">
        <Evaluations evaluations={session.evaluations} />
        <EvaluationForm
          sessionId={sessionId}
          criteria={session.agentVersion?.agent?.rubric?.criteria ?? []}
          onRecorded={() => ask({ requestPolicy: 'network-only' })}
        />
      </footer>
    </section>
  );
}

type Evaluation = NonNullable<ReviewedSessionQuery['voiceSession']>['evaluations'][number];

function Evaluations({ evaluations }: { evaluations: readonly Evaluation[] }) {
  return (
    <ul className="evaluations" aria-label="Evaluations">
      {evaluations.map(({ id, source, score, notes, evaluatedBy, criteria }) => (
        <li key={id}>
          <Chip tone={score < 0.6 ? 'bad' : 'good'}>{score.toFixed(2)}</Chip> {evaluatedBy}{' '}
          <span className="muted">({words(source)})</span> {notes}
          {criteria.map(({ key, score: points, comment, quotes }) => (
            <p key={key} className="muted">
              {words(key)} {points.toFixed(2)}
              {comment !== null && `: ${comment}`}{' '}
              {quotes.map((quote) => (
                <q key={quote.turn}>{quote.text}</q>
              ))}
            </p>
          ))}
        </li>
      ))}
    </ul>
  );
}
