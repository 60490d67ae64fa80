import { useEffect, useRef } from 'react';
import { clockTime, words } from '../format.js';
import { keyOf, type Entry, type Timeline } from './timeline.js';

/** A conversation from top to bottom; it follows what is said unless somebody has scrolled up to read. */
export function Transcript({ timeline, highlight }: { timeline: Timeline; highlight?: ReadonlySet<number> }) {
  const list = useRef<HTMLOListElement>(null);
  const atEnd = useRef(true);
  useEffect(() => {
    const element = list.current;
    if (element !== null && atEnd.current) element.scrollTop = element.scrollHeight;
  }, [timeline.entries]);
  return (
    <ol
      className="transcript"
      aria-label="Conversation"
      ref={list}
      onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
        atEnd.current = scrollHeight - scrollTop - clientHeight < 40;
      }}
    >
      {timeline.entries.map((entry) => (
        <Line key={keyOf(entry)} entry={entry} marked={entry.kind === 'turn' && highlight?.has(entry.turn.index)} />
      ))}
    </ol>
  );
}

const NOTHING = { yet: '…', said: '(nothing was heard)' };

function Line({ entry, marked = false }: { entry: Entry; marked?: boolean | undefined }) {
  const time = <time dateTime={entry.at}>{clockTime(entry.at)}</time>;
  if (entry.kind === 'note')
    return (
      <li className={`note ${entry.tone}`}>
        {time} {entry.text}
        {entry.detail !== null && <q>{entry.detail}</q>}
      </li>
    );
  const { speaker, text, final, interrupted, latencyMs, index } = entry.turn;
  return (
    <li className={`turn ${speaker.toLowerCase()}${marked ? ' marked' : ''}`} id={`turn-${index}`}>
      <span className="who">
        {words(speaker)} {time}
      </span>
      <p className={final && text !== '' ? undefined : 'growing'}>
        {text === '' ? NOTHING[final ? 'said' : 'yet'] : text}
      </p>
      {(interrupted || latencyMs !== null) && (
        <span className="facts">
          {interrupted && 'interrupted '}
          {latencyMs !== null && `answered after ${(latencyMs / 1_000).toFixed(1)} s`}
        </span>
      )}
    </li>
  );
}
