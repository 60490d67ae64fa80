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
import { BackToList, Chip, Empty, Parties, Problem, ShowMore, Tabs } from '../shell/parts.js';
import { usePages } from '../shell/use-pages.js';
import { EvaluationForm } from './evaluation-form.js';

type View = { status: SessionStatus[]; escalated?: boolean; reviewed?: boolean };

const VIEWS: Record<string, View> = {
  'Not reviewed': { status: ['COMPLETED', 'FAILED'], reviewed: false },
  Escalated: { status: ['COMPLETED', 'FAILED', 'REVIEWED'], escalated: true },
  Failed: { status: ['FAILED'] },
  Reviewed: { status: ['REVIEWED', 'FAILED'], reviewed: true },
};

const endedOf = (data: EndedSessionsQuery) => data.voiceSessions;

/** Calls that are over, to be read and judged. */
export function ReviewScreen({ sessionId }: { sessionId: string | null }) {
  const { tenantId } = useConsole();
  const [view, setView] = useState('Not reviewed');
  return (
    <div className={sessionId === null ? 'split' : 'split open'}>
      <section className="list" aria-label="Ended calls">
        <Tabs names={Object.keys(VIEWS)} open={view} onOpen={setView} />
        <EndedList key={`${view} ${tenantId}`} filter={VIEWS[view]!} sessionId={sessionId} />
      </section>
      {sessionId === null ? (
        <Empty>Choose a call to read and judge it.</Empty>
      ) : (
        <ReviewedCall key={sessionId} sessionId={sessionId} />
      )}
    </div>
  );
}

function EndedList({ filter, sessionId }: { filter: View; sessionId: string | null }) {
  const { tenantId, may } = useConsole();
  const pages = usePages(EndedSessionsDocument, { tenantId, calls: may('calls:read'), ...filter }, endedOf);
  return (
    <>
      <Problem text={pages.problem} />
      {pages.nodes?.length === 0 && <Empty>No such calls.</Empty>}
      <ul>
        {pages.nodes?.map((session) => (
          <li key={session.id}>
            <EndedRow session={session} open={session.id === sessionId} />
          </li>
        ))}
      </ul>
      <ShowMore pages={pages} />
    </>
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
  const { may } = useConsole();
  const [calls, agents, evaluations] = [may('calls:read'), may('agents:read'), may('evaluations:read')];
  const variables = { sessionId, calls, agents, evaluations };
  const [{ data, fetching, error }, ask] = useQuery({ query: ReviewedSessionDocument, variables });
  const { timeline, problem } = useTimeline(sessionId, false);
  const session = data?.voiceSession;
  if (session == null)
    return (
      <section className="detail">
        <BackToList screen="review" />
        {fetching ? <Empty>Loading …</Empty> : <Problem text={error?.message ?? 'There is no such call.'} />}
      </section>
    );
  const quoted = new Set(
    session.evaluations?.flatMap(({ criteria }) => criteria.flatMap(({ quotes }) => quotes.map(({ turn }) => turn))),
  );
  return (
    <section className="detail">
      <header>
        <BackToList screen="review" />
        <h2>
          <Parties call={session.call} />
        </h2>
        <span className="muted">
          {session.agentKey}
          {session.agentVersion != null && ` version ${session.agentVersion.number}`} · {dayAndTime(session.startedAt)}
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
        {session.evaluations !== undefined && <Evaluations evaluations={session.evaluations} />}
        {may('evaluations:write') ? (
          <EvaluationForm
            sessionId={sessionId}
            criteria={session.agentVersion?.agent?.rubric?.criteria ?? []}
            onRecorded={() => ask({ requestPolicy: 'network-only' })}
          />
        ) : (
          <p className="muted">This key reads calls; it does not judge them.</p>
        )}
      </footer>
    </section>
  );
}

type Evaluation = NonNullable<NonNullable<ReviewedSessionQuery['voiceSession']>['evaluations']>[number];

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
