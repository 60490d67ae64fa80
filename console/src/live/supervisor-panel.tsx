import { useRef, useState, type FormEvent } from 'react';
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
  const toolbar = useRef<HTMLDivElement>(null);
  const { act, busy, problem, forget } = useAct(() => open(null));
  const open = (next: Form | null): void => {
    forget();
    // The field that had the focus goes away; without this a keyboard begins again at the top of the page.
    if (next === null) toolbar.current?.querySelector<HTMLElement>('[aria-pressed=true]')?.focus();
    setForm(next);
  };
  const { muted, takenOver } = timeline;
  return (
    <footer className="panel" onKeyDown={({ key }) => key === 'Escape' && open(null)}>
      <Problem text={problem} />
      <div className="acts" role="toolbar" aria-label="Step in" ref={toolbar}>
        <button aria-disabled={busy} onClick={() => act(muted ? UnmuteAgentDocument : MuteAgentDocument, { callId })}>
          {muted ? 'Unmute agent' : 'Mute agent'}
        </button>
        {takenOver && (
          <button aria-disabled={busy} onClick={() => act(HandBackDocument, { callId })}>
            Hand back
          </button>
        )}
        {(Object.keys(LABELS) as Form[])
          .filter((name) => !(name === 'takeOver' && takenOver))
          .map((name) => (
            <button
              key={name}
              aria-disabled={busy}
              className={name === 'end' ? 'danger' : undefined}
              aria-pressed={form === name}
              onClick={() => open(form === name ? null : name)}
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

interface Acting {
  act: Act;
  busy: boolean;
  problem: string | null;
  /** The problem was read. */
  forget: () => void;
}

function useAct(done: () => void): Acting {
  const client = useClient();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const act: Act = (document, variables) => {
    // Buttons are not disabled meanwhile: one that is loses the focus of whoever works with the keyboard.
    if (busy) return;
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
  return { act, busy, problem, forget: () => setProblem(null) };
}

/** As people write a number down; the gateway takes it without what separates the digits. */
const PHONE_NUMBER = String.raw`\s*\+[\d\s.\(\)\-]{7,25}`;
const SEPARATORS = /[\s.()-]/g;

interface ActFormProps {
  form: Form;
  callId: string;
  act: Act;
  busy: boolean;
}

function ActForm({ form, callId, act, busy }: ActFormProps) {
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    const field = fieldsOf(event);
    const [text, to, warm] = [field('text'), field('to').replace(SEPARATORS, ''), field('warm') !== ''];
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
          pattern={PHONE_NUMBER}
          title="With + and the country code, like +15555550100"
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
