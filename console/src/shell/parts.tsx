import type { ReactNode } from 'react';
import { hrefOf, type Screen } from '../route.js';
import type { Pages } from './use-pages.js';

export function Problem({ text }: { text: string | null | undefined }) {
  if (text == null) return null;
  return (
    <p className="problem" role="alert">
      {text.replace(/^\[Network\].*/, 'The gateway cannot be reached.').replace(/^\[GraphQL\] /gm, '')}
    </p>
  );
}

export type ChipTone = 'plain' | 'good' | 'warn' | 'bad' | 'info';

export function Chip({ tone = 'plain', children }: { tone?: ChipTone; children: ReactNode }) {
  return <span className={`chip ${tone}`}>{children}</span>;
}

/** Views of one screen, of which one is open. */
export function Tabs({
  names,
  open,
  onOpen,
}: {
  names: readonly string[];
  open: string;
  onOpen: (name: string) => void;
}) {
  return (
    <div className="tabs">
      {names.map((name) => (
        <button key={name} aria-pressed={name === open} onClick={() => onOpen(name)}>
          {name}
        </button>
      ))}
    </div>
  );
}

/** Where there is room for one of both, the open call covers the list. */
export function BackToList({ screen }: { screen: Screen }) {
  return (
    <a className="back" href={hrefOf(screen)}>
      ← All calls
    </a>
  );
}

/** Of a list that has more pages. */
export function ShowMore({ pages: { hasMore, showMore } }: { pages: Pick<Pages<unknown>, 'hasMore' | 'showMore'> }) {
  if (!hasMore) return null;
  return (
    <button className="more" onClick={showMore}>
      Show more
    </button>
  );
}

export function Empty({ children }: { children: ReactNode }) {
  return <p className="empty">{children}</p>;
}

/** Two parties of a call as an operator reads them: whoever is at the other end first. */
export function Parties({ call }: { call: PartiesCall | null | undefined }) {
  // Keys without calls:read are told no numbers.
  if (call == null) return <>number not shown</>;
  const inbound = call.direction === 'INBOUND';
  return (
    <>
      <span title={inbound ? 'inbound' : 'outbound'}>{inbound ? '↘' : '↗'}</span>{' '}
      {(inbound ? call.fromNumber : call.toNumber) ?? 'unknown'}
    </>
  );
}
/** The number of ours that the call is on. */
export const ownNumber = (call: PartiesCall): string =>
  (call.direction === 'INBOUND' ? call.toNumber : call.fromNumber) ?? 'an unknown number';

interface PartiesCall {
  direction: 'INBOUND' | 'OUTBOUND';
  fromNumber: string | null;
  toNumber: string | null;
}
