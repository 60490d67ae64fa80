import type { DialogueContext, Reply } from './dialogue.js';
import type { SessionConfig } from './session-config.js';
import { valueFor, type Schema } from './text.js';

interface Call {
  name: string;
  arguments: unknown;
}

interface Topic {
  heard: RegExp;
  /** Names of intents, and of the tenant's own tools, that this topic is about. */
  about?: RegExp;
  tool?: { name: string; arguments: Record<string, unknown> };
  reply: string;
}

/** One of the words that a tool allows, by what it is like; `otherwise` when any word will do. */
class Word {
  constructor(
    readonly like: RegExp,
    readonly otherwise: string,
  ) {}
}
const GOOD_OUTCOME = new Word(/resolv|confirm|book|success|complete|answer/, 'resolved');
const BAD_OUTCOME = new Word(/fail|wrong|unreach/, 'failed');

/** What a receptionist says to what, and which tool it would use first, if it has it. First match wins. */
const TOPICS: readonly Topic[] = [
  {
    heard: /stop calling|take me off/i,
    tool: { name: 'do_not_call', arguments: { reason: 'asked not to be called again' } },
    reply: 'I am sorry. We will not call you again. Goodbye.',
  },
  {
    heard: /complain/i,
    about: /complaint/,
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
    about: /payment|bill/,
    tool: { name: 'raise_concern', arguments: { concern: 'payment', detail: 'wants to pay by card' } },
    reply: 'A colleague will take care of the payment.',
  },
  {
    heard: /goodbye|thank you/i,
    tool: { name: 'record_outcome', arguments: { outcome: GOOD_OUTCOME } },
    reply: 'You are welcome. Goodbye!',
  },
  { heard: /where my order|order four/i, about: /order/, reply: 'Your order is on its way and arrives in two days.' },
  {
    heard: /confirm the appointment/i,
    about: /appointment/,
    tool: { name: 'record_outcome', arguments: { outcome: GOOD_OUTCOME } },
    reply: 'Thank you, your appointment is confirmed.',
  },
  { heard: /thursday/i, about: /appointment/, reply: 'Thursday at ten works. I have moved your appointment.' },
  { heard: /open on saturday/i, about: /hours/, reply: 'On Saturday we are open from nine to four.' },
  {
    heard: /wrong person/i,
    tool: { name: 'record_outcome', arguments: { outcome: BAD_OUTCOME } },
    reply: 'I am sorry for the disturbance. Goodbye.',
  },
  {
    heard: /unintelligible/i,
    tool: {
      name: 'raise_concern',
      arguments: { concern: 'low_confidence', detail: 'could not understand the caller' },
    },
    reply: 'I did not understand that. Could you say it again?',
  },
  { heard: /^$/, reply: 'How can I help you?' },
  { heard: /./, reply: 'I see. Can you tell me a little more?' },
];

/**
 * Answers what the recorded callers say: names the intent, uses each tool that fits once with the same arguments, then
 * speaks, and hangs up after a goodbye. Good enough for the demo.
 */
export function receptionistReply({ config, history }: DialogueContext): Reply | null {
  const heard = history.findLast((item) => item.kind === 'user');
  const text = heard?.kind === 'user' ? heard.text.trim() : '';
  const topic = TOPICS.find((t) => t.heard.test(text))!;
  const done = new Set(history.flatMap((item) => (item.kind === 'call' ? [`${item.name} ${item.arguments}`] : [])));
  const calls = callsFor(topic, config).filter((call) => !done.has(`${call.name} ${JSON.stringify(call.arguments)}`));
  if (calls.length > 0) return { calls, thinkMs: 60 };
  const farewell = /goodbye/i.test(topic.reply);
  const last = history.findLast((item) => item.kind === 'assistant');
  const alreadySaid = last?.kind === 'assistant' && last.text === topic.reply && history.at(-1)?.kind !== 'user';
  if (farewell && alreadySaid) return null;
  const leaves = farewell && toolOf(config, 'end_call') !== undefined && !done.has('end_call {}');
  return { text: topic.reply, ...(leaves ? { calls: [{ name: 'end_call', arguments: {} }] } : {}), thinkMs: 80 };
}

function callsFor({ about, tool }: Topic, config: SessionConfig): Call[] {
  const calls: Call[] = [];
  const intent = about && choices(config, 'set_intent', 'intent')?.find((name) => about.test(name));
  if (intent !== undefined) calls.push({ name: 'set_intent', arguments: { intent } });
  // A tool of the tenant's own is asked when its name is about the topic.
  const own = config.tools.find((candidate) => about?.test(candidate.name) === true && candidate.name !== 'set_intent');
  if (own) calls.push({ name: own.name, arguments: argumentsFor(own.parameters as Schema | undefined) });
  const builtIn = tool && fitting(tool.name, tool.arguments, config);
  if (builtIn) calls.push(builtIn);
  return calls;
}

/** A call whose arguments the tool's schema allows, or null. */
function fitting(name: string, wanted: Record<string, unknown>, config: SessionConfig): Call | null {
  if (toolOf(config, name) === undefined) return null;
  const args: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(wanted)) {
    const allowed = choices(config, name, key);
    const word = value instanceof Word ? (allowed?.find((w) => value.like.test(w)) ?? value.otherwise) : value;
    if (allowed !== undefined && !allowed.includes(String(word))) return null;
    args[key] = word;
  }
  return { name, arguments: args };
}

const toolOf = (config: SessionConfig, name: string) => config.tools.find((tool) => tool.name === name);

/** The words that a tool allows for an argument; undefined: any. */
function choices(config: SessionConfig, tool: string, argument: string): string[] | undefined {
  const schema = toolOf(config, tool)?.parameters as Schema | undefined;
  return schema?.properties?.[argument]?.enum?.map(String);
}

/** The order that the recorded callers ask about. */
const ORDER = '4271';

function argumentsFor(schema: Schema | undefined): unknown {
  const properties = Object.entries(schema?.properties ?? { order_id: { type: 'string' } });
  return Object.fromEntries(
    properties.map(([name, inner]) => [name, isOrder(name, inner) ? ORDER : valueFor(inner, ORDER, name)]),
  );
}

const isOrder = (name: string, schema: Schema): boolean => /order|id$/.test(name) && schema.type === 'string';
