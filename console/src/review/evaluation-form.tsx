import { useState, type FormEvent } from 'react';
import { useMutation } from 'urql';
import { words } from '../format.js';
import { RecordEvaluationDocument } from '../generated/graphql.js';
import { fieldsOf } from '../shell/fields.js';
import { Problem } from '../shell/parts.js';

interface Criterion {
  key: string;
  description: string;
}

interface EvaluationFormProps {
  sessionId: string;
  /** What the agent's rubric asks for; without one the call gets a single score. */
  criteria: readonly Criterion[];
  onRecorded: () => void;
}

/** Where a slider stands that nobody moved: it says nothing. */
const UNMOVED = 0.5;

/** A person's verdict on a call: of the criteria whose sliders were moved, since the others would pass for judgements. */
export function EvaluationForm({ sessionId, criteria, onRecorded }: EvaluationFormProps) {
  const [scores, setScores] = useState<Readonly<Record<string, number>>>({});
  const [{ fetching, error }, record] = useMutation(RecordEvaluationDocument);
  const asked = criteria.length > 0 ? criteria : [{ key: 'Score', description: '0 is bad, 1 is good' }];
  const judged = Object.entries(scores).map(([key, score]) => ({ key, score }));
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    const form = event.currentTarget;
    const text = fieldsOf(event);
    const verdict = criteria.length > 0 ? { criteria: judged } : { score: scores.Score! };
    const tags = text('tags')
      .split(/[,\s]+/)
      .filter(Boolean);
    const input = { sessionId, ...verdict, source: 'HUMAN' as const, notes: text('notes') || null, tags };
    void record({ input }).then((result) => {
      if (result.error !== undefined) return;
      form.reset();
      setScores({});
      onRecorded();
    });
  };
  return (
    <form className="act" onSubmit={submit} aria-label="Evaluate">
      {asked.map(({ key, description }) => (
        <label className="score" key={key} title={description}>
          {words(key)} <span className="clock">{scores[key]?.toFixed(2) ?? 'not judged'}</span>
          <input
            type="range"
            min={0}
            max={1}
            step={0.05}
            value={scores[key] ?? UNMOVED}
            onChange={({ target }) => setScores({ ...scores, [key]: target.valueAsNumber })}
          />
        </label>
      ))}
      <input name="notes" placeholder="What was good, what was not?" maxLength={4_000} aria-label="Notes" />
      <input name="tags" placeholder="tags" aria-label="Tags" />
      <button className="primary" disabled={fetching || judged.length === 0}>
        Record
      </button>
      <Problem text={error?.message} />
    </form>
  );
}
