import { useState, type FormEvent } from 'react';
import { useClient, type TypedDocumentNode } from 'urql';
import {
  EndCallDocument,
  EscalateCallDocument,
  HandBackDocument,
  MuteAgentDocument,
  SayToCallerDocument,
  TakeOverDocument,
  TransferCallDocument,
  UnmuteAgentDocument,
  WhisperToAgentDocument,
} from '../generated/graphql.js';
import { fieldsOf } from '../shell/fields.js';
import { Problem } from '../shell/parts.js';
import type { Timeline } from './timeline.js';

/** Acts that need words or a number. */
type Form = 'say' | 'whisper' | 'transfer' | 'takeOver' | 'escalate' | 'end';

const LABELS: Record<Form, string> = {
  whisper: 'Whisper to agent',
  say: 'Say to caller',
  takeOver: 'Take over',
  transfer: 'Transfer',
  escalate: 'Escalate',
  end: 'End call',
};

/** Everything a supervisor can do to a running call. What was done shows in the conversation, whoever did it. */
export function SupervisorPanel({ callId, timeline }: { callId: string; timeline: Timeline }) {
  const [form, setForm] = useState<Form | null>(null);
  const { act, busy, problem } = useAct(() => setForm(null));
  const { muted, takenOver } = timeline;
  return (
    <footer className="panel">
      <Problem text={problem} />
      <div className="acts" role="toolbar" aria-label="Step in">
        <button disabled={busy} onClick={() => act(muted ? UnmuteAgentDocument : MuteAgentDocument, { callId })}>
          {muted ? 'Unmute agent' : 'Mute agent'}
        </button>
        {takenOver && (
          <button disabled={busy} onClick={() => act(HandBackDocument, { callId })}>
            Hand back
          </button>
        )}
        {(Object.keys(LABELS) as Form[])
          .filter((name) => !(name === 'takeOver' && takenOver))
          .map((name) => (
            <button
              key={name}
              disabled={busy}
              className={name === 'end' ? 'danger' : undefined}
              aria-pressed={form === name}
              onClick={() => setForm(form === name ? null : name)}
            >
              {LABELS[name]}
            </button>
          ))}
      </div>
      {form !== null && <ActForm key={form} form={form} callId={callId} act={act} busy={busy} />}
    </footer>
  );
}

type Act = <V extends Record<string, unknown>>(document: TypedDocumentNode<unknown, V>, variables: V) => void;

function useAct(done: () => void): { act: Act; busy: boolean; problem: string | null } {
  const client = useClient();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const act: Act = (document, variables) => {
    setBusy(true);
    void client
      .mutation(document, variables)
      .toPromise()
      .then(({ error }) => {
        setBusy(false);
        setProblem(error?.message ?? null);
        if (error === undefined) done();
      });
  };
  return { act, busy, problem };
}

interface ActFormProps {
  form: Form;
  callId: string;
  act: Act;
  busy: boolean;
}

function ActForm({ form, callId, act, busy }: ActFormProps) {
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    const field = fieldsOf(event);
    const [text, to, warm] = [field('text'), field('to'), field('warm') !== ''];
    const acts: Record<Form, () => void> = {
      say: () => act(SayToCallerDocument, { callId, text }),
      whisper: () => act(WhisperToAgentDocument, { callId, text }),
      transfer: () => act(TransferCallDocument, { callId, to, warm }),
      takeOver: () => act(TakeOverDocument, { callId, to: to === '' ? null : to }),
      escalate: () => act(EscalateCallDocument, { callId, reason: text }),
      end: () => act(EndCallDocument, { callId }),
    };
    acts[form]();
  };
  const { hint, field } = FIELDS[form];
  return (
    <form className="act" onSubmit={submit} aria-label={LABELS[form]}>
      <span className="muted">{hint}</span>
      {field === 'text' && <input name="text" required autoFocus maxLength={1_000} aria-label={LABELS[form]} />}
      {field === 'to' && (
        <input
          name="to"
          type="tel"
          placeholder="+15555550100"
          required={form === 'transfer'}
          autoFocus
          aria-label="Phone number"
        />
      )}
      {form === 'transfer' && (
        <label className="check">
          <input type="checkbox" name="warm" defaultChecked /> tell them first what it is about
        </label>
      )}
      <button className={form === 'end' ? 'danger' : 'primary'} disabled={busy}>
        {busy ? 'Waiting for the call …' : LABELS[form]}
      </button>
    </form>
  );
}

const FIELDS: Record<Form, { hint: string; field: 'text' | 'to' | null }> = {
  say: { hint: 'The agent says this word for word.', field: 'text' },
  whisper: { hint: 'Only the agent hears it, and heeds it from its next answer on.', field: 'text' },
  transfer: { hint: 'Hands the caller to a person.', field: 'to' },
  takeOver: {
    hint: 'Your phone rings and you speak for the agent. Without a number you only silence it.',
    field: 'to',
  },
  escalate: { hint: 'Why? Goes to the transfer number of the phone route.', field: 'text' },
  end: { hint: 'Hangs up at once.', field: null },
};
