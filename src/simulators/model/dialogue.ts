import type { SessionConfig } from './session-config.js';

/** What a dialogue knows when it is the model's turn. */
export interface DialogueContext {
  config: SessionConfig;
  /** Of `response.create`; null when the session's apply. */
  instructions: string | null;
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

/** What a receptionist says to what, and which tool it would use first, if it has it. First match wins. */
const TOPICS: readonly {
  heard: RegExp;
  intent?: RegExp;
  tool?: { name: string; arguments: Record<string, unknown> };
  reply: string;
}[] = [
  {
    heard: /stop calling|take me off/i,
    tool: { name: 'do_not_call', arguments: { reason: 'asked not to be called again' } },
    reply: 'I am sorry. We will not call you again. Goodbye.',
  },
  {
    heard: /complain/i,
    intent: /complaint/,
    tool: { name: 'raise_concern', arguments: { concern: 'complaint', detail: 'unhappy with the service' } },
    reply: 'I am sorry to hear that. I will pass it on to my colleagues.',
  },
  {
    heard: /human/i,
    tool: { name: 'escalate_to_human', arguments: { reason: 'asked for a person' } },
    reply: 'Of course, I will connect you.',
  },
  {
    heard: /credit card|pay my bill/i,
    intent: /payment|bill/,
    tool: { name: 'raise_concern', arguments: { concern: 'payment', detail: 'wants to pay by card' } },
    reply: 'A colleague will take care of the payment.',
  },
  {
    heard: /goodbye|thank you/i,
    tool: { name: 'record_outcome', arguments: { outcome: 'resolved' } },
    reply: 'You are welcome. Goodbye!',
  },
  { heard: /where my order|order four/i, intent: /order/, reply: 'Your order is on its way and arrives in two days.' },
  {
    heard: /confirm the appointment/i,
    intent: /appointment/,
    tool: { name: 'record_outcome', arguments: { outcome: 'resolved' } },
    reply: 'Thank you, your appointment is confirmed.',
  },
  { heard: /thursday/i, intent: /appointment/, reply: 'Thursday at ten works. I have moved your appointment.' },
  { heard: /open on saturday/i, reply: 'On Saturday we are open from nine to four.' },
  {
    heard: /wrong person/i,
    tool: { name: 'record_outcome', arguments: { outcome: 'failed_authentication' } },
    reply: 'I am sorry for the disturbance. Goodbye.',
  },
];

/**
 * The dialogue that needs no script: a receptionist that answers what the recorded callers say, names the intent, uses
 * the tools that it was given once each, and says goodbye. Good enough for the demo, and the same every time.
 */
export const receptionist: Dialogue = ({ config, instructions, history }) => {
  const exact = instructions === null ? null : SAY_EXACTLY.exec(instructions);
  if (exact) return { text: unquote(exact[1]!), thinkMs: 60 };
  const lines = callerLines(config.instructions);
  if (lines !== null) return persona(lines, history);
  const heard = history.findLast((item) => item.kind === 'user');
  const text = heard?.kind === 'user' ? heard.text : '';
  const topic = TOPICS.find((t) => t.heard.test(text));
  const called = new Set(history.flatMap((item) => (item.kind === 'call' ? [`${item.name} ${item.arguments}`] : [])));
  const calls: { name: string; arguments: unknown }[] = [];
  const wanted = (name: string, args: Record<string, unknown>) => {
    const has = config.tools.some((tool) => tool.name === name);
    if (has && !called.has(`${name} ${JSON.stringify(args)}`)) calls.push({ name, arguments: args });
  };
  const intent = topic?.intent && intentsOf(config).find((name) => topic.intent!.test(name));
  if (intent) wanted('set_intent', { intent });
  // A tool of the tenant's own whose name is in the topic's words is asked first.
  const custom = config.tools.find((tool) => topic?.intent?.test(tool.name) === true && tool.name !== 'set_intent');
  if (custom) wanted(custom.name, { order_id: '4271' });
  if (topic?.tool) wanted(topic.tool.name, topic.tool.arguments);
  if (calls.length > 0) return { calls, thinkMs: 60 };
  const farewell = /goodbye/i.test(topic?.reply ?? '');
  if (farewell && lastKind(history) !== 'user') {
    const said = history.findLast((item) => item.kind === 'assistant');
    if (said?.kind === 'assistant' && said.text === topic?.reply) return null;
  }
  const text2 = topic?.reply ?? (text === '' ? 'How can I help you?' : 'I see. Can you tell me a little more?');
  return farewell && config.tools.some((tool) => tool.name === 'end_call') && !called.has('end_call {}')
    ? { text: text2, calls: [{ name: 'end_call', arguments: {} }], thinkMs: 80 }
    : { text: text2, thinkMs: 80 };
};

const lastKind = (history: readonly DialogueItem[]) => history.at(-1)?.kind;
const unquote = (text: string) => text.replaceAll('\\"', '"').replaceAll('\\n', '\n');

function intentsOf(config: SessionConfig): string[] {
  const tool = config.tools.find((t) => t.name === 'set_intent');
  const parameters = tool?.parameters as { properties?: { intent?: { enum?: string[] } } } | undefined;
  return parameters?.properties?.intent?.enum ?? [];
}

/** Lines of a simulated caller: instructions that hold `CALLER LINES:` and one `- …` per line. */
function callerLines(instructions: string): string[] | null {
  const at = instructions.indexOf('CALLER LINES:');
  if (at === -1) return null;
  return instructions
    .slice(at)
    .split('\n')
    .flatMap((line) => /^\s*-\s+(.*)$/.exec(line)?.[1] ?? []);
}

function persona(lines: readonly string[], history: readonly DialogueItem[]): Reply | null {
  const said = history.filter((item) => item.kind === 'assistant').length;
  const line = lines[said];
  if (line !== undefined) return { text: line, thinkMs: 40 };
  return history.some((item) => item.kind === 'call')
    ? null
    : { calls: [{ name: 'hang_up', arguments: {} }], thinkMs: 40 };
}

/** Says these texts one after the other, whatever it hears, then only listens. */
export function script(replies: readonly (Reply | string)[]): Dialogue {
  let next = 0;
  return ({ instructions }) => {
    const exact = instructions === null ? null : SAY_EXACTLY.exec(instructions);
    if (exact) return { text: unquote(exact[1]!), thinkMs: 10 };
    const reply = replies[next++];
    return reply === undefined ? null : typeof reply === 'string' ? { text: reply, thinkMs: 10 } : reply;
  };
}
