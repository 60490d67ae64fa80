import { ScriptedCaller } from './caller.js';
import type { SimulatedCall } from './call.js';
import { Room } from './room.js';
import type { Next } from './verbs.js';
import type { XmlElement } from './xml.js';

const DEFAULT_RING_SECONDS = 30;

/** `<Dial>`: blocks until the other side is gone; then the action, or the next verb. */
export async function dial(call: SimulatedCall, verb: XmlElement): Promise<Next> {
  const conference = verb.children.find((child) => child.name === 'Conference');
  const outcome = conference === undefined ? await dialNumber(call, verb) : await joinConference(call, conference);
  // Twilio asks the action also when it was the caller who left; what it answers then is not run.
  if (call.redirected || verb.attributes.action === undefined) return null;
  return { document: await call.fetch(verb.attributes.action, outcome) };
}

async function joinConference(call: SimulatedCall, noun: XmlElement): Promise<Record<string, string>> {
  const { attributes } = noun;
  const conference = call.carrier.conferenceNamed(call.options.accountSid, noun.text);
  if (attributes.statusCallback !== undefined)
    conference.listen(call.absolute(attributes.statusCallback), words(attributes.statusCallbackEvent));
  await conference.join(call, {
    label: attributes.participantLabel ?? null,
    muted: attributes.muted === 'true',
    coaching: attributes.coach ?? null,
    startOnEnter: attributes.startConferenceOnEnter !== 'false',
    endOnExit: attributes.endConferenceOnExit === 'true',
  });
  return { DialCallStatus: 'answered' };
}

async function dialNumber(call: SimulatedCall, verb: XmlElement): Promise<Record<string, string>> {
  const { carrier } = call;
  const noun = verb.children.find((child) => child.name === 'Number');
  const to = (noun ?? verb).text;
  const attributes = noun?.attributes ?? {};
  const seconds = (name: string) => (verb.attributes[name] === undefined ? undefined : Number(verb.attributes[name]));
  call.dialed.push(to);
  const leg = carrier.addCall({
    accountSid: call.options.accountSid,
    from: verb.attributes.callerId ?? call.options.from,
    to,
    direction: 'outbound-dial',
    parentSid: call.sid,
    handset: carrier.behaviourOf(to).handset?.() ?? new ScriptedCaller([]),
    // What the person who was dialled hears first, alone.
    voiceUrl: attributes.url === undefined ? null : call.absolute(attributes.url),
    fallbackUrl: null,
    statusCallback: attributes.statusCallback === undefined ? null : call.absolute(attributes.statusCallback),
    statusEvents: words(attributes.statusCallbackEvent ?? 'completed'),
    timeoutSeconds: seconds('timeout') ?? DEFAULT_RING_SECONDS,
    timeLimitSeconds: seconds('timeLimit'),
  });
  const bridged = await call.attach(
    { leave: () => leg.hangUp(leg.answeredAt === null ? 'canceled' : 'completed') },
    connectLeg(call, leg),
  );
  return {
    DialCallStatus: leg.status,
    DialCallSid: leg.sid,
    DialBridged: String(bridged),
    ...(leg.answeredAt === null ? {} : { DialCallDuration: String(leg.durationSeconds) }),
  };
}

/** Resolves when the leg is over: whether the two ever spoke. */
async function connectLeg(call: SimulatedCall, leg: SimulatedCall): Promise<boolean> {
  if (!(await call.carrier.ring(leg))) return false;
  await leg.runDocuments();
  if (leg.over) return false;
  const room = new Room(call.carrier.pacer);
  const seats = [call, leg].map((side) => ({ handset: side.options.handset, hungUp: () => side.hangUp() }));
  for (const seat of seats) room.add(seat);
  // Nobody in particular answered: they talk for a while.
  if (call.carrier.behaviourOf(leg.options.to).handset === undefined)
    void leg.wait(call.carrier.options.bridgedMs).then(() => leg.hangUp());
  await leg.ended;
  for (const seat of seats) room.delete(seat);
  return true;
}

/** The words of a list attribute. */
function words(list: string | undefined): string[] {
  return (list ?? '').split(/\s+/).filter(Boolean);
}
