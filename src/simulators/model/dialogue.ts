import { receptionistReply } from './receptionist.js';
import type { SessionConfig } from './session-config.js';

/** What a dialogue knows when it is the model's turn. */
export interface DialogueContext {
  /** The same for all responses of one session. */
  sessionId: string;
  /** The session's settings, and over them those of `response.create`; no tools when none may be used. */
  config: SessionConfig;
  /** Of `response.create`; null when the session's apply. */
  instructions: string | null;
  /** Of `response.create`. */
  metadata: Readonly<Record<string, string>> | null;
  /** The conversation so far, in order. */
  history: readonly DialogueItem[];
}
export type DialogueItem =
  | { kind: 'user' | 'assistant' | 'system'; text: string }
  | { kind: 'call'; name: string; arguments: string }
  | { kind: 'output'; output: string };

/** One response: words, function calls, or both; and how long the model thinks before the first sound. */
export interface Reply {
  text?: string;
  calls?: readonly { name: string; arguments: unknown }[];
  thinkMs?: number;
}

/** Decides what the simulated model does. Null: it says nothing (an empty response). */
export type Dialogue = (context: DialogueContext) => Reply | null;

const SAY_EXACTLY = /say exactly:\s*"([\s\S]*)"/i;

/** The text that `response.create` orders word for word (`Say exactly: "…"`), or null. */
function ordered(instructions: string | null): string | null {
  const exact = SAY_EXACTLY.exec(instructions ?? '')?.[1];
  return exact === undefined ? null : exact.replaceAll('\\"', '"').replaceAll('\\n', '\n');
}

/**
 * The dialogue that needs no script, the same every time: it says what it is told to say, plays a caller when its
 * instructions hold `CALLER LINES:`, and is a receptionist otherwise.
 */
export const receptionist: Dialogue = (context) => {
  const exact = ordered(context.instructions);
  if (exact !== null) return { text: exact, thinkMs: 60 };
  const lines = callerLines(context.config.instructions);
  return lines === null ? receptionistReply(context) : persona(lines, context);
};

const CALLER_LINES = 'CALLER LINES:';
/** Tools by which a caller can leave. */
const LEAVING = /^(end_call|hang_up)$/;

/** Lines of a simulated caller: instructions that hold `CALLER LINES:` and one `- …` per line below it. */
function callerLines(instructions: string): string[] | null {
  const at = instructions.indexOf(CALLER_LINES);
  if (at === -1) return null;
  const lines: string[] = [];
  for (const line of instructions
    .slice(at + CALLER_LINES.length)
    .trim()
    .split('\n')) {
    const said = /^\s*-\s+(.*\S)/.exec(line)?.[1];
    if (said === undefined) break;
    lines.push(said);
  }
  return lines;
}

/** Says its lines one by one, each when the other side has spoken, then leaves. */
function persona(lines: readonly string[], { config, history }: DialogueContext): Reply | null {
  const said = history.filter((item) => item.kind === 'assistant').length;
  const line = lines[said];
  if (line !== undefined) return { text: line, thinkMs: 40 };
  if (history.some((item) => item.kind === 'call' && LEAVING.test(item.name))) return null;
  const name = config.tools.find((tool) => LEAVING.test(tool.name))?.name ?? 'end_call';
  return { calls: [{ name, arguments: {} }], thinkMs: 40 };
}

/** Says these texts one after the other, whatever it hears and in whatever session, then only listens. */
export function script(replies: readonly (Reply | string)[]): Dialogue {
  let next = 0;
  return ({ instructions }) => {
    const exact = ordered(instructions);
    if (exact !== null) return { text: exact, thinkMs: 10 };
    const reply = replies[next++];
    return reply === undefined ? null : typeof reply === 'string' ? { text: reply, thinkMs: 10 } : reply;
  };
}

/** Chooses a dialogue when a session speaks for the first time, by its instructions or whatever else it knows then. */
export function perSession(choose: (context: DialogueContext) => Dialogue): Dialogue {
  const chosen = new Map<string, Dialogue>();
  return (context) => {
    const dialogue = chosen.get(context.sessionId) ?? choose(context);
    chosen.set(context.sessionId, dialogue);
    return dialogue(context);
  };
}
