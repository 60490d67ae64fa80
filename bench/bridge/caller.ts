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
  parameters: Record<string, string>;
  /** What the carrier says when the call is over. */
  over(): Promise<void>;
}

let calls = 0;

/** Twilio's end of one call: a signed webhook, then the media stream that it was answered with. */
export class BenchCaller {
  private stopFrames = (): void => {};
  private sequence = 0;

  private constructor(
    private readonly socket: WebSocket,
    private readonly streamSid: string,
    private readonly stream: Stream,
  ) {}

  /** Resolves when audio flows both ways. `onAudio`: the birth of each delta that came through. */
  static async open(target: Target, pacer: Pacer, onAudio: (bornMs: number) => void): Promise<BenchCaller> {
    const n = (calls += 1);
    const hex = n.toString(16).padStart(32, '0');
    const streamSid = `MZ${hex}`;
    const callSid = `CA${hex}`;
    const stream = target.kind === 'gateway' ? await announce(target, callSid, n) : bare(target.url);
    const socket = new WebSocket(stream.url, { perMessageDeflate: false });
    const caller = new BenchCaller(socket, streamSid, stream);
    const { promise: answered, resolve, reject } = Promise.withResolvers<void>();
    // Also when it closes before anybody waits for it.
    answered.catch(() => {});
    socket.on('close', (code) => reject(new Error(`the media stream was closed with ${code}`)));
    const hear = (bornMs: number): void => {
      resolve();
      onAudio(bornMs);
    };
    socket.on('message', (data: Buffer) => caller.receive(data.toString('latin1'), hear));
    await once(socket, 'open');
    const { accountSid } = ACCOUNT;
    const start = { accountSid, callSid, streamSid, tracks: ['inbound'], customParameters: stream.parameters };
    socket.send('{"event":"connected","protocol":"Call","version":"1.0.0"}');
    socket.send(JSON.stringify({ event: 'start', sequenceNumber: '1', streamSid, start }));
    caller.stopFrames = pacer.every(FRAME_MS, (nowMs) => socket.send(frame(streamSid, (caller.sequence += 1), nowMs)));
    await answered;
    return caller;
  }

  async hangUp(): Promise<void> {
    this.stopFrames();
    this.socket.send(JSON.stringify({ event: 'stop', streamSid: this.streamSid }));
    this.socket.close();
    await once(this.socket, 'close');
    await this.stream.over();
  }

  private receive(text: string, onAudio: (bornMs: number) => void): void {
    const born = text.startsWith('{"event":"media"') ? stampBehind(text, '"payload":"') : null;
    if (born !== null) onAudio(born);
    // Deltas come in real time, so what stands before a mark has been played when it arrives.
    else if (text.startsWith('{"event":"mark"')) this.socket.send(text);
  }
}

function bare(url: string): Stream {
  return { url, parameters: {}, over: async () => {} };
}

/** Posts the first webhook of a call that comes in, and reads the stream out of the TwiML. */
async function announce(
  { origin, number }: Extract<Target, { kind: 'gateway' }>,
  callSid: string,
  n: number,
): Promise<Stream> {
  const call = {
    AccountSid: ACCOUNT.accountSid,
    ApiVersion: '2010-04-01',
    CallSid: callSid,
    Direction: 'inbound',
    From: `+1555${String(1_000_000 + n)}`,
    To: number,
  };
  const twiml = await post(`${origin}/api/v1/incoming-call`, { ...call, CallStatus: 'ringing' });
  const url = /<Stream url="([^"]+)"/.exec(twiml)?.[1];
  const token = /<Parameter name="stream_token" value="([^"]+)"/.exec(twiml)?.[1];
  if (url === undefined || token === undefined) throw new Error(`incoming-call answered ${twiml}`);
  return {
    url,
    parameters: { stream_token: token },
    over: async () => {
      const ended = { CallStatus: 'completed', CallDuration: '30', SequenceNumber: '3' };
      await post(`${origin}/api/v1/call-status`, { ...call, ...ended });
    },
  };
}

/** One signed webhook. */
async function post(url: string, form: Record<string, string>): Promise<string> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'x-twilio-signature': signatureOf(ACCOUNT.authToken, url, form) },
    body: new URLSearchParams(form),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status} ${text}`);
  return text;
}
