import type { SimulatedCall } from './call.js';
import { MediaStream, type StreamEnd } from './media-stream.js';
import { signatureOf } from './signing.js';
import type { Next } from './verbs.js';
import { sid } from './wire.js';
import type { XmlElement } from './xml.js';

/** Twilio's words in `StreamError`; the number is its error code. */
const HANDSHAKE_FAILED = '31920: Stream - WebSocket - Handshake Error';
const BAD_SCHEME = '31922: Stream - Invalid URL Scheme';

/** `<Connect><Stream>`: blocks until the socket closes; then the action, or the next verb. */
export async function connect(call: SimulatedCall, verb: XmlElement): Promise<Next> {
  const noun = verb.children.find((child) => child.name === 'Stream');
  const end = noun === undefined ? 'refused' : await runStream(call, noun);
  if (end === 'hang-up') call.hangUp();
  if (call.over || call.redirected || verb.attributes.action === undefined) return null;
  return { document: await call.fetch(verb.attributes.action) };
}

async function runStream(call: SimulatedCall, noun: XmlElement): Promise<StreamEnd> {
  const { carrier } = call;
  const { accountSid, handset } = call.options;
  const streamSid = sid('MZ');
  // Twilio dials the URL without its query and fragment (protocols.md, trap 1).
  const url = (noun.attributes.url ?? '').replace(/[?#].*$/, '');
  const { statusCallback } = noun.attributes;
  const tell = (event: 'stream-started' | 'stream-stopped' | 'stream-error', error?: string) =>
    carrier.callback(accountSid, statusCallback === undefined ? null : call.absolute(statusCallback), {
      StreamEvent: event,
      StreamSid: streamSid,
      StreamName: noun.attributes.name ?? streamSid,
      CallSid: call.sid,
      AccountSid: accountSid,
      Timestamp: new Date().toISOString(),
      ...(error === undefined ? {} : { StreamError: error }),
    });
  const problem =
    schemeProblem(url, carrier.options.strict) ?? (carrier.faults.refuseStreams ? HANDSHAKE_FAILED : null);
  if (problem !== null) {
    tell('stream-error', problem);
    return 'refused';
  }
  const stream = new MediaStream({
    url: carrier.options.connectTo(url),
    signature: signatureOf(carrier.tokenOf(accountSid), url, {}),
    accountSid,
    callSid: call.sid,
    streamSid,
    parameters: Object.fromEntries(
      noun.children
        .filter(({ name }) => name === 'Parameter')
        .map(({ attributes }) => [attributes.name ?? '', attributes.value ?? '']),
    ),
    handset,
    pacer: carrier.pacer,
    faults: carrier.faults,
    chance: carrier.chance,
    strict: carrier.options.strict,
    onOpen: () => tell('stream-started'),
  });
  call.streams.push(stream);
  const end = await call.attach({ leave: (reason) => stream.stop(reason) }, stream.ended);
  if (end === 'refused') tell('stream-error', HANDSHAKE_FAILED);
  else tell('stream-stopped');
  return end;
}

/** Only wss, as for the real one; plain sockets serve gateways without a certificate, unless `strict`. */
function schemeProblem(url: string, strict: boolean): string | null {
  return (strict ? /^wss:\/\// : /^wss?:\/\//).test(url) ? null : BAD_SCHEME;
}
