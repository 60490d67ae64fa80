import { useEffect, useState } from 'react';
import { useMutation, useQuery } from 'urql';
import { useConsole } from '../context.js';
import { dayAndTime, relative, useNow, words } from '../format.js';
import {
  CallbacksDocument,
  ClaimCallbackDocument,
  UpdateCallbackDocument,
  type CallbackRowFragment,
  type CallbackState,
} from '../generated/graphql.js';
import { hrefOf } from '../route.js';
import { Chip, Empty, Problem } from '../shell/parts.js';

const VIEWS: Record<string, { state: CallbackState[]; slaBreached?: boolean; none: string }> = {
  Waiting: { state: ['OPEN', 'CLAIMED'], none: 'Nobody waits for a call back.' },
  'Promise broken': { state: ['OPEN', 'CLAIMED'], slaBreached: true, none: 'Nobody waits longer than was promised.' },
  Closed: { state: ['DONE', 'CANCELED'], none: 'None yet.' },
};
const EVERY_MS = 5_000;

/** Whom somebody promised to call back. */
export function CallbacksScreen() {
  const { tenantId } = useConsole();
  const [view, setView] = useState('Waiting');
  const { none, ...filter } = VIEWS[view]!;
  const [{ data, error }, ask] = useQuery({ query: CallbacksDocument, variables: { tenantId, ...filter } });
  useEffect(() => {
    const timer = setInterval(() => ask({ requestPolicy: 'network-only' }), EVERY_MS);
    return () => clearInterval(timer);
  }, [ask]);
  const tasks = data?.callbackTasks.edges
    .map(({ node }) => node)
    .toSorted((a, b) => a.priority - b.priority || a.dueAt.localeCompare(b.dueAt));
  return (
    <section className="page" aria-label="Callbacks">
      <div className="tabs">
        {Object.keys(VIEWS).map((name) => (
          <button key={name} aria-pressed={name === view} onClick={() => setView(name)}>
            {name}
          </button>
        ))}
      </div>
      <Problem text={error?.message} />
      {tasks?.length === 0 && <Empty>{none}</Empty>}
      <ul className="cards">
        {tasks?.map((task) => (
          <Task key={task.id} task={task} />
        ))}
      </ul>
      {data?.callbackTasks.pageInfo.hasNextPage && <p className="muted">Only the first 50 are shown.</p>}
    </section>
  );
}

function Task({ task }: { task: CallbackRowFragment }) {
  const now = useNow(10_000);
  const [claimed, claim] = useMutation(ClaimCallbackDocument);
  const [updated, update] = useMutation(UpdateCallbackDocument);
  const become = (state: CallbackState): void => void update({ id: task.id, input: { state } });
  const late = task.slaBreached || Date.parse(task.dueAt) < now;
  const open = task.state === 'OPEN' || task.state === 'CLAIMED';
  return (
    <li className="card task">
      <Chip tone={task.priority <= 2 ? 'warn' : 'plain'}>P{task.priority}</Chip>
      <div>
        <b>{task.number ?? 'no number'}</b> {task.doNotCall && <Chip tone="bad">do not call</Chip>} {task.reason}
        <p className="muted">
          <span title={dayAndTime(task.dueAt)} className={open && late ? 'late' : undefined}>
            due {relative(task.dueAt, now)}
          </span>
          {task.slaDueAt !== null && ` · promised by ${dayAndTime(task.slaDueAt)}`} · {task.queue} · by{' '}
          {words(task.origin)}
          {task.autoDial && ' · dials by itself'}
          {task.assignee !== null && ` · ${task.assignee}`}
        </p>
        {task.notes.map((note) => (
          <p key={note.at} className="muted">
            {note.by}: {note.text}
          </p>
        ))}
        <Problem text={claimed.error?.message ?? updated.error?.message} />
      </div>
      <span className="acts">
        {task.call?.session != null && <a href={hrefOf('review', task.call.session.id)}>Their call</a>}
        {task.state === 'OPEN' && <button onClick={() => void claim({ id: task.id })}>Claim</button>}
        {task.state === 'CLAIMED' && <button onClick={() => become('DONE')}>Done</button>}
        {task.state === 'CLAIMED' && <button onClick={() => become('OPEN')}>Let go</button>}
        {open && <button onClick={() => become('CANCELED')}>Cancel</button>}
        {!open && <Chip>{words(task.state)}</Chip>}
      </span>
    </li>
  );
}
