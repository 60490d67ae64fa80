import { once } from 'node:events';
import { WebSocket } from 'ws';
import { signatureOf } from '../../src/simulators/carrier/signing.js';
import { ACCOUNT } from '../gateway.js';
import type { Pacer } from './pacer.js';
import { frame, FRAME_MS, stampBehind } from './wire.js';

/** Where a call goes. */
export type Target =
  | { kind: 'gateway'; origin: string; number: string }
  /** A bare media stream, without webhooks. */
  | { kind: 'proxy'; url: string };

interface Stream {
  url: string;
  callSid: string;
  parameters: Record<string, string>;
}

let calls = 0;

/** Twilio's end of one call: a signed webhook, then the media stream that it was answered with. */
export class BenchCaller {
  private stopFrames = (): void => {};
  private sequence = 0;

  private constructor(
    private readonly socket: WebSocket,
    private readonly streamSid: string,
  ) {}

  /** Resolves when frames flow. `onAudio`: the birth of each delta that came through. */
  static async open(target: Target, pacer: Pacer, onAudio: (bornMs: number) => void): Promise<BenchCaller> {
    const n = (calls += 1);
    const stream = target.kind === 'gateway' ? await announce(target, n) : bare(target.url, n);
    const socket = new WebSocket(stream.url, { perMessageDeflate: false });
    const streamSid = `MZ${n.toString(16).padStart(32, '0')}`;
    const caller = new BenchCaller(socket, streamSid);
    socket.on('message', (data: Buffer) => caller.receive(data.toString('latin1'), onAudio));
    await once(socket, 'open');
    const { accountSid } = ACCOUNT;
    const { callSid, parameters } = stream;
    const start = { accountSid, callSid, streamSid, tracks: ['inbound'], customParameters: parameters };
    socket.send('{"event":"connected","protocol":"Call","version":"1.0.0"}');
    socket.send(JSON.stringify({ event: 'start', sequenceNumber: '1', streamSid, start }));
    caller.stopFrames = pacer.every(FRAME_MS, (nowMs) => socket.send(frame(streamSid, (caller.sequence += 1), nowMs)));
    return caller;
  }

  async close(): Promise<void> {
    this.stopFrames();
    this.socket.send(JSON.stringify({ event: 'stop', streamSid: this.streamSid }));
    this.socket.close();
    await once(this.socket, 'close');
  }

  private receive(text: string, onAudio: (bornMs: number) => void): void {
    const born = text.startsWith('{"event":"media"') ? stampBehind(text, '"payload":"') : null;
    if (born !== null) onAudio(born);
    // Deltas come in real time, so what stands before a mark has been played when it arrives.
    else if (text.startsWith('{"event":"mark"')) this.socket.send(text);
  }
}

function bare(url: string, n: number): Stream {
  return { url, callSid: callSidOf(n), parameters: {} };
}

const callSidOf = (n: number): string => `CA${n.toString(16).padStart(32, '0')}`;

/** Posts the first webhook of a call that comes in, and reads the stream out of the TwiML. */
async function announce({ origin, number }: Extract<Target, { kind: 'gateway' }>, n: number): Promise<Stream> {
  const url = `${origin}/api/v1/incoming-call`;
  const callSid = callSidOf(n);
  const form = {
    AccountSid: ACCOUNT.accountSid,
    ApiVersion: '2010-04-01',
    CallSid: callSid,
    CallStatus: 'ringing',
    Direction: 'inbound',
    From: `+1555${String(1_000_000 + n)}`,
    To: number,
  };
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'x-twilio-signature': signatureOf(ACCOUNT.authToken, url, form) },
    body: new URLSearchParams(form),
  });
  const twiml = await response.text();
  const stream = /<Stream url="([^"]+)"/.exec(twiml)?.[1];
  const token = /<Parameter name="stream_token" value="([^"]+)"/.exec(twiml)?.[1];
  if (stream === undefined || token === undefined) throw new Error(`incoming-call: ${response.status} ${twiml}`);
  return { url: stream, callSid, parameters: { stream_token: token } };
}
