import type { SimulatedCall } from './call.js';
import { connect } from './connect.js';
import { dial } from './dial.js';
import type { XmlElement } from './xml.js';

/** What follows a verb: null for the next verb, else another document; none left ends the call. */
export type Next = { document: string | null } | null;

/** The verbs of TwiML that this carrier runs. */
export const VERBS: ReadonlyMap<string, (call: SimulatedCall, verb: XmlElement) => Promise<Next>> = new Map([
  ['Say', say],
  ['Play', play],
  ['Pause', pause],
  ['Redirect', redirect],
  ['Reject', reject],
  ['Hangup', hangUp],
  ['Dial', dial],
  ['Connect', connect],
]);

async function say(call: SimulatedCall, { text }: XmlElement): Promise<Next> {
  call.said.push(text);
  await call.wait(text.length * call.carrier.options.sayMsPerCharacter);
  return null;
}

/** Music and recordings are not fetched. */
async function play(): Promise<Next> {
  return null;
}

async function pause(call: SimulatedCall, { attributes }: XmlElement): Promise<Next> {
  await call.wait((Number(attributes.length ?? 1) * 1_000) / call.carrier.options.speed);
  return null;
}

async function redirect(call: SimulatedCall, { text }: XmlElement): Promise<Next> {
  return { document: await call.fetch(text) };
}

async function reject(call: SimulatedCall, { attributes }: XmlElement): Promise<Next> {
  call.hangUp(attributes.reason === 'busy' ? 'busy' : 'no-answer');
  return null;
}

async function hangUp(call: SimulatedCall): Promise<Next> {
  call.hangUp();
  return null;
}
