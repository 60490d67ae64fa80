/** A process that holds one part: started by places.ts, asked over IPC, gone with its parent. */
import { startPart, type AnyPart, type PartName } from './parts.js';
import { cpuMs, usage } from './usage.js';

export interface Question {
  id: number;
  name: string;
  argument: unknown;
}
export type Answer = { id: number; value: unknown } | { id: number; error: string };

const [name, options] = process.argv.slice(2) as [PartName, string];
const part: Promise<AnyPart> = startPart(name, JSON.parse(options));

async function answer({ name: question, argument }: Question): Promise<unknown> {
  const started = await part;
  if (question === 'usage') return usage();
  if (question === 'cpuMs') return cpuMs();
  if (question === 'ready') return null;
  return started[question]!(argument);
}

process.on('message', (question: Question) => {
  const send = (reply: Answer): void => void process.send?.(reply);
  answer(question).then(
    (value) => send({ id: question.id, value: value ?? null }),
    (error: unknown) => send({ id: question.id, error: String((error as Error).stack ?? error) }),
  );
});
// By exit and not by a signal, so that a CPU profile is written; and no orphan stays when the parent dies.
process.on('disconnect', () => process.exit());
