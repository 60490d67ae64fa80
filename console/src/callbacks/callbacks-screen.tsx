import { useState } from 'react';
import { useMutation } from 'urql';
import { useConsole } from '../context.js';
import { dayAndTime, relative, useNow, words } from '../format.js';
import {
  CallbacksDocument,
  ClaimCallbackDocument,
  UpdateCallbackDocument,
  type CallbacksQuery,
  type CallbackState,
} from '../generated/graphql.js';
import { hrefOf } from '../route.js';
import { Chip, Empty, Problem, ShowMore, Tabs } from '../shell/parts.js';
import { usePages } from '../shell/use-pages.js';

interface View {
  state: CallbackState[];
  slaBreached?: boolean;
  /** Said when there are none. */
  none: string;
}

const VIEWS: Record<string, View> = {
  Waiting: { state: ['OPEN', 'CLAIMED'], none: 'Nobody waits for a call back.' },
  'Promise broken': { state: ['OPEN', 'CLAIMED'], slaBreached: true, none: 'Nobody waits longer than was promised.' },
  Closed: { state: ['DONE', 'CANCELED'], none: 'None yet.' },
};

/** Whom somebody promised to call back. */
export function CallbacksScreen() {
  const { tenantId } = useConsole();
  const [view, setView] = useState('Waiting');
  return (
    <section className="page" aria-label="Callbacks">
      <Tabs names={Object.keys(VIEWS)} open={view} onOpen={setView} />
      <TaskList key={`${view} ${tenantId}`} {...VIEWS[view]!} />
    </section>
  );
}

/** The newest come first from the gateway: the most urgent one may be on the last page, and is to stand on top. */
const OPEN_PAGES = 10;
const tasksOf = (data: CallbacksQuery) => data.callbackTasks;

function TaskList({ none, ...filter }: View) {
  const { tenantId, may } = useConsole();
  const sessions = may('calls:read', 'sessions:read');
  const firstPages = filter.state.includes('OPEN') ? OPEN_PAGES : 1;
  const pages = usePages(CallbacksDocument, { tenantId, sessions, ...filter }, tasksOf, firstPages);
  const tasks = pages.nodes?.toSorted((a, b) => a.priority - b.priority || a.dueAt.localeCompare(b.dueAt));
  return (
    <>
      <Problem text={pages.problem} />
      {tasks?.length === 0 && <Empty>{none}</Empty>}
      <ul className="cards">
        {tasks?.map((task) => (
          <Task key={task.id} task={task} onChange={pages.refresh} />
        ))}
      </ul>
      <ShowMore pages={pages} />
    </>
  );
}

type Task = CallbacksQuery['callbackTasks']['edges'][number]['node'];

function Task({ task, onChange }: { task: Task; onChange: () => void }) {
  const { may } = useConsole();
  const mayAct = may('operations:write');
  const now = useNow(10_000);
  const [claimed, claim] = useMutation(ClaimCallbackDocument);
  const [updated, update] = useMutation(UpdateCallbackDocument);
  const become = (state: CallbackState): void => void update({ id: task.id, input: { state } }).then(onChange);
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
        {mayAct && task.state === 'OPEN' && (
          <button onClick={() => void claim({ id: task.id }).then(onChange)}>Claim</button>
        )}
        {mayAct && task.state === 'CLAIMED' && <button onClick={() => become('DONE')}>Done</button>}
        {mayAct && task.state === 'CLAIMED' && <button onClick={() => become('OPEN')}>Let go</button>}
        {mayAct && open && <button onClick={() => become('CANCELED')}>Cancel</button>}
        {!open && <Chip>{words(task.state)}</Chip>}
      </span>
    </li>
  );
}
