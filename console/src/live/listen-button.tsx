import { useState } from 'react';
import { useConsole } from '../context.js';
import { useListening, type Listening } from './listen.js';

const LABELS: Record<Listening, string> = {
  off: 'Listen',
  connecting: 'Connecting …',
  on: 'Stop listening',
  failed: 'Listen again',
};

export function Listen({ callId }: { callId: string }) {
  const { session } = useConsole();
  const [on, setOn] = useState(false);
  const state = useListening(session, callId, on);
  return (
    <button aria-pressed={on} onClick={() => setOn(state === 'failed' ? true : !on)}>
      {LABELS[state]}
    </button>
  );
}
