import type { ReactNode } from 'react';

export function Problem({ text }: { text: string | null | undefined }) {
  if (text == null) return null;
  return (
    <p className="problem" role="alert">
      {text.replace(/^\[(GraphQL|Network)\] /, '')}
    </p>
  );
}

export type ChipTone = 'plain' | 'good' | 'warn' | 'bad' | 'info';

export function Chip({ tone = 'plain', children }: { tone?: ChipTone; children: ReactNode }) {
  return <span className={`chip ${tone}`}>{children}</span>;
}

export function Empty({ children }: { children: ReactNode }) {
  return <p className="empty">{children}</p>;
}

/** Two parties of a call as an operator reads them: whoever is at the other end first. */
export function Parties({ call }: { call: PartiesCall | null }) {
  if (call === null) return <>unknown</>;
  const inbound = call.direction === 'INBOUND';
  return (
    <>
      <span title={inbound ? 'inbound' : 'outbound'}>{inbound ? '↘' : '↗'}</span>{' '}
      {(inbound ? call.fromNumber : call.toNumber) ?? 'unknown'}
    </>
  );
}
/** The number of ours that the call is on. */
export const ownNumber = (call: PartiesCall | null): string =>
  (call?.direction === 'INBOUND' ? call.toNumber : call?.fromNumber) ?? 'an unknown number';

interface PartiesCall {
  direction: 'INBOUND' | 'OUTBOUND';
  fromNumber: string | null;
  toNumber: string | null;
}
